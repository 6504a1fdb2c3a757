import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { listenHttps, makePki, startRecordingServer, testPki, until } from '@tidings/testing';
import { createHttpsClient, type HttpsClient, HttpsError, isHttpsUrl } from '../../src/net/https-client.ts';
import { type HeldClock, heldClock } from '../support/trust-clock.ts';

const BYTES_MAX = 1000;

async function clientOf(t: TestContext, clock: HeldClock = heldClock()): Promise<HttpsClient> {
  const { caPem: ca } = await testPki();
  const client = createHttpsClient({
    tls: { ca },
    guard: undefined,
    timeoutMs: 5000,
    responseBytesMax: BYTES_MAX,
    clock,
  });
  t.after(() => client.close());
  return client;
}

test('an answer is its status and body, and path and query are those of the URL', async (t) => {
  const server = await startRecordingServer(t);
  server.answer = { status: 404, body: 'none' };
  const clock = heldClock();
  const client = await clientOf(t, clock);
  const { status, body } = await client.exchange({ url: `${server.origin}/a/b?c=d`, headers: { accept: 'x/y' } });
  assert.deepEqual([status, Buffer.from(body).toString()], [404, 'none']);
  assert.deepEqual([server.seen[0]?.request.method, server.seen[0]?.request.url], ['GET', '/a/b?c=d']);
  assert.equal(server.seen[0]?.request.headers.accept, 'x/y');
  assert.equal(clock.waiting, 0, 'the deadline is taken back');
});

test('a redirect is an answer and is not followed', async (t) => {
  const server = await startRecordingServer(t);
  server.answer = { status: 302, body: '' };
  const client = await clientOf(t);
  assert.equal((await client.exchange({ url: server.origin, headers: {} })).status, 302);
  assert.equal(server.seen.length, 1);
});

test('a server whose certificate leads to no trusted root is not spoken to, whatever the environment says', async (t) => {
  const stranger = await makePki();
  let requests = 0;
  const count = () => {
    requests += 1;
  };
  const { origin } = await listenHttps(t, count, stranger.server.tls);
  const client = await clientOf(t);
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.after(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  });
  await assert.rejects(client.exchange({ url: origin, headers: {} }), HttpsError);
  assert.equal(requests, 0);
});

test('a server whose certificate names another host is not spoken to', async (t) => {
  const { authority } = await testPki();
  const { tls } = await authority.issue({ dns: 'other.example' });
  const { port } = await listenHttps(t, () => assert.fail('something was sent'), tls);
  const client = await clientOf(t);
  const url = `https://localhost:${port}`;
  await assert.rejects(client.exchange({ url, headers: {} }), { message: 'ERR_TLS_CERT_ALTNAME_INVALID' });
});

test('TLS below 1.2 is refused', async (t) => {
  const { origin } = await listenHttps(t, () => undefined, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
  const client = await clientOf(t);
  await assert.rejects(client.exchange({ url: origin, headers: {} }), HttpsError);
});

for (const url of [
  'http://127.0.0.1/',
  'ftp://host/',
  'no url',
  'https://user:secret@host/',
  'https://user@host/',
  '',
]) {
  test(`${JSON.stringify(url)} is not fetched`, async (t) => {
    assert.equal(isHttpsUrl(url), false);
    const client = await clientOf(t);
    await assert.rejects(client.exchange({ url, headers: {} }), {
      name: 'HttpsError',
      message: 'the URL is not https',
    });
  });
}

test('one deadline is over everything: an answer that begins and does not end is late too', async (t) => {
  let began = false;
  const { origin } = await listenHttps(t, (_request, response) => {
    response.writeHead(200).write('{');
    began = true;
  });
  const clock = heldClock();
  const client = await clientOf(t, clock);
  const exchange = assert.rejects(client.exchange({ url: origin, headers: {} }), {
    message: 'no answer within 5000 ms',
  });
  await until(() => began);
  clock.advance(5000);
  await exchange;
});

test('a body of the most bytes is read, one byte more ends the exchange, with and without Content-Length', async (t) => {
  const client = await clientOf(t);
  let bytes = BYTES_MAX;
  let isChunked = false;
  const { origin } = await listenHttps(t, (_request, response) => {
    if (isChunked) response.write('x');
    response.end('x'.repeat(isChunked ? bytes - 1 : bytes));
  });
  for (isChunked of [false, true]) {
    bytes = BYTES_MAX;
    assert.equal((await client.exchange({ url: origin, headers: {} })).body.length, BYTES_MAX);
    bytes = BYTES_MAX + 1;
    await assert.rejects(client.exchange({ url: origin, headers: {} }), {
      message: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    });
  }
});

test('a connection that is refused is an HttpsError with its code', async (t) => {
  const client = await clientOf(t);
  await assert.rejects(client.exchange({ url: 'https://127.0.0.1:1/', headers: {} }), { message: 'ECONNREFUSED' });
});
