import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { listenHttps, makeAuthority, makeRsaKey, makeSigningKey, testPki } from '@tidings/testing';
import { SignJWT } from 'jose';
import { systemClock } from '../../src/base/clock.ts';
import { type AccessTokenVerifier, createAccessTokenVerifier, type TokenCheck } from '../../src/trust/access-tokens.ts';
import { START_MS } from '../support/fake-clock.ts';

const { authority } = await testPki();

const ISSUER = 'https://as.bank.example';
const AUDIENCE = 'https://rs.bank.example';
const THUMBPRINT = 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0';
const NOW_SECONDS = START_MS / 1000;
const SKEW_SECONDS = 10;

const { privateKey, jwk } = makeSigningKey('as-key');

const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'tpp-1',
  client_id: 'tpp-1',
  scope: 'accounts  payments',
  iat: NOW_SECONDS - 60,
  exp: NOW_SECONDS + 300,
  cnf: { 'x5t#S256': THUMBPRINT },
};
const EXPIRES_AT_MS = CLAIMS.exp * 1000;
const HEADER = { alg: 'PS256', typ: 'at+jwt', kid: 'as-key' };

/** A token with claims and header members changed; what is undefined is left out. */
function token(
  claims: Record<string, unknown> = {},
  header: Record<string, string | undefined> = {},
  key: KeyObject | Uint8Array = privateKey,
): Promise<string> {
  const whole = JSON.parse(JSON.stringify({ ...CLAIMS, ...claims }));
  const protectedHeader = JSON.parse(JSON.stringify({ ...HEADER, ...header }));
  return new SignJWT(whole).setProtectedHeader(protectedHeader).sign(key);
}

// A JWKS that failed is not asked again at once.
const REFETCH_MS = 10_001;

/** An authorisation server that publishes its keys, and a verifier that asks it. */
async function setUp(t: TestContext, options: { ca?: string; timeoutMs?: number } = {}) {
  const time = { passedMs: 0 };
  const jwks = { status: 200, body: JSON.stringify({ keys: [jwk] }), requests: 0, hangs: false };
  const server = await listenHttps(t, (_, response) => {
    jwks.requests += 1;
    if (jwks.hangs) return;
    response.writeHead(jwks.status, { 'content-type': 'application/json', location: '/other' }).end(jwks.body);
  });
  const verifier = createAccessTokenVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUrl: `https://localhost:${server.port}/jwks`,
    tls: { ca: options.ca ?? authority.certificatePem },
    clockSkewSeconds: SKEW_SECONDS,
    timeoutMs: options.timeoutMs ?? 5000,
    clock: {
      ...systemClock,
      nowMs: () => START_MS + time.passedMs,
      monotonicMs: () => systemClock.monotonicMs() + time.passedMs,
    },
  });
  t.after(() => verifier.close());
  return { verifier, jwks, time };
}

async function check(verifier: AccessTokenVerifier, claims: Record<string, unknown>): Promise<TokenCheck['kind']> {
  return (await verifier.verify(await token(claims), THUMBPRINT)).kind;
}

test('a token of the client credentials grant, bound to the certificate, is valid, with its scopes', async (t) => {
  const { verifier, jwks } = await setUp(t);
  const expected = {
    kind: 'valid',
    token: { clientId: 'tpp-1', scopes: ['accounts', 'payments'], expiresAtMs: EXPIRES_AT_MS },
  };
  assert.deepEqual(await verifier.verify(await token(), THUMBPRINT), expected);
  assert.deepEqual(await verifier.verify(await token(), THUMBPRINT), expected);
  assert.equal(jwks.requests, 1);
});

test('a token without scope, and one for several audiences, are valid', async (t) => {
  const { verifier } = await setUp(t);
  const without = await verifier.verify(await token({ scope: undefined }), THUMBPRINT);
  assert.deepEqual(without, { kind: 'valid', token: { clientId: 'tpp-1', scopes: [], expiresAtMs: EXPIRES_AT_MS } });
  assert.equal(await check(verifier, { aud: ['https://other.example', AUDIENCE] }), 'valid');
});

test('exp and nbf are held within the clock skew, to the second', async (t) => {
  const { verifier } = await setUp(t);
  assert.equal(await check(verifier, { exp: NOW_SECONDS - SKEW_SECONDS + 1 }), 'valid');
  assert.equal(await check(verifier, { exp: NOW_SECONDS - SKEW_SECONDS }), 'refused');
  assert.equal(await check(verifier, { nbf: NOW_SECONDS + SKEW_SECONDS }), 'valid');
  assert.equal(await check(verifier, { nbf: NOW_SECONDS + SKEW_SECONDS + 1 }), 'refused');
});

