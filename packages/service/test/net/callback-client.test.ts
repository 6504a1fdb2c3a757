import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { connect, TLSSocket } from 'node:tls';
import { queryObjects } from 'node:v8';
import { type Listening, listenHttps, listenTcp, listenTls, testPki, unusedPort } from '@tidings/testing';
import {
  type CallbackClient,
  type CallbackClientOptions,
  type CallbackPost,
  createCallbackClient,
  type Exchange,
} from '../../src/net/callback-client.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { loopbackGuard } from '../support/loopback-guard.ts';

const { authority } = await testPki();

const PATH = '/open-banking/v4.0/event-notifications';
const TIMEOUT_MS = 5000;
const NEVER = new AbortController().signal;

/** A client whose deadline the test holds. */
function clientFor(t: TestContext, changes: Partial<CallbackClientOptions> = {}) {
  const clock = new FakeClock();
  const client = createCallbackClient({
    ca: authority.certificatePem,
    timeoutMs: TIMEOUT_MS,
    responseBytesMax: 1000,
    connectionsMax: 8,
    connectionMaxMs: 300_000,
    guard: loopbackGuard,
    clock,
    ...changes,
  });
  t.after(() => client.close());
  return { client, clock };
}

function post(client: CallbackClient, { port }: Listening, abort: AbortSignal = NEVER): Promise<Exchange> {
  return client.post(postTo(`https://127.0.0.1:${port}${PATH}`), abort);
}

function postTo(url: string, clientId = 'tpp'): CallbackPost {
  return { clientId, url, headers: { 'content-type': 'application/jwt' }, body: 'a.b.c' };
}

function assertStatus(exchange: Exchange, status: number): void {
  assert.deepEqual(exchange.kind === 'answered' ? exchange.status : exchange, status);
}

function assertUnreachable(exchange: Exchange, errorClass: string): void {
  assert.equal(exchange.kind === 'unreachable' ? exchange.errorClass : exchange.kind, errorClass);
  assert.ok(exchange.kind === 'unreachable' && /^[\w ]+$/.test(exchange.detail), 'the detail is a code');
}

/** Turns of the event loop until the condition holds; the test's own limit is the only other end. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** An HTTP server that tells when a request has arrived, and leaves its answer to the test. */
async function withRequest(t: TestContext) {
  const arrived = Promise.withResolvers<{ request: IncomingMessage; response: ServerResponse }>();
  const server = await listenHttps(t, (request, response) => arrived.resolve({ request, response }));
  return { server, arrived: arrived.promise };
}

test('what arrives is a POST of exactly the path, headers and body, on TLS without a client certificate', async (t) => {
  const seen: unknown[] = [];
  const server = await listenHttps(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method, url, headers } = request;
    seen.push([method, url, headers['content-type'], headers['content-length'], headers.host, body]);
    response.writeHead(202, { 'x-fapi-interaction-id': 'id', 'x-twice': ['1', '2'] }).end();
  });
  const { client } = clientFor(t);
  const exchange = await post(client, server);
  assert.deepEqual(seen, [['POST', PATH, 'application/jwt', '5', `127.0.0.1:${server.port}`, 'a.b.c']]);
  assert.ok(exchange.kind === 'answered');
  assert.equal(exchange.status, 202);
  assert.equal(exchange.header('x-fapi-interaction-id'), 'id');
  assert.equal(exchange.header('x-twice'), undefined);
  assert.equal(exchange.header('absent'), undefined);
});

test('a 200, a 4xx and a 5xx are answers like any other', async (t) => {
  const statuses = [200, 204, 400, 401, 410, 429, 500, 503];
  const left = [...statuses];
  const server = await listenHttps(t, (_, response) => response.writeHead(left.shift() ?? 599).end('body'));
  const { client } = clientFor(t);
  for (const status of statuses) assertStatus(await post(client, server), status);
});

