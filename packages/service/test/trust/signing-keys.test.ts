import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSigningKeys, signCompact, signDetached, verifyDetached } from '@tidings/protocol';
import { StartUpError } from '../../src/base/start-up-error.ts';
import {
  BEYOND_UNDER_WAY_MS,
  bankWith,
  first,
  IDENTITY,
  KEPT_MS,
  kidsOf,
  NEW,
  payload,
  second,
  third,
  verifies,
} from '../support/signing-bank.ts';
import { NOW_MS } from '../support/trust-clock.ts';

test('the key is kept in the store before it signs anything', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  await signCompact(payload, keys.current(), 1);
  bank.file = second;
  await keys.reload();
  await signCompact(payload, keys.current(), 1);
  assert.deepEqual(bank.did, ['remember first', 'sign first', 'remember second', 'sign second']);
});

test('a reload changes the key without a restart, and says so', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const held = keys.signer;
  assert.deepEqual(await keys.reload(), { kid: 'first', changed: false, announced: undefined });
  bank.file = second;
  assert.deepEqual(await keys.reload(), { kid: 'second', changed: true, announced: undefined });
  assert.deepEqual([keys.current().kid, held.kid, held.iss, held.tan], ['second', 'second', 'bank', IDENTITY.tan]);
  assert.equal(await verifies(keys, await signCompact(payload, keys.current(), 1)), 'second');
  assert.equal(await verifies(keys, await signCompact(payload, held, 1)), 'second');
});

test('a signer that was taken before a rotation keeps its key, and cannot be changed', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const taken = keys.current();
  assert.ok(Object.isFrozen(taken));
  bank.file = second;
  await keys.reload();
  assert.equal(taken.kid, 'first');
  assert.equal(await verifies(keys, await signCompact(payload, taken, 1)), 'first');
});

test('no rotation comes between the header and the signature', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const signing: Promise<string>[] = [];
  for (const file of [second, third, second, first, third]) {
    bank.file = file;
    const reloading = keys.reload();
    for (let turns = 0; turns < 20; turns += 1) {
      signing.push(signCompact(payload, keys.signer, 1));
      await Promise.resolve();
    }
    await reloading;
  }
  const kids = await Promise.all(signing.map(async (token) => verifies(keys, await token)));
  assert.deepEqual(new Set(kids), new Set(['first', 'second', 'third']));
});

test('a detached signature under way during a rotation verifies with the key it names', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const signing = signDetached(payload, keys.signer, 1);
  bank.file = second;
  await keys.reload();
  const { kid } = await verifyDetached(await signing, payload, {
    ...{ iss: 'bank', trustAnchors: [IDENTITY.tan], nowSeconds: 1, clockSkewSeconds: 0 },
    ...{ typesAccepted: [], unencodedPayloadAccepted: false },
    keys: await importSigningKeys({ keys: await keys.publicJwks() }),
  });
  assert.equal(kid, 'first');
});

test('a bad key file leaves the old key in use and is an error', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = new StartUpError('The file key.pem does not exist.');
  await assert.rejects(keys.reload(), bank.file);
  assert.equal(keys.current().kid, 'first');
  assert.deepEqual(await kidsOf(keys), ['first']);
  bank.file = second;
  assert.deepEqual(
    await keys.reload(),
    { kid: 'second', changed: true, announced: undefined },
    'and the next reload is as ever',
  );
});

test('a store that cannot keep the new key leaves the old one in use and is an error', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = second;
  bank.storeFails = true;
  await assert.rejects(keys.reload(), { message: 'the store is full' });
  assert.equal(keys.current().kid, 'first');
  assert.equal(keys.signer.kid, 'first');
  assert.deepEqual(bank.did, ['remember first']);
});

test('a kid that was another key is refused, at a reload and at the start', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = { ...second, kid: 'first', jwk: { ...second.jwk, kid: 'first' } };
  await assert.rejects(keys.reload(), { name: 'StartUpError', message: /"signing\.kid" \(first\)/ });
  assert.deepEqual(await kidsOf(keys), ['first']);
  assert.equal((await keys.publicJwks())[0]?.['n'], first.jwk['n']);
  await assert.rejects(bank.keys(), StartUpError);
});

test('a former key can become the current one again', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  for (const file of [second, first]) {
    bank.file = file;
    await keys.reload();
  }
  bank.clock.advance(KEPT_MS);
  assert.deepEqual(await kidsOf(keys), ['first']);
});

test('reloads at the same time run one after the other, so that the file of the last one stays', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const { promise, resolve } = Promise.withResolvers<void>();
  bank.hold = promise;
  bank.file = second;
  const slow = keys.reload();
  await Promise.resolve();
  bank.hold = undefined;
  bank.file = third;
  const quick = keys.reload();
  resolve();
  assert.deepEqual(await Promise.all([slow, quick]), [
    { kid: 'second', changed: true, announced: undefined },
    { kid: 'third', changed: true, announced: undefined },
  ]);
  assert.equal(keys.current().kid, 'third');
});

test('of two reloads of one file the first one changes the key', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = second;
  assert.deepEqual(await Promise.all([keys.reload(), keys.reload()]), [
    { kid: 'second', changed: true, announced: undefined },
    { kid: 'second', changed: false, announced: undefined },
  ]);
});

test('old public keys stay resolvable for formerKeysKeptMs, the current one first', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.file = second;
  await keys.reload();
  bank.clock.advance(KEPT_MS - 1);
  bank.file = third;
  await keys.reload();
  assert.deepEqual(await kidsOf(keys), ['third', 'second', 'first']);
  bank.clock.advance(1);
  assert.deepEqual(await kidsOf(keys), ['third', 'second']);
});

test('an old public key stays resolvable as long as a token that it may have signed is awaiting', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  bank.clock.advance(5000);
  bank.file = second;
  await keys.reload();
  bank.clock.advance(10 * 365 * 86_400_000);
  bank.oldestAwaitingAtMs = NOW_MS;
  assert.deepEqual(await kidsOf(keys), ['second', 'first']);
  bank.oldestAwaitingAtMs = NOW_MS + 5000 + BEYOND_UNDER_WAY_MS - 1;
  assert.deepEqual(await kidsOf(keys), ['second', 'first'], 'what was being signed while it was retired');
  bank.oldestAwaitingAtMs = NOW_MS + 5000 + BEYOND_UNDER_WAY_MS;
  assert.deepEqual(await kidsOf(keys), ['second']);
  bank.oldestAwaitingAtMs = undefined;
  assert.deepEqual(await kidsOf(keys), ['second']);
});

test('former keys are known after a restart', async () => {
  const bank = bankWith(first);
  await bank.keys();
  bank.file = second;
  assert.deepEqual(await kidsOf(await bank.keys()), ['second', 'first']);
});

test('the JWKS never holds more keys than verifiers read, and drops the oldest first', async () => {
  const bank = bankWith(first);
  const keys = await bank.keys();
  const former = Array.from({ length: 150 }, (_, at) => ({
    publicJwk: { ...second.jwk, kid: `former-${at}` },
    ...{ ...NEW, state: 'former' as const, retiredAtMs: NOW_MS - at },
  }));
  bank.kept = [...bank.kept, ...former];
  const kids = await kidsOf(keys);
  assert.equal(kids.length, 100);
  assert.deepEqual([kids[0], kids[1], kids.at(-1)], ['first', 'former-0', 'former-98']);
});
