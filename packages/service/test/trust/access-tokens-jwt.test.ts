import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  jwtOf,
  makeSigningKey,
  type RecordingServer,
  signCompact,
  startRecordingServer,
  testPki,
  until,
} from '@tidings/testing';
import type { JWTPayload } from 'jose';
import { type AccessTokenVerifier, createAccessTokenVerifier } from '../../src/trust/access-tokens.ts';
import { type HeldClock, heldClock, NOW_MS } from '../support/trust-clock.ts';

const key = makeSigningKey('as-1');
const nextKey = makeSigningKey('as-2');
const THUMBPRINT = 'A'.repeat(43);
const ISSUER = 'https://as.example';
const AUDIENCE = 'https://bank.example/events';
const NOW_SECONDS = NOW_MS / 1000;
const SKEW_SECONDS = 10;
const TYP = { typ: 'at+jwt' };

const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'tpp-1',
  client_id: 'tpp-1',
  iat: NOW_SECONDS - 10,
  exp: NOW_SECONDS + 300,
  scope: 'accounts  payments',
  cnf: { 'x5t#S256': THUMBPRINT },
};

interface Verifying {
  readonly verifier: AccessTokenVerifier;
  readonly server: RecordingServer;
  readonly clock: HeldClock;
}

async function verifying(t: TestContext): Promise<Verifying> {
  const server = await startRecordingServer(t, { keys: [key.jwk] });
  const { caPem: ca } = await testPki();
  const clock = heldClock();
  const verifier = createAccessTokenVerifier({
    ...{ issuer: ISSUER, audience: AUDIENCE, jwksUrl: server.origin, tls: { ca }, clock },
    clockSkewSeconds: SKEW_SECONDS,
    timeoutMs: 5000,
  });
  t.after(() => verifier.close());
  return { verifier, server, clock };
}

async function check(t: TestContext, claims: JWTPayload, header: object = TYP): Promise<string> {
  const { verifier } = await verifying(t);
  const checked = await verifier.verify(jwtOf(key, claims, header), THUMBPRINT);
  return checked.kind === 'valid' ? 'valid' : `${checked.kind}: ${checked.reason}`;
}

test('a JWT access token of the authorisation server is good, with its client_id and scopes', async (t) => {
  const { verifier } = await verifying(t);
  assert.deepEqual(await verifier.verify(jwtOf(key, CLAIMS, TYP), THUMBPRINT), {
    kind: 'valid',
    token: { clientId: 'tpp-1', scopes: ['accounts', 'payments'], expiresAtMs: NOW_MS + 300_000 },
  });
});

const GOOD: readonly (readonly [string, object, object?])[] = [
  ['typ is written in full', {}, { typ: 'application/at+jwt' }],
  ['its audiences are several, ours among them', { aud: ['https://other.example', AUDIENCE] }],
  ['exp is past by less than the clock skew', { exp: NOW_SECONDS - SKEW_SECONDS + 1 }],
  ['it has no scope', { scope: undefined }],
];

for (const [name, changed, header] of GOOD) {
  test(`a token is good when ${name}`, async (t) => {
    assert.equal(await check(t, { ...CLAIMS, ...changed }, header), 'valid');
  });
}

