import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseStrictJson, StrictJsonError, shapeOf } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';
import type { Start } from './batches.ts';
import type { BadLine, Position } from './event-line.ts';
import type { RejectedFile } from './rejected-file.ts';

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
