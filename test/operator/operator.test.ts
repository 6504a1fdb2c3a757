import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { createHttpClient, type Exchange, makeSigningKey, unusedPort } from '@tidings/testing';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { checkProblem, PROBLEM_TYPE } from '../support/problem.ts';
import { CALLBACK_URL } from '../support/tpp.ts';

const BODY_BYTES_MAX = 20_000;
const TOKEN = 'operator-token-of-the-tests-0123456789';
const TOKEN_SHA256 = '1b5ef1d8b1a2ea5d1b5ef1d8b1a2ea5d1b5ef1d8b1a2ea5d1b5ef1d8b1a2ea5d';

const bank = await startBankWithTpps({ clients: ['tpp-a'], settings: { operator: { bodyBytesMax: BODY_BYTES_MAX } } });
after(() => bank.stop());
const key = makeSigningKey('kid-1');
const REGISTRATION = { organisationId: 'org-1', softwareStatementId: 'software-1', jwks: { keys: [key.jwk] } };

const EVENTS = '/operator/v1/events';
const tppPath = (clientId: string) => `/operator/v1/tpps/${encodeURIComponent(clientId)}`;

/** Sends as it is told, and checks what holds for every refusal. @returns status and problem */
async function send(path: string, exchange: Exchange): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await bank.operator.send(path, exchange);
  assert.equal(answer.headers['cache-control'], 'no-store');
  const body = answer.body.length === 0 ? {} : JSON.parse(answer.body.toString());
  if (answer.status >= 400) {
    assert.equal(answer.headers['content-type'], PROBLEM_TYPE);
    checkProblem(body, answer.status);
  }
  assert.equal(answer.headers['www-authenticate'], answer.status === 401 ? 'Bearer' : undefined);
  return { status: answer.status, body };
}

const authorised = (headers: object = {}) => ({
  authorization: `Bearer ${OPERATOR_TOKEN}`,
  'content-type': 'application/json',
  ...headers,
});

const WRONG = [
  undefined,
  '',
  'Bearer',
  'Bearer wrong-token',
  `Bearer ${TOKEN}x`,
  `Bearer ${TOKEN.slice(0, -1)}`,
  `Bearer ${TOKEN} x`,
  `Basic ${Buffer.from(`tests:${TOKEN}`).toString('base64')}`,
  TOKEN,
  `Bearer ${TOKEN_SHA256}`,
  `Bearer ${'a'.repeat(8000)}`,
];

for (const authorization of WRONG) {
  const what = authorization === undefined ? 'no Authorization' : `Authorization: ${authorization.slice(0, 60)}`;
  test(`${what} answers 401 on every path`, async () => {
    const headers = { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) };
    for (const [method, path] of [
      ['POST', EVENTS],
      ['PUT', tppPath('tpp-new')],
      ['GET', tppPath('tpp-a')],
      ['GET', '/operator/v1/notifications/x'],
      ['GET', '/unknown'],
    ] as const) {
      assert.equal((await send(path, { method, headers, ...(method !== 'GET' && { body: '{}' }) })).status, 401);
    }
  });
}

test('the right token is accepted, with the scheme in any case', async () => {
  const headers = { authorization: `bearer ${OPERATOR_TOKEN}` };
  assert.equal((await send(tppPath('tpp-a'), { headers })).status, 200);
});

test('the operator API says of an unknown path what was asked for, without its query', async () => {
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/operator/v1'],
    ['GET', EVENTS],
    ['POST', tppPath('tpp-a')],
    ['PATCH', tppPath('tpp-a')],
    ['DELETE', '/operator/v1/tpps'],
    ['GET', `${tppPath('tpp-a')}/suspend`],
    ['POST', '/operator/v2/events'],
    ['POST', `${EVENTS}/x`],
  ] as const) {
    const { status, body } = await send(`${path}?secret=1`, { method, headers: authorised() });
    assert.equal(status, 404);
    assert.match(String(body['detail']), new RegExp(`^There is no ${method} ${path} in the operator API`));
  }
});

