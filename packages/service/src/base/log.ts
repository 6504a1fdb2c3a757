import { type Logger, type LoggerOptions, pino } from 'pino';
import type { Clock } from './clock.ts';
import { LruMap } from './lru-map.ts';
import { escapeJson } from './terminal-text.ts';

/** Structured log. Never pass it a token, a key, or a raw request. */
export type Log = Logger;

/** How much is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

// There is a line for each attempt, thousands a second. Written one by one they would cost more than recording the attempts.
const BUFFER_BYTES = 8192;
// When nobody reads standard output, lines are dropped rather than memory filled or deliveries stopped.
const BUFFER_BYTES_MAX = 16_777_216;
const FLUSH_MS = 100;

/**
 * Makes a log that writes one JSON object per line. Lines to standard output are buffered for a moment, and flushed when the
 * process exits, unless by SIGKILL. Lines to a file are written at once.
 *
 * @param file path of the log file; default: standard output
 */
export function createLog(level: LogLevel, file?: string): Log {
  // Lines hold texts of others, and operators read them on a terminal.
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
 * Admits the first ten lines of each kind per minute and counts the others, so that nobody can fill the log. Remembers a
 * limited number of kinds, the least recently used of which is forgotten.
 */
export class LogSampler {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #kinds = new LruMap<string, Kind>(KINDS_MAX);

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /**
   * @returns members to add to the line: `leftOut` is the number of lines of this kind that were left out in the minute
   *   before, if any. Undefined when this line is to be left out too
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
