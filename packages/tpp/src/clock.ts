/** Time and randomness of the machine: the only file of the package that reaches for them. */

/** The machine's time, milliseconds since the epoch. */
export function systemNowMs(): number {
  return Date.now();
}

/** Milliseconds of a clock that never goes back; only differences mean something. */
export function monotonicMs(): number {
  return performance.now();
}

/** A fresh random UUID (RFC 9562 version 4). */
export function freshUuid(): string {
  return crypto.randomUUID();
}

/**
 * Runs an action once when the time has passed.
 *
 * @returns cancels it; harmless afterwards
 */
export function runAfter(delayMs: number, action: () => void): () => void {
  const timer = setTimeout(action, delayMs);
  return () => clearTimeout(timer);
}

/**
 * Waits.
 *
 * @param signal ends the wait early; it is no error
 */
export function waitFor(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = runAfter(delayMs, done);
    signal.addEventListener('abort', done);
  });
}

/** A number from 0 up to, but not including, 1: to spread requests in time, not to keep a secret. */
export function randomFraction(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
  return bits / 2 ** 32;
}