test('a body over the limit answers 413, and says which setting it is', async () => {
  const body = ' '.repeat(BODY_BYTES_MAX + 1);
  const { status, body: problem } = await send(EVENTS, { method: 'POST', headers: authorised(), body });
  assert.equal(status, 413);
  assert.match(String(problem['detail']), /"operator\.bodyBytesMax"/);
});

for (const type of [
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/xml',
  '',
  'application/jwt',
  'application/jsonx',
  'application/json-patch',
  'application/json, text/plain',
  'application/json;charset=iso-8859-1',
  'application/cloudevents',
  'application/cloudevents+xml',
]) {
  test(`Content-Type: ${type} answers 415`, async () => {
    const request = { method: 'POST', headers: authorised({ 'content-type': type }), body: '{}' };
    assert.equal((await send(EVENTS, request)).status, 415);
  });
}

for (const type of ['application/json;', 'application/json;charset=utf-8;', 'Application/JSON ;; charset="UTF-8"']) {
  test(`Content-Type: ${type} is accepted`, async () => {
    const request = {
      method: 'PUT',
      headers: authorised({ 'content-type': type }),
      body: JSON.stringify(REGISTRATION),
    };
    assert.equal((await send(tppPath('tpp-typed'), request)).status, 204);
  });
}

for (const coding of ['gzip', 'BR', 'identity, gzip', ['identity', 'deflate']]) {
  test(`Content-Encoding: ${coding} answers 415, and says what to do`, async () => {
    const headers = authorised({ 'content-encoding': coding });
    for (const [method, path] of [
      ['PUT', tppPath('tpp-encoded')],
      ['POST', EVENTS],
      ['POST', '/operator/v1/tpps/import'],
    ] as const) {
      const { status, body } = await send(path, { method, headers, body: JSON.stringify(REGISTRATION) });
      assert.equal(status, 415);
      assert.match(String(body['detail']), /Content-Encoding/);
    }
    assert.equal((await send(tppPath('tpp-encoded'), { headers: authorised() })).status, 404);
  });
}

test('Content-Encoding: identity is accepted, in any case and as a list', async () => {
  for (const coding of ['identity', 'IDENTITY', 'identity,identity', '']) {
    const headers = authorised({ 'content-encoding': coding });
    const request = { method: 'PUT', headers, body: JSON.stringify(REGISTRATION) };
    assert.equal((await send(tppPath('tpp-encoded'), request)).status, 204);
  }
});

test('a TPP reads back as it was registered, and registering it again replaces it', async () => {
  const path = tppPath('tpp-new');
  assert.equal((await send(path, { headers: authorised() })).status, 404);
  assert.deepEqual(await bank.operate('PUT', path, REGISTRATION), { status: 204, body: {} });
  const deliveries = { state: 'no-registration', awaiting: 0, isAtLeast: false };
  const registered = { clientId: 'tpp-new', ...REGISTRATION, isSuspended: false, ...deliveries };
  assert.deepEqual(await bank.operate('GET', path), { status: 200, body: registered });
  const changed = { ...REGISTRATION, organisationId: 'org-2' };
  assert.equal((await bank.operate('PUT', path, changed)).status, 204);
  assert.deepEqual((await bank.operate('GET', path)).body, { ...registered, ...changed });
});

test('a client_id may hold any printable ASCII character', async () => {
  const ascii = Array.from({ length: 0x7f - 0x20 }, (_, at) => String.fromCharCode(0x20 + at)).join('');
  for (const clientId of ['https://tpp.example/client', ascii, "a'; --", '%41', 'x'.repeat(128)]) {
    assert.equal((await bank.operate('PUT', tppPath(clientId), REGISTRATION)).status, 204);
    assert.equal((await bank.operate('GET', tppPath(clientId))).body['clientId'], clientId);
  }
});

test('a client_id with any other character answers 400, and is not registered', async () => {
  for (const clientId of ['ü €', 'a\u0000b', 'a\tb', 'a\nb', 'a\u007f', '\u{1f600}']) {
    const { status, body } = await bank.operate('PUT', tppPath(clientId), REGISTRATION);
    assert.equal(status, 400, JSON.stringify(clientId));
    checkProblem(body, 400, 'clientId');
    // What no store could hold is not looked for either.
    const expected = clientId.includes('\0') ? 400 : 404;
    assert.equal((await bank.operate('GET', tppPath(clientId))).status, expected);
  }
});

