import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  importSigningKeys,
  JwksError,
  type KeySource,
  type SigningKeySet,
  type VerificationKey,
} from '@tidings/protocol';
import { makeSigningKey, type RecordingServer, startRecordingServer, testPki, until } from '@tidings/testing';
import { createHttpsClient } from '../../src/net/https-client.ts';
import {
  createJwksCache,
  JWKS_BYTES_MAX,
  type JwksCacheOptions,
  JwksUnavailableError,
  JwksUnusableError,
} from '../../src/trust/jwks-cache.ts';
import { type HeldClock, heldClock } from '../support/trust-clock.ts';

const first = makeSigningKey('first').jwk;
const second = makeSigningKey('second').jwk;
const MAX_AGE_MS = 600_000;
const HARD_MAX_AGE_MS = 3_600_000;
const REFETCH_MIN_MS = 30_000;
const TIMEOUT_MS = 5000;

interface Cached {
  readonly keys: KeySource;
  readonly server: RecordingServer;
  readonly clock: HeldClock;
  readonly failures: string[];
}

async function cachedJwks(
  t: TestContext,
  jwks: unknown = { keys: [first] },
  timeoutMs = TIMEOUT_MS,
  changed: Partial<Pick<JwksCacheOptions<VerificationKey, SigningKeySet>, 'revokedUrl' | 'maxAgeMs'>> = {},
): Promise<Cached> {
  const server = await startRecordingServer(t, jwks);
  const clock = heldClock();
  const { caPem: ca } = await testPki();
  const https = createHttpsClient({
    tls: { ca },
    guard: undefined,
    timeoutMs,
    responseBytesMax: JWKS_BYTES_MAX,
    clock,
  });
  t.after(() => https.close());
  const failures: string[] = [];
  const keys = createJwksCache({
    ...{
      url: `${server.origin}/jwks`,
      https,
      clock,
      maxAgeMs: MAX_AGE_MS,
      hardMaxAgeMs: HARD_MAX_AGE_MS,
      refetchMinMs: REFETCH_MIN_MS,
      importKeys: importSigningKeys,
    },
    onFetchFailed: ({ reason }) => failures.push(reason),
    ...changed,
  });
  return { keys, server, clock, failures };
}

async function kidOf(keys: KeySource, kid: string): Promise<string | undefined> {
  return (await keys.keyFor(kid))?.kid;
}

test('keys are fetched when first needed, then kept', async (t) => {
  const { keys, server } = await cachedJwks(t);
  assert.equal(server.seen.length, 0);
  assert.equal(await kidOf(keys, 'first'), 'first');
  assert.equal(await kidOf(keys, 'first'), 'first');
  assert.equal(server.seen.length, 1);
});

test('all who ask at the same time share one request', async (t) => {
  const { keys, server } = await cachedJwks(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.hold = promise;
  const asked = ['first', 'first', 'unknown'].map((kid) => kidOf(keys, kid));
  await until(() => server.seen.length > 0);
  asked.push(kidOf(keys, 'first'));
  resolve();
  assert.deepEqual(await Promise.all(asked), ['first', 'first', undefined, 'first']);
  assert.equal(server.seen.length, 1);
});

test('keys that are half too old are given out while they are fetched again, in one request', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  await keys.keyFor('first');
  server.answer.body = JSON.stringify({ keys: [second] });
  clock.advance(MAX_AGE_MS / 2 - 1);
  await keys.keyFor('first');
  clock.advance(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.hold = promise;
  assert.equal(await kidOf(keys, 'first'), 'first', 'nobody waits');
  assert.equal(await kidOf(keys, 'first'), 'first');
  resolve();
  assert.equal(await kidOf(keys, 'second'), 'second');
  assert.equal(await kidOf(keys, 'first'), undefined, 'a key that was taken out is gone');
  assert.equal(server.seen.length, 2);
});

test('a key that was removed is not used once more at the age from which a fetch is waited for', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  await keys.keyFor('first');
  server.answer.body = JSON.stringify({ keys: [second] });
  clock.advance(MAX_AGE_MS);
  assert.equal(await kidOf(keys, 'first'), undefined);
  assert.equal(server.seen.length, 2);
});

test('an age that is shorter than refetchMinMs is kept all the same', async (t) => {
  const { keys, server, clock } = await cachedJwks(t, undefined, TIMEOUT_MS, { maxAgeMs: 1000 });
  await keys.keyFor('first');
  server.answer.body = JSON.stringify({ keys: [second] });
  clock.advance(1000);
  assert.equal(await kidOf(keys, 'first'), undefined);
});

test('after a failure that was answered, the next fetch is waited for, so that a removed key is not used again', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  await keys.keyFor('first');
  server.answer.status = 503;
  clock.advance(MAX_AGE_MS);
  assert.equal(await kidOf(keys, 'first'), 'first');
  server.answer = { status: 200, body: JSON.stringify({ keys: [second] }) };
  clock.advance(REFETCH_MIN_MS);
  assert.equal(await kidOf(keys, 'first'), undefined);
});

