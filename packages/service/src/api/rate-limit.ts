import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';

// A forgotten bucket starts full again, so forgetting the least recently used one costs little.
const BUCKETS_MAX = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Token buckets by key, such as a client_id. A bucket holds the tokens of one period and refills evenly over it. The number of
 * buckets is bounded.
 */
export class RateLimit {
  readonly #max: number;
  readonly #periodMs: number;
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, Bucket>(BUCKETS_MAX);

  /** @param max tokens per period @param periodMs default: one minute */
  constructor(max: number, clock: Clock, periodMs = 60_000) {
    this.#max = max;
    this.#periodMs = periodMs;
    this.#clock = clock;
  }

  /** Counts a request. @returns undefined if it is allowed, else the seconds until the next one is (at least 1) */
  take(key: string): number | undefined {
    const bucket = this.#refilled(key);
    this.#buckets.set(key, bucket);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    const waitMs = ((1 - bucket.tokens) * this.#periodMs) / this.#max;
    return Math.max(1, Math.ceil(waitMs / 1000));
  }

  /** Returns the token of a request. */
  giveBack(key: string): void {
    const bucket = this.#refilled(key);
    this.#buckets.set(key, { ...bucket, tokens: Math.min(this.#max, bucket.tokens + 1) });
  }

  #refilled(key: string): Bucket {
    const nowMs = this.#clock.monotonicMs();
    const found = this.#buckets.get(key);
    if (found === undefined) return { tokens: this.#max, atMs: nowMs };
    const gained = (Math.max(0, nowMs - found.atMs) * this.#max) / this.#periodMs;
    return { tokens: Math.min(this.#max, found.tokens + gained), atMs: nowMs };
  }
}
