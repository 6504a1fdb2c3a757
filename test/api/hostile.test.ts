import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { HEADER_IAT, HEADER_ISS } from '@tidings/testing';
import fc from 'fast-check';
import { errorOf } from '../support/answers.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { CALLBACK_URL, SUBSCRIPTIONS, type TppRequest } from '../support/tpp.ts';

// Whatever is sent: no 5xx, no hang (the client gives up after ten seconds), and the subscription stays as it is.

// Far above what is sent here, so that no refusal comes of how much it is.
const bank = await startBankWithTpps({
  clients: ['tpp-a'],
  settings: { api: { requestsPerMinutePerTppMax: 1_000_000 } },
});
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');
const port = Number(new URL(bank.service.apiUrl).port);

const DATA = { CallbackUrl: CALLBACK_URL, Version: '4.0', EventTypes: ['UK.OBIE.Resource-Update'] };
let kept: Record<string, unknown>[] = [];
let id = '';

before(async () => {
  assert.equal((await tpp.subscribe(DATA)).status, 201);
  kept = await tpp.list();
  id = String(kept[0]?.['EventSubscriptionId']);
});

afterEach(async () => {
  assert.deepEqual(await tpp.list(), kept, 'nothing was changed');
});

const RUNS = { numRuns: 150, seed: 20_261_121 };

/** Sends a request that must be refused. */
async function refused(method: string, path: string, request: TppRequest): Promise<void> {
  const answer = await tpp.request(method, path, request);
  const isRefused = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
  assert.ok(isRefused, `${method} ${path} → ${answer.status}`);
}

test('bodies of any bytes, well signed, are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (body) => refused('PUT', `${SUBSCRIPTIONS}/${id}`, { body })),
    RUNS,
  );
});

test('bodies of any JSON, well signed, are refused', async () => {
  const data = fc.record(
    {
      EventSubscriptionId: fc.jsonValue(),
      CallbackUrl: fc.jsonValue(),
      Version: fc.jsonValue(),
      EventTypes: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(fc.jsonValue(), fc.record({ Data: fc.oneof(data, fc.jsonValue()) }));
  await fc.assert(
    fc.asyncProperty(body, (value) => refused('PUT', `${SUBSCRIPTIONS}/${id}`, { body: JSON.stringify(value) })),
    RUNS,
  );
});

test('a good body in which one byte is changed after it was signed is refused', async () => {
  const body = Buffer.from(JSON.stringify({ Data: { EventSubscriptionId: id, Version: '3.1' } }));
  const signature = tpp.sign(body);
  await fc.assert(
    fc.asyncProperty(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const altered = Buffer.from(body);
      altered[at] = (altered[at] ?? 0) ^ change;
      return refused('PUT', `${SUBSCRIPTIONS}/${id}`, { body: altered, signature });
    }),
    RUNS,
  );
});

// What HTTP lets a header's value be, and Node's client sends as it is.
const headerText = fc
  .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0xa0, max: 0xff })), { maxLength: 300 })
  .map((codes) => String.fromCharCode(...codes));

test('any text as signature is refused', async () => {
  const body = JSON.stringify({ Data: { EventSubscriptionId: id, Version: '3.1' } });
  await fc.assert(
    fc.asyncProperty(headerText, (signature) => refused('PUT', `${SUBSCRIPTIONS}/${id}`, { body, signature })),
    RUNS,
  );
});

test('a signature in which one character is changed is refused', async () => {
  const body = JSON.stringify({ Data: { EventSubscriptionId: id, Version: '3.1' } });
  const good = tpp.sign(body);
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.constantFrom('A', '_', '=', '.', ' ', '"', '\t'), (at, character) => {
      fc.pre(good[at] !== character);
      const signature = good.slice(0, at) + character + good.slice(at + 1);
      return refused('PUT', `${SUBSCRIPTIONS}/${id}`, { body, signature });
    }),
    RUNS,
  );
});

test('a JOSE header with any value in one of its members, well signed, is refused', async () => {
  const body = JSON.stringify({ Data: { EventSubscriptionId: id, Version: '3.1' } });
  const member = fc.constantFrom('alg', 'kid', 'crit', 'b64', 'typ', 'jku', HEADER_IAT, HEADER_ISS);
  await fc.assert(
    fc.asyncProperty(member, fc.jsonValue(), (name, value) => {
      // A past time is a good iat.
      fc.pre(!(name === HEADER_IAT && typeof value === 'number'));
      const signature = tpp.sign(body, tpp.header({ [name]: value }));
      return refused('PUT', `${SUBSCRIPTIONS}/${id}`, { body, signature });
    }),
    RUNS,
  );
});

test('any text in the headers that are read is refused or ignored', async () => {
  const body = JSON.stringify({ Data: DATA });
  const name = fc.constantFrom('authorization', 'accept', 'content-type', 'x-fapi-interaction-id', 'x-fapi-auth-date');
  await fc.assert(
    fc.asyncProperty(name, headerText, async (header, value) => {
      // A second POST: good headers come to 409, all others to less.
      await refused('POST', SUBSCRIPTIONS, { body, headers: { 'content-type': 'application/json', [header]: value } });
    }),
    RUNS,
  );
});