const BAD: readonly (readonly [string, object, RegExp])[] = [
  ['iss is another issuer', { iss: 'https://other.example' }, /iss/],
  ['iss is absent', { iss: undefined }, /iss/],
  ['aud is another audience', { aud: 'https://other.example' }, /aud/],
  ['aud is absent', { aud: undefined }, /aud/],
  ['exp is past', { exp: NOW_SECONDS - SKEW_SECONDS }, /exp/],
  ['exp is absent', { exp: undefined }, /exp is missing/],
  ['exp is a text', { exp: String(NOW_SECONDS + 300) }, /exp/],
  ['nbf lies ahead', { nbf: NOW_SECONDS + 60 }, /nbf/],
  ['iat is absent', { iat: undefined }, /iat is missing/],
  ['sub is absent', { sub: undefined }, /sub is missing/],
  ['a customer stands behind it', { sub: 'customer-7' }, /client credentials/],
  ['client_id is absent', { client_id: undefined }, /client_id is missing/],
  ['client_id is empty', { client_id: '', sub: '' }, /client_id/],
  ['client_id is no text', { client_id: 7, sub: 7 }, /client_id/],
  ['it is bound to another certificate', { cnf: { 'x5t#S256': 'B'.repeat(43) } }, /another certificate/],
  ['it is bound to a key and no certificate', { cnf: { jkt: THUMBPRINT } }, /another certificate/],
  ['cnf is absent', { cnf: undefined }, /cnf is missing/],
  ['cnf is null', { cnf: null }, /another certificate/],
  ['cnf.x5t#S256 is an array', { cnf: { 'x5t#S256': [THUMBPRINT] } }, /another certificate/],
];

for (const [name, changed, reason] of BAD) {
  test(`a token is refused when ${name}`, async (t) => {
    assert.match(await check(t, { ...CLAIMS, ...changed }), reason);
    assert.match(await check(t, { ...CLAIMS, ...changed }), /^refused: /);
  });
}

test('a token that is no access token (typ JWT or none) is refused', async (t) => {
  assert.match(await check(t, CLAIMS, { typ: 'JWT' }), /^refused: .*typ/);
  assert.match(await check(t, CLAIMS, {}), /^refused: .*typ/);
});

test('a token that is bound to no certificate is refused where none is presented', async (t) => {
  const { verifier } = await verifying(t);
  const token = jwtOf(key, { ...CLAIMS, cnf: { 'x5t#S256': '' } }, TYP);
  assert.equal((await verifier.verify(token, '')).kind, 'refused');
});

test('a token signed by another key under a known kid is refused', async (t) => {
  const { verifier } = await verifying(t);
  const forged = jwtOf({ ...nextKey, kid: key.kid }, CLAIMS, TYP);
  assert.deepEqual(await verifier.verify(forged, THUMBPRINT), {
    kind: 'refused',
    reason: 'The signature does not verify.',
  });
});

const HEADERS: readonly (readonly [string, string])[] = [
  ['alg none', '{"alg":"none","kid":"as-1","typ":"at+jwt"}'],
  ['alg HS256', '{"alg":"HS256","kid":"as-1","typ":"at+jwt"}'],
  ['alg RS256', '{"alg":"RS256","kid":"as-1","typ":"at+jwt"}'],
  ['no kid', '{"alg":"PS256","typ":"at+jwt"}'],
  ['a kid that is no text', '{"alg":"PS256","kid":1,"typ":"at+jwt"}'],
  ['an extension that is not understood', '{"alg":"PS256","kid":"as-1","typ":"at+jwt","crit":["x"],"x":1}'],
  ['b64 false', '{"alg":"PS256","kid":"as-1","typ":"at+jwt","crit":["b64"],"b64":false}'],
  ['a member twice', '{"alg":"none","alg":"PS256","kid":"as-1","typ":"at+jwt"}'],
  ['a byte order mark', '\uFEFF{"alg":"PS256","kid":"as-1","typ":"at+jwt"}'],
  ['an array as header', '["PS256"]'],
];

for (const [name, header] of HEADERS) {
  test(`a token with ${name} is refused`, async (t) => {
    const { verifier } = await verifying(t);
    const token = signCompact(header, CLAIMS, key.privateKey);
    assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'refused');
  });
}

test('a token whose payload has a claim twice is refused', async (t) => {
  const { verifier } = await verifying(t);
  const payload = JSON.stringify(CLAIMS).replace('{', '{"client_id":"tpp-2",');
  const token = signCompact('{"alg":"PS256","kid":"as-1","typ":"at+jwt"}', payload, key.privateKey);
  assert.match(JSON.stringify(await verifier.verify(token, THUMBPRINT)), /refused.*twice/);
});

