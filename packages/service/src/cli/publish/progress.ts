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
import { type BadLine, beginning, type Input, type Position, type Start } from './input.ts';

const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** How far a file is published. */
export const Progress = Type.Object(
  {
    version: Type.Literal(1),
    /** To which service. */
    operatorUrl: Type.String(),
    /** All before it is published, or rejected. */
    offsetBytes: whole,
    lines: whole,
    /** Of all bytes before it. */
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    /** Where rejected lines are written to, and how much of it belongs to what is before the offset. */
    rejected: Type.Optional(Type.Object({ file: Type.String(), bytes: whole }, { additionalProperties: false })),
  },
  { additionalProperties: false },
);
export type Progress = Static<typeof Progress>;

const shapeProgress = shapeOf(Progress);

/** Where the progress of a file is kept. */
export function progressFileOf(file: string): string {
  return `${file}.tidings-progress`;
}

/** @returns undefined when there is none @throws {CliError} when it cannot be made sense of */
export function readProgress(file: string): Progress | undefined {
  const path = progressFileOf(file);
  const remedy = 'remove it, or begin anew with --restart: what was published already is not published twice';
  try {
    const shaped = shapeProgress(parseStrictJson(readFileSync(path)));
    if (shaped.ok) return shaped.value;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return undefined;
    if (code !== undefined) throw new CliError(EXIT_CONFIGURATION, `The file ${path} cannot be read (${code}).`);
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new CliError(EXIT_CONFIGURATION, `The file ${path} is no progress of this version; ${remedy}.`);
}

/**
 * Replaces it atomically: whoever reads it finds the old or the new one, whole, whenever this process is killed. It does not
 * wait for the disk, as it is done after each batch: a crash of the machine may leave an old one, of which more is sent
 * again, or none that makes sense, which {@link readProgress} says.
 *
 * @throws {CliError}
 */
export function writeProgress(file: string, progress: Progress): void {
  const path = progressFileOf(file);
  // The same name each time, so that a crash leaves no more than one behind.
  const next = `${path}.new`;
  try {
    writeFileSync(next, `${JSON.stringify(progress)}\n`, { mode: 0o600 });
    renameSync(next, path);
  } catch (error) {
    const why = `cannot be written (${systemErrorCode(error) ?? 'unknown'})`;
    const remedy = 'publish from a folder that can be written to, or through standard input, which keeps none';
    throw new CliError(EXIT_FAILED, `The progress file ${path} ${why}; ${remedy}.`);
  }
}

/** All is published. */
export function removeProgress(file: string): void {
  for (const path of [progressFileOf(file), `${progressFileOf(file)}.new`]) rmSync(path, { force: true });
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

/** Keeps how far publishing is. */
export interface Saver {
  /** All before `end` is published, or rejected by now. @param lines those that were rejected since the last call */
  done(end: Position, lines: readonly BadLine[]): void;
  /** Writes it down now. */
  save(): void;
  position(): Position;
  /** Lines that were rejected, in this run. */
  rejected(): number;
}

interface SaverOptions {
  /** Undefined: nothing is written down. */
  readonly file: string | undefined;
  readonly operatorUrl: string;
  readonly rejected: RejectedFile | undefined;
  readonly start: Start;
}

/** Begins by writing down where the run begins: what cannot be written is said before anything is published. */
export function createSaver({ file, operatorUrl, rejected, start }: SaverOptions): Saver {
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
      // First the lines, then the word that they are written: a crash in between writes them again, at the same place.
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
