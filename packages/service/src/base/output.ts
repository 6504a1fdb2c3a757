import process from 'node:process';
import picocolors from 'picocolors';
import { escapeJson, printable, printableLines } from './terminal-text.ts';

// The only place that writes to standard output and standard error: control characters are replaced here.

/**
 * Colours at a terminal, and none in a file or pipe. The library by itself would also colour where `CI` or `FORCE_COLOR` is
 * set. `NO_COLOR` turns colours off at a terminal too.
 */
export const colors = picocolors.createColors(process.stdout.isTTY === true && picocolors.isColorSupported);

/** The width of the terminal in characters; undefined where standard output is no terminal. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY === true ? process.stdout.columns : undefined;
}

/** Writes to standard output. Keeps line ends, tabs and {@link colors}; replaces other control characters. */
export function print(text: string): void {
  output.write(printableLines(text, colors.isColorSupported));
}

/** Writes to standard error, as {@link print} does. */
export function printError(text: string): void {
  errors.write(printableLines(text, false));
}

/** Prints indented JSON, for scripts. */
export function printJson(value: unknown): void {
  output.write(`${escapeJson(JSON.stringify(value, undefined, 2))}\n`);
}

/** Prints one line of JSON. */
export function printJsonLine(value: unknown): void {
  output.write(`${escapeJson(JSON.stringify(value))}\n`);
}

/** Replaces the last line of a terminal on standard error. Does nothing where that is no terminal. */
export function printProgress(line: string): void {
  if (errors.isTerminal) errors.write(`\r\u001b[K${printable(line)}`);
}

/** Standard error, for code that draws on a terminal. Never write texts of others to it. */
export function errorStream(): NodeJS.WriteStream {
  return errors.stream;
}

/** Calls back when the reader of standard output is gone; at once when it is gone already. */
export function onOutputClosed(listener: () => void): void {
  output.onClosed(listener);
}

/**
 * One of the two streams. Once its reader is gone (EPIPE), output is dropped and the command goes on to its end: its effect
 * matters more than its output, and the exit code tells its result.
 */
class Output {
  readonly #open: () => NodeJS.WriteStream;
  readonly #name: string;
  readonly #listeners: (() => void)[] = [];
  #stream: NodeJS.WriteStream | undefined;
  #isClosed = false;

  constructor(name: string, open: () => NodeJS.WriteStream) {
    this.#name = name;
    this.#open = open;
  }

  /** Opened when first used, since a program that only imports this package may handle the streams itself. */
  get stream(): NodeJS.WriteStream {
    this.#stream ??= this.#open().on('error', (error: NodeJS.ErrnoException) => this.#fail(error));
    return this.#stream;
  }

  get isTerminal(): boolean {
    return this.stream.isTTY === true;
  }

  write(text: string): void {
    if (!this.#isClosed) this.stream.write(text);
  }

  onClosed(listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#isClosed) listener();
  }

  #fail({ code = 'unknown' }: NodeJS.ErrnoException): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener();
    // EIO: the terminal is gone. EOF: the same as EPIPE, on Windows.
    if (['EPIPE', 'EIO', 'EOF', 'ERR_STREAM_DESTROYED'].includes(code)) return;
    process.exitCode = 1;
    if (this !== errors) printError(`tidings: ${this.#name} cannot be written (${code}).\n`);
  }
}

const output = new Output('standard output', () => process.stdout);
const errors = new Output('standard error', () => process.stderr);
