import type { Clock } from '../base/clock.ts';

/** Limits of the calls to one provider. */
export interface CallLimits {
  readonly concurrencyMax: number;
  /** 0 for no limit. */
  readonly perSecondMax: number;
}

// Time that a caller who was late may catch up, so that imprecise timers do not cost throughput.
const CATCH_UP_MS = 50;
// Pause after the first answer that there were too many calls; doubles with each further one until a call succeeds.
const SLOW_DOWN_MS = 100;
const SLOW_DOWN_MAX_MS = 5000;

/**
 * Lets calls begin in the order in which they came, so many at once and a second. After an answer that there were too many,
 * none begins for a moment, and fewer run at once: the number halves with each such answer and grows with each success.
 * Nothing here bounds how many wait: callers do.
 */
export class CallGate {
  readonly #limits: CallLimits;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly #waiting: (() => void)[] = [];
  /** From 1 to `concurrencyMax`. */
  #window: number;
  #underWay = 0;
  /** When the rate allows the next call, by the monotonic clock. */
  #nextAtMs = Number.NEGATIVE_INFINITY;
  /** Until when no call begins, since there were too many. */
  #slowUntilMs = Number.NEGATIVE_INFINITY;
  #slowDownMs = SLOW_DOWN_MS;
  #cancelTimer: (() => void) | undefined;

  constructor(limits: CallLimits, clock: Pick<Clock, 'monotonicMs' | 'after'>) {
    this.#limits = limits;
    this.#clock = clock;
    this.#window = limits.concurrencyMax;
  }

  /** Makes a call in its turn. Rejects as the call does. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#begin();
    });
    try {
      const result = await call();
      this.#window = Math.min(this.#window + 1 / this.#window, this.#limits.concurrencyMax);
      this.#slowDownMs = SLOW_DOWN_MS;
      return result;
    } finally {
      this.#underWay -= 1;
      this.#begin();
    }
  }

  /** To be called when the provider answered that there were too many calls. @param retryAfterMs what it asks for */
  slowDown(retryAfterMs: number | undefined): void {
    const nowMs = this.#clock.monotonicMs();
    // Calls that were under way together are answered together.
    if (nowMs < this.#slowUntilMs) return;
    this.#window = Math.max(this.#window / 2, 1);
    this.#slowUntilMs = nowMs + Math.min(retryAfterMs ?? this.#slowDownMs, SLOW_DOWN_MAX_MS);
    this.#slowDownMs = Math.min(this.#slowDownMs * 2, SLOW_DOWN_MAX_MS);
  }

  #begin(): void {
    while (this.#waiting.length > 0 && this.#underWay < Math.floor(this.#window)) {
      const nowMs = this.#clock.monotonicMs();
      const atMs = Math.max(this.#nextAtMs, this.#slowUntilMs);
      if (nowMs < atMs) {
        this.#beginIn(atMs - nowMs);
        return;
      }
      const { perSecondMax } = this.#limits;
      if (perSecondMax > 0) this.#nextAtMs = Math.max(this.#nextAtMs, nowMs - CATCH_UP_MS) + 1000 / perSecondMax;
      this.#underWay += 1;
      this.#waiting.shift()?.();
    }
  }

  #beginIn(delayMs: number): void {
    this.#cancelTimer ??= this.#clock.after(Math.ceil(delayMs), () => {
      this.#cancelTimer = undefined;
      this.#begin();
    });
  }
}