test('a redirect is not followed', async (t) => {
  const elsewhere = await listenHttps(t, (_, response) => response.writeHead(202).end());
  const location = `https://127.0.0.1:${elsewhere.port}${PATH}`;
  const left = [301, 302, 303, 307, 308];
  const server = await listenHttps(t, (_, response) => response.writeHead(left.shift() ?? 599, { location }).end());
  const { client } = clientFor(t);
  for (const status of [...left]) assertStatus(await post(client, server), status);
  assert.equal(elsewhere.connections(), 0);
});

test('a body that drips is cut at the deadline, and the status stands', async (t) => {
  const { server, arrived } = await withRequest(t);
  const { client, clock } = clientFor(t);
  const headersRead = new Promise((resolve) => subscribe('undici:request:headers', resolve));
  const exchange = post(client, server);
  const { response } = await arrived;
  response.writeHead(202).write('x');
  await headersRead;
  const closed = once(response, 'close');
  await clock.advance(TIMEOUT_MS);
  assertStatus(await exchange, 202);
  await closed;
  assert.equal(clock.timers, 0);
});

for (const responseBytesMax of [0, 1000]) {
  test(`an endless body is cut at ${responseBytesMax} bytes, and the status stands`, async (t) => {
    let written = 0;
    const server = await listenHttps(t, (_, response) => {
      response.writeHead(202);
      const more = () => {
        if (response.destroyed) return;
        written += 1024;
        response.write(Buffer.alloc(1024), () => setImmediate(more));
      };
      more();
    });
    const { client, clock } = clientFor(t, { responseBytesMax });
    assertStatus(await post(client, server), 202);
    await until(() => server.open() === 0);
    assert.ok(written < 4_000_000, `${written} bytes were written`);
    assert.equal(clock.timers, 0);
  });
}

test('a body within the bound is read, and its connection used again; one beyond costs the connection', async (t) => {
  const left = [999, 1000, 100_000, 0];
  const server = await listenHttps(t, (_, response) => response.writeHead(202).end(Buffer.alloc(left.shift() ?? 0)));
  const { client } = clientFor(t, { connectionsMax: 1 });
  const connections: number[] = [];
  for (let posts = 0; posts < 4; posts += 1) {
    assertStatus(await post(client, server), 202);
    connections.push(server.connections());
  }
  assert.deepEqual(connections, [1, 1, 1, 2]);
});

test('with no body allowed, a body costs the connection, and none does not', async (t) => {
  const left = [0, 100_000, 0];
  const server = await listenHttps(t, (_, response) => response.writeHead(202).end(Buffer.alloc(left.shift() ?? 0)));
  const { client } = clientFor(t, { responseBytesMax: 0, connectionsMax: 1 });
  const connections: number[] = [];
  for (let posts = 0; posts < 3; posts += 1) {
    assertStatus(await post(client, server), 202);
    connections.push(server.connections());
  }
  assert.deepEqual(connections, [1, 1, 2]);
});

test('an answer that never begins is a timeout', async (t) => {
  const { server, arrived } = await withRequest(t);
  const { client, clock } = clientFor(t);
  const exchange = post(client, server);
  await arrived;
  await clock.advance(TIMEOUT_MS - 1);
  assert.equal(clock.timers, 1);
  await clock.advance(1);
  assertUnreachable(await exchange, 'timeout');
  await until(() => server.open() === 0);
});

test('headers that drip are a timeout', async (t) => {
  const written = Promise.withResolvers<void>();
  const server = await listenTls(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 202 Accepted\r\nx-slow: ', () => written.resolve()));
  });
  const { client, clock } = clientFor(t);
  const exchange = post(client, server);
  await written.promise;
  await clock.advance(TIMEOUT_MS);
  assertUnreachable(await exchange, 'timeout');
});

// The bounds of the client are far above the limit of these tests, so that only the deadline can end them.
const LONG = { timeoutMs: 120_000 };

test('a handshake that never ends is a timeout', { timeout: 20_000 }, async (t) => {
  const hello = Promise.withResolvers<void>();
  const server = await listenTcp(t, (socket) => socket.once('data', () => hello.resolve()));
  const { client, clock } = clientFor(t, LONG);
  const exchange = post(client, server);
  await hello.promise;
  await clock.advance(LONG.timeoutMs);
  assertUnreachable(await exchange, 'timeout');
});

