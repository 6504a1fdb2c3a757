import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { JwksError } from '@tidings/protocol';
import { makeSigningKey, startRecordingServer, testPki } from '@tidings/testing';
import { JwksUnavailableError } from '../../src/trust/jwks-cache.ts';
import { createTppKeys, type TppKeys } from '../../src/trust/tpp-keys.ts';
import { loopbackGuard } from '../support/loopback-guard.ts';
import { type HeldClock, heldClock } from '../support/trust-clock.ts';

const one = makeSigningKey('one').jwk;
const other = makeSigningKey('other').jwk;

async function tppKeys(t: TestContext, clock: HeldClock = heldClock()): Promise<TppKeys> {
  const { caPem: ca } = await testPki();
  const keys = createTppKeys({
    ca,
    guard: loopbackGuard,
    maxAgeMs: 600_000,
    hardMaxAgeMs: 3_600_000,
    refetchMinMs: 30_000,
    timeoutMs: 5000,
    clock,
  });
  t.after(() => keys.close());
  return keys;
}

async function kidOf(keys: TppKeys, tpp: Parameters<TppKeys['keysOf']>[0], kid: string): Promise<string | undefined> {
  return (await (await keys.keysOf(tpp)).keyFor(kid))?.kid;
}

test('the keys of a TPP come from its own inline JWKS, and are imported once', async (t) => {
  const keys = await tppKeys(t);
  const tpp = { clientId: 'a', jwks: { keys: [one] } };
  assert.equal(await kidOf(keys, tpp, 'one'), 'one');
  assert.equal(await keys.keysOf(tpp), await keys.keysOf(structuredClone(tpp)));
});

test('a TPP whose inline JWKS was replaced has the new keys only', async (t) => {
  const keys = await tppKeys(t);
  await keys.keysOf({ clientId: 'a', jwks: { keys: [one] } });
  const replaced = { clientId: 'a', jwks: { keys: [other] } };
  assert.equal(await kidOf(keys, replaced, 'one'), undefined);
  assert.equal(await kidOf(keys, replaced, 'other'), 'other');
});

test('the keys of a TPP come from its own JWKS URL, one cache per URL', async (t) => {
  const server = await startRecordingServer(t, { keys: [one] });
  const keys = await tppKeys(t);
  const tpp = { clientId: 'a', jwksUrl: `${server.origin}/a.jwks` };
  assert.equal(await kidOf(keys, tpp, 'one'), 'one');
  assert.equal(await kidOf(keys, tpp, 'one'), 'one');
  assert.deepEqual(
    server.seen.map(({ request }) => request.url),
    ['/a.jwks'],
  );
});

test('a kid of another TPP is unknown, and asking for it asks only the own JWKS URL', async (t) => {
  const [ofA, ofB] = [await startRecordingServer(t, { keys: [one] }), await startRecordingServer(t, { keys: [other] })];
  const keys = await tppKeys(t);
  assert.equal(await kidOf(keys, { clientId: 'b', jwksUrl: ofB.origin }, 'other'), 'other');
  assert.equal(await kidOf(keys, { clientId: 'a', jwksUrl: ofA.origin }, 'other'), undefined);
  assert.equal(await kidOf(keys, { clientId: 'c', jwks: { keys: [] } }, 'other'), undefined);
  assert.equal(ofB.seen.length, 1);
});

test('a JWKS URL that is down is unavailable, and leaves other TPPs alone', async (t) => {
  const server = await startRecordingServer(t, { keys: [one] });
  const keys = await tppKeys(t);
  const down = await keys.keysOf({ clientId: 'a', jwksUrl: 'https://127.0.0.1:1/' });
  await assert.rejects(down.keyFor('one'), JwksUnavailableError);
  assert.equal(await kidOf(keys, { clientId: 'b', jwksUrl: server.origin }, 'one'), 'one');
});

const NO_JWKS: readonly (readonly [string, object])[] = [
  ['neither a JWKS nor a URL', {}],
  ['a JWKS that is not one', { jwks: { keys: 'none' } }],
  ['a URL that is not https', { jwksUrl: 'http://tpp.example/jwks' }],
  ['a URL with a password', { jwksUrl: 'https://tpp:secret@tpp.example/jwks' }],
];

for (const [name, tpp] of NO_JWKS) {
  test(`a TPP with ${name} is a JwksError`, async (t) => {
    const keys = await tppKeys(t);
    await assert.rejects(keys.keysOf({ clientId: 'a', ...tpp }), JwksError);
  });
}

test('closing ends the fetches under way', async (t) => {
  const server = await startRecordingServer(t);
  server.hold = new Promise(() => undefined);
  const keys = await tppKeys(t);
  const asked = assert.rejects(kidOf(keys, { clientId: 'a', jwksUrl: server.origin }, 'one'), JwksUnavailableError);
  await keys.close();
  await asked;
});
