import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { KeySource } from '@tidings/protocol';
import { listenHttps, makeParticipant, testPki } from '@tidings/testing';
import { type RemoteKeysOptions, remoteKeys } from '@tidings/tpp';

const first = makeParticipant('bank', 'first');
const second = makeParticipant('bank', 'second');

/** A JWKS that the test changes, its requests counted, and a clock that the test turns. */
interface Jwks {
  readonly keys: KeySource;
  readonly origin: string;
  requests: number;
  nowMs: number;
  answer: { status: number; body: string };
  hold: Promise<void> | undefined;
}

async function serveJwks(t: TestContext, options: Partial<RemoteKeysOptions> = {}): Promise<Jwks> {
  const { origin } = await listenHttps(t, async (_request, response) => {
    jwks.requests += 1;
    await jwks.hold;
    const { status, body } = jwks.answer;
    response.writeHead(status, { 'content-type': 'application/json', location: '/other' }).end(body);
  });
  const { caPem } = await testPki();
  const url = `${origin}/jwks`;
  const jwks: Jwks = {
    keys: remoteKeys({ url, transport: { caPem }, now: () => jwks.nowMs, ...options }),
    origin,
    requests: 0,
    nowMs: 1_000_000,
    answer: await jwksOf('first'),
    hold: undefined,
  };
  return jwks;
}

async function jwksOf(...kids: ('first' | 'second')[]): Promise<{ status: number; body: string }> {
  const keys = await Promise.all(kids.map(async (kid) => (await (kid === 'first' ? first : second)).jwk));
  return { status: 200, body: JSON.stringify({ keys }) };
}

test('keys are fetched when first needed, then cached', async (t) => {
  const jwks = await serveJwks(t);
  assert.equal(jwks.requests, 0);
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
  assert.equal(jwks.requests, 1);
});

test('an unknown kid causes a refresh, at most once per cooldown', async (t) => {
  const jwks = await serveJwks(t);
  await jwks.keys.keyFor('first');
  jwks.answer = await jwksOf('first', 'second');
  jwks.nowMs += 29_999;
  assert.equal(await jwks.keys.keyFor('second'), undefined);
  assert.equal(jwks.requests, 1);
  jwks.nowMs += 1;
  assert.equal((await jwks.keys.keyFor('second'))?.kid, 'second');
  assert.equal(jwks.requests, 2);
  for (const kid of ['x', 'y', 'z']) assert.equal(await jwks.keys.keyFor(kid), undefined);
  assert.equal(jwks.requests, 2);
});