test('an abort does not wait for a handshake that never ends', { timeout: 20_000 }, async (t) => {
  const hello = Promise.withResolvers<void>();
  const server = await listenTcp(t, (socket) => socket.once('data', () => hello.resolve()));
  const { client } = clientFor(t, LONG);
  const abort = new AbortController();
  const exchange = post(client, server, abort.signal);
  await hello.promise;
  abort.abort();
  assert.equal((await exchange).kind, 'unreachable');
});

test('waiting for a free connection is under the deadline, and what was given up is not sent', async (t) => {
  const requests: ServerResponse[] = [];
  const server = await listenHttps(t, (_, response) => requests.push(response));
  const { client, clock } = clientFor(t, { ...LONG, connectionsMax: 1 });
  const abort = new AbortController();
  const first = post(client, server);
  await until(() => requests.length === 1);
  const given = post(client, server, abort.signal);
  abort.abort();
  assert.equal((await given).kind, 'unreachable');
  await clock.advance(1000);
  const third = post(client, server);
  requests[0]?.writeHead(202).end();
  assertStatus(await first, 202);
  await until(() => requests.length === 2);
  requests[1]?.writeHead(202).end();
  assertStatus(await third, 202);
  assert.deepEqual([requests.length, clock.timers], [2, 0]);
});

test('a refused connection is connect', async (t) => {
  const { client } = clientFor(t);
  const exchange = await client.post(postTo(`https://127.0.0.1:${await unusedPort()}${PATH}`), NEVER);
  assertUnreachable(exchange, 'connect');
});

test('an unknown host is dns', async (t) => {
  const { client } = clientFor(t);
  assertUnreachable(await client.post(postTo(`https://nonexistent.invalid${PATH}`), NEVER), 'dns');
});

test('TLS 1.1 is not spoken', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const server = await listenHttps(t, (_, response) => response.writeHead(202).end(), old);
  const control = connect({ host: '127.0.0.1', port: server.port, ca: authority.certificatePem, ...old });
  await once(control, 'secureConnect');
  assert.equal(control.getProtocol(), 'TLSv1.1');
  control.destroy();
  const { client } = clientFor(t);
  assertUnreachable(await post(client, server), 'tls');
});

test('a connection reset in the middle of an answer is reset', async (t) => {
  const server = await listenTls(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 202 Acc', () => socket.destroy()));
  });
  const { client } = clientFor(t);
  assertUnreachable(await post(client, server), 'reset');
});

test('a connection that closes before any answer is reset', async (t) => {
  const server = await listenTls(t, (socket) => socket.once('data', () => socket.end()));
  const { client } = clientFor(t);
  assertUnreachable(await post(client, server), 'reset');
});

