/** Settings of a backoff. */
export interface RetryDelays {
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Random number in [0, 1). */
  random(): number;
}

// Limits Retry-After: a timer supports 24 days, which nobody intends.
const RETRY_AFTER_MS_MAX = 3_600_000;
const DOUBLINGS_MAX = 30;

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
