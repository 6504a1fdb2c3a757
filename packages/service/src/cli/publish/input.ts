import { createHash, type Hash } from 'node:crypto';
import { createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION } from '../cli-error.ts';
import { beginning, type Start } from './batches.ts';
import { type Progress, progressFileOf } from './progress-file.ts';

/** The input of publishing: a file, or a pipe. */
export interface Input {
  /** As people know it. */
  readonly name: string;
  /** Undefined where nothing can be gone on from. */
  readonly file: string | undefined;
  /** Undefined: nobody knows. */
  readonly sizeBytes: number | undefined;
  /** The lines behind a place. May be called once. */
  read(offsetBytes: number): Readable;
  /** Hashes what is before a place. @returns undefined when there is less */
  hash(offsetBytes: number): Hash | undefined;
}

const CHUNK_BYTES = 262_144;

/** Opens the input; `-` is standard input. @throws {CliError} */
export function openInput(file: string): Input {
  if (file === '-') {
    if (process.stdin.isTTY) {
      throw new CliError(EXIT_CONFIGURATION, 'Name the file to publish, or send the events to standard input.');
    }
    return {
      name: 'standard input',
      file: undefined,
      sizeBytes: undefined,
      read: () => process.stdin,
      hash: () => undefined,
    };
  }
  try {
    const fd = openSync(file, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new CliError(EXIT_CONFIGURATION, `${file} is a folder; name a file.`);
    const isRegular = stat.isFile();
    return {
      name: file,
      file: isRegular ? file : undefined,
      sizeBytes: isRegular ? stat.size : undefined,
      read: (start) => createReadStream('', { fd, highWaterMark: CHUNK_BYTES, ...(isRegular && { start }) }),
      hash: (offsetBytes) => hashOf(fd, offsetBytes),
    };
  } catch (error) {
    if (error instanceof CliError) throw error;
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file} ${why}.`);
  }
}

/** Where a run goes on. @throws {CliError} when the file is not the one that was published so far, or to somewhere else */
export function startOf(input: Input, progress: Progress | undefined, operatorUrl: string): Start {
  if (progress === undefined || progress.offsetBytes === 0) return beginning();
  const { offsetBytes, lines } = progress;
  const of = progressFileOf(input.name);
  if (progress.operatorUrl !== operatorUrl) {
    const why = `${of} is of publishing to ${progress.operatorUrl}, and not to ${operatorUrl}`;
    throw new CliError(EXIT_CONFIGURATION, `${why}; publish to the same, or begin anew with --restart.`);
  }
  const hash = input.hash(offsetBytes);
  if (hash === undefined || hash.copy().digest('hex') !== progress.sha256) {
    const why = `${input.name} was changed in its first ${lines} lines, which are published already`;
    const remedy = 'put the file back, or begin anew with --restart: events that are the same are not published twice';
    throw new CliError(EXIT_CONFIGURATION, `${why}; ${remedy}.`);
  }
  return { offsetBytes, lines, hash };
}

function hashOf(fd: number, offsetBytes: number): Hash | undefined {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; at < offsetBytes; ) {
    const read = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, offsetBytes - at), at);
    if (read === 0) return undefined;
    hash.update(chunk.subarray(0, read));
    at += read;
  }
  return hash;
}
