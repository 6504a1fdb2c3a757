import type { BankError } from '../bank/bank-error.ts';
import { TlsFetchError } from '../net/tls-fetch.ts';

/** How long to wait after failures. */
export interface RetryDelays {
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** From 0 up to 1. */
  random(): number;
}

// A longer Retry-After is cut to an hour: a timer holds 24 days, and nobody wants to find out after them.
const RETRY_AFTER_MS_MAX = 3_600_000;
const DOUBLINGS_MAX = 30;
const CONTENT_TOO_LARGE = 413;
// Of the 4xx those that pass by themselves, or when less is sent: request timeout, too large, too early, too many requests.
const PASSING_STATUSES: readonly number[] = [408, CONTENT_TOO_LARGE, 425, 429];

/**
 * The exponential backoff: doubled with every failure in a row, up to the maximum, and of that a random part between
 * half and all, so that the TPPs of a bank that recovers do not all come at once. What the bank asks for by
 * `Retry-After` is waited at least, up to an hour.
 *
 * @param failures in a row, from 1
 */
export function retryDelayMs(failures: number, delays: RetryDelays, retryAfterMs = 0): number {
  const doubled = delays.retryDelayMsMin * 2 ** Math.min(failures - 1, DOUBLINGS_MAX);
  const ceilingMs = Math.min(delays.retryDelayMsMax, doubled);
  const delayMs = Math.round(ceilingMs / 2 + (delays.random() * ceilingMs) / 2);
  return Math.max(delayMs, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX));
}

/** Whether polling again makes no sense: the client is closed, the token is not taken, or the request is refused (4xx). */
export function isLasting(error: BankError): boolean {
  if (error.cause instanceof TlsFetchError && error.cause.code === 'closed') return true;
  if (error.kind !== 'refused') return error.kind === 'unauthorised';
  const { status = 0 } = error;
  return status >= 400 && status < 500 && !PASSING_STATUSES.includes(status);
}

/** Whether an answer was longer than the cap. */
export function isTooLarge(error: BankError): boolean {
  return error.cause instanceof TlsFetchError && error.cause.code === 'too_large';
}

/** Whether a request was longer than the bank takes. */
export function isTooMuch(error: BankError): boolean {
  return error.kind === 'refused' && error.status === CONTENT_TOO_LARGE;
}
