/** The output of the package. No other file of the package writes by itself. */

/** Prints one line as a warning: to standard error on Node.js, to the function's log in serverless environments. */
export function warnOnConsole(line: string): void {
  // biome-ignore lint/suspicious/noConsole: a library has no other log that everybody sees.
  console.warn(line);
}

/** Prints one line of the command line to standard output. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
