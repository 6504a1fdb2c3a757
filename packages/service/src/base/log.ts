import { type Logger, pino } from 'pino';

/** Structured log. Never hand it a token, a key, or a request as it came. */
export type Log = Logger;

/** How much is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * Makes a log that writes one JSON object a line, synchronously, so that the last lines before an exit are not lost.
 *
 * @param file where to; undefined: standard output
 */
export function createLog(level: LogLevel, file?: string): Log {
  return pino({ level, base: null }, pino.destination({ dest: file ?? 1, sync: true, mkdir: true }));
}
