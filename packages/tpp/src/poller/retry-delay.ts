import type { BankError } from '../bank/bank-error.ts';
import { TlsFetchError } from '../net/tls-fetch.ts';

/** Settings of the backoff. */
export interface RetryDelays {
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Random number in [0, 1). */
  random(): number;
}

// Limits Retry-After: a timer supports 24 days, which nobody intends.
const RETRY_AFTER_MS_MAX = 3_600_000;
const DOUBLINGS_MAX = 30;
const CONTENT_TOO_LARGE = 413;
// Temporary 4xx, or those resolved by a smaller request: timeout, content too large, too early, too many requests.
const PASSING_STATUSES: readonly number[] = [408, CONTENT_TOO_LARGE, 425, 429];

/**
 * Computes the exponential backoff. The delay doubles with every consecutive failure, up to the maximum, and is
 * multiplied by a random factor between a half and one, so that TPPs do not all return to a recovering bank at once. It
 * is at least the bank's `Retry-After`, limited to one hour.
 *
 * @param failures number of consecutive failures, from 1
 */
export function retryDelayMs(failures: number, delays: RetryDelays, retryAfterMs = 0): number {
  const doubled = delays.retryDelayMsMin * 2 ** Math.min(failures - 1, DOUBLINGS_MAX);
  const ceilingMs = Math.min(delays.retryDelayMsMax, doubled);
  const delayMs = Math.round(ceilingMs / 2 + (delays.random() * ceilingMs) / 2);
  return Math.max(delayMs, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX));
}

/** Whether a retry would be pointless: the client is closed, the token is refused, or the status is a permanent 4xx. */
export function isLasting(error: BankError): boolean {
  if (error.cause instanceof TlsFetchError && error.cause.code === 'closed') return true;
  if (error.kind !== 'refused') return error.kind === 'unauthorised';
  const { status = 0 } = error;
  return status >= 400 && status < 500 && !PASSING_STATUSES.includes(status);
}

/** Whether the response exceeded its limit. */
export function isTooLarge(error: BankError): boolean {
  return error.cause instanceof TlsFetchError && error.cause.code === 'too_large';
}

/** Whether the bank rejected the request as too large. */
export function isTooMuch(error: BankError): boolean {
  return error.kind === 'refused' && error.status === CONTENT_TOO_LARGE;
}
