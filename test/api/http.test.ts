import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { errorOf } from '../support/answers.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { CALLBACK_URL, SUBSCRIPTIONS } from '../support/tpp.ts';

const BODY_BYTES_MAX = 4096;
const bank = await startBankWithTpps({ clients: ['tpp-a'], settings: { api: { bodyBytesMax: BODY_BYTES_MAX } } });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');

const BODY = JSON.stringify({ Data: { CallbackUrl: CALLBACK_URL, Version: '4.0' } });

for (const path of [
  '/',
  '/open-banking/v4.0',
  '/open-banking/v4.0/event-subscription',
  `${SUBSCRIPTIONS}s`,
  '/operator/v1/events',
  '/open-banking/v4.0/EVENT-SUBSCRIPTIONS',
  `${SUBSCRIPTIONS}/x/y`,
  `/prefix${SUBSCRIPTIONS}`,
]) {
  test(`${path} answers 404 without a body`, async () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      assert.deepEqual(errorOf(await tpp.request(method, path, { body: BODY })), { status: 404 });
    }
  });
}

for (const [path, allow, methods] of [
  [SUBSCRIPTIONS, 'GET, POST', ['PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE']],
  [`${SUBSCRIPTIONS}/some-id`, 'PUT, DELETE', ['GET', 'POST', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE']],
] as const) {
  for (const method of methods) {
    test(`${method} ${path} answers 405 with Allow: ${allow}, with a token and without`, async () => {
      for (const token of [await tpp.token(), null]) {
        const answer = await tpp.request(method, path, { token });
        assert.deepEqual(errorOf(answer), { status: 405 });
        assert.equal(answer.headers['allow'], allow);
      }
    });
  }
}

test('a query is not part of the path', async () => {
  assert.equal((await tpp.request('GET', `${SUBSCRIPTIONS}?page=1`)).status, 200);
});

for (const accept of [
  'application/json',
  'application/json; charset=utf-8',
  'application/*',
  '*/*',
  'text/html, */*;q=0.1',
  'APPLICATION/JSON',
  '',
]) {
  test(`Accept: ${accept} is answered`, async () => {
    assert.equal((await tpp.request('GET', SUBSCRIPTIONS, { headers: { accept } })).status, 200);
  });
}

for (const accept of [
  'text/html',
  'application/xml',
  'application/jwt',
  'application/json;q=0',
  'text/*',
  'nonsense',
]) {
  test(`Accept: ${accept} answers 406, and nothing is created`, async () => {
    assert.deepEqual(errorOf(await tpp.request('GET', SUBSCRIPTIONS, { headers: { accept } })), { status: 406 });
    const headers = { accept, 'content-type': 'application/json' };
    assert.deepEqual(errorOf(await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, headers })), { status: 406 });
    assert.deepEqual(await tpp.list(), []);
  });
}

for (const type of [
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=UTF-8',
  'Application/JSON; charset="utf-8"',
  'application/json;',
  'application/json ; ',
  'application/json;charset=utf-8;',
  'application/json;;charset=utf-8',
  'application/json;\t;CHARSET=utf-8 ;;',
]) {
  test(`Content-Type: ${type} is accepted`, async () => {
    const answer = await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, headers: { 'content-type': type } });
    assert.equal(answer.status, 201, answer.body.toString());
    await tpp.clear();
  });
}

for (const type of [
  'text/plain',
  'application/jwt',
  'application/xml',
  'application/json; charset=iso-8859-1',
  'application/json+x',
  'application/problem+json',
  'application/json; boundary=x',
  'application/json; charset',
  'application/json; charset=utf-8; charset=utf-8',
  'json',
  '',
  'application/json, text/plain',
]) {
  test(`Content-Type: ${type} answers 415 to POST and PUT, and nothing is created`, async () => {
    const headers = { 'content-type': type };
    assert.deepEqual(errorOf(await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, headers })), { status: 415 });
    assert.deepEqual(errorOf(await tpp.request('PUT', `${SUBSCRIPTIONS}/x`, { body: BODY, headers })), { status: 415 });
    assert.deepEqual(await tpp.list(), []);
  });
}

for (const coding of ['gzip', 'GZIP', 'br', 'x-gzip', 'identity, gzip', ['identity', 'deflate'], 'nonsense']) {
  test(`Content-Encoding: ${coding} answers 415 to POST and PUT, and nothing is created`, async () => {
    const headers = { 'content-type': 'application/json', ...Object.fromEntries([['content-encoding', coding]]) };
    for (const [method, path] of [
      ['POST', SUBSCRIPTIONS],
      ['PUT', `${SUBSCRIPTIONS}/x`],
      ['POST', '/open-banking/v3.1/callback-urls'],
      ['POST', '/open-banking/v4.0/events'],
    ] as const) {
      const answer = await tpp.request(method, path, { body: BODY, headers });
      assert.deepEqual(errorOf(answer), { status: 415 }, path);
      assert.equal(answer.headers['accept-encoding'], 'identity');
    }
    assert.deepEqual(await tpp.list(), []);
  });
}

for (const coding of ['identity', 'Identity', 'identity, identity', ',identity,', '']) {
  test(`Content-Encoding: ${coding} is accepted`, async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': coding };
    const answer = await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, headers });
    assert.equal(answer.status, 201, answer.body.toString());
    await tpp.clear();
  });
}

