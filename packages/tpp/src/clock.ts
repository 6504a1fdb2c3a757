/** System time and randomness. No other file of the package uses them directly. */

/** System time, milliseconds since the epoch. */
export function systemNowMs(): number {
  return Date.now();
}

/** Milliseconds of a monotonic clock; only differences are meaningful. */
export function monotonicMs(): number {
  return performance.now();
}

/** A fresh random UUID (RFC 9562 version 4). */
export function freshUuid(): string {
  return crypto.randomUUID();
}

/**
 * Runs an action once after a delay.
 *
 * @returns cancels the action; a no-op once it has run
 */
export function runAfter(delayMs: number, action: () => void): () => void {
  const timer = setTimeout(action, delayMs);
  return () => clearTimeout(timer);
}

/** Resolves after a delay, or when the signal is aborted. */
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

/** A random number in [0, 1), for spreading requests in time. */
export function randomFraction(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
  return bits / 2 ** 32;
}
