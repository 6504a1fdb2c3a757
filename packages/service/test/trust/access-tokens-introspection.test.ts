import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { type RecordingServer, startRecordingServer, testPki, until } from '@tidings/testing';
import {
  type AccessTokenVerifier,
  type AccessTokenVerifierOptions,
  createAccessTokenVerifier,
} from '../../src/trust/access-tokens.ts';
import {
  createIntrospectionReader,
  INTROSPECTION_CACHED_MS,
  INTROSPECTION_REFUSED_CACHED_MS,
} from '../../src/trust/introspection.ts';
import { type HeldClock, heldClock, NOW_MS } from '../support/trust-clock.ts';

const THUMBPRINT = 'A'.repeat(43);
const ISSUER = 'https://as.example';
const AUDIENCE = 'https://bank.example/events';
const NOW_SECONDS = NOW_MS / 1000;
const SKEW_SECONDS = 10;

const ANSWER = {
  active: true,
  client_id: 'tpp-1',
  scope: 'accounts',
  exp: NOW_SECONDS + 300,
  cnf: { 'x5t#S256': THUMBPRINT },
};

interface Verifying {
  readonly verifier: AccessTokenVerifier;
  readonly server: RecordingServer;
  readonly clock: HeldClock;
}

async function verifying(t: TestContext, options: Partial<AccessTokenVerifierOptions> = {}): Promise<Verifying> {
  const pki = await testPki();
  const server = await startRecordingServer(t, ANSWER, { requestCert: true, rejectUnauthorized: true });
  const { tls } = await pki.authority.issue({ subject: 'CN=bank.example' });
  const clock = heldClock();
  const verifier = createAccessTokenVerifier({
    ...{ issuer: ISSUER, audience: AUDIENCE, introspectionUrl: `${server.origin}/introspect`, clock },
    ...{ tls: { ca: pki.caPem, ...tls }, clockSkewSeconds: SKEW_SECONDS, timeoutMs: 5000, ...options },
  });
  t.after(() => verifier.close());
  return { verifier, server, clock };
}

async function check(t: TestContext, answer: unknown): Promise<string> {
  const { verifier, server } = await verifying(t);
  server.answer.body = JSON.stringify(answer);
  const checked = await verifier.verify('opaque', THUMBPRINT);
  return checked.kind === 'valid' ? 'valid' : `${checked.kind}: ${checked.reason}`;
}

test('an opaque token that the authorisation server says is active is good', async (t) => {
  const { verifier, server } = await verifying(t, { introspectionClientId: 'bank' });
  assert.deepEqual(await verifier.verify('opaque+/=', THUMBPRINT), {
    kind: 'valid',
    token: { clientId: 'tpp-1', scopes: ['accounts'], expiresAtMs: NOW_MS + 300_000 },
  });
  const [seen] = server.seen;
  assert.equal(seen?.request.method, 'POST');
  assert.equal(seen.request.url, '/introspect', 'the token is in no URL, which logs keep');
  assert.equal(seen.request.headers['content-type'], 'application/x-www-form-urlencoded');
  assert.deepEqual(Object.fromEntries(new URLSearchParams(seen.body)), {
    token: 'opaque+/=',
    token_type_hint: 'access_token',
    client_id: 'bank',
  });
});

test('nothing is said of a client_id where none is configured', async (t) => {
  const { verifier, server } = await verifying(t);
  await verifier.verify('opaque', THUMBPRINT);
  assert.equal(new URLSearchParams(server.seen[0]?.body).has('client_id'), false);
});

test('introspection presents the client certificate', async (t) => {
  const { verifier, server } = await verifying(t);
  let subject: string | undefined;
  server.answer.body = ({ request }) => {
    subject = (request.socket as TLSSocket).getPeerX509Certificate()?.subject;
    return JSON.stringify(ANSWER);
  };
  assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'valid');
  assert.equal(subject, 'CN=bank.example');
});