const CLAIMS_REFUSED: readonly (readonly [string, Record<string, unknown>])[] = [
  ['of another issuer', { iss: 'https://other.example' }],
  ['without issuer', { iss: undefined }],
  ['for another audience', { aud: 'https://other.example' }],
  ['without audience', { aud: undefined }],
  ['that never expires', { exp: undefined }],
  ['that does not say when it was issued', { iat: undefined }],
  ['without sub', { sub: undefined }],
  ['without client_id', { client_id: undefined }],
  ['with an empty client_id', { client_id: '', sub: '' }],
  ['whose client_id is no text', { client_id: 1, sub: 1 }],
  ['of a customer, whose sub is not the client_id', { sub: 'customer-1' }],
  ['that is an ID token, by its nonce,', { nonce: 'n-0S6_WzA2Mj' }],
  ['that is an ID token, by its at_hash,', { at_hash: '77QmUPtjPfzWtF2AnpK9RQ' }],
  ['that is an ID token, by its c_hash,', { c_hash: 'LDktKdoQak3Pk0cnXxCltA' }],
  ['that is an ID token, by its s_hash,', { s_hash: '' }],
  ['that is bound to no certificate', { cnf: undefined }],
  ['whose cnf is null', { cnf: null }],
  ['whose cnf is text', { cnf: THUMBPRINT }],
  ['whose cnf is empty', { cnf: {} }],
  ['that is bound in another way', { cnf: { jkt: THUMBPRINT } }],
  ['that is bound to another certificate', { cnf: { 'x5t#S256': `B${THUMBPRINT.slice(1)}` } }],
];

for (const [name, claims] of CLAIMS_REFUSED) {
  test(`a token ${name} is refused`, async (t) => {
    const { verifier } = await setUp(t);
    assert.equal(await check(verifier, claims), 'refused');
  });
}

const SIGNED_OTHERWISE: readonly (readonly [string, () => Promise<string>])[] = [
  ['of another typ', () => token({}, { typ: 'JWT' })],
  ['without typ', () => token({}, { typ: undefined })],
  ['with an unknown kid', () => token({}, { kid: 'other' })],
  ['signed with another key under a known kid', () => token({}, {}, makeRsaKey())],
  ['signed with RS256', () => token({}, { alg: 'RS256' })],
  ['signed with PS512', () => token({}, { alg: 'PS512' })],
  ['signed with HS256 and the public key', () => token({}, { alg: 'HS256' }, Buffer.from(String(jwk['n'])))],
  [
    'with another payload than was signed',
    async () => withPayload(await token(), { ...CLAIMS, client_id: 'x', sub: 'x' }),
  ],
  ['with alg none', async () => `${encode({ ...HEADER, alg: 'none' })}.${encode(CLAIMS)}.`],
  ['that is no JWT', async () => 'token'],
  ['that is empty', async () => ''],
  ['that is too long', async () => `${await token()}${'A'.repeat(16_384)}`],
];

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function withPayload(jwt: string, claims: unknown): string {
  const [header, , signature] = jwt.split('.');
  return [header, encode(claims), signature].join('.');
}

for (const [name, make] of SIGNED_OTHERWISE) {
  test(`a token ${name} is refused`, async (t) => {
    const { verifier } = await setUp(t);
    assert.equal((await verifier.verify(await make(), THUMBPRINT)).kind, 'refused');
  });
}

const DOWN: readonly (readonly [string, number, string])[] = [
  ['answers 503', 503, '{"keys":[]}'],
  ['redirects', 302, ''],
  ['answers what is not JSON', 200, '<html>'],
  ['answers JSON that is no JWKS', 200, '{"keys":{}}'],
  ['answers more than is read', 200, `{"keys":[],"x":"${'x'.repeat(1_100_000)}"}`],
];

for (const [name, status, body] of DOWN) {
  test(`while the JWKS ${name} the check is unavailable, and later it works`, async (t) => {
    const { verifier, jwks, time } = await setUp(t);
    const good = jwks.body;
    Object.assign(jwks, { status, body });
    assert.equal((await verifier.verify(await token(), THUMBPRINT)).kind, 'unavailable');
    Object.assign(jwks, { status: 200, body: good });
    time.passedMs = REFETCH_MS;
    assert.equal((await verifier.verify(await token(), THUMBPRINT)).kind, 'valid');
  });
}

test('while the JWKS does not answer the check is unavailable, within its time', async (t) => {
  const { verifier, jwks } = await setUp(t, { timeoutMs: 100 });
  jwks.hangs = true;
  const checked = await verifier.verify(await token(), THUMBPRINT);
  assert.equal(checked.kind, 'unavailable');
});

test('an authorisation server whose certificate is not trusted makes the check unavailable', async (t) => {
  const { verifier, jwks } = await setUp(t, { ca: (await makeAuthority()).certificatePem });
  assert.equal((await verifier.verify(await token(), THUMBPRINT)).kind, 'unavailable');
  assert.equal(jwks.requests, 0);
});
