import { hash } from 'node:crypto';
import { type Static, Type } from 'typebox';
import type { SigningKeyUses, StoredSigningKey } from '../model/signing-key.ts';
import { lastUsedAtMs, mayBeNeeded, publicationOf } from '../trust/signing-keys.ts';
import type { OperatorOptions } from './options.ts';
import { dateTime, isoTime } from './request.ts';

const closed = { additionalProperties: false };

/** Notifications that still depend on a key. */
const Dependents = Type.Object(
  {
    awaiting: Type.Integer({ minimum: 0, description: 'Awaiting notifications whose SET it signed' }),
    isAtLeast: Type.Boolean({
      description: 'If true, only the oldest awaiting notifications were inspected, so there may be more',
    }),
    oldest: Type.Optional(
      Type.Object({ jti: Type.String(), publishedAt: dateTime('When its event was published') }, closed),
    ),
    evidence: Type.Boolean({
      description:
        'Whether retained notifications may have a SET that it signed. Their evidence includes the public key, even after it is retired',
    }),
  },
  closed,
);

/** A signing key of the bank, as the operator sees it. */
export const ShownSigningKey = Type.Object(
  {
    kid: Type.String(),
    thumbprint: Type.String({ description: 'SHA-256 thumbprint of the public key (RFC 7638), base64url' }),
    algorithm: Type.String(),
    state: Type.Enum(['next', 'current', 'former', 'withdrawn'], {
      description:
        'next: announced in the JWKS, does not sign yet. current: signs. former: signed before. withdrawn: removed from the JWKS',
    }),
    since: Type.Optional(dateTime('When it entered this state; absent if not recorded')),
    rotatableFrom: Type.Optional(
      dateTime('For a next key: when it will have been announced for "signing.announcedMs"'),
    ),
    retiredAt: Type.Optional(dateTime('When another key replaced it')),
    stillUsedAt: Type.Optional(
      dateTime('Last time that an instance without the current key reported signing with this one'),
    ),
    isPublished: Type.Boolean({ description: 'Whether it is in the JWKS' }),
    publishedUntil: Type.Optional(
      dateTime(
        'For a former key: earliest end of publication; later while notifications that it may have signed are awaiting',
      ),
    ),
    dependents: Dependents,
  },
  closed,
);
export type ShownSigningKey = Static<typeof ShownSigningKey>;

/** The signing keys of the bank. */
export const SigningKeyList = Type.Object(
  {
    keys: Type.Array(ShownSigningKey, {
      description: 'In the order current, next, former (most recent first), withdrawn',
    }),
    thisInstance: Type.Object(
      {
        signsWith: Type.Optional(Type.String({ description: 'kid; absent if it has no key to sign with' })),
        holds: Type.Array(Type.String(), { description: 'kids of the private keys that it has' }),
        problem: Type.Optional(Type.String({ description: 'Why it does not sign with the current key' })),
      },
      { ...closed, description: 'The instance that handles this request' },
    ),
  },
  closed,
);
export type SigningKeyList = Static<typeof SigningKeyList>;

/** The result of reloading the signing keys. */
export const ReloadedKey = Type.Object(
  {
    kid: Type.String({ description: 'kid of the current key' }),
    changed: Type.Boolean({ description: 'Whether the current key changed' }),
    announced: Type.Optional(Type.String({ description: 'kid of the next key, if it is now announced in the JWKS' })),
  },
  closed,
);

// Awaiting notifications that are inspected to find dependents of a key.
const LOOKED_AT_MAX = 2000;

export function announcedFor({ config }: OperatorOptions): Pick<KeyContext, 'announcedMs'> {
  return { announcedMs: config?.signing.announcedMs ?? 0 };
}

/** Reads the settings and state that {@link writeSigningKey} needs. */
export async function keyContextOf(options: OperatorOptions): Promise<KeyContext> {
  const { store, clock, config } = options;
  const [oldestAwaitingAtMs, uses] = await Promise.all([
    store.oldestAwaitingAtMs(),
    store.signingKeyUses(LOOKED_AT_MAX),
  ]);
  return {
    ...{ nowMs: clock.nowMs(), ...announcedFor(options), oldestAwaitingAtMs, uses },
    formerKeysKeptMs: config?.signing.formerKeysKeptMs ?? 0,
    notificationsKeptMs: config?.retention.notificationsMs,
  };
}

/** Settings and state that the view of a key needs besides the key. */
export interface KeyContext {
  readonly nowMs: number;
  readonly formerKeysKeptMs: number;
  readonly announcedMs: number;
  /** How long notifications are retained; undefined if unknown. */
  readonly notificationsKeptMs: number | undefined;
  readonly oldestAwaitingAtMs: number | undefined;
  readonly uses: SigningKeyUses;
}

/** Writes a signing key for the operator. */
export function writeSigningKey(key: StoredSigningKey, context: KeyContext): ShownSigningKey {
  const { publicJwk, state, retiredAtMs, usedUntilMs } = key;
  const { isPublished, untilMs } = publicationOf(key, context);
  const sinceMs = sinceOf(key);
  const rotatableFromMs = rotatableFrom(key, context);
  return {
    kid: publicJwk.kid,
    thumbprint: thumbprintOf(publicJwk),
    algorithm: String(publicJwk['alg'] ?? 'PS256'),
    state,
    ...(sinceMs !== undefined && { since: isoTime(sinceMs) }),
    ...(rotatableFromMs !== undefined && { rotatableFrom: isoTime(rotatableFromMs) }),
    ...(retiredAtMs !== undefined && { retiredAt: isoTime(retiredAtMs) }),
    ...(usedUntilMs !== undefined && { stillUsedAt: isoTime(usedUntilMs) }),
    isPublished,
    ...(untilMs !== undefined && { publishedUntil: isoTime(untilMs) }),
    dependents: dependentsOf(key, context),
  };
}

/** When a next key may begin to sign; undefined for other keys. */
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

/** Notifications whose signatures by the key may still have to be verified. */
export function dependentsOf(key: StoredSigningKey, context: KeyContext): ShownSigningKey['dependents'] {
  const { uses, oldestAwaitingAtMs } = context;
  const use = uses.byKid.get(key.publicJwk.kid);
  // It signed nothing that was published after its last use, however much is awaiting.
  const isOver = key.state === 'next' || (key.state !== 'current' && !mayBeNeeded(key, oldestAwaitingAtMs));
  return {
    awaiting: use?.count ?? 0,
    isAtLeast: !uses.isAll && !isOver,
    ...(use && { oldest: { jti: use.oldestJti, publishedAt: isoTime(use.oldestPublishedAtMs) } }),
    evidence: isInEvidence(key, context),
  };
}

function isInEvidence(key: StoredSigningKey, { nowMs, notificationsKeptMs, uses }: KeyContext): boolean {
  if (key.state === 'next') return false;
  if (key.state === 'current' || uses.byKid.has(key.publicJwk.kid)) return true;
  // Withdrawn before it was used.
  if (key.retiredAtMs === undefined) return false;
  return notificationsKeptMs === undefined || lastUsedAtMs(key) + notificationsKeptMs > nowMs;
}

/** RFC 7638 section 3, for RSA. */
function thumbprintOf({ e, n }: StoredSigningKey['publicJwk']): string {
  return hash('sha256', JSON.stringify({ e, kty: 'RSA', n }), 'base64url');
}
