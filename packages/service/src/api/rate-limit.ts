import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';

const MINUTE_MS = 60_000;
// One that was forgotten is full again, so forgetting the longest unused costs little.
const BUCKETS_MAX = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Counts the requests of each TPP: a bucket of a minute's requests, refilled evenly over a minute. Holds a bounded
 * number of buckets.
 */
export class RateLimit {
  readonly #perMinuteMax: number;
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, Bucket>(BUCKETS_MAX);

  constructor(perMinuteMax: number, clock: Clock) {
    this.#perMinuteMax = perMinuteMax;
    this.#clock = clock;
  }

  /** Counts a request. @returns undefined when it may go on, else in how many seconds the next one may (at least 1) */
  take(clientId: string): number | undefined {
    const bucket = this.#refilled(clientId);
    this.#buckets.set(clientId, bucket);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    const waitMs = ((1 - bucket.tokens) * MINUTE_MS) / this.#perMinuteMax;
    return Math.max(1, Math.ceil(waitMs / 1000));
  }

  #refilled(clientId: string): Bucket {
    const nowMs = this.#clock.monotonicMs();
    const found = this.#buckets.get(clientId);
    if (found === undefined) return { tokens: this.#perMinuteMax, atMs: nowMs };
    const gained = ((nowMs - found.atMs) * this.#perMinuteMax) / MINUTE_MS;
    return { tokens: Math.min(this.#perMinuteMax, found.tokens + gained), atMs: nowMs };
  }
}
