import { type Logger, type LoggerOptions, pino } from 'pino';
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
