import type { Clock } from '../../src/base/clock.ts';

/** A clock that stands still until the test moves it. */
export interface HeldClock extends Clock {
  /** Moves both clocks, and calls back whatever has become due. */
  advance(byMs: number): void;
  /** Callbacks that wait for their time. */
  readonly waiting: number;
}

export const NOW_MS = 1_763_700_000_000;

/** Makes a clock that starts at {@link NOW_MS}. */
export function heldClock(): HeldClock {
  let passedMs = 0;
  const timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();
  return {
    nowMs: () => NOW_MS + passedMs,
    monotonicMs: () => passedMs,
    after: (delayMs, callback) => {
      const timer = { dueMs: passedMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (byMs) => {
      passedMs += byMs;
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= passedMs)) {
        timers.delete(timer);
        timer.callback();
      }
    },
    get waiting() {
      return timers.size;
    },
  };
}

const PATIENCE_MS = 10_000;

/** Waits until something is so, one turn of the event loop after the other. */
export async function until(isSo: () => boolean): Promise<void> {
  const beganMs = performance.now();
  while (!isSo()) {
    if (performance.now() - beganMs > PATIENCE_MS) throw new Error('it did not come about');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
