import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';
import type { BadLine } from './event-line.ts';

/** The file that rejected lines are written to, as they were. */
export class RejectedFile {
  readonly file: string;
  readonly #handle: number;
  #bytes: number;

  /**
   * @param keptBytes what an earlier run wrote that this one goes on from; what is behind it is written again
   * @throws {CliError} when it holds anything else
   */
  constructor(file: string, keptBytes: number | undefined) {
    this.file = file;
    this.#bytes = keptBytes ?? 0;
    try {
      // Neither appending, which would write behind what is cut off, nor emptying it.
      this.#handle = openForWriting(file);
    } catch (error) {
      const why = `cannot be written (${systemErrorCode(error) ?? 'unknown'})`;
      throw new CliError(EXIT_CONFIGURATION, `The file ${file}, named by --rejected, ${why}.`);
    }
    const { size } = fstatSync(this.#handle);
    if (keptBytes === undefined ? size > 0 : size < keptBytes) {
      closeSync(this.#handle);
      const why = keptBytes === undefined ? 'is not empty' : 'is shorter than it was';
      const remedy = 'name another one, or remove it and begin anew with --restart';
      throw new CliError(EXIT_CONFIGURATION, `The file ${file}, named by --rejected, ${why}; ${remedy}.`);
    }
    ftruncateSync(this.#handle, this.#bytes);
  }

  /** How much of it there is. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Everything is on the disk when it returns. @throws {CliError} */
  append(lines: readonly BadLine[]): void {
    if (lines.length === 0) return;
    const text = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, NEWLINE]));
    try {
      for (let at = 0; at < text.length; ) at += writeSync(this.#handle, text, at, text.length - at, this.#bytes + at);
      fsyncSync(this.#handle);
      this.#bytes += text.length;
    } catch (error) {
      const why = `cannot be written (${systemErrorCode(error) ?? 'unknown'})`;
      throw new CliError(EXIT_FAILED, `The file ${this.file}, named by --rejected, ${why}.`);
    }
  }

  close(): void {
    closeSync(this.#handle);
  }
}

const NEWLINE = Buffer.from('\n');

function openForWriting(file: string): number {
  try {
    return openSync(file, 'wx+', 0o600);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    return openSync(file, 'r+');
  }
}
