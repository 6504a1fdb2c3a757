import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';
import { base64url, createHttpClient, makeAuthority, makeSigningKey, signCompact } from '@tidings/testing';
import { errorOf } from '../support/answers.ts';
import { AUDIENCE } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { CALLBACK_URL, SUBSCRIPTIONS } from '../support/tpp.ts';

const bank = await startBankWithTpps({ clients: ['tpp-a', 'tpp-b', 'unregistered-tpp'] });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');
const other = bank.tpp('tpp-b');
const foreignKey = makeSigningKey('access-tokens-1');

/** What the authorisation server would put into a token for tpp-a, with claims replaced; undefined takes one out. */
function claims(changes: Record<string, unknown> = {}): object {
  const thumbprint = createHash('sha256').update(new X509Certificate(tpp.transport.certificatePem).raw);
  const now = Math.floor(bank.clock.nowMs() / 1000);
  const cnf = { 'x5t#S256': thumbprint.digest('base64url') };
  return {
    iss: bank.tokenIssuer,
    aud: AUDIENCE,
    ...{ iat: now, exp: now + 300, jti: 'token-1', scope: 'accounts' },
    ...{ sub: tpp.clientId, client_id: tpp.clientId, cnf },
    ...changes,
  };
}

const HEADER = { alg: 'PS256', typ: 'at+jwt', kid: 'access-tokens-1' };

function token(changes: Record<string, unknown> = {}, header: object = HEADER, keyPem = bank.tokenKey.keyPem) {
  return signCompact(header, claims(changes), keyPem);
}

test('a token made as the authorisation server makes it is accepted, so that what follows is told apart', async () => {
  assert.equal((await tpp.request('GET', SUBSCRIPTIONS, { token: token() })).status, 200);
});

// With TLS 1.3 a client learns of the refusal after its side of the handshake: by an alert, or by the end of it all.
const HANDSHAKE_REFUSED = /certificate required|unknown ca|protocol version|socket hang up|ECONNRESET|ERR_SSL_/i;

test('a connection without a client certificate ends in the handshake', async () => {
  const client = createHttpClient(bank.service.apiUrl, { ca: bank.authority.certificatePem });
  const headers = { authorization: `Bearer ${await tpp.token()}` };
  await assert.rejects(client.send(SUBSCRIPTIONS, { headers }), HANDSHAKE_REFUSED);
  await assert.rejects(client.send('/.well-known/jwks.json'), HANDSHAKE_REFUSED);
  client.close();
});

test('TLS 1.2 is spoken, and nothing older', async () => {
  const headers = { authorization: `Bearer ${await tpp.token()}` };
  const modern = createHttpClient(bank.service.apiUrl, { ...tpp.tls, maxVersion: 'TLSv1.2' });
  assert.equal((await modern.send(SUBSCRIPTIONS, { headers })).status, 200);
  modern.close();
  // Without this the client itself would not speak it any more.
  const outdated = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const old = createHttpClient(bank.service.apiUrl, { ...tpp.tls, ...outdated });
  await assert.rejects(old.send(SUBSCRIPTIONS, { headers }), /alert protocol version|PROTOCOL_VERSION/i);
  old.close();
});

test('a client certificate of another root ends in the handshake, whatever its subject', async () => {
  const foreign = await (await makeAuthority('Test root')).issue({ name: tpp.clientId });
  const tls = { ca: bank.authority.certificatePem, cert: foreign.certificatePem, key: foreign.keyPem };
  const client = createHttpClient(bank.service.apiUrl, tls);
  const headers = { authorization: `Bearer ${await tpp.token()}` };
  await assert.rejects(client.send(SUBSCRIPTIONS, { headers }), HANDSHAKE_REFUSED);
  client.close();
});

const now = () => Math.floor(bank.clock.nowMs() / 1000);
const withoutMember = (name: string) => ({ [name]: undefined });

const BAD_TOKENS: readonly (readonly [string, () => string | Promise<string>])[] = [
  ['of another TPP, bound to its certificate', () => other.token()],
  ['bound to another certificate', () => token({ cnf: { 'x5t#S256': base64url('another certificate, 32 bytes...') } })],
  ['bound to nothing', () => token(withoutMember('cnf'))],
  ['whose cnf is a text', () => token({ cnf: 'x5t#S256' })],
  ['that expired beyond the tolerance', () => token({ iat: now() - 311, exp: now() - 11 })],
  ['without an end', () => token(withoutMember('exp'))],
  ['without iat', () => token(withoutMember('iat'))],
  ['that is not valid yet', () => token({ nbf: now() + 60 })],
  ['of another issuer', () => token({ iss: 'https://other.example' })],
  ['for another audience', () => token({ aud: 'https://other.example/open-banking' })],
  ['without audience', () => token(withoutMember('aud'))],
  ['that a customer stands behind: sub is not client_id', () => token({ sub: 'customer-1' })],
  ['without client_id', () => token(withoutMember('client_id'))],
  ['whose client_id is no text', () => token({ client_id: 7, sub: 7 })],
  ['signed by a key that the authorisation server does not have', () => token({}, HEADER, foreignKey.keyPem)],
  ['under an unknown kid', () => token({}, { ...HEADER, kid: 'access-tokens-2' })],
  ['of another type', () => token({}, { ...HEADER, typ: 'JWT' })],
  ['without a type', () => token({}, { alg: 'PS256', kid: 'access-tokens-1' })],
  ['with another alg', () => token({}, { ...HEADER, alg: 'RS256' })],
  [
    'with alg none',
    () => `${base64url(JSON.stringify({ ...HEADER, alg: 'none' }))}.${base64url(JSON.stringify(claims()))}.`,
  ],
  ['with a key in its header', () => token({}, { ...HEADER, kid: 'mine', jwk: foreignKey.jwk }, foreignKey.keyPem)],
  ['with claims that were altered', () => altered()],
  ['that is not JSON inside', () => signCompact(HEADER, 'claims', bank.tokenKey.keyPem)],
  ['that is no JWT', () => 'abc.def'],
  ['of twenty thousand characters', () => 'a'.repeat(20_000)],
];

