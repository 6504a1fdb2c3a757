import { type Logger, type LoggerOptions, pino } from 'pino';
import type { Clock } from './clock.ts';
import { LruMap } from './lru-map.ts';
import { escapeJson } from './terminal-text.ts';

/** Structured log. Never hand it a token, a key, or a request as it came. */
export type Log = Logger;

/** How much is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

// A line for each attempt, thousands a second: written one by one they would cost more than the attempts' own bookkeeping.
const BUFFER_BYTES = 8192;
// When nobody reads standard output, lines are dropped rather than memory filled or deliveries stopped.
const BUFFER_BYTES_MAX = 16_777_216;
const FLUSH_MS = 100;

/**
 * Makes a log that writes one JSON object a line. Standard output gets them a moment later, many at once, and the last ones
 * at the exit of the process, however it exits, save by SIGKILL; a file gets each at once.
 *
 * @param file where to; undefined: standard output
 */
export function createLog(level: LogLevel, file?: string): Log {
  // Others' texts are in the lines, and operators read them on a terminal.
  const options: LoggerOptions = { level, base: null, hooks: { streamWrite: escapeJson } };
  if (file !== undefined) return pino(options, pino.destination({ dest: file, sync: true, mkdir: true }));
  const buffered = { sync: false, minLength: BUFFER_BYTES, maxLength: BUFFER_BYTES_MAX, periodicFlush: FLUSH_MS };
  const destination = pino.destination({ dest: 1, ...buffered });
  process.once('exit', () => destination.flushSync());
  return pino(options, destination);
}

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
