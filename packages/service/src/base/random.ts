import { randomUUID } from 'node:crypto';

/** Randomness as an argument, so that a test can hold it. */
export interface Random {
  /** A fresh RFC 4122 UUID, version 4. */
  uuid(): string;
  /** From 0 up to but without 1; for spreading retries, not for secrets. */
  fraction(): number;
}

/** The machine's randomness. */
export const systemRandom: Random = {
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
};

/**
 * Makes a UUID of version 7 (RFC 9562 section 5.7): it begins with the time, so that what is made together lies together
 * in an index. Within a millisecond the order is random.
 *
 * @param nowMs milliseconds since the epoch, below 2^48
 * @param random a UUID of version 4, for the rest
 */
export function orderedUuid(nowMs: number, random: string): string {
  const time = Math.trunc(nowMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