test('after a fetch without an answer nobody waits for the next one until the hard age', async (t) => {
  const { keys, server, clock, failures } = await cachedJwks(t);
  await keys.keyFor('first');
  server.hold = new Promise(() => undefined);
  clock.advance(MAX_AGE_MS / 2);
  assert.equal(await kidOf(keys, 'first'), 'first');
  await until(() => server.seen.length === 2);
  clock.advance(TIMEOUT_MS);
  await until(() => failures.length === 1);
  assert.deepEqual(failures, ['no answer within 5000 ms']);
  clock.advance(MAX_AGE_MS);
  assert.equal(await kidOf(keys, 'first'), 'first');
});

test('while the JWKS fails keys are used up to the hard age, and not a millisecond longer', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  await keys.keyFor('first');
  server.answer.status = 503;
  clock.advance(HARD_MAX_AGE_MS - 1);
  assert.equal(await kidOf(keys, 'first'), 'first');
  clock.advance(1);
  await assert.rejects(keys.keyFor('first'), JwksUnavailableError);
  await assert.rejects(keys.keyFor('unknown'), JwksUnavailableError);
  server.answer.status = 200;
  clock.advance(REFETCH_MIN_MS);
  assert.equal(await kidOf(keys, 'first'), 'first', 'and again once they could be fetched');
});

test('keys past the hard age are waited for, and used when they come', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  await keys.keyFor('first');
  clock.advance(HARD_MAX_AGE_MS);
  assert.equal(await kidOf(keys, 'first'), 'first');
  assert.equal(server.seen.length, 2);
});

const { kid: _, ...anonymous } = first;

for (const [how, listed] of [
  ['under its kid', { kid: 'first' }],
  ['under another kid', { ...anonymous, kid: 'renamed' }],
  ['without a kid', anonymous],
  ['among more keys than a JWKS may have', undefined],
] as const) {
  test(`a key that the list of revoked keys has ${how} is not used`, async (t) => {
    const many = Array.from({ length: 101 }, (_item, at) => ({ kid: `old-${at}` }));
    const revoked = await startRecordingServer(t, { keys: listed === undefined ? [...many, first] : [listed] });
    const { keys } = await cachedJwks(t, { keys: [first, second] }, TIMEOUT_MS, { revokedUrl: `${revoked.origin}/r` });
    assert.equal(await kidOf(keys, 'first'), undefined);
    assert.equal(await kidOf(keys, 'second'), 'second');
    assert.deepEqual(
      revoked.seen.map(({ request }) => request.url),
      ['/r'],
    );
  });
}

test('a key that is revoked later is gone at the next refresh', async (t) => {
  const revoked = await startRecordingServer(t, { keys: [] });
  const { keys, clock } = await cachedJwks(t, undefined, TIMEOUT_MS, { revokedUrl: revoked.origin });
  assert.equal(await kidOf(keys, 'first'), 'first');
  revoked.answer.body = JSON.stringify({ keys: [first] });
  clock.advance(MAX_AGE_MS);
  assert.equal(await kidOf(keys, 'first'), undefined);
});

test('while the list of revoked keys fails keys are used up to the hard age, and none at first', async (t) => {
  const revoked = await startRecordingServer(t, { keys: [] });
  const cached = await cachedJwks(t, undefined, TIMEOUT_MS, { revokedUrl: revoked.origin });
  await cached.keys.keyFor('first');
  for (const answer of [
    { status: 404, body: '' },
    { status: 200, body: '{}' },
    { status: 200, body: '' },
  ]) {
    revoked.answer = answer;
    const { keys } = await cachedJwks(t, undefined, TIMEOUT_MS, { revokedUrl: revoked.origin });
    await assert.rejects(keys.keyFor('first'), JwksUnavailableError);
  }
  cached.clock.advance(HARD_MAX_AGE_MS - 1);
  assert.equal(await kidOf(cached.keys, 'first'), 'first');
  cached.clock.advance(1);
  await assert.rejects(cached.keys.keyFor('first'), JwksUnavailableError);
});

test('an answer of a JWKS URL that is no usable JWKS is told apart from a JWKS that is down', async (t) => {
  for (const [body, reason] of [
    [JSON.stringify({ keys: Array.from({ length: 101 }, () => ({})) }), /at most 100 keys/],
    ['<html>', /^The JWKS /],
    ['{"keys":{}}', /array "keys"/],
    [`{"keys":[],"x":"${'x'.repeat(JWKS_BYTES_MAX)}"}`, /more than 262144 bytes/],
  ] as const) {
    const { keys, server } = await cachedJwks(t);
    server.answer.body = body;
    await assert.rejects(keys.keyFor('first'), (error) => {
      assert.ok(error instanceof JwksUnusableError, String(error));
      assert.match(error.message, reason);
      return true;
    });
  }
  const { keys, server } = await cachedJwks(t);
  server.answer.status = 404;
  await assert.rejects(keys.keyFor('first'), (error) => !(error instanceof JwksUnusableError));
});

