import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';

// Far more than anything takes here that is not stuck, on a busy machine too; far less than the runner allows a test.
const TIMEOUT_MS = 30_000;

// Most conditions hold within a few turns of the event loop. Later checks leave the processor to whoever is waited for.
const WITHOUT_PAUSE_MS = 10;
const PAUSE_MS = 5;

/** Fails a test that has waited for too long. Real time: what is stuck moves no other clock. */
export class Deadline {
  readonly #timeoutMs: number;
  readonly #endsAtMs: number;

  constructor(timeoutMs = TIMEOUT_MS) {
    this.#timeoutMs = timeoutMs;
    this.#endsAtMs = performance.now() + timeoutMs;
  }

  /** @param what is waited for: the end of the sentence "waited 30 s in vain for …" */
  check(what: () => string): void {
    if (performance.now() > this.#endsAtMs) throw new Error(`waited ${this.#timeoutMs / 1000} s in vain for ${what()}`);
  }
}

/** Waits until a condition holds. @param what the condition in words, as in {@link Deadline.check} */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what = 'a condition',
  deadline = new Deadline(),
): Promise<void> {
  const beganMs = performance.now();
  while (!(await holds())) {
    deadline.check(() => what);
    await (performance.now() - beganMs < WITHOUT_PAUSE_MS ? nextTurn() : pause(PAUSE_MS));
  }
}

/** The promise, or an error that says what never came. @param what as in {@link Deadline.check} */
export async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  await until(() => isSettled, what);
  return settled;
}
