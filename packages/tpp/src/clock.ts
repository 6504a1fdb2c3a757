/** Time and randomness of the machine: the only file of the package that reaches for them. */

/** The machine's time, milliseconds since the epoch. */
export function systemNowMs(): number {
  return Date.now();
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
