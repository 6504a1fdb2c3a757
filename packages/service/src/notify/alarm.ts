import type { Clock } from '../base/clock.ts';

// What falls due this moment is not looked for in a busy loop.
const DELAY_MIN_MS = 5;
// The time of day may be set while the alarm waits; it is looked at again after this long.
const DELAY_MAX_MS = 60_000;

/** Rings once, at the earliest of the moments that it was given since it last rang. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  /** By the monotonic clock; undefined: not set. */
  #ringsAtMs: number | undefined;
  #isEnded = false;
  #cancel: () => void = () => undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** @param atMs in milliseconds since the epoch */
  at(atMs: number): void {
    this.in(atMs - this.#clock.nowMs());
  }

  in(delayMs: number): void {
    if (this.#isEnded) return;
    const boundedMs = Math.min(Math.max(delayMs, DELAY_MIN_MS), DELAY_MAX_MS);
    const ringsAtMs = this.#clock.monotonicMs() + boundedMs;
    if (this.#ringsAtMs !== undefined && this.#ringsAtMs <= ringsAtMs) return;
    this.#cancelTimer();
    this.#ringsAtMs = ringsAtMs;
    this.#cancel = this.#clock.after(boundedMs, () => {
      this.#ringsAtMs = undefined;
      this.#ring();
    });
  }

  /** It rings no more, whatever it is given from now on. */
  end(): void {
    this.#isEnded = true;
    this.#cancelTimer();
  }

  #cancelTimer(): void {
    this.#ringsAtMs = undefined;
    this.#cancel();
  }
}
