import { createHash } from 'node:crypto';
import type { SigningKeyUses, StoredSigningKey } from '../store/store.ts';
import { lastUsedAtMs, mayBeNeeded, publicationOf } from '../trust/key-publication.ts';
import { isoTime } from './iso-time.ts';
import type { ShownSigningKey } from './signing-key-schemas.ts';

/** What is known beside the keys themselves. */
export interface KeyContext {
  readonly nowMs: number;
  readonly formerKeysKeptMs: number;
  readonly announcedMs: number;
  /** How long notifications are kept; undefined: it is not known. */
  readonly notificationsKeptMs: number | undefined;
  readonly oldestAwaitingAtMs: number | undefined;
  readonly uses: SigningKeyUses;
}

/** Writes a signing key as the operator reads it. */
export function writeSigningKey(key: StoredSigningKey, context: KeyContext): ShownSigningKey {
  const { publicJwk, state, retiredAtMs, usedUntilMs } = key;
  const { isPublished, untilMs } = publicationOf(key, context);
  const sinceMs = sinceOf(key);
  const rotatableFromMs = rotatableFrom(key, context);
  return {
    ...{
      kid: publicJwk.kid,
      thumbprint: thumbprintOf(publicJwk),
      algorithm: String(publicJwk['alg'] ?? 'PS256'),
      state,
    },
    ...(sinceMs !== undefined && { since: isoTime(sinceMs) }),
    ...(rotatableFromMs !== undefined && { rotatableFrom: isoTime(rotatableFromMs) }),
    ...(retiredAtMs !== undefined && { retiredAt: isoTime(retiredAtMs) }),
    ...(usedUntilMs !== undefined && { stillUsedAt: isoTime(usedUntilMs) }),
    isPublished,
    ...(untilMs !== undefined && { publishedUntil: isoTime(untilMs) }),
    dependents: dependentsOf(key, context),
  };
}

/** From when on a next key may sign; undefined for others. */
export function rotatableFrom(
  { state, announcedAtMs = 0 }: StoredSigningKey,
  { announcedMs }: Pick<KeyContext, 'announcedMs'>,
): number | undefined {
  return state === 'next' ? announcedAtMs + announcedMs : undefined;
}

function sinceOf({ state, ...key }: StoredSigningKey): number | undefined {
  return {
    next: key.announcedAtMs,
    current: key.usedFromMs,
    former: key.retiredAtMs,
    withdrawn: key.withdrawnAtMs,
  }[state];
}

/** What awaits a key's signature to be verified. */
export function dependentsOf(key: StoredSigningKey, context: KeyContext): ShownSigningKey['dependents'] {
  const { uses, oldestAwaitingAtMs } = context;
  const use = uses.byKid.get(key.publicJwk.kid);
  // Of what was published after its last use it signed nothing, however much that is.
  const isOver = key.state === 'next' || (key.state !== 'current' && !mayBeNeeded(key, oldestAwaitingAtMs));
  return {
    awaiting: use?.count ?? 0,
    isAtLeast: !uses.isAll && !isOver,
    ...(use !== undefined && {
      oldest: { jti: use.oldestJti, publishedAt: isoTime(use.oldestPublishedAtMs) },
    }),
    evidence: isInEvidence(key, context),
  };
}

function isInEvidence(key: StoredSigningKey, { nowMs, notificationsKeptMs, uses }: KeyContext): boolean {
  if (key.state === 'next') return false;
  if (key.state === 'current' || uses.byKid.has(key.publicJwk.kid)) return true;
  // Withdrawn before it was ever used.
  if (key.retiredAtMs === undefined) return false;
  return notificationsKeptMs === undefined || lastUsedAtMs(key) + notificationsKeptMs > nowMs;
}

/** RFC 7638 section 3, for RSA. */
function thumbprintOf({ e, n }: StoredSigningKey['publicJwk']): string {
  return createHash('sha256')
    .update(JSON.stringify({ e, kty: 'RSA', n }))
    .digest('base64url');
}
