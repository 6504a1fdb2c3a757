import process from 'node:process';

/** The output of the command line. No other file of the package writes by itself. */
export interface Output {
  print(text: string): void;
  printError(text: string): void;
  /** Whether standard output is a terminal, which can show progress in place and colours. */
  readonly isTerminal: boolean;
  /** Undefined where it is none. */
  readonly columns: number | undefined;
}

/** Standard output and standard error. */
export const systemOutput: Output = {
  print: (text) => void process.stdout.write(text),
  printError: (text) => void process.stderr.write(text),
  get isTerminal() {
    return process.stdout.isTTY === true;
  },
  get columns() {
    return process.stdout.columns;
  },
};
