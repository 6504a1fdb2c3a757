import { performance } from 'node:perf_hooks';

// Far more than anything takes here that is not stuck, on a busy machine too; far less than the runner allows a test.
const DEADLINE_MS = 30_000;

/** Throws when a test has waited for long enough. Real time: what is stuck moves no other clock. */
export class Deadline {
  readonly #endsAtMs = performance.now() + DEADLINE_MS;

  /** @param what is waited for: the end of the sentence "waited 30 s in vain for …" */
  check(what: () => string): void {
    if (performance.now() > this.#endsAtMs) throw new Error(`waited ${DEADLINE_MS / 1000} s in vain for ${what()}`);
  }
}

/** The promise, or an error that says what it was that never came. @param what as in {@link Deadline.check} */
export async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  const deadline = new Deadline();
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  await until(() => isSettled, what, deadline);
  return settled;
}

/** Waits until something is so, a turn of the event loop at a time. @param what as in {@link Deadline.check} */
export async function until(isSo: () => boolean, what: string, deadline = new Deadline()): Promise<void> {
  while (!isSo()) {
    deadline.check(() => what);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
