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
