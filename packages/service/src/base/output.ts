import process from 'node:process';
import picocolors from 'picocolors';
import { escapeJson, printable, printableLines } from './terminal-text.ts';

// The only place that writes to standard output and standard error: what no terminal should act on ends here.

/**
 * Colours for a person at a terminal, and none in a file or pipe, whatever else the environment says: the library by
 * itself also colours where `CI` or `FORCE_COLOR` is set. `NO_COLOR` turns them off at a terminal too.
 */
export const colors = picocolors.createColors(process.stdout.isTTY === true && picocolors.isColorSupported);

/** Writes to standard output. Keeps line ends, tabs and {@link colors}; other controls are replaced. */
export function print(text: string): void {
  output.write(printableLines(text, colors.isColorSupported));
}

/** Writes to standard error, as {@link print} does. */
export function printError(text: string): void {
  errors.write(printableLines(text, false));
}

/** Prints what scripts read, over several lines. */
export function printJson(value: unknown): void {
  output.write(`${escapeJson(JSON.stringify(value, undefined, 2))}\n`);
}

/** Prints one line of JSON. */
export function printJsonLine(value: unknown): void {
  output.write(`${escapeJson(JSON.stringify(value))}\n`);
}

/** Replaces the last line of a terminal on standard error; nothing elsewhere. */
export function printProgress(line: string): void {
  if (errors.isTerminal) errors.write(`\r\u001b[K${printable(line)}`);
}

/** Standard error, for what draws on a terminal by itself. It must not be given texts of others. */
export function errorStream(): NodeJS.WriteStream {
  return errors.stream;
}

/** Calls when nobody reads standard output any more: at once when that is so already. */
export function onOutputClosed(listener: () => void): void {
  output.onClosed(listener);
}

/**
 * One of the two streams. When its reader has gone (EPIPE), what is written is dropped and the command goes on to its end:
 * what it does matters more than what it says, and its exit code is what it came to.
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

  /** Opened when it is first used: a program that only imports us has its own ways with them. */
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
