import { hash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { StartUpError } from '../base/start-up-error.ts';
import type { AuditActor, AuditEntry } from '../model/audit.ts';
import type { SigningKeyUses, StoredSigningKey } from '../model/signing-key.ts';
import type { Store } from '../store/store.ts';
import type { Reloaded, SigningKeys } from '../trust/signing-keys.ts';
import { lastUsedAtMs, mayBeNeeded, publicationOf, UNDER_WAY_MS } from '../trust/signing-keys.ts';
import { auditActorOf } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { isoTime } from './read.ts';
import { type Call, json, ok, route } from './route.ts';

const closed = { additionalProperties: false };
const time = (description: string) => Type.String({ format: 'date-time', description });

/** Notifications that still depend on a key. */
const Dependents = Type.Object(
  {
    awaiting: Type.Integer({ minimum: 0, description: 'Awaiting notifications whose SET it signed' }),
    isAtLeast: Type.Boolean({
      description: 'true: so many are awaiting that only some were looked at, about the oldest; there may be more',
    }),
    oldest: Type.Optional(
      Type.Object({ jti: Type.String(), publishedAt: time('When its event was published') }, closed),
    ),
    evidence: Type.Boolean({
      description:
        'Whether notifications that are kept may have a SET of it. Their evidence holds the key, retired or not: it is never dropped',
    }),
  },
  closed,
);

/** One of our own signing keys, as the operator sees it. */
export const ShownSigningKey = Type.Object(
  {
    kid: Type.String(),
    thumbprint: Type.String({ description: 'SHA-256 thumbprint of the public key (RFC 7638), base64url' }),
    algorithm: Type.String(),
    state: Type.Enum(['next', 'current', 'former', 'withdrawn'], {
      description:
        'next: announced in the JWKS, signs nothing yet. current: signs. former: signed. withdrawn: taken out of the JWKS',
    }),
    since: Type.Optional(time('Since when it is in this state; absent where an older version did not keep it')),
    rotatableFrom: Type.Optional(time('Of a next key: when it has been announced for "signing.announcedMs"')),
    retiredAt: Type.Optional(time('When another key took its place')),
    stillUsedAt: Type.Optional(
      time('When an instance that lacks the current key last said that it still signs with this one'),
    ),
    isPublished: Type.Boolean({ description: 'Whether it is in the JWKS' }),
    publishedUntil: Type.Optional(
      time('Of a former key: until then at least, and longer while something that it may have signed is awaiting'),
    ),
    dependents: Dependents,
  },
  closed,
);
export type ShownSigningKey = Static<typeof ShownSigningKey>;

/** Our signing keys. */
export const SigningKeyList = Type.Object(
  {
    keys: Type.Array(ShownSigningKey, { description: 'current, next, former (the last first), withdrawn' }),
    thisInstance: Type.Object(
      {
        signsWith: Type.Optional(Type.String({ description: 'kid; absent when it has no key that it may sign with' })),
        holds: Type.Array(Type.String(), { description: 'kids whose private keys the instance that answers has' }),
        problem: Type.Optional(Type.String({ description: 'Why it does not sign with the current key' })),
      },
      { ...closed, description: 'The instance that answers' },
    ),
  },
  closed,
);
export type SigningKeyList = Static<typeof SigningKeyList>;

/** How a key is rotated or retired. */
const KeyChange = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({ description: 'true: although it was not announced for long enough, or something depends on it' }),
    ),
  },
  closed,
);

/** The result of reloading the signing keys. */
export const ReloadedKey = Type.Object(
  {
    kid: Type.String({ description: 'The kid in use' }),
    changed: Type.Boolean({ description: 'Whether it is another one than before' }),
    announced: Type.Optional(Type.String({ description: 'The kid of a next key that is in the JWKS from now on' })),
  },
  closed,
);

const KEYS = '/operator/v1/signing-keys';
// Awaiting notifications that are looked at to tell what depends on a key.
const LOOKED_AT_MAX = 2000;

const change = {
  method: 'post',
  role: 'administrator',
  tag: 'Signing keys',
  body: json({ KeyChange }, { example: { force: false }, byDefault: {} }),
  response: ok('The key', { ShownSigningKey }),
  refusals: [404, 409, 501],
} as const;
const reading = { method: 'get', role: 'viewer', tag: 'Signing keys' } as const;

