import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { type BankWithTpps, startBankWithTpps } from '../support/bank-with-tpps.ts';
import { SUBSCRIPTIONS } from '../support/tpp.ts';

// More than either listener takes in all.
const SILENT = 1010;
const CALLS = 20;

const bank = await startBankWithTpps({ clients: ['tpp-a'], settings: { api: { connectionsPerAddressMax: 200 } } });
const tpp = bank.tpp('tpp-a');
const sockets: Socket[] = [];
after(async () => {
  for (const socket of sockets) socket.destroy();
  await bank.stop();
});

const portOf = (url: string) => Number(new URL(url).port);

async function opened(socket: Socket, event: 'connect' | 'secureConnect' = 'connect'): Promise<Socket> {
  sockets.push(socket);
  socket.on('error', () => undefined).resume();
  await once(socket, event);
  return socket;
}

/** Asks for a path without a token on a connection that is kept. @returns the head of the answer */
async function ask(socket: Socket, path: string): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  const [chunk] = await once(socket, 'data');
  return String(chunk);
}

test('a thousand silent connections of one address keep nobody from the operator listener, health included', async () => {
  const port = portOf(bank.service.operatorUrl);
  await Promise.all(Array.from({ length: SILENT }, () => opened(connect(port, '127.0.0.1'))));
  for (let call = 0; call < CALLS; call += 1) {
    for (const path of ['/livez', '/readyz', '/operator/v1/tpps/tpp-a']) {
      // Each on a connection of its own, of the same address.
      const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, connection: 'close' };
      assert.equal((await bank.operator.send(path, { headers })).status, 200, path);
    }
  }
});

test('a thousand silent connections of one address keep no TPP from the TPP-facing listener', async () => {
  const port = portOf(bank.service.apiUrl);
  await Promise.all(Array.from({ length: SILENT }, () => opened(connect(port, '127.0.0.1'))));
  for (let call = 0; call < CALLS; call += 1) {
    const answer = await tpp.request('GET', SUBSCRIPTIONS, { headers: { connection: 'close' } });
    assert.equal(answer.status, 200);
  }
});

test('both listeners keep an idle connection for longer than the 60 seconds of common load balancers', async () => {
  const secured = await opened(
    connectTls({ host: 'localhost', port: portOf(bank.service.apiUrl), ...tpp.tls }),
    'secureConnect',
  );
  const plain = await opened(connect(portOf(bank.service.operatorUrl), '127.0.0.1'));
  for (const [socket, path] of [
    [secured, '/.well-known/jwks.json'],
    [plain, '/livez'],
  ] as const) {
    assert.match(await ask(socket, path), /^HTTP\/1\.1 200 [\s\S]*\r\nkeep-alive: timeout=75\r\n/i);
  }
});

test('both listeners take their times from the configuration', async () => {
  const times = { keepAliveTimeoutMs: 90_000, firstRequestTimeoutMs: 200 };
  await withBank({ api: times, operator: times }, async (other) => {
    for (const [url, path] of [
      [other.service.apiUrl, '/.well-known/jwks.json'],
      [other.service.operatorUrl, '/livez'],
    ] as const) {
      const open = () => {
        const { tls } = other.tpp('tpp-a');
        const isTls = url.startsWith('https:');
        return isTls
          ? opened(connectTls({ host: 'localhost', port: portOf(url), ...tls }), 'secureConnect')
          : opened(connect(portOf(url), '127.0.0.1'));
      };
      const silent = await open();
      assert.match(await ask(await open(), path), /\r\nkeep-alive: timeout=90\r\n/i);
      await once(silent, 'close');
    }
  });
});

test('the connections of a gateway or proxy are not counted by address', async () => {
  const limits = { connectionsPerAddressMax: 2 };
  const gateway = { addresses: ['127.0.0.1'] };
  await withBank({ api: { ...limits, gateway }, operator: { ...limits, isBehindProxy: true } }, async (other) => {
    const { tls } = other.tpp('tpp-a');
    const fromGateway = () =>
      opened(connectTls({ host: 'localhost', port: portOf(other.service.apiUrl), ...tls }), 'secureConnect');
    const fromProxy = () => opened(connect(portOf(other.service.operatorUrl), '127.0.0.1'));
    for (const [open, path] of [
      [fromGateway, '/.well-known/jwks.json'],
      [fromProxy, '/livez'],
    ] as const) {
      const all = await Promise.all(Array.from({ length: 6 }, open));
      for (let round = 0; round < 2; round += 1) {
        for (const socket of all) assert.match(await ask(socket, path), /^HTTP\/1\.1 200 /);
      }
    }
  });
});

async function withBank(settings: Record<string, object>, use: (bank: BankWithTpps) => Promise<void>) {
  const other = await startBankWithTpps({ clients: ['tpp-a'], settings });
  try {
    await use(other);
  } finally {
    await other.stop();
  }
}