const GOOD: readonly (readonly [string, object])[] = [
  ['iss, aud and sub are absent', {}],
  ['iss, aud and sub are ours', { iss: ISSUER, aud: AUDIENCE, sub: 'tpp-1', username: 'tpp-1' }],
  ['aud is several, ours among them', { aud: ['x', AUDIENCE] }],
  ['exp is absent', { exp: undefined }],
  ['exp is past by less than the clock skew', { exp: NOW_SECONDS - SKEW_SECONDS + 1 }],
];

for (const [name, changed] of GOOD) {
  test(`an opaque token is good when ${name}`, async (t) => {
    assert.equal(await check(t, { ...ANSWER, ...changed }), 'valid');
  });
}

const BAD: readonly (readonly [string, object, string])[] = [
  ['it is not active', { active: false }, 'refused'],
  ['iss is another issuer', { iss: 'https://other.example' }, 'refused'],
  ['aud is another audience', { aud: ['https://other.example'] }, 'refused'],
  ['aud is empty', { aud: [] }, 'refused'],
  ['exp is past', { exp: NOW_SECONDS - SKEW_SECONDS }, 'refused'],
  ['nbf lies ahead', { nbf: NOW_SECONDS + 60 }, 'refused'],
  ['a customer stands behind it (sub)', { sub: 'customer-7' }, 'refused'],
  ['a customer stands behind it (username)', { username: 'customer-7' }, 'refused'],
  ['client_id is absent', { client_id: undefined }, 'refused'],
  ['it is bound to another certificate', { cnf: { 'x5t#S256': 'B'.repeat(43) } }, 'refused'],
  ['it is bound to none', { cnf: undefined }, 'refused'],
  ['active is a text', { active: 'true' }, 'unavailable'],
  ['active is absent', { active: undefined }, 'unavailable'],
  ['exp is a text', { exp: 'tomorrow' }, 'unavailable'],
];

for (const [name, changed, kind] of BAD) {
  test(`an opaque token is ${kind} when ${name}`, async (t) => {
    assert.equal((await check(t, { ...ANSWER, ...changed })).split(':')[0], kind);
  });
}

const FAILURES: readonly (readonly [string, number, string])[] = [
  ['another status', 401, JSON.stringify(ANSWER)],
  ['a redirect', 307, JSON.stringify(ANSWER)],
  ['no JSON', 200, 'eyJhbGciOiJQUzI1NiJ9.e30.x'],
  ['JSON that is no object', 200, '[]'],
  ['a member twice', 200, `{"active":false,${JSON.stringify(ANSWER).slice(1)}`],
  ['too much', 200, JSON.stringify({ ...ANSWER, x: 'x'.repeat(65_536) })],
];

for (const [name, status, body] of FAILURES) {
  test(`a token is neither good nor bad when introspection is answered with ${name}`, async (t) => {
    const { verifier, server } = await verifying(t);
    server.answer = { status, body };
    assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'unavailable');
  });
}

test('an authorisation server that does not answer in time leaves the token undecided', async (t) => {
  const { verifier, server, clock } = await verifying(t);
  server.hold = new Promise(() => undefined);
  const checking = verifier.verify('opaque', THUMBPRINT);
  await until(() => server.seen.length === 1);
  clock.advance(5000);
  assert.deepEqual(await checking, {
    kind: 'unavailable',
    reason: 'introspection failed: no answer within 5000 ms',
  });
});

test('what was vouched for is used again for a short while, and then asked again', async (t) => {
  const { verifier, server, clock } = await verifying(t);
  await verifier.verify('opaque', THUMBPRINT);
  clock.advance(INTROSPECTION_CACHED_MS - 1);
  assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'valid');
  assert.equal(server.seen.length, 1);
  server.answer.body = '{"active":false}';
  clock.advance(1);
  assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'refused');
  assert.equal(server.seen.length, 2);
});

test('what was vouched for is never used beyond exp', async (t) => {
  const { verifier, server, clock } = await verifying(t, { clockSkewSeconds: 0 });
  server.answer.body = JSON.stringify({ ...ANSWER, exp: NOW_SECONDS + 1 });
  await verifier.verify('opaque', THUMBPRINT);
  clock.advance(1000);
  assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'refused');
  assert.equal(server.seen.length, 2);
});

