/** A public signing key as it stands in a JWKS. */
export interface SigningKeyJwk {
  readonly kid: string;
  readonly [member: string]: unknown;
}

/**
 * `next`: announced in the JWKS, and signs nothing yet. `current`: signs. `former`: signed, and may be needed to verify.
 * `withdrawn`: taken out of the JWKS for good; kept for evidence.
 */
export type SigningKeyState = 'next' | 'current' | 'former' | 'withdrawn';

/** A signing key of ours that was announced or used at some time. What an older version of Tidings did not keep is undefined. */
export interface StoredSigningKey {
  readonly publicJwk: SigningKeyJwk;
  readonly state: SigningKeyState;
  readonly announcedAtMs: number | undefined;
  /** When it last became the current one. */
  readonly usedFromMs: number | undefined;
  /** When another took its place. */
  readonly retiredAtMs: number | undefined;
  /** When an instance that lacks the current key last said that it still signs with this one. */
  readonly usedUntilMs: number | undefined;
  readonly withdrawnAtMs: number | undefined;
}

/** Of the awaiting notifications that were looked at, about the oldest first, how many have a SET that a key signed. */
export interface SigningKeyUses {
  /** By kid; a key that is not in it signed none of them. */
  readonly byKid: ReadonlyMap<string, SigningKeyUse>;
  /** Whether these were all; else there may be more of each. */
  readonly isAll: boolean;
}

/** Awaiting notifications that depend on one key. */
export interface SigningKeyUse {
  readonly count: number;
  /** The one of them that was published first. */
  readonly oldestJti: string;
  readonly oldestPublishedAtMs: number;
}
