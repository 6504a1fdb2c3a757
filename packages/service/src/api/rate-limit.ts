import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';

// One that was forgotten is full again, so forgetting the longest unused costs little.
const BUCKETS_MAX = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Counts what each TPP, or whatever else has a key, asks for: a bucket of what it may in a period, refilled evenly over that
 * period. Holds a bounded number of buckets.
 */
export class RateLimit {
  readonly #max: number;
  readonly #periodMs: number;
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, Bucket>(BUCKETS_MAX);

  /** @param max in a period @param periodMs default: a minute */
  constructor(max: number, clock: Clock, periodMs = 60_000) {
    this.#max = max;
    this.#periodMs = periodMs;
    this.#clock = clock;
  }

  /** Counts a request. @returns undefined when it may go on, else in how many seconds the next one may (at least 1) */
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

  /** Takes back that a request was counted. */
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
