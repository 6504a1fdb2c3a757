import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { daysFromNow, type Listening, listenHttps, listenTcp, makeAuthority, testPki } from '@tidings/testing';
import { createCallbackClient, type Exchange } from '../../src/net/callback-client.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { loopbackGuard } from '../support/loopback-guard.ts';

const { authority } = await testPki();

const PATH = '/open-banking/v4.0/event-notifications';
const WEAK_ALLOWED = { ciphers: 'DEFAULT@SECLEVEL=0' };
const stranger = await makeAuthority();

/** What POSTing to a server comes to. */
async function postTo(
  t: TestContext,
  { port }: Listening,
  ca: string | null = authority.certificatePem,
): Promise<Exchange> {
  const bounds = { timeoutMs: 5000, responseBytesMax: 0, connectionsMax: 1 };
  const client = createCallbackClient({
    ...{ ca: ca ?? undefined, ...bounds, guard: loopbackGuard, connectionMaxMs: 300_000, clock: new FakeClock() },
  });
  t.after(() => client.close());
  return await client.post(
    { clientId: 'tpp', url: `https://127.0.0.1:${port}${PATH}`, headers: {}, body: 'set' },
    new AbortController().signal,
  );
}

/** A server that counts what gets through to it. */
async function countingServer(t: TestContext, identity: TlsOptions) {
  let requests = 0;
  const listener: RequestListener = (_, response) => {
    requests += 1;
    response.writeHead(202).end();
  };
  return { server: await listenHttps(t, listener, identity), requests: () => requests };
}

function classOf(exchange: Exchange): string {
  return exchange.kind === 'unreachable' ? exchange.errorClass : exchange.kind;
}

test('a certificate of the authority, for this host, is accepted', async (t) => {
  const { server, requests } = await countingServer(t, (await authority.issue()).tls);
  assert.deepEqual([classOf(await postTo(t, server)), requests()], ['answered', 1]);
});

const REFUSED: readonly (readonly [string, () => Promise<TlsOptions>])[] = [
  ['of an authority that is not trusted', async () => (await stranger.issue()).tls],
  ['for another host', async () => (await authority.issue({ dns: 'other.example', ip: '10.0.0.1' })).tls],
  ['that has expired', async () => (await authority.issue(daysFromNow(-2, -1))).tls],
  [
    'with a key that is too small',
    async () => ({ ...(await authority.issue({ rsaBits: 1024 })).tls, ...WEAK_ALLOWED }),
  ],
];

for (const [name, issue] of REFUSED) {
  test(`a certificate ${name} is refused as tls, before anything is sent`, async (t) => {
    const { server, requests } = await countingServer(t, await issue());
    assert.deepEqual([classOf(await postTo(t, server)), requests()], ['tls', 0]);
  });
}

test('a certificate that leads to no root of Node.js is refused where the bank has set no roots', async (t) => {
  const { server, requests } = await countingServer(t, {});
  const exchange = await postTo(t, server, null);
  assert.deepEqual([classOf(exchange), requests()], ['tls', 0]);
});

test('a server that speaks no TLS is refused as tls', async (t) => {
  const answer = 'HTTP/1.1 202 Accepted\r\n\r\n';
  const server = await listenTcp(t, (socket) => socket.once('data', () => socket.write(answer)));
  assert.equal(classOf(await postTo(t, server)), 'tls');
});
