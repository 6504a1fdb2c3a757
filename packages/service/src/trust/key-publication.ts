import type { PublicSigningJwk } from './signing-key.ts';

/** A signing key of ours that is announced, or was used at some time, as the store keeps it. */
export interface KeptSigningKey {
  readonly publicJwk: PublicSigningJwk;
  /** `next`: announced, not used yet. `former`: it signed. `withdrawn`: taken out of the JWKS for good. */
  readonly state: 'next' | 'current' | 'former' | 'withdrawn';
  /** When another took its place. */
  readonly retiredAtMs: number | undefined;
  /** When an instance that lacks the current key last said that it still signs with this one. */
  readonly usedUntilMs: number | undefined;
}

/** Whether a key is in the JWKS. */
export interface Publication {
  readonly isPublished: boolean;
  /** Until when at least, and longer while something that it may have signed is awaiting; undefined: no end is known, or it is not there. */
  readonly untilMs: number | undefined;
}

/** A signature that was under way while the key was retired, or before other instances heard of it, counts as made before. */
export const UNDER_WAY_MS = 60_000;

/** When a key that signs no more last did. */
export function lastUsedAtMs({ retiredAtMs = 0, usedUntilMs = 0 }: KeptSigningKey): number {
  return Math.max(retiredAtMs, usedUntilMs);
}

/** Whether something that awaits may have been signed with a former key: a token is signed after it was published. */
export function mayBeNeeded(key: KeptSigningKey, oldestAwaitingAtMs: number | undefined): boolean {
  return oldestAwaitingAtMs !== undefined && oldestAwaitingAtMs < lastUsedAtMs(key) + UNDER_WAY_MS;
}

/**
 * Whether a key is in the JWKS (rules, section 8): a former one stays for `formerKeysKeptMs` after its last use, and
 * beyond that while a notification is awaiting that may have been signed with it.
 */
export function publicationOf(
  key: KeptSigningKey,
  now: {
    readonly nowMs: number;
    readonly formerKeysKeptMs: number;
    readonly oldestAwaitingAtMs: number | undefined;
  },
): Publication {
  if (key.state === 'withdrawn') return { isPublished: false, untilMs: undefined };
  if (key.state !== 'former') return { isPublished: true, untilMs: undefined };
  const untilMs = lastUsedAtMs(key) + now.formerKeysKeptMs;
  if (now.nowMs < untilMs) return { isPublished: true, untilMs };
  return { isPublished: mayBeNeeded(key, now.oldestAwaitingAtMs), untilMs: undefined };
}