/** Our own signing keys: what there is, what depends on each, rotation without a restart. */
export const signingKeyRoutes = [
  route({
    ...reading,
    operationId: 'listSigningKeys',
    path: KEYS,
    summary: 'Our keys: next, current, former and withdrawn, and what still depends on each',
    query: {},
    response: ok('Every key that there is or was', { SigningKeyList }),
    refusals: [501],
    handler: (context) => () => listKeys(context),
  }),
  route({
    ...reading,
    operationId: 'getSigningKey',
    path: `${KEYS}/{kid}`,
    summary: 'One key',
    response: ok('The key', { ShownSigningKey }),
    refusals: [404],
    handler:
      (context) =>
      async ({ params }) =>
        writeSigningKey(await findKey(context.store, params.kid), await contextOf(context)),
  }),
  route({
    operationId: 'reloadSigningKeys',
    method: 'post',
    path: `${KEYS}/reload`,
    role: 'administrator',
    tag: 'Signing keys',
    summary:
      'Read the keys of the configuration anew, and announce a next one; those before stay in use when one is not good',
    response: ok('The kid in use', { ReloadedKey }),
    refusals: [409, 501],
    handler: (context) => (call) => reload(call.request, context),
  }),
  route({
    ...change,
    operationId: 'rotateSigningKey',
    path: `${KEYS}/{kid}/rotate`,
    summary: 'Sign with this key from now on, on every instance that has it',
    handler: (context) => (call) => rotate(call, context),
  }),
  route({
    ...change,
    operationId: 'retireSigningKey',
    path: `${KEYS}/{kid}/retire`,
    summary: 'Take a key out of the JWKS for good; 409 while something depends on it',
    handler: (context) => (call) => retire(call, context),
  }),
];

type Change = Call<'{kid}', Record<never, never>, Static<typeof KeyChange>>;

async function listKeys(options: OperatorOptions): Promise<SigningKeyList> {
  const { store } = options;
  const keys = keysOf(options);
  await keys.follow();
  const [kept, context] = await Promise.all([store.signingKeys(), contextOf(options)]);
  const problem = keys.problem();
  return {
    keys: kept.map((key) => writeSigningKey(key, context)),
    thisInstance: {
      ...(keys.canSign() && { signsWith: keys.current().kid }),
      holds: [...keys.held()],
      ...(problem !== undefined && { problem }),
    },
  };
}

/** Makes a key sign on all instances that have it. Of no effect when it does already. */
async function rotate({ request, params, body }: Change, options: OperatorOptions): Promise<ShownSigningKey> {
  const { store, clock } = options;
  const keys = keysOf(options);
  const isForced = body.force === true;
  const key = await findKey(store, params.kid);
  const { kid } = key.publicJwk;
  const nowMs = clock.nowMs();
  if (key.state === 'withdrawn') throw new Problem(409, 'This key was retired for good; rotate to another one.');
  if (!keys.held().includes(kid)) {
    throw new Problem(409, 'This instance does not have the key; name its file in "signing.next", and reload.');
  }
  const fromMs = rotatableFrom(key, announcedFor(options));
  if (fromMs !== undefined && nowMs < fromMs && !isForced) {
    const why = `This key is announced for too short a time: TPPs with a cached JWKS may not know it before ${isoTime(fromMs)}`;
    throw new Problem(409, `${why}; wait until then, or force it.`);
  }
  const before = (await store.signingKeys()).find(({ state }) => state === 'current')?.publicJwk.kid;
  const detail = isForced ? { isForced } : {};
  const audit: AuditEntry = {
    ...{ ...auditActorOf(request), atMs: nowMs, action: 'signing-key-rotated', subject: kid, detail },
    ...(before !== undefined && { before: { kid: before } }),
    after: { kid },
  };
  if (await store.rotateSigningKey(kid, nowMs, audit)) {
    request.log.info({ operator: request.operatorName, kid, ...detail }, 'signing key rotated');
  }
  await keys.follow();
  return writeSigningKey(await findKey(store, kid), await contextOf(options));
}

