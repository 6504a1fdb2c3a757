import { Deadline } from '@tidings/testing';
import type { Clock } from '../../src/base/clock.ts';

/** The moment at which tests begin. */
export const START_MS = 1_760_000_000_000;

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is advanced; then its timers run one by one, each at its own time. */
export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>();
  readonly #settle: () => Promise<void>;
  #nowMs = START_MS;

  /** @param settle waits until whatever a timer started has come to rest */
  constructor(settle: () => Promise<void> = () => Promise.resolve()) {
    this.#settle = settle;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** Starts elsewhere than the epoch, so that a mix-up of the two clocks shows. */
  monotonicMs(): number {
    return this.#nowMs - START_MS + 777;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, with every timer that falls due on the way. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    const deadline = new Deadline();
    let rung = 0;
    await this.#settle();
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.callback();
      rung += 1;
      deadline.check(() => `${byMs} ms to pass: ${rung} timers rang, and ${untilMs - this.#nowMs} ms are left`);
      await this.#settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets time pass within what is being done, without any timer. */
  pass(byMs: number): void {
    this.#nowMs += byMs;
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}
