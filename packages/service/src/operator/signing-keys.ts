import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { StartUpError } from '../base/start-up-error.ts';
import type { AuditActor, AuditEntry } from '../model/audit.ts';
import type { StoredSigningKey } from '../model/signing-key.ts';
import type { Store } from '../store/store.ts';
import { lastUsedAtMs, type Reloaded, type SigningKeys, UNDER_WAY_MS } from '../trust/signing-keys.ts';
import { auditActorOf } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { isoTime } from './request.ts';
import { type Call, json, ok, route } from './route.ts';
import {
  announcedFor,
  dependentsOf,
  type KeyContext,
  keyContextOf,
  ReloadedKey,
  rotatableFrom,
  ShownSigningKey,
  SigningKeyList,
  writeSigningKey,
} from './signing-key-view.ts';

const closed = { additionalProperties: false };

/** Options of rotation and retirement. */
const KeyChange = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({ description: 'true: even if the key was announced too recently, or notifications depend on it' }),
    ),
  },
  closed,
);

const KEYS = '/operator/v1/signing-keys';
const change = {
  method: 'post',
  role: 'administrator',
  tag: 'Signing keys',
  body: json({ KeyChange }, { example: { force: false }, byDefault: {} }),
  response: ok('The key', { ShownSigningKey }),
  refusals: [404, 409, 501],
} as const;
const reading = { method: 'get', role: 'viewer', tag: 'Signing keys' } as const;

/** The signing keys of the bank: list, dependents, rotation without a restart. */
export const signingKeyRoutes = [
  route({
    ...reading,
    operationId: 'listSigningKeys',
    path: KEYS,
    summary: 'List the signing keys of the bank with the notifications that still depend on each',
    query: {},
    response: ok('Every signing key, including former and withdrawn ones', { SigningKeyList }),
    refusals: [501],
    handler: (context) => () => listKeys(context),
  }),
  route({
    ...reading,
    operationId: 'getSigningKey',
    path: `${KEYS}/{kid}`,
    summary: 'Get a signing key',
    response: ok('The key', { ShownSigningKey }),
    refusals: [404],
    handler:
      (context) =>
      async ({ params }) =>
        writeSigningKey(await findKey(context.store, params.kid), await keyContextOf(context)),
  }),
  route({
    operationId: 'reloadSigningKeys',
    method: 'post',
    path: `${KEYS}/reload`,
    role: 'administrator',
    tag: 'Signing keys',
    summary: 'Reload the signing keys of the configuration and announce the next one; an invalid key changes nothing',
    response: ok('kid of the current key', { ReloadedKey }),
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
    summary: 'Remove a key from the JWKS permanently; 409 while notifications depend on it',
    handler: (context) => (call) => retire(call, context),
  }),
];

type Change = Call<'{kid}', Record<never, never>, Static<typeof KeyChange>>;

async function listKeys(options: OperatorOptions): Promise<SigningKeyList> {
  const { store } = options;
  const keys = keysOf(options);
  await keys.follow();
  const [kept, context] = await Promise.all([store.signingKeys(), keyContextOf(options)]);
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

/** Makes a key the current one on all instances that have it. No effect if it is already. */
async function rotate({ request, params, body }: Change, options: OperatorOptions): Promise<ShownSigningKey> {
  const { store, clock } = options;
  const keys = keysOf(options);
  const isForced = body.force === true;
  const key = await findKey(store, params.kid);
  const { kid } = key.publicJwk;
  const nowMs = clock.nowMs();
  if (key.state === 'withdrawn') throw new Problem(409, 'This key was retired permanently; rotate to another one.');
  if (!keys.held().includes(kid)) {
    throw new Problem(409, 'This instance does not have the private key; set its file in "signing.next" and reload.');
  }
  const fromMs = rotatableFrom(key, announcedFor(options));
  if (fromMs !== undefined && nowMs < fromMs && !isForced) {
    const why = `This key was announced too recently: TPPs with a cached JWKS may not know it before ${isoTime(fromMs)}`;
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
  return writeSigningKey(await findKey(store, kid), await keyContextOf(options));
}

/** Removes a key from the JWKS. No effect if it is already removed. */
async function retire({ request, params, body }: Change, options: OperatorOptions): Promise<ShownSigningKey> {
  const { store, clock } = options;
  const isForced = body.force === true;
  const key = await findKey(store, params.kid);
  const { kid } = key.publicJwk;
  if (key.state === 'current') throw new Problem(409, 'This key is the current one; rotate to another one first.');
  const context = await keyContextOf(options);
  const { awaiting } = dependentsOf(key, context);
  if (key.state === 'former' && !isForced) assertUnused(key, context);
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
  return writeSigningKey(await findKey(store, kid), await keyContextOf(options));
}

/** @throws {Problem} 409 while notifications that the key signed, or may have signed, are awaiting */
function assertUnused(key: StoredSigningKey, context: KeyContext): void {
  const { awaiting, isAtLeast } = dependentsOf(key, context);
  const anyway = 'or force it: TPPs that fetch the JWKS afterwards cannot verify them';
  if (awaiting > 0) {
    const count = isAtLeast ? `at least ${awaiting}` : awaiting;
    throw new Problem(
      409,
      `This key signed the SETs of ${count} awaiting notifications; wait until none are left, ${anyway}.`,
    );
  }
  if (isAtLeast) {
    throw new Problem(
      409,
      `This key may have signed some of the awaiting notifications, of which not all were inspected; wait, ${anyway}.`,
    );
  }
  if (context.nowMs - lastUsedAtMs(key) < UNDER_WAY_MS) {
    throw new Problem(
      409,
      `This key signed within the last minute, or another instance still uses it; wait, ${anyway}.`,
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
    throw new Problem(409, `${error.message} The previous key stays in use.`);
  }
}

/** Reloads the keys and records changes in the audit. @param actor who requested it */
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
    // The change is made: an error would wrongly say that it is not.
    await store
      .audit(each)
      .catch((error: unknown) => log.error({ err: error, ...each }, 'audit entry could not be stored'));
  }
  return reloaded;
}

function keysOf({ signingKeys }: OperatorOptions): SigningKeys {
  if (signingKeys !== undefined) return signingKeys;
  throw new Problem(501, 'Signing keys cannot be changed at run time here; restart the service.');
}

async function findKey(store: Pick<Store, 'signingKeys'>, kid: string): Promise<StoredSigningKey> {
  const key = (await store.signingKeys()).find(({ publicJwk }) => publicJwk.kid === kid);
  if (key !== undefined) return key;
  throw new Problem(404, 'There is no signing key with this kid; set its file in "signing.next" and reload.');
}