function altered(): string {
  const [header, , signature] = token().split('.');
  return [header, base64url(JSON.stringify(claims({ scope: 'accounts payments' }))), signature].join('.');
}

for (const [what, bad] of BAD_TOKENS) {
  test(`a token ${what} answers 401 without a body`, async () => {
    const answer = await tpp.request('GET', SUBSCRIPTIONS, { token: await bad() });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['www-authenticate'], 'Bearer');
  });
}

test('a token of the authorisation server is good until it expires, with the tolerance, and not after', async () => {
  const real = await tpp.token();
  const { exp } = JSON.parse(Buffer.from(real.split('.')[1] ?? '', 'base64url').toString());
  const statusAt = async (seconds: number) => {
    bank.clock.aheadMs = seconds * 1000 - Date.now();
    return (await tpp.request('GET', SUBSCRIPTIONS, { token: real })).status;
  };
  try {
    assert.equal(await statusAt(exp + 8), 200);
    assert.equal(await statusAt(exp + 11), 401);
  } finally {
    bank.clock.aheadMs = 0;
  }
});

for (const authorization of [
  undefined,
  '',
  'Bearer',
  'Bearer ',
  'Basic dXNlcjpwYXNz',
  'Bearer a b',
  'Bearer ä',
  'x'.repeat(9000),
]) {
  const what = authorization === undefined ? 'absent' : JSON.stringify(authorization.slice(0, 30));
  test(`an Authorization header that is ${what} answers 401 without a body`, async () => {
    const headers = authorization === undefined ? {} : { authorization: Buffer.from(authorization).toString('latin1') };
    const answer = await tpp.request('GET', SUBSCRIPTIONS, { token: null, headers });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['www-authenticate'], 'Bearer');
  });
}

test('the scheme of the Authorization header may be in upper or lower case', async () => {
  const headers = { authorization: `bEARER ${await tpp.token()}` };
  assert.equal((await tpp.request('GET', SUBSCRIPTIONS, { token: null, headers })).status, 200);
});

test('a token in the query or in the body is no token', async () => {
  const real = await tpp.token();
  assert.equal((await tpp.request('GET', `${SUBSCRIPTIONS}?access_token=${real}`, { token: null })).status, 401);
  const form = { body: `access_token=${real}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { token: null, ...form })).status, 401);
});

for (const scope of [undefined, '', 'eventpolling', 'accountsx Payments', ['openid'], 'openid']) {
  test(`a token whose scope is ${JSON.stringify(scope)} answers 403 without a body`, async () => {
    const answer = await tpp.request('GET', SUBSCRIPTIONS, { token: token({ scope }) });
    assert.deepEqual(errorOf(answer), { status: 403 });
  });
}

test('a scope that is written as an array counts as one that is written as text', async () => {
  const answer = await tpp.request('GET', SUBSCRIPTIONS, { token: token({ scope: ['openid', 'accounts'] }) });
  assert.equal(answer.status, 200);
});

test('a TPP that the bank has not registered here gets 403 without a body, on every operation', async () => {
  const stranger = bank.tpp('unregistered-tpp');
  assert.deepEqual(errorOf(await stranger.request('GET', SUBSCRIPTIONS)), { status: 403 });
  assert.deepEqual(errorOf(await stranger.subscribe({ CallbackUrl: CALLBACK_URL, Version: '4.0' })), { status: 403 });
  assert.deepEqual(errorOf(await stranger.request('PUT', `${SUBSCRIPTIONS}/x`, { body: '{}' })), { status: 403 });
  assert.deepEqual(errorOf(await stranger.request('DELETE', `${SUBSCRIPTIONS}/x`)), { status: 403 });
});

test('every operation asks for a token before it looks at anything else', async () => {
  for (const [method, path] of [
    ['POST', SUBSCRIPTIONS],
    ['GET', SUBSCRIPTIONS],
    ['PUT', `${SUBSCRIPTIONS}/x`],
    ['DELETE', `${SUBSCRIPTIONS}/x`],
  ] as const) {
    const headers = { accept: 'text/html', 'content-type': 'text/plain' };
    const answer = await tpp.request(method, path, { token: null, body: 'no JSON', signature: null, headers });
    assert.deepEqual(errorOf(answer), { status: 401 }, `${method} ${path}`);
  }
});
