import type { Clock } from '../base/clock.ts';

// So that something which falls due at this very moment never makes a busy loop.
const DELAY_MIN_MS = 5;
// The time of day may be set while the alarm waits, so a moment that is far away is computed again after this long.
const DELAY_MAX_MS = 60_000;

/** Rings once, at the earliest moment that it was set to since it last rang, and within a minute of being set. */
export class Alarm {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly #ring: () => void;
  /** By the monotonic clock; infinite while it is not set. */
  #ringsAtMs = Number.POSITIVE_INFINITY;
  #isEnded = false;
  #cancel: () => void = () => undefined;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'after'>, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Sets it, unless it rings earlier anyway. @param atMs by the monotonic clock; infinite: it need not ring */
  set(atMs: number): void {
    if (this.#isEnded || atMs === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#clock.monotonicMs();
    const delayMs = Math.min(Math.max(atMs - nowMs, DELAY_MIN_MS), DELAY_MAX_MS);
    if (this.#ringsAtMs <= nowMs + delayMs) return;
    this.#cancel();
    this.#ringsAtMs = nowMs + delayMs;
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#ringsAtMs = Number.POSITIVE_INFINITY;
      this.#ring();
    });
  }

  /** Cancels it for good. */
  end(): void {
    this.#isEnded = true;
    this.#cancel();
  }
}