for (const [what, answer] of [
  ['is not active', { active: false }],
  ['is for another audience', { ...ANSWER, aud: 'https://other.example' }],
] as const) {
  test(`a token that ${what} is refused again for some seconds without a question, and then asked about`, async (t) => {
    const { verifier, server, clock } = await verifying(t);
    server.answer.body = JSON.stringify(answer);
    const refusal = await verifier.verify('opaque', THUMBPRINT);
    assert.equal(refusal.kind, 'refused');
    clock.advance(INTROSPECTION_REFUSED_CACHED_MS - 1);
    assert.deepEqual(await verifier.verify('opaque', THUMBPRINT), refusal);
    assert.equal(server.seen.length, 1);
    server.answer.body = JSON.stringify(ANSWER);
    clock.advance(1);
    assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'valid');
    assert.equal(server.seen.length, 2);
  });
}

test('a token that could not be decided is asked about again', async (t) => {
  const { verifier, server } = await verifying(t);
  server.answer.status = 500;
  assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'unavailable');
  server.answer = { status: 200, body: JSON.stringify(ANSWER) };
  assert.equal((await verifier.verify('opaque', THUMBPRINT)).kind, 'valid');
});

test('a token that was vouched for is still bound to its certificate', async (t) => {
  const { verifier, server } = await verifying(t);
  await verifier.verify('opaque', THUMBPRINT);
  assert.equal((await verifier.verify('opaque', 'B'.repeat(43))).kind, 'refused');
  assert.equal(server.seen.length, 1);
});

test('checks of one token at the same time share one request, those of two do not', async (t) => {
  const { verifier, server } = await verifying(t);
  const tokens = ['one', 'one', 'two', 'one'];
  const checks = await Promise.all(tokens.map((token) => verifier.verify(token, THUMBPRINT)));
  assert.deepEqual(new Set(checks.map(({ kind }) => kind)), new Set(['valid']));
  assert.equal(server.seen.length, 2);
});

const READER = { issuer: ISSUER, audience: AUDIENCE, clockSkewSeconds: 0, introspectionUrl: 'https://as.example/' };

test('answers are kept under the hash of the token, in a bounded number', async (t) => {
  const kept = t.mock.method(Map.prototype, 'set');
  const asked: string[] = [];
  const https = {
    exchange: async ({ body = '' }: { body?: string }) => {
      asked.push(body);
      return { status: 200, body: Buffer.from(JSON.stringify(ANSWER)) };
    },
  };
  const read = createIntrospectionReader({ ...READER, https, clock: heldClock() });
  for (let at = 0; at <= 10_000; at += 1) await read(`secret-${at}`);
  assert.doesNotMatch(inspect(kept.mock.calls.map((call) => call.arguments)), /secret-/);
  kept.mock.restore();
  await read('secret-10000');
  assert.equal(asked.length, 10_001, 'the newest is kept');
  await read('secret-0');
  assert.equal(asked.length, 10_002, 'the oldest gave way');
});

test('refusals are kept in a bounded number, and no flood of them displaces a token that is good', async () => {
  const asked: string[] = [];
  const https = {
    exchange: async ({ body = '' }: { body?: string }) => {
      asked.push(body);
      const answer = body.includes('good') ? ANSWER : { active: false };
      return { status: 200, body: Buffer.from(JSON.stringify(answer)) };
    },
  };
  const read = createIntrospectionReader({ ...READER, https, clock: heldClock() });
  await read('good');
  for (let at = 0; at <= 10_000; at += 1) await read(`bad-${at}`);
  await read('good');
  await read('bad-10000');
  assert.equal(asked.length, 10_002, 'the good token and the newest refusal are kept');
  await read('bad-0');
  assert.equal(asked.length, 10_003, 'the oldest refusal gave way');
});

test('beyond a thousand introspections under way the check is unavailable', async () => {
  const https = { exchange: () => new Promise<never>(() => undefined) };
  const read = createIntrospectionReader({ ...READER, https, clock: heldClock() });
  for (let at = 0; at < 1000; at += 1) void read(`token-${at}`);
  assert.equal((await read('one more')).kind, 'unavailable');
});
