import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpsServer, request } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { makePki, testPki } from '@tidings/testing';
import { RacingAgent, type RacingOptions } from '../src/net/racing-agent.ts';

/** Listens at one address of the loopback until the test ends. @returns the port */
async function listening(t: TestContext, server: Server, address: string, port = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(port, address);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function answering(t: TestContext, address: string, port?: number): Promise<number> {
  const { caPem, server } = await testPki();
  const tls = { cert: server.certificatePem, key: server.keyPem, ca: caPem };
  return await listening(
    t,
    createHttpsServer(tls, (_request, response) => response.end('{}')),
    address,
    port,
  );
}

/** A server that takes connections and says nothing. */
async function silentOn(t: TestContext, address: string, port: number): Promise<Socket[]> {
  const taken: Socket[] = [];
  await listening(
    t,
    createTcpServer((socket) => taken.push(socket.resume())),
    address,
    port,
  );
  return taken;
}

/** GETs from a host with these addresses. @returns the status, or the code of what failed */
async function get(t: TestContext, addresses: readonly string[], port: number, connectTimeoutMs = 5000) {
  const { caPem } = await testPki();
  const agent = new RacingAgent({ ca: caPem, rejectUnauthorized: true }, async () => addresses);
  t.after(() => agent.destroy());
  const options: RacingOptions = { agent, connectTimeoutMs, host: 'localhost', port };
  const status = new Promise<number | undefined | string>((resolve) => {
    request(options, ({ statusCode }) => resolve(statusCode))
      .on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
      .end();
  });
  return { agent, status };
}

test('addresses that refuse, in both families, cause no delay', async (t) => {
  const port = await answering(t, '127.0.0.4');
  const { status } = await get(t, ['127.0.0.2', '2001:db8::1', '127.0.0.3', '127.0.0.4'], port);
  assert.equal(await status, 200);
});

test('an address that accepts the connection and is then silent leaves the next its share of the time', async (t) => {
  const port = await answering(t, '127.0.0.3');
  const silent = await silentOn(t, '127.0.0.2', port);
  const { status } = await get(t, ['127.0.0.2', '127.0.0.3'], port, 1000);
  assert.equal(await status, 200);
  await Promise.all(silent.filter(({ readableEnded }) => !readableEnded).map((socket) => once(socket, 'end')));
});

test('a slow address has the whole time when the next one has no route', async (t) => {
  const port = await answering(t, '127.0.0.3');
  const slow = createTcpServer((socket) => {
    setTimeout(() => socket.pipe(connect({ host: '127.0.0.3', port })).pipe(socket), 400);
  });
  await listening(t, slow, '127.0.0.2', port);
  const { status } = await get(t, ['127.0.0.2', '2001:db8::1'], port, 1000);
  assert.equal(await status, 200);
});

test('when all refuse it fails at once, and when all are silent at the deadline', async (t) => {
  const port = await answering(t, '127.0.0.4');
  assert.equal(await (await get(t, ['127.0.0.2', '127.0.0.3'], port)).status, 'ECONNREFUSED');
  const silent = await silentOn(t, '127.0.0.2', port);
  assert.equal(await (await get(t, ['127.0.0.2'], port, 50)).status, 'ETIMEDOUT');
  await Promise.all(silent.filter(({ readableEnded }) => !readableEnded).map((socket) => once(socket, 'end')));
});

test('destroying the agent aborts connections being established', async (t) => {
  const port = await answering(t, '127.0.0.4');
  const silent = await silentOn(t, '127.0.0.2', port);
  const { agent, status } = await get(t, ['127.0.0.2'], port);
  while (silent.length === 0) await new Promise((resolve) => setImmediate(resolve));
  agent.destroy();
  assert.equal(await status, 'ECONNABORTED');
});

test('each address is verified', async (t) => {
  const stranger = await makePki();
  const tls = { cert: stranger.server.certificatePem, key: stranger.server.keyPem };
  const server = createHttpsServer(tls, () => assert.fail('something was sent'));
  const port = await listening(t, server, '127.0.0.2');
  const { status } = await get(t, ['127.0.0.2'], port);
  assert.match(String(await status), /UNABLE_TO_VERIFY|SIGNATURE/);
});
