/** Time as an argument, so that a test can hold it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Milliseconds of a clock that never goes back; only differences are meaningful. */
  monotonicMs(): number;
  /** Calls back once, after the delay. @returns a function that cancels it */
  after(delayMs: number, callback: () => void): () => void;
}

// Node's timers overflow above this and would fire at once.
const TIMER_DELAY_MAX_MS = 2_147_483_647;

/** The machine's clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), TIMER_DELAY_MAX_MS));
    return () => clearTimeout(timer);
  },
};
