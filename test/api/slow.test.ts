import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { SUBSCRIPTIONS } from '../support/tpp.ts';

const REQUEST_TIMEOUT_MS = 200;
// Node looks for late requests once a second at most; the rest is for a machine that is busy.
const BOUND_MS = 5000;

const bank = await startBankWithTpps({
  clients: ['tpp-a'],
  settings: { api: { requestTimeoutMs: REQUEST_TIMEOUT_MS } },
});
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');
const token = await tpp.token();
const port = Number(new URL(bank.service.apiUrl).port);
const HEAD = `POST ${SUBSCRIPTIONS} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n`;

for (const [what, text] of [
  ['that sends nothing', ''],
  ['that stops in the middle of a header', HEAD.slice(0, -20)],
  ['that never ends its headers', HEAD],
  ['that stops in the middle of its body', `${HEAD}content-type: application/json\r\ncontent-length: 100\r\n\r\n{`],
] as const) {
  test(`a connection ${what} is answered 408 or closed soon after requestTimeoutMs`, async () => {
    const socket = connectTls({ host: 'localhost', port, ...tpp.tls });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
    const beganMs = performance.now();
    socket.write(text);
    await once(socket, 'close');
    assert.ok(performance.now() - beganMs < BOUND_MS, 'in time');
    assert.match(Buffer.concat(chunks).toString(), /^(HTTP\/1\.1 408 |$)/);
  });
}

test('a connection that never starts TLS is closed soon after requestTimeoutMs', async () => {
  const socket = connectTcp(port, 'localhost');
  socket.on('error', () => undefined).resume();
  const beganMs = performance.now();
  await once(socket, 'close');
  assert.ok(performance.now() - beganMs < BOUND_MS, 'in time');
});

test('slow connections keep nobody else waiting', async () => {
  const slow = Array.from({ length: 50 }, () => {
    const socket = connectTls({ host: 'localhost', port, ...tpp.tls });
    socket.on('error', () => undefined).resume();
    socket.write(HEAD);
    return socket;
  });
  await Promise.all(slow.map((socket) => once(socket, 'secureConnect')));
  assert.equal((await tpp.request('GET', SUBSCRIPTIONS)).status, 200);
  for (const socket of slow) socket.destroy();
});

test('a service that is stopped waits for a request that never ends only so long', async () => {
  const held = await startBankWithTpps({ clients: ['tpp-b'], settings: { shutdown: { graceMs: 500 } } });
  const caller = held.tpp('tpp-b');
  const socket = connectTls({ host: 'localhost', port: Number(new URL(held.service.apiUrl).port), ...caller.tls });
  socket.on('error', () => undefined).resume();
  socket.write(
    `POST ${SUBSCRIPTIONS} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${await caller.token()}\r\n`,
  );
  socket.write('content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n{');
  // The server has read the headers when it says so.
  await once(socket, 'data');
  const beganMs = performance.now();
  await held.stop();
  assert.ok(performance.now() - beganMs < 10_000, 'bounded');
  socket.destroy();
});

test('connections that were opened for later do not hold the shutdown up', async () => {
  const held = await startBankWithTpps({ clients: ['tpp-b'], settings: { shutdown: { graceMs: 500 } } });
  const apiPort = Number(new URL(held.service.apiUrl).port);
  const raw = connectTcp(apiPort, 'localhost');
  const secured = connectTls({ host: 'localhost', port: apiPort, ...held.tpp('tpp-b').tls });
  const plain = connectTcp(Number(new URL(held.service.operatorUrl).port), 'localhost');
  for (const socket of [raw, secured, plain]) socket.on('error', () => undefined).resume();
  await Promise.all([once(raw, 'connect'), once(secured, 'secureConnect'), once(plain, 'connect')]);
  const beganMs = performance.now();
  await held.stop();
  assert.ok(performance.now() - beganMs < 4000, 'before the grace for requests under way is over');
});