test('a kid that is not known is waited for, with one fetch per refetchMinMs at most', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  await keys.keyFor('first');
  server.answer.body = JSON.stringify({ keys: [first, second] });
  clock.advance(REFETCH_MIN_MS - 1);
  assert.equal(await kidOf(keys, 'second'), undefined);
  assert.equal(server.seen.length, 1);
  clock.advance(1);
  assert.equal(await kidOf(keys, 'second'), 'second');
  for (const kid of ['x', 'y', 'z']) assert.equal(await kidOf(keys, kid), undefined);
  assert.equal(server.seen.length, 2);
});

test('a fetch that takes longer than refetchMinMs is still the only one', async (t) => {
  const { keys, server, clock } = await cachedJwks(t, { keys: [first] }, 2 * REFETCH_MIN_MS);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.hold = promise;
  const asked = [kidOf(keys, 'first')];
  await until(() => server.seen.length === 1);
  clock.advance(REFETCH_MIN_MS);
  asked.push(kidOf(keys, 'first'));
  resolve();
  assert.deepEqual(await Promise.all(asked), ['first', 'first']);
  assert.equal(server.seen.length, 1);
});

const FAILURES: readonly (readonly [string, number, string])[] = [
  ['a 503', 503, '{"keys":[]}'],
  ['a redirect', 302, '{"keys":[]}'],
  ['a body that is not JSON', 200, '<html>'],
  ['a body with a member twice', 200, '{"keys":[],"keys":[]}'],
  ['JSON that is no JWKS', 200, '{"keys":{}}'],
  ['a body that is too large', 200, `{"keys":[],"x":"${'x'.repeat(JWKS_BYTES_MAX)}"}`],
];

for (const [name, status, body] of FAILURES) {
  test(`after ${name} the old keys stay, and it is asked again once per refetchMinMs`, async (t) => {
    const { keys, server, clock, failures } = await cachedJwks(t);
    await keys.keyFor('first');
    server.answer = { status, body };
    clock.advance(MAX_AGE_MS);
    assert.equal(await kidOf(keys, 'first'), 'first');
    await until(() => failures.length === 1);
    assert.equal(await kidOf(keys, 'first'), 'first');
    assert.equal(await kidOf(keys, 'second'), undefined);
    assert.equal(server.seen.length, 2);
    server.answer = { status: 200, body: JSON.stringify({ keys: [second] }) };
    clock.advance(REFETCH_MIN_MS);
    assert.equal(await kidOf(keys, 'second'), 'second');
    assert.equal(await kidOf(keys, 'first'), undefined);
    assert.equal(server.seen.length, 3);
  });
}

test('while keys were never had it rejects, and asks once per refetchMinMs', async (t) => {
  const { keys, server, clock } = await cachedJwks(t);
  server.answer.status = 500;
  for (let times = 0; times < 3; times += 1) {
    await assert.rejects(keys.keyFor('first'), (error) => {
      assert.ok(error instanceof JwksUnavailableError);
      assert.match(error.message, /status 500/);
      return true;
    });
  }
  assert.equal(server.seen.length, 1);
  server.answer.status = 200;
  clock.advance(REFETCH_MIN_MS);
  assert.equal(await kidOf(keys, 'first'), 'first');
});

test('of a JWKS that holds transport keys too only the signing keys count', async (t) => {
  const transport = { ...second, kid: 'transport', use: 'tls' };
  const without = { ...second, kid: 'without', use: undefined };
  const { keys } = await cachedJwks(t, { keys: [first, transport, without] });
  assert.equal(await kidOf(keys, 'first'), 'first');
  assert.equal(await kidOf(keys, 'transport'), undefined);
  assert.equal(await kidOf(keys, 'without'), undefined);
});

test('a kid is opaque: whatever it looks like, it is looked up and never resolved', async (t) => {
  const kid = 'https://elsewhere.example/keys/../1?x#y';
  const { keys, server } = await cachedJwks(t, { keys: [{ ...first, kid }] });
  assert.equal(await kidOf(keys, kid), kid);
  assert.deepEqual(
    server.seen.map(({ request }) => request.url),
    ['/jwks'],
  );
});

test('a JWKS URL that is not https is refused', () => {
  const https = { exchange: () => Promise.reject(new Error('must not be asked')) };
  const settings = {
    https,
    clock: heldClock(),
    maxAgeMs: 1,
    hardMaxAgeMs: 1,
    refetchMinMs: 1,
    importKeys: importSigningKeys,
  };
  assert.throws(() => createJwksCache({ ...settings, url: 'http://tpp.example/jwks' }), JwksError);
});