const MALFORMED: readonly (readonly [string, string, string])[] = [
  ['something that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'malformed'],
  ['a status line that is none', 'HTTP/1.1 abc Accepted\r\n\r\n', 'malformed'],
  ['headers that are too large', `HTTP/1.1 202 Accepted\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`, 'oversized'],
  ['too many headers', `HTTP/1.1 202 Accepted\r\n${'x-many: y\r\n'.repeat(3000)}\r\n`, 'oversized'],
];

for (const [name, answer, errorClass] of MALFORMED) {
  test(`${name} is ${errorClass}`, async (t) => {
    const server = await listenTls(t, (socket) => socket.once('data', () => socket.write(answer)));
    const { client } = clientFor(t);
    assertUnreachable(await post(client, server), errorClass);
  });
}

test('an abort ends the exchange at once, and leaves no timer', async (t) => {
  const { server, arrived } = await withRequest(t);
  const { client, clock } = clientFor(t);
  const abort = new AbortController();
  const exchange = post(client, server, abort.signal);
  await arrived;
  abort.abort();
  assert.equal((await exchange).kind, 'unreachable');
  assert.equal(clock.timers, 0);
  await until(() => server.open() === 0);
});

test('what was aborted before is not sent at all', async (t) => {
  let requests = 0;
  const server = await listenHttps(t, (_, response) => {
    requests += 1;
    response.writeHead(202).end();
  });
  const { client } = clientFor(t, { connectionsMax: 1 });
  assert.equal((await post(client, server, AbortSignal.abort())).kind, 'unreachable');
  assertStatus(await post(client, server), 202);
  assert.equal(requests, 1);
});

test('connections are used again, and no more are opened than allowed', async (t) => {
  const server = await listenHttps(t, (_, response) => response.writeHead(202).end('thanks'));
  const { client } = clientFor(t, { connectionsMax: 3 });
  for (let posts = 0; posts < 5; posts += 1) assertStatus(await post(client, server), 202);
  const many = await Promise.all(Array.from({ length: 20 }, () => post(client, server)));
  for (const exchange of many) assertStatus(exchange, 202);
  assert.ok(server.connections() <= 3, `${server.connections()} connections`);
});

test('a TPP does not wait for another one on the same origin, however long that one takes', async (t) => {
  const held: ServerResponse[] = [];
  const server = await listenHttps(t, (request, response) => {
    if (request.url?.startsWith('/slow') === true) held.push(response);
    else response.writeHead(202).end();
  });
  const { client, clock } = clientFor(t, { connectionsMax: 2 });
  const origin = `https://127.0.0.1:${server.port}`;
  const slow = Array.from({ length: 5 }, () => client.post(postTo(`${origin}/slow${PATH}`, 'b'), NEVER));
  await until(() => held.length === 2);
  for (let posts = 0; posts < 3; posts += 1)
    assertStatus(await client.post(postTo(`${origin}${PATH}`, 'a'), NEVER), 202);
  assert.equal(held.length, 2, 'a TPP has its own bound all the same');
  await clock.advance(TIMEOUT_MS);
  for (const exchange of await Promise.all(slow)) assertUnreachable(exchange, 'timeout');
});

test('the connections of a TPP whose callback URL moved are not used for the new one', async (t) => {
  const seen: string[] = [];
  const listener = (name: string) => (_: IncomingMessage, response: ServerResponse) => {
    seen.push(name);
    response.writeHead(202).end();
  };
  const [old, moved] = [await listenHttps(t, listener('old')), await listenHttps(t, listener('moved'))];
  const { client } = clientFor(t);
  for (const server of [old, moved, moved]) assertStatus(await post(client, server), 202);
  assert.deepEqual(seen, ['old', 'moved', 'moved']);
});

test('closing ends what is under way at once', async (t) => {
  const { server, arrived } = await withRequest(t);
  const { client, clock } = clientFor(t);
  const exchange = post(client, server);
  await arrived;
  await client.close();
  assert.equal((await exchange).kind, 'unreachable');
  assert.equal(clock.timers, 0);
  await until(() => server.open() === 0);
});

test('closing does not wait for a handshake that never ends', { timeout: 20_000 }, async (t) => {
  const hello = Promise.withResolvers<void>();
  const server = await listenTcp(t, (socket) => socket.once('data', () => hello.resolve()));
  const { client } = clientFor(t, LONG);
  const exchange = post(client, server);
  await hello.promise;
  await client.close();
  assert.equal((await exchange).kind, 'unreachable');
  await until(() => server.open() === 0);
});

test('connections that have ended are not kept in memory', async (t) => {
  const server = await listenHttps(t, (_request, response) => {
    response.writeHead(202, { connection: 'close' }).end();
  });
  const { client } = clientFor(t);
  const count = () => queryObjects(TLSSocket, { format: 'count' });
  for (let at = 0; at < 5; at += 1) assertStatus(await post(client, server), 202);
  const before = count();
  for (let at = 0; at < 40; at += 1) assertStatus(await post(client, server), 202);
  assert.ok(count() - before < 10, `${count() - before} of 80 sockets are kept`);
});