/** Takes a key out of the JWKS. Of no effect when it is not there any more. */
async function retire({ request, params, body }: Change, options: OperatorOptions): Promise<ShownSigningKey> {
  const { store, clock } = options;
  const isForced = body.force === true;
  const key = await findKey(store, params.kid);
  const { kid } = key.publicJwk;
  if (key.state === 'current') throw new Problem(409, 'This key is the current one; rotate to another one first.');
  const context = await contextOf(options);
  const { awaiting } = dependentsOf(key, context);
  if (key.state === 'former' && !isForced) refuseNeeded(key, context);
  const nowMs = clock.nowMs();
  const detail = { awaiting, ...(isForced && { isForced }) };
  const audit: AuditEntry = {
    ...{ ...auditActorOf(request), atMs: nowMs, action: 'signing-key-retired', subject: kid, detail },
    ...{ before: { state: key.state }, after: { state: 'withdrawn' } },
  };
  if (key.state !== 'withdrawn' && (await store.withdrawSigningKey(kid, nowMs, audit))) {
    request.log.info({ operator: request.operatorName, kid, ...detail }, 'signing key retired');
  }
  await keysOf(options).follow();
  return writeSigningKey(await findKey(store, kid), await contextOf(options));
}

/** @throws {Problem} 409 while something that it signed, or may have signed, is awaiting */
function refuseNeeded(key: StoredSigningKey, context: KeyContext): void {
  const { awaiting, isAtLeast } = dependentsOf(key, context);
  const anyway = 'or force it: whoever fetches the JWKS from then on cannot verify them';
  if (awaiting > 0) {
    const count = isAtLeast ? `at least ${awaiting}` : awaiting;
    throw new Problem(409, `This key signed the SETs of ${count} awaiting notifications; wait for them, ${anyway}.`);
  }
  if (isAtLeast) {
    throw new Problem(409, `So much is awaiting that this key may have signed some of it; wait, ${anyway}.`);
  }
  if (context.nowMs - lastUsedAtMs(key) < UNDER_WAY_MS) {
    throw new Problem(
      409,
      `This key signed within the last minute ("stillUsedAt" tells of instances that still do); wait, ${anyway}.`,
    );
  }
}

async function reload(request: FastifyRequest, options: OperatorOptions): Promise<Static<typeof ReloadedKey>> {
  try {
    const reloaded = await reloadSigningKeys(keysOf(options), options, auditActorOf(request));
    request.log.info({ operator: request.operatorName, ...reloaded }, 'signing key reloaded');
    const { kid, changed, announced } = reloaded;
    return { kid, changed, ...(announced !== undefined && { announced }) };
  } catch (error) {
    if (!(error instanceof StartUpError)) throw error;
    request.log.warn({ operator: request.operatorName, why: error.message }, 'signing key not reloaded');
    throw new Problem(409, `${error.message} The key before it stays in use.`);
  }
}

/** Reads the keys anew, and keeps in the audit what that changed. @param actor who has it done */
export async function reloadSigningKeys(
  keys: SigningKeys,
  { store, clock, log }: Pick<OperatorOptions, 'store' | 'clock' | 'log'>,
  actor: AuditActor,
): Promise<Reloaded> {
  const reloaded = await keys.reload();
  const { kid, changed, announced } = reloaded;
  const entry = (action: string, subject: string): AuditEntry => {
    return { ...actor, atMs: clock.nowMs(), action, subject, detail: {}, after: { kid: subject } };
  };
  const entries = [
    ...(changed ? [entry('signing-key-changed', kid)] : []),
    ...(announced === undefined ? [] : [entry('signing-key-announced', announced)]),
  ];
  for (const each of entries) {
    // It is done: to answer that nothing was kept would be wrong.
    await store.audit(each).catch((error: unknown) => log.error({ err: error, ...each }, 'not kept in the audit'));
  }
  return reloaded;
}

function keysOf({ signingKeys }: OperatorOptions): SigningKeys {
  if (signingKeys !== undefined) return signingKeys;
  throw new Problem(501, 'Signing keys cannot be changed here; restart the service.');
}

async function findKey(store: Pick<Store, 'signingKeys'>, kid: string): Promise<StoredSigningKey> {
  const key = (await store.signingKeys()).find(({ publicJwk }) => publicJwk.kid === kid);
  if (key !== undefined) return key;
  throw new Problem(404, 'There is no signing key with this kid; name its file in "signing.next", and reload.');
}

function announcedFor({ config }: OperatorOptions): Pick<KeyContext, 'announcedMs'> {
  return { announcedMs: config?.signing.announcedMs ?? 0 };
}

async function contextOf(options: OperatorOptions): Promise<KeyContext> {
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

/** Facts about keys, besides the keys themselves. */
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
function writeSigningKey(key: StoredSigningKey, context: KeyContext): ShownSigningKey {
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
function rotatableFrom(
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

/** Notifications whose signatures by a key may still have to be verified. */
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
  return hash('sha256', JSON.stringify({ e, kty: 'RSA', n }), 'base64url');
}
