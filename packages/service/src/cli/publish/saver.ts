import { resolve } from 'node:path';
import type { Start } from './batches.ts';
import type { BadLine, Position } from './event-line.ts';
import { writeProgress } from './progress-file.ts';
import type { RejectedFile } from './rejected-file.ts';

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

export interface SaverOptions {
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
