import { randomUUID } from 'node:crypto';

/** Randomness as an argument, so that a test can hold it. */
export interface Random {
  /** A fresh UUID of version 4 (RFC 9562). */
  uuid(): string;
  /** At least 0 and below 1; for jitter, not for secrets. */
  fraction(): number;
}

/** The randomness of the system. */
export const systemRandom: Random = {
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
};

/**
 * Makes a UUID of version 7 (RFC 9562 section 5.7). It begins with the time, so that ids of the same time are neighbours in an
 * index. Within a millisecond the order is random.
 *
 * @param nowMs milliseconds since the epoch, below 2^48
 * @param random a UUID of version 4, for the random bits
 */
export function orderedUuid(nowMs: number, random: string): string {
  const time = Math.trunc(nowMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
