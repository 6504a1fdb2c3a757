import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { testPki } from '@tidings/testing';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createHttpServer, renewTls } from '../../src/base/http-server.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { heldClock } from '../support/trust-clock.ts';

// Connections that are busy when roots or revocation lists change; those that are not are in test/operator/revocation.test.ts.

async function busy(t: TestContext) {
  const clock = heldClock();
  const { caPem: ca, server: identity } = await testPki();
  const tls = { ...identity.tls, ca };
  const limits = { ...CONNECTIONS, bodyBytesMax: 1000, requestTimeoutMs: 60_000 };
  const app: FastifyInstance = createHttpServer({ ...limits, tls, clock, log: pino({ level: 'silent' }) });
  const { promise: held, resolve: release } = Promise.withResolvers<string>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  app.get('/', () => {
    begin();
    return held;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.after(() => app.close());
  const socket = connect({ host: '127.0.0.1', port: (app.server.address() as AddressInfo).port, ca });
  t.after(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await begun;
  return { app, tls, clock, socket, release };
}

test('an answer that is under way when the roots change is given, and its connection ends with it', async (t) => {
  const { app, tls, socket, release } = await busy(t);
  renewTls(app, { ...tls, ca: `${tls.ca}\n${tls.ca}` });
  release('whole');
  const closed = once(socket, 'close');
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n[\s\S]*whole$/i);
  await closed;
});

test('an answer that goes on is cut off a minute after the roots changed', async (t) => {
  const { app, tls, clock, socket } = await busy(t);
  renewTls(app, { ...tls, ca: `${tls.ca}\n${tls.ca}` });
  clock.advance(59_999);
  assert.equal(socket.destroyed, false);
  const closed = once(socket, 'close');
  clock.advance(1);
  await closed;
});

test('an answer goes on, and its connection too, when only the certificate of the listener is renewed', async (t) => {
  const { app, tls, clock, socket, release } = await busy(t);
  renewTls(app, { ...tls });
  clock.advance(60_000);
  release('whole');
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: keep-alive\r\n/i);
});
