import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { makeAuthority, temporaryFolder } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import { listenTo } from '../../src/store/postgres/changes.ts';
import { type ConnectionOptions, clientConfig } from '../../src/store/postgres/connection.ts';
import { openDatabase, openPostgresStore } from '../../src/store/postgres/open.ts';

// Somebody who stands in for the database, and asks for the password.

const PASSWORD = 's3cret-of-the-test';
const SSL_REQUEST = 80_877_103;
const REQUESTS = { clear: [3], md5: [5, 1, 2, 3, 4] } as const;

/** A server that asks for a password in some way, then refuses it. @returns what it was sent, as it comes in */
async function standIn(
  t: TestContext,
  asksFor: keyof typeof REQUESTS,
  identity?: { cert: string; key: string },
  path?: string,
) {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const converse = (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      received.push(bytes);
      if (bytes.length === 8 && bytes.readInt32BE(4) === SSL_REQUEST && identity !== undefined) {
        socket.removeAllListeners('data');
        socket.write('S');
        converse(new TLSSocket(socket, { isServer: true, ...identity }));
        return;
      }
      if (bytes[0] === 0x70) return void socket.end();
      const [kind, ...salt] = REQUESTS[asksFor];
      socket.write(Buffer.from([0x52, 0, 0, 0, 8 + salt.length, 0, 0, 0, kind, ...salt]));
    });
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    converse(socket);
  });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, received: () => Buffer.concat(received).toString('latin1') };
}

const optionsOf = (url: string, more: Partial<ConnectionOptions> = {}): ConnectionOptions => ({
  ...{ url, password: PASSWORD, ca: undefined, connectionsMax: 2, statementTimeoutMs: 2000, isPooled: false },
  ...more,
});

test('a server that asks for the password in clear without TLS does not get it, and the remedy is said', async (t) => {
  const server = await standIn(t, 'clear');
  const opening = openPostgresStore({
    ...optionsOf(`postgres://tidings@127.0.0.1:${server.port}/tidings`),
    ...{ clock: systemClock, isListening: true, pollMs: 1000, isMigratedAtStart: false, onProblem: () => undefined },
  });
  await assert.rejects(opening, (error: Error) => {
    assert.match(error.message, /asks for the password in clear, and there is no TLS\); let the server use SCRAM/);
    assert.ok(!error.message.includes(PASSWORD));
    return true;
  });
  assert.ok(!server.received().includes(PASSWORD));
});

test('nor does one behind a Unix socket', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const server = await standIn(t, 'clear', undefined, join(folder.path, '.s.PGSQL.5432'));
  const database = openDatabase(
    optionsOf(`postgres://tidings@${encodeURIComponent(folder.path)}/tidings`),
    () => undefined,
  );
  t.after(() => database.close());
  await assert.rejects(database.query('SELECT 1'), /asks for the password in clear/);
  assert.match(server.received(), /tidings/, 'it was called');
  assert.ok(!server.received().includes(PASSWORD));
});

test('nor does one that the listener calls', async (t) => {
  const server = await standIn(t, 'clear');
  const failed = Promise.withResolvers<unknown>();
  const end = listenTo({
    config: clientConfig(optionsOf(`postgres://tidings@127.0.0.1:${server.port}/tidings`)),
    ...{ channel: 'x', clock: systemClock, onMessage: () => undefined, onListening: () => undefined },
    onError: failed.resolve,
  });
  t.after(() => end());
  assert.match(String(await failed.promise), /asks for the password in clear/);
  assert.ok(!server.received().includes(PASSWORD));
});

test('one that asks for MD5 gets a hash with its salt, never the password', async (t) => {
  const server = await standIn(t, 'md5');
  const database = openDatabase(optionsOf(`postgres://tidings@127.0.0.1:${server.port}/tidings`), () => undefined);
  t.after(() => database.close());
  await assert.rejects(database.query('SELECT 1'));
  assert.match(server.received(), /md5[0-9a-f]{32}/);
  assert.ok(!server.received().includes(PASSWORD));
});

test('over TLS, to a server whose certificate is trusted, the password may go in clear', async (t) => {
  const authority = await makeAuthority();
  const server = await standIn(t, 'clear', (await authority.issue()).tls);
  const url = `postgres://tidings@127.0.0.1:${server.port}/tidings`;
  const database = openDatabase(optionsOf(url, { ca: authority.certificatePem }), () => undefined);
  t.after(() => database.close());
  await assert.rejects(database.query('SELECT 1'));
  assert.ok(server.received().includes(PASSWORD));
});