test('a JWKS keeps its transport keys beside the signing key', async () => {
  const { use: _, ...rest } = key.jwk;
  const jwks = { keys: [{ ...rest, kid: 'transport-1', use: 'enc' }, key.jwk], extra: true };
  assert.equal((await bank.operate('PUT', tppPath('tpp-keys'), { ...REGISTRATION, jwks })).status, 204);
  assert.deepEqual((await bank.operate('GET', tppPath('tpp-keys'))).body['jwks'], jwks);
});

const small = makeSigningKey('kid-small', 1024);
const withKey = (changes: object) => ({ ...REGISTRATION, jwks: { keys: [{ ...key.jwk, ...changes }] } });

for (const [what, field, body] of [
  ['without organisationId', 'organisationId', { ...REGISTRATION, organisationId: undefined }],
  ['with an empty softwareStatementId', 'softwareStatementId', { ...REGISTRATION, softwareStatementId: '' }],
  ['with a long organisationId', 'organisationId', { ...REGISTRATION, organisationId: 'x'.repeat(129) }],
  ['with a member that is not known', 'clientId', { ...REGISTRATION, clientId: 'tpp-bad' }],
  ['without jwks', 'jwks', { ...REGISTRATION, jwks: undefined }],
  ['with jwks that is a list', 'jwks', { ...REGISTRATION, jwks: [key.jwk] }],
  ['without keys', 'jwks.keys', { ...REGISTRATION, jwks: {} }],
  ['with no key', 'jwks', { ...REGISTRATION, jwks: { keys: [] } }],
  ['with a key that is none', 'jwks', { ...REGISTRATION, jwks: { keys: ['key'] } }],
  ['with a key of 1024 bits', 'jwks', withKey({ ...small.jwk })],
  ['with a key for encryption', 'jwks', withKey({ use: 'enc' })],
  ['with a key of another alg', 'jwks', withKey({ alg: 'RS256' })],
  ['with a key without kid', 'jwks', withKey({ kid: undefined })],
  ['with an elliptic curve key', 'jwks', withKey({ kty: 'EC' })],
  ['with two keys under one kid', 'jwks', { ...REGISTRATION, jwks: { keys: [key.jwk, key.jwk] } }],
  ['with 101 keys', 'jwks.keys', { ...REGISTRATION, jwks: { keys: Array.from({ length: 101 }, () => ({})) } }],
] as const) {
  test(`a TPP ${what} answers 400 that names ${field}, and is not registered`, async () => {
    const request = { method: 'PUT', headers: authorised(), body: JSON.stringify(body) };
    const answer = await send(tppPath('tpp-bad'), request);
    assert.equal(answer.status, 400);
    checkProblem(answer.body, 400, field);
    assert.equal((await bank.operate('GET', tppPath('tpp-bad'))).status, 404);
  });
}

test('a client_id of over 128 characters answers 400', async () => {
  const { status, body } = await bank.operate('PUT', tppPath('x'.repeat(129)), REGISTRATION);
  assert.equal(status, 400);
  checkProblem(body, 400, 'clientId');
});

test('a registration that is not a JSON object answers 400', async () => {
  for (const body of ['', '{', '{"organisationId":"a","organisationId":"b"}', '[]', 'null']) {
    const request = { method: 'PUT', headers: authorised(), body };
    assert.equal((await send(tppPath('tpp-bad'), request)).status, 400, body);
  }
});

test('a notification that nobody knows answers 404', async () => {
  assert.equal((await send('/operator/v1/notifications/unknown', { headers: authorised() })).status, 404);
});

