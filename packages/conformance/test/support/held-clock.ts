import type { Clock } from '../../src/index.ts';

/** A clock that a test moves by hand. */
export class HeldClock implements Clock {
  #nowMs = 1_767_225_600_000;
  readonly #timers = new Map<object, { atMs: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = {};
    this.#timers.set(timer, { atMs: this.#nowMs + delayMs, callback });
    return () => this.#timers.delete(timer);
  }

  /** Timers that have neither fired nor been cancelled. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves the time, and runs what is due. */
  advance(byMs: number): void {
    this.#nowMs += byMs;
    for (const [timer, { atMs, callback }] of this.#timers) {
      if (atMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      callback();
    }
  }
}
