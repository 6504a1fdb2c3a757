import { type RetryDelays, retryDelayMs } from '../backoff.ts';
import { randomFraction, waitFor } from '../clock.ts';
import { TlsFetchError } from '../net/tls-fetch.ts';
import { TIMER_MS_MAX, wholeNumber } from '../whole-number.ts';
import { BankError } from './bank-error.ts';

/** How idempotent requests are retried. */
export interface BankRetries extends RetryDelays {
  readonly retriesMax: number;
  wait(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** Retry options of a bank client; see `BankClientOptions`. */
export interface RetryOptions {
  readonly retriesMax?: number;
  readonly retryDelayMsMin?: number;
  readonly retryDelayMsMax?: number;
  random?(): number;
  wait?(delayMs: number, signal: AbortSignal): Promise<void>;
}

const RETRIES_MAX = 2;
const RETRY_DELAY_MS_MIN = 500;
const RETRY_DELAY_MS_MAX = 10_000;
const IDEMPOTENT_METHODS: readonly string[] = ['GET', 'PUT', 'DELETE'];
// Too many requests, and what a gateway answers while the bank restarts. A 500 may be lasting.
const PASSING_STATUSES: readonly number[] = [429, 502, 503, 504];
const NEVER = new AbortController().signal;

/** Applies the defaults. @throws {RangeError} for a number out of range */
export function retriesOf(options: RetryOptions): BankRetries {
  const { random = randomFraction, wait = waitFor } = options;
  const delayMsMin = wholeNumber('retryDelayMsMin', options.retryDelayMsMin ?? RETRY_DELAY_MS_MIN, 1, TIMER_MS_MAX);
  const delayMsMax = options.retryDelayMsMax ?? Math.max(RETRY_DELAY_MS_MAX, delayMsMin);
  return {
    retriesMax: wholeNumber('retriesMax', options.retriesMax ?? RETRIES_MAX, 0, 10),
    retryDelayMsMin: delayMsMin,
    retryDelayMsMax: wholeNumber('retryDelayMsMax', delayMsMax, delayMsMin, TIMER_MS_MAX),
    random,
    wait,
  };
}

interface Retried {
  readonly method: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request, and again after a passing failure when its method is idempotent (RFC 9110 section 9.2.2).
 *
 * @param send gets the number of the attempt, from 1
 * @throws {BankError} of the last attempt
 */
export async function withRetries<T>(
  { method, signal = NEVER }: Retried,
  retries: BankRetries,
  send: (number: number) => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await send(failures);
    } catch (error) {
      if (!(error instanceof BankError)) throw error;
      const { retryAfterMs = 0 } = error;
      const isRetried = IDEMPOTENT_METHODS.includes(method) && isPassing(error) && failures <= retries.retriesMax;
      if (!isRetried || retryAfterMs > retries.retryDelayMsMax) throw error;
      await retries.wait(retryDelayMs(failures, retries, retryAfterMs), signal);
      if (signal.aborted) throw error;
    }
  }
}

/** Whether the connection ended without an answer, so that the request may have had its effect. */
export function isUnanswered(error: unknown): boolean {
  if (!(error instanceof BankError) || !(error.cause instanceof TlsFetchError)) return false;
  return ['connection', 'stale_connection', 'timeout'].includes(error.cause.code);
}

function isPassing(error: BankError): boolean {
  if (error.kind === 'refused') return PASSING_STATUSES.includes(error.status ?? 0);
  // Not after a timeout: the caller has waited long enough.
  return isUnanswered(error) && !(error.cause instanceof TlsFetchError && error.cause.code === 'timeout');
}