/** Publishes one event for tpp-a. @returns the jti */
async function publish(): Promise<string> {
  const uri = 'https://bank.example/p-1';
  const { status, body } = await bank.operate('POST', EVENTS, {
    id: `event-${Math.random()}`,
    clientId: 'tpp-a',
    occurredAt: '2026-01-02T03:04:05Z',
    transactionId: 'txn-1',
    resource: { id: 'p-1', type: 'domestic-payment', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  });
  assert.equal(status, 200, JSON.stringify(body));
  const { outcomes } = body as { outcomes: readonly { jti: string }[] };
  return outcomes[0]?.jti ?? '';
}

interface Shown {
  readonly state: string;
  readonly nextAttemptAt?: string;
  readonly claims: Record<string, unknown>;
  readonly set?: string;
  readonly attempts: readonly Record<string, unknown>[];
}

async function shown(jti: string): Promise<Shown> {
  const { status, body } = await bank.operate('GET', `/operator/v1/notifications/${jti}`);
  assert.equal(status, 200);
  return body as unknown as Shown;
}

test('a notification that is only polled for shows its claims and no attempt', async () => {
  const tpp = bank.tpp('tpp-a');
  assert.equal((await tpp.subscribe({ Version: '4.0' })).status, 201);
  const jti = await publish();
  const notification = await shown(jti);
  assert.equal(notification.state, 'awaiting');
  assert.deepEqual(notification.attempts, []);
  assert.equal(notification.nextAttemptAt, undefined);
  assert.equal(notification.claims['jti'], jti);
  assert.equal(notification.claims['txn'], 'txn-1');
  assert.equal(notification.claims['toe'], Date.parse('2026-01-02T03:04:05Z') / 1000);
  await tpp.clear();
  assert.equal((await shown(jti)).state, 'withdrawn');
});

test('a notification that cannot be delivered shows each attempt: when, where to, and what it came to', async () => {
  const tpp = bank.tpp('tpp-a');
  // Nobody listens there any more.
  const callbackUrl = CALLBACK_URL.replace('tpp.example', `127.0.0.1:${await unusedPort()}`);
  assert.equal((await tpp.subscribe({ CallbackUrl: callbackUrl, Version: '4.0' })).status, 201);
  const jti = await publish();
  const giveUpMs = Date.now() + 10_000;
  let notification = await shown(jti);
  // The configuration allows two retries; then attempts cease, and it stays awaiting.
  while (notification.attempts.length < 3 && Date.now() < giveUpMs) notification = await shown(jti);
  assert.equal(notification.attempts.length, 3);
  assert.equal(notification.state, 'awaiting');
  assert.match(String(notification.set), /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
  for (const { startedAt, durationMs, interactionId, detail, ...attempt } of notification.attempts) {
    assert.match(String(startedAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Number(durationMs) >= 0);
    assert.match(String(interactionId), /^[0-9a-f-]{36}$/);
    assert.equal(typeof detail, 'string');
    assert.deepEqual(attempt, { callbackUrl, outcome: 'unreachable', errorClass: 'connect' });
  }
  await tpp.clear();
});

test('the log names the operator token and who was registered, and holds no token', async () => {
  const log = readFileSync(bank.logFile, 'utf8');
  const added = '"operator":"tests","clientId":"tpp-new","changed":["organisationId","softwareStatementId","jwks"]';
  assert.ok(log.includes(`${added},"msg":"TPP added"`), 'who was added');
  const changed = '"operator":"tests","clientId":"tpp-new","changed":["organisationId"],"msg":"TPP changed"';
  assert.ok(log.includes(changed), 'who was changed');
  assert.match(log, /"operator":"tests","events":1,"notifications":1,"repeated":0/);
  assert.match(log, /"method":"POST","route":"\/operator\/v1\/events","status":401,"why":"Send the operator token as/);
  assert.ok(!log.includes(OPERATOR_TOKEN), 'no operator token');
  assert.ok(!log.includes('wrong-token'), 'no token that was refused');
  assert.ok(!log.includes(String(key.jwk['n'])), 'no key');
  assert.doesNotMatch(log, /unexpected error/);
});

test('with operator.tls the operator API speaks TLS and asks for no client certificate', async () => {
  const tls = { certificateFile: 'transport.pem', keyFile: 'transport.key' };
  const secured = await startBankWithTpps({ settings: { operator: { tls } } });
  try {
    assert.match(secured.service.operatorUrl, /^https:/);
    const client = createHttpClient(secured.service.operatorUrl, { ca: secured.authority.certificatePem });
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
    assert.equal((await client.send(tppPath('unknown'), { headers })).status, 404);
    client.close();
  } finally {
    await secured.stop();
  }
});
