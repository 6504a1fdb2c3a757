import type { Clock } from './clock.ts';
import { LruMap } from './lru-map.ts';

const MINUTE_MS = 60_000;
const LINES_PER_MINUTE_MAX = 10;
const KINDS_MAX = 10_000;

interface Kind {
  beganMs: number;
  lines: number;
}

/**
 * Lets the first ten lines of a kind through in a minute, and counts the others, so that nobody can fill the log. Holds a
 * bounded number of kinds; one that was forgotten starts again.
 */
export class LogSampler {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #kinds = new LruMap<string, Kind>(KINDS_MAX);

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /**
   * @returns what to write with the line: how many of its kind were left out in the minute before, where some were;
   *   undefined: leave this one out too
   */
  admit(kind: string): { readonly leftOut?: number } | undefined {
    const nowMs = this.#clock.monotonicMs();
    const found = this.#kinds.get(kind);
    if (found !== undefined && nowMs - found.beganMs < MINUTE_MS) {
      found.lines += 1;
      return found.lines <= LINES_PER_MINUTE_MAX ? {} : undefined;
    }
    this.#kinds.set(kind, { beganMs: nowMs, lines: 1 });
    const leftOut = (found?.lines ?? 0) - LINES_PER_MINUTE_MAX;
    return leftOut > 0 ? { leftOut } : {};
  }
}