test('concurrent callers share one request', async (t) => {
  const jwks = await serveJwks(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  jwks.hold = promise;
  const asked = ['first', 'first', 'unknown'].map((kid) => jwks.keys.keyFor(kid));
  resolve();
  assert.deepEqual(
    (await Promise.all(asked)).map((key) => key?.kid),
    ['first', 'first', undefined],
  );
  assert.equal(jwks.requests, 1);
});

test('keys that are too old are refreshed, so that a removed key is gone', async (t) => {
  const jwks = await serveJwks(t);
  await jwks.keys.keyFor('first');
  jwks.answer = await jwksOf('second');
  jwks.nowMs += 599_999;
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
  jwks.nowMs += 1;
  assert.equal(await jwks.keys.keyFor('first'), undefined);
  assert.equal((await jwks.keys.keyFor('second'))?.kid, 'second');
  assert.equal(jwks.requests, 2);
});

const FAILURES: readonly { name: string; status: number; body: string }[] = [
  { name: 'a 503', status: 503, body: '{"keys":[]}' },
  { name: 'a redirect', status: 302, body: '{"keys":[]}' },
  { name: 'a body that is not JSON', status: 200, body: '<html>' },
  { name: 'a body with a member twice', status: 200, body: '{"keys":[],"keys":[]}' },
  { name: 'JSON that is no JWKS', status: 200, body: '{"keys":{}}' },
  { name: 'a body that is too large', status: 200, body: `{"keys":[],"x":"${'x'.repeat(262_144)}"}` },
];

for (const { name, status, body } of FAILURES) {
  test(`after ${name} the old keys stay, and there is no request before the cooldown ends`, async (t) => {
    const jwks = await serveJwks(t);
    await jwks.keys.keyFor('first');
    jwks.answer = { status, body };
    jwks.nowMs += 600_000;
    assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
    assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
    assert.equal(await jwks.keys.keyFor('second'), undefined);
    assert.equal(jwks.requests, 2);
    jwks.answer = await jwksOf('second');
    jwks.nowMs += 30_000;
    assert.equal(await jwks.keys.keyFor('first'), undefined);
    assert.equal(jwks.requests, 3);
  });
}

test('while no keys were fetched the source rejects, with one request per cooldown', async (t) => {
  const jwks = await serveJwks(t, { cooldownMs: 5_000 });
  jwks.answer = { status: 500, body: '' };
  const expected = { name: 'RemoteKeysError', message: /^The JWKS https:\S+ is unavailable\. .*status 500\.$/ };
  await assert.rejects(jwks.keys.keyFor('first'), expected);
  await assert.rejects(jwks.keys.keyFor('first'), expected);
  assert.equal(jwks.requests, 1);
  jwks.answer = await jwksOf('first');
  jwks.nowMs += 5_000;
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
});

test('while the JWKS fails keys are used up to the hard age, and not a millisecond longer', async (t) => {
  const jwks = await serveJwks(t);
  await jwks.keys.keyFor('first');
  const good = jwks.answer;
  jwks.answer = { status: 503, body: '' };
  jwks.nowMs += 3_599_999;
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
  jwks.nowMs += 1;
  await assert.rejects(jwks.keys.keyFor('first'), { name: 'RemoteKeysError' });
  jwks.answer = good;
  jwks.nowMs += 30_000;
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
});

test('a maximum age shorter than the cooldown is respected', async (t) => {
  const jwks = await serveJwks(t, { maxAgeMs: 1000 });
  await jwks.keys.keyFor('first');
  jwks.answer = await jwksOf('second');
  jwks.nowMs += 1000;
  assert.equal(await jwks.keys.keyFor('first'), undefined);
});

test('a revoked key is not used, and no key is used while the list of revoked keys is unavailable', async (t) => {
  const revoked = await serveJwks(t);
  revoked.answer = { status: 200, body: '{"keys":[]}' };
  const jwks = await serveJwks(t, { revokedUrl: `${revoked.origin}/revoked` });
  jwks.answer = await jwksOf('first', 'second');
  assert.equal((await jwks.keys.keyFor('first'))?.kid, 'first');
  revoked.answer = await jwksOf('first');
  jwks.nowMs += 600_000;
  assert.equal(await jwks.keys.keyFor('first'), undefined);
  assert.equal((await jwks.keys.keyFor('second'))?.kid, 'second');
  revoked.answer = { status: 404, body: '' };
  jwks.nowMs += 3_600_000;
  await assert.rejects(jwks.keys.keyFor('second'), { name: 'RemoteKeysError' });
});

test('a request for a JWKS that hangs ends at its deadline', async (t) => {
  const jwks = await serveJwks(t, { requestTimeoutMs: 100 });
  const { promise, resolve } = Promise.withResolvers<void>();
  t.after(() => resolve());
  jwks.hold = promise;
  await assert.rejects(jwks.keys.keyFor('first'), (error: Error) => {
    return error.name === 'RemoteKeysError' && error.cause instanceof Error && error.cause.name === 'TlsFetchError';
  });
});

test('a clock that was set back does not stop refreshes', async (t) => {
  const jwks = await serveJwks(t);
  await jwks.keys.keyFor('first');
  jwks.answer = await jwksOf('second');
  jwks.nowMs -= 500_000;
  assert.equal((await jwks.keys.keyFor('second'))?.kid, 'second');
});

test('a URL that is not https is an error at once', () => {
  for (const url of ['http://bank.example/jwks', 'bank.example', '']) {
    assert.throws(() => remoteKeys({ url }), TypeError);
    assert.throws(() => remoteKeys({ url: 'https://bank.example/jwks', revokedUrl: url }), TypeError);
  }
});

test('a hard age below the age is an error at once', () => {
  const url = 'https://bank.example/jwks';
  assert.throws(() => remoteKeys({ url, maxAgeMs: 2, hardMaxAgeMs: 1 }), TypeError);
});