test('a token that is no JWT, or too long, is refused, and nothing is fetched for it', async (t) => {
  const { verifier, server } = await verifying(t);
  const token = jwtOf(key, CLAIMS, TYP);
  for (const bad of ['', 'opaque', 'a.b', `${token}.x`, `${token}=`, token.replace('.', ' .'), 'x'.repeat(16_385)]) {
    assert.equal((await verifier.verify(bad, THUMBPRINT)).kind, 'refused', bad.slice(0, 40));
  }
  assert.equal(server.seen.length, 0);
});

test('a token that is too long is refused, although all else is good', async (t) => {
  const { verifier } = await verifying(t);
  const long = jwtOf(key, { ...CLAIMS, x: 'x'.repeat(12_000) }, TYP);
  assert.ok(long.length > 16_384);
  assert.deepEqual(await verifier.verify(long, THUMBPRINT), { kind: 'refused', reason: 'the token is too long' });
});

test('a new key of the authorisation server is found by its kid', async (t) => {
  const { verifier, server, clock } = await verifying(t);
  const [token, next] = [jwtOf(key, CLAIMS, TYP), jwtOf(nextKey, CLAIMS, TYP)];
  await verifier.verify(token, THUMBPRINT);
  server.answer.body = JSON.stringify({ keys: [key.jwk, nextKey.jwk] });
  clock.advance(10_000);
  assert.equal((await verifier.verify(next, THUMBPRINT)).kind, 'valid');
  assert.equal(server.seen.length, 2);
});

test('tokens with made-up kids make no more than one fetch in ten seconds', async (t) => {
  const { verifier, server, clock } = await verifying(t);
  clock.advance(10_000);
  for (let times = 0; times < 20; times += 1) {
    const madeUp = jwtOf({ ...key, kid: `made-up-${times}` }, CLAIMS, TYP);
    assert.equal((await verifier.verify(madeUp, THUMBPRINT)).kind, 'refused');
  }
  assert.equal(server.seen.length, 1);
});

test('no token waits for an authorisation server that is down while its key is known', async (t) => {
  const { verifier, server, clock } = await verifying(t);
  const token = jwtOf(key, { ...CLAIMS, exp: NOW_SECONDS + 86_400 }, TYP);
  await verifier.verify(token, THUMBPRINT);
  server.hold = new Promise(() => undefined);
  clock.advance(300_000);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'valid');
  await until(() => server.seen.length === 2);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'valid');
});

test('a key that the authorisation server removed verifies nothing at its age, nor any key at the hard age', async (t) => {
  const { verifier, server, clock } = await verifying(t);
  const token = jwtOf(key, { ...CLAIMS, exp: NOW_SECONDS + 86_400 }, TYP);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'valid');
  const good = server.answer.body;
  server.answer.body = JSON.stringify({ keys: [nextKey.jwk] });
  clock.advance(600_000);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'refused');
  server.answer.body = good;
  clock.advance(600_000);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'valid');
  server.answer.status = 503;
  clock.advance(3_599_999);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'valid');
  clock.advance(1);
  assert.equal((await verifier.verify(token, THUMBPRINT)).kind, 'unavailable');
});

test('while the keys were never had a token is neither good nor bad', async (t) => {
  const { verifier, server } = await verifying(t);
  server.answer.status = 503;
  const checked = await verifier.verify(jwtOf(key, CLAIMS, TYP), THUMBPRINT);
  assert.deepEqual(checked, {
    kind: 'unavailable',
    reason: 'the JWKS is unavailable: the JWKS was answered with status 503',
  });
});

test('exactly one of jwksUrl and introspectionUrl must be given', () => {
  const settings = { issuer: ISSUER, audience: AUDIENCE, tls: {}, clockSkewSeconds: 0, timeoutMs: 1 };
  const url = 'https://as.example/x';
  const clock = heldClock();
  assert.throws(() => createAccessTokenVerifier({ ...settings, clock }), /one of jwksUrl and introspectionUrl/);
  assert.throws(
    () => createAccessTokenVerifier({ ...settings, clock, jwksUrl: url, introspectionUrl: url }),
    /one of jwksUrl and introspectionUrl/,
  );
});