test('Content-Encoding says nothing where there is no content, no token, or no such path or method', async () => {
  const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' };
  assert.equal((await tpp.request('GET', SUBSCRIPTIONS, { headers })).status, 200);
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { headers, body: BODY, token: null })).status, 401);
  assert.equal((await tpp.request('POST', '/unknown', { headers, body: BODY })).status, 404);
  assert.equal((await tpp.request('PATCH', SUBSCRIPTIONS, { headers, body: BODY })).status, 405);
});

test('a body of the limit is read, and one of a byte more answers 413 without a body', async () => {
  const padded = (length: number) => BODY + ' '.repeat(length - BODY.length);
  const read = await tpp.request('POST', SUBSCRIPTIONS, { body: padded(BODY_BYTES_MAX) });
  assert.equal(read.status, 201, read.body.toString());
  await tpp.clear();
  const refused = await tpp.request('POST', SUBSCRIPTIONS, { body: padded(BODY_BYTES_MAX + 1) });
  assert.deepEqual(errorOf(refused), { status: 413 });
  assert.deepEqual(await tpp.list(), []);
});

test('a body over the limit answers 413 also when its length is not told before', async () => {
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
  const request = { body: BODY + ' '.repeat(BODY_BYTES_MAX), headers };
  const answer = await tpp.request('POST', SUBSCRIPTIONS, request);
  assert.deepEqual(errorOf(answer), { status: 413 });
  assert.deepEqual(await tpp.list(), []);
});

test('a body in chunks is the same body', async () => {
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, headers })).status, 201);
  await tpp.clear();
});

const UUIDS = ['93bac548-d2de-4546-b106-880a5018460d', '93BAC548-D2DE-1546-B106-880A5018460D'];
/** One request for each kind of answer. */
const EVERY_ANSWER: readonly (readonly [number, string, string, object])[] = [
  [200, 'GET', SUBSCRIPTIONS, {}],
  [400, 'POST', SUBSCRIPTIONS, { body: '{}' }],
  [400, 'DELETE', `${SUBSCRIPTIONS}/unknown`, {}],
  [401, 'GET', SUBSCRIPTIONS, { token: null }],
  [404, 'GET', '/unknown', {}],
  [405, 'PATCH', SUBSCRIPTIONS, {}],
  [406, 'GET', SUBSCRIPTIONS, { headers: { accept: 'text/html' } }],
  [413, 'POST', SUBSCRIPTIONS, { body: 'x'.repeat(BODY_BYTES_MAX + 1) }],
  [415, 'POST', SUBSCRIPTIONS, { body: BODY, headers: { 'content-type': 'text/plain' } }],
];

for (const [status, method, path, request] of EVERY_ANSWER) {
  test(`the ${status} that answers ${method} ${path} has the caller's interaction id when it is a UUID`, async () => {
    const { headers = {} } = request as { headers?: object };
    const withType = method === 'POST' ? { 'content-type': 'application/json', ...headers } : headers;
    for (const id of [...UUIDS, 'not-a-uuid', '', `{${UUIDS[0]}}`, `${UUIDS[0]}x`, UUIDS, undefined]) {
      const sent = { ...withType, ...(id !== undefined && { 'x-fapi-interaction-id': id }) };
      const answer = await tpp.request(method, path, { ...request, headers: sent });
      assert.equal(answer.status, status);
      const [said] = answer.headersDistinct['x-fapi-interaction-id'] ?? [];
      assert.equal(said === id, typeof id === 'string' && UUIDS.includes(id), String(id));
    }
  });
}

test('two answers never have the same fresh interaction id', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => tpp.request('GET', SUBSCRIPTIONS)));
  const ids = new Set(answers.map(({ headers }) => headers['x-fapi-interaction-id']));
  assert.equal(ids.size, 20);
});

test('the JWKS answers GET without a token, with an interaction id, and nothing else', async () => {
  const answer = await tpp.fetchJwks();
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers['x-fapi-interaction-id']), /^[0-9a-f-]{36}$/);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']) {
    const refused = await tpp.request(method, '/.well-known/jwks.json', { body: BODY });
    assert.deepEqual(errorOf(refused), { status: 405 }, method);
    assert.equal(refused.headers['allow'], 'GET');
  }
});

test('X-Forwarded and X-HTTP-Method-Override headers change nothing', async () => {
  const forwarded = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', forwarded: 'host=evil.example' };
  const headers = { ...forwarded, host: 'evil.example', 'x-http-method-override': 'DELETE' };
  const answer = await tpp.request('GET', SUBSCRIPTIONS, { headers });
  assert.equal(answer.status, 200);
  assert.equal(JSON.parse(answer.body.toString()).Links.Self, `${bank.service.apiUrl}${SUBSCRIPTIONS}`);
});

test('with a prefix and a public URL the API lies behind them, and Links.Self says so', async () => {
  const api = { prefix: '/psd2', publicUrl: 'https://api.bank.example/' };
  const behind = await startBankWithTpps({ clients: ['tpp-p'], settings: { api } });
  try {
    const caller = behind.tpp('tpp-p');
    const answer = await caller.request('GET', `/psd2${SUBSCRIPTIONS}`);
    assert.equal(answer.status, 200);
    const self = `https://api.bank.example/psd2${SUBSCRIPTIONS}`;
    assert.equal(JSON.parse(answer.body.toString()).Links.Self, self);
    assert.equal((await caller.request('GET', SUBSCRIPTIONS)).status, 404);
    assert.equal((await caller.request('GET', '/.well-known/jwks.json')).status, 404);
  } finally {
    await behind.stop();
  }
});
