import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { listenHttps, listenOn, testPki, unusedPort } from '@tidings/testing';
import { createAddressGuard } from '../../src/net/address-guard.ts';
import { createCallbackClient } from '../../src/net/callback-client.ts';
import { createResolveHost } from '../../src/net/resolve-host.ts';
import { startDns } from '../support/dns-server.ts';
import { FakeClock } from '../support/fake-clock.ts';

const { authority } = await testPki();

const PATH = '/open-banking/v4.0/event-notifications';
const NEVER = new AbortController().signal;

/** A server for tpp.example on the loopback, and a client that asks a DNS server which the test holds. */
async function setUp(
  t: TestContext,
  options: { allowed: string[]; ports?: string[]; connectionMaxMs?: number; proxyUrl?: string },
) {
  const { tls: identity } = await authority.issue({ dns: 'tpp.example' });
  const requests: IncomingMessage[] = [];
  const server = await listenHttps(
    t,
    (request, response) => {
      requests.push(request);
      request.resume().on('end', () => response.writeHead(202).end());
    },
    identity,
  );
  let addresses: readonly string[] = ['127.0.0.1'];
  const dns = await startDns(t, () => ({ ipv4: addresses }));
  const resolve = createResolveHost({ servers: [dns.address], timeoutMs: 1000 });
  const client = createCallbackClient({
    ...{ ca: authority.certificatePem, timeoutMs: 5000, responseBytesMax: 1000, connectionsMax: 1 },
    guard: createAddressGuard({ allowed: options.allowed, ...(options.ports && { ports: options.ports }), resolve }),
    proxyUrl: options.proxyUrl,
    connectionMaxMs: options.connectionMaxMs ?? 300_000,
    clock: new FakeClock(),
  });
  t.after(() => client.close());
  const post = (host: string) =>
    client.post({ clientId: 'tpp', url: `https://${host}:${server.port}${PATH}`, headers: {}, body: 'set' }, NEVER);
  return {
    ...{ server, dns, requests, post, client },
    setAddresses: (...some: readonly string[]) => {
      addresses = some;
    },
  };
}

async function classOf(exchange: ReturnType<Awaited<ReturnType<typeof setUp>>['post']>): Promise<string> {
  const came = await exchange;
  return came.kind === 'unreachable' ? came.errorClass : String(came.status);
}

test('the connection goes to an address that was checked, under the name of the host', async (t) => {
  const { post, requests } = await setUp(t, { allowed: ['127.0.0.0/8'] });
  assert.equal(await classOf(post('tpp.example')), '202');
  assert.match(requests[0]?.headers.host ?? '', /^tpp\.example:/);
});

test('a host that leads to a forbidden address is never connected to', async (t) => {
  const { post, server } = await setUp(t, { allowed: [] });
  const came = await post('tpp.example');
  assert.deepEqual(came, {
    kind: 'unreachable',
    errorClass: 'forbidden-address',
    detail: 'FORBIDDEN_ADDRESS loopback',
  });
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '[::ffff:127.0.0.1]',
    'localhost',
    'localhost.',
  ]) {
    assert.equal(await classOf(post(host)), 'forbidden-address', host);
  }
  assert.equal(server.connections(), 0);
});

test('a port that is not allowed is never connected to', async (t) => {
  const { client, server } = await setUp(t, { allowed: ['127.0.0.0/8'], ports: ['443'] });
  const post = { clientId: 'tpp', url: `https://tpp.example:${server.port}${PATH}`, headers: {}, body: 'set' };
  assert.deepEqual(await client.post(post, NEVER), {
    kind: 'unreachable',
    errorClass: 'forbidden-address',
    detail: `FORBIDDEN_PORT ${server.port}`,
  });
  assert.equal(server.connections(), 0);
});

test('one forbidden address among public ones refuses them all', async (t) => {
  const { post, server, setAddresses } = await setUp(t, { allowed: ['127.0.0.0/8'] });
  setAddresses('127.0.0.1', '10.0.0.1');
  assert.equal(await classOf(post('tpp.example')), 'forbidden-address');
  assert.equal(server.connections(), 0);
});

test('a name that is bound to another address between the check and the connection leads nowhere else: it is asked for once', async (t) => {
  const { post, dns, server, setAddresses } = await setUp(t, { allowed: ['127.0.0.2/32'] });
  setAddresses('127.0.0.2');
  const before = dns.asked().length;
  const exchange = classOf(post('tpp.example'));
  // From here on DNS says what is forbidden; whoever asked a second time would be led to the server.
  while (dns.asked().length < before + 2) await new Promise((resolve) => setImmediate(resolve));
  setAddresses('127.0.0.1');
  assert.equal(await exchange, 'connect');
  assert.equal(dns.asked().length, before + 2, 'A and AAAA, once each');
  assert.equal(server.connections(), 0);
  assert.equal(await classOf(post('tpp.example')), 'forbidden-address');
});

test('the next address is tried where the first refuses', async (t) => {
  const { post, setAddresses } = await setUp(t, { allowed: ['127.0.0.0/8'] });
  setAddresses('127.0.0.3', '127.0.0.1');
  assert.equal(await classOf(post('tpp.example')), '202');
});

test('a connection is used again, but not beyond its life: then the host is looked up again', async (t) => {
  const { post, dns, server, setAddresses } = await setUp(t, { allowed: ['127.0.0.0/8'], connectionMaxMs: 50 });
  await post('tpp.example');
  await post('tpp.example');
  assert.deepEqual([server.connections(), dns.asked().length], [1, 2]);
  setAddresses('10.0.0.1');
  const untilMs = performance.now() + 60;
  while (performance.now() < untilMs) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await classOf(post('tpp.example')), 'forbidden-address');
});

test('a host that DNS does not know, or whose server is silent, is unreachable as dns', async (t) => {
  const { post, setAddresses } = await setUp(t, { allowed: [] });
  setAddresses();
  assert.equal(await classOf(post('tpp.example')), 'dns');
});

test('through a proxy, only where one is configured: the environment is not asked', async (t) => {
  const asked: string[] = [];
  const proxyUrl = await startProxy(t, asked);
  process.env['HTTPS_PROXY'] = `http://127.0.0.1:${await unusedPort()}`;
  t.after(() => delete process.env['HTTPS_PROXY']);
  const direct = await setUp(t, { allowed: ['127.0.0.0/8'] });
  assert.equal(await classOf(direct.post('tpp.example')), '202');
  assert.deepEqual(asked, []);
  const proxied = await setUp(t, { allowed: [], proxyUrl });
  assert.equal(await classOf(proxied.post('tpp.example')), '202');
  assert.deepEqual(asked, [`tpp.example:${proxied.server.port}`]);
  assert.deepEqual(proxied.dns.asked(), [], 'the proxy looks hosts up');
  assert.equal(await classOf(proxied.post('127.0.0.1')), 'forbidden-address');
});

/** A CONNECT proxy that leads every host to the loopback. */
async function startProxy(t: TestContext, asked: string[]): Promise<string> {
  const open = new Set<Socket>();
  const proxy = createServer();
  proxy.on('connect', (request, client: Socket) => {
    asked.push(request.url ?? '');
    const upstream = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) open.add(socket.on('error', () => undefined));
  });
  await listenOn(proxy);
  t.after(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  const address = proxy.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
