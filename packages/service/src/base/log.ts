import type { Logger } from 'pino';

/** Structured log. Never hand it a token, a key, or a request as it came. */
export type Log = Logger;
