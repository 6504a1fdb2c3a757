import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { parseStrictJson, StrictJsonError, shapeOf } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';
import { beginning, type Input, type InvalidLine, type Position, type Start } from './input.ts';

const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** The recorded progress of publishing a file. */
export const Progress = Type.Object(
  {
    version: Type.Literal(1),
    /** The service to which it is published. */
    operatorUrl: Type.String(),
    /** All bytes before it are published or rejected. */
    offsetBytes: whole,
    lines: whole,
    /** Of all bytes before the offset. */
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    /** The file of rejected lines, and how many of its bytes belong to lines before the offset. */
    rejected: Type.Optional(Type.Object({ file: Type.String(), bytes: whole }, { additionalProperties: false })),
  },
  { additionalProperties: false },
);
export type Progress = Static<typeof Progress>;

const shapeProgress = shapeOf(Progress);

/** The file that records the progress of publishing another one. */
export function progressFileOf(file: string): string {
  return `${file}.tidings-progress`;
}

/** Reads the recorded progress. @returns undefined if there is none @throws {CliError} if it is invalid */
export function readProgress(file: string): Progress | undefined {
  const path = progressFileOf(file);
  const remedy = 'remove it, or start again with --restart: nothing is published twice';
  try {
    const shaped = shapeProgress(parseStrictJson(readFileSync(path)));
    if (shaped.ok) return shaped.value;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return undefined;
    if (code !== undefined) throw new CliError(EXIT_CONFIGURATION, `The file ${path} cannot be read (${code}).`);
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new CliError(EXIT_CONFIGURATION, `The file ${path} is not a progress file of this version; ${remedy}.`);
}

/**
 * Replaces the progress file atomically: readers find the old or the new one, even if this process is killed. Does not wait
 * for the disk, because it runs after each batch: a crash of the machine may leave an older file, after which more events
 * are sent again, or an invalid one, which {@link readProgress} reports.
 *
 * @throws {CliError}
 */
export function writeProgress(file: string, progress: Progress): void {
  const path = progressFileOf(file);
  // A fixed name, so that crashes leave at most one such file behind.
  const next = `${path}.new`;
  try {
    writeFileSync(next, `${JSON.stringify(progress)}\n`, { mode: 0o600 });
    renameSync(next, path);
  } catch (error) {
    const why = `cannot be written (${systemErrorCode(error) ?? 'unknown'})`;
    const remedy = 'publish from a writable folder, or through standard input, for which none is recorded';
    throw new CliError(EXIT_FAILED, `The progress file ${path} ${why}; ${remedy}.`);
  }
}

/** Removes the progress file, once all is published. */
export function removeProgress(file: string): void {
  for (const path of [progressFileOf(file), `${progressFileOf(file)}.new`]) rmSync(path, { force: true });
}

/** Where a run resumes. @throws {CliError} if the published part of the file or the service has changed */
export function startOf(input: Input, progress: Progress | undefined, operatorUrl: string): Start {
  if (progress === undefined || progress.offsetBytes === 0) return beginning();
  const { offsetBytes, lines } = progress;
  if (progress.operatorUrl !== operatorUrl) {
    const why = `${progressFileOf(input.name)} records publishing to ${progress.operatorUrl}, not to ${operatorUrl}`;
    throw new CliError(EXIT_CONFIGURATION, `${why}; use that --operator-url, or start again with --restart.`);
  }
  const hash = input.hash(offsetBytes);
  if (hash === undefined || hash.copy().digest('hex') !== progress.sha256) {
    const why = `${input.name} was changed in its first ${lines} lines, which are already published`;
    const remedy = 'restore the file, or start again with --restart: unchanged events are not published twice';
    throw new CliError(EXIT_CONFIGURATION, `${why}; ${remedy}.`);
  }
  return { offsetBytes, lines, hash };
}

/** Records the progress of publishing. */
export interface ProgressRecorder {
  /** Records that everything before `end` is published or rejected. @param lines those rejected since the last call */
  done(end: Position, lines: readonly InvalidLine[]): void;
  /** Writes the progress file now. */
  save(): void;
  position(): Position;
  /** Number of lines that were rejected in this run. */
  rejected(): number;
}

interface RecorderOptions {
  /** Undefined: no progress file is written. */
  readonly file: string | undefined;
  readonly operatorUrl: string;
  readonly rejected: RejectedFile | undefined;
  readonly start: Start;
}

/** Writes the progress file at once, so that a folder that is not writable is reported before anything is published. */
export function createRecorder({ file, operatorUrl, rejected, start }: RecorderOptions): ProgressRecorder {
  let position: Position = {
    ...{ offsetBytes: start.offsetBytes, lines: start.lines },
    sha256: start.hash.copy().digest('hex'),
  };
  let lines = 0;
  const save = () => {
    if (file === undefined) return;
    const kept = rejected && { rejected: { file: resolve(rejected.file), bytes: rejected.bytes } };
    writeProgress(file, { version: 1, operatorUrl, ...position, ...kept });
  };
  save();
  return {
    done: (end, newlyRejected) => {
      // Lines first, then the progress: after a crash in between, they are written again at the same position.
      rejected?.append(newlyRejected);
      lines += newlyRejected.length;
      position = end;
      save();
    },
    save,
    position: () => position,
    rejected: () => lines,
  };
}

/** The file to which rejected lines are written unchanged. */
export class RejectedFile {
  readonly file: string;
  readonly #handle: number;
  #bytes: number;

  /**
   * @param keptBytes bytes of an earlier run that this one resumes; the rest of the file is overwritten
   * @throws {CliError} if the file holds anything else
   */
  constructor(file: string, keptBytes: number | undefined) {
    this.file = file;
    this.#bytes = keptBytes ?? 0;
    try {
      // Not in append mode, which would ignore positions, and without truncation.
      this.#handle = openForWriting(file);
    } catch (error) {
      const why = `cannot be written (${systemErrorCode(error) ?? 'unknown'})`;
      throw new CliError(EXIT_CONFIGURATION, `The file ${file}, given by --rejected, ${why}.`);
    }
    const { size } = fstatSync(this.#handle);
    if (keptBytes === undefined ? size > 0 : size < keptBytes) {
      closeSync(this.#handle);
      const why = keptBytes === undefined ? 'is not empty' : 'is shorter than before';
      const remedy = 'give another file, or remove it and start again with --restart';
      throw new CliError(EXIT_CONFIGURATION, `The file ${file}, given by --rejected, ${why}; ${remedy}.`);
    }
    ftruncateSync(this.#handle, this.#bytes);
  }

  /** Its length. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends lines and waits until they are on disk. @throws {CliError} */
  append(lines: readonly InvalidLine[]): void {
    if (lines.length === 0) return;
    const text = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, NEWLINE]));
    try {
      for (let at = 0; at < text.length; ) at += writeSync(this.#handle, text, at, text.length - at, this.#bytes + at);
      fsyncSync(this.#handle);
      this.#bytes += text.length;
    } catch (error) {
      const why = `cannot be written (${systemErrorCode(error) ?? 'unknown'})`;
      throw new CliError(EXIT_FAILED, `The file ${this.file}, given by --rejected, ${why}.`);
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