test('ids of any text are unknown', async () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(text, async (unknown) => {
      fc.pre(!['.', '..'].includes(unknown));
      const answer = await tpp.request('DELETE', `${SUBSCRIPTIONS}/${encodeURIComponent(unknown)}`);
      assert.deepEqual(errorOf(answer).code, 'U011', unknown);
    }),
    RUNS,
  );
});

/** Writes bytes on a connection of its own, and reads until the server ends it. @returns what came, as text */
async function say(socket: Socket, bytes: string | Uint8Array): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A server that hangs up while this side still writes is no failure of the test.
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  socket.write(bytes);
  await closed;
  return Buffer.concat(chunks).toString('latin1');
}

const tlsSocket = () => connectTls({ host: 'localhost', port, ...tpp.tls });

test('what is no TLS is hung up on', async () => {
  for (const bytes of [
    'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n',
    Buffer.alloc(5000, 0xff),
    Buffer.from('160301ffff00', 'hex'),
    'SSH-2.0-x\r\n',
  ]) {
    const socket = connectTcp(port, 'localhost');
    // What looks like the start of TLS is waited on; it ends when this side does.
    if (bytes.length < 10) socket.end();
    const said = await say(socket, bytes).catch(() => '');
    assert.doesNotMatch(said, /HTTP\/1\.1 [23]/);
  }
});

for (const [what, bytes, answered] of [
  ['garbage', 'garbage\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['bytes that are no text', Buffer.alloc(1000, 0x80), /^HTTP\/1\.1 400 /],
  ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a header with a control character', 'GET / HTTP/1.1\r\nhost: x\r\nx: a\u0000b\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a header over several lines', 'GET / HTTP/1.1\r\nhost: x\r\nx: a\r\n b\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', /^HTTP\/1\.1 400 /],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  ['a negative length', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['headers over the limit', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ['a path over the limit', `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, /^HTTP\/1\.1 431 /],
] as const) {
  test(`${what} after the handshake: a bare status, and the connection ends`, async () => {
    const said = await say(tlsSocket(), bytes);
    assert.match(said, answered);
    assert.match(said, /connection: close\r\ncontent-length: 0\r\nx-fapi-interaction-id: [0-9a-f-]{36}\r\n\r\n$/);
  });
}

test('garbage behind a good request on one connection does not spoil its answer, and ends the connection', async () => {
  const headers = `host: localhost\r\nauthorization: Bearer ${await tpp.token()}\r\n\r\n`;
  const said = await say(tlsSocket(), `GET ${SUBSCRIPTIONS} HTTP/1.1\r\n${headers}GARBAGE\r\n\r\n`);
  assert.doesNotMatch(said, /HTTP\/1\.1 5/);
  assert.match(
    said,
    /HTTP\/1\.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\nx-fapi-interaction-id: [0-9a-f-]{36}\r\n\r\n$/,
  );
});

test('a hundred requests in one piece are answered in order, each with its own interaction id', async () => {
  const authorization = `host: localhost\r\nauthorization: Bearer ${await tpp.token()}\r\n`;
  const ids = Array.from({ length: 100 }, (_, at) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`);
  const requests = ids.map((each, at) => {
    const last = at === ids.length - 1 ? 'connection: close\r\n' : '';
    return `GET ${SUBSCRIPTIONS} HTTP/1.1\r\n${authorization}x-fapi-interaction-id: ${each}\r\n${last}\r\n`;
  });
  const said = await say(tlsSocket(), requests.join(''));
  const answered = [...said.matchAll(/HTTP\/1\.1 200 OK\r\nx-fapi-interaction-id: ([0-9a-f-]{36})/g)];
  assert.deepEqual(
    answered.map(([, each]) => each),
    ids,
  );
});

test('connections that end in the middle of a request leave nothing behind', async () => {
  const token = await tpp.token();
  const head = `PUT ${SUBSCRIPTIONS}/${id} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n`;
  const request = `${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"Data":`;
  for (let length = 1; length <= request.length; length += Math.ceil(request.length / 20)) {
    const socket = tlsSocket();
    await once(socket, 'secureConnect');
    socket.on('error', () => undefined);
    socket.write(request.slice(0, length));
    socket.destroy();
    await once(socket, 'close');
  }
  assert.equal((await tpp.request('GET', SUBSCRIPTIONS)).status, 200);
});

test('the log of all this tells no token and no signature', async () => {
  const { readFileSync } = await import('node:fs');
  const log = readFileSync(bank.logFile, 'utf8');
  assert.ok(log.length > 1000, 'something was logged');
  assert.ok(!log.includes(await tpp.token()), 'no access token');
  assert.doesNotMatch(log, /eyJ/, 'nothing that looks like a JWS');
  assert.doesNotMatch(log, /"level":50/, 'nothing was unexpected');
});
