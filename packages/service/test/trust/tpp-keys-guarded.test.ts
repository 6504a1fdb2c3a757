import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { listenHttps, makeSigningKey, testPki, until } from '@tidings/testing';
import { createAddressGuard } from '../../src/net/address-guard.ts';
import { ResolveError, type ResolveHost } from '../../src/net/resolve-host.ts';
import { createTppKeys } from '../../src/trust/tpp-keys.ts';
import { heldClock } from '../support/trust-clock.ts';

const { authority } = await testPki();

const { jwk } = makeSigningKey('one');
const REFETCH_MIN_MS = 30_000;

/** A JWKS server for tpp.example on the loopback, and keys whose look-ups the test answers. */
async function setUp(
  t: TestContext,
  options: { allowed: readonly string[]; ports?: readonly string[]; resolve: ResolveHost },
) {
  const { tls: identity } = await authority.issue({ dns: 'tpp.example' });
  const body = JSON.stringify({ keys: [jwk] });
  const held: ServerResponse[] = [];
  const server = await listenHttps(
    t,
    ({ url }, response) => {
      if (url?.startsWith('/slow') === true) held.push(response);
      else response.writeHead(200, { connection: 'close' }).end(body);
    },
    identity,
  );
  const clock = heldClock();
  const failures: string[] = [];
  const keys = createTppKeys({
    ...{
      ca: authority.certificatePem,
      maxAgeMs: 600_000,
      hardMaxAgeMs: 3_600_000,
      refetchMinMs: REFETCH_MIN_MS,
      timeoutMs: 5000,
      clock,
    },
    guard: createAddressGuard(options),
    onFetchFailed: ({ reason }) => failures.push(reason),
  });
  t.after(() => keys.close());
  const kidAt = async (host: string, path = '/a.jwks') => {
    const source = await keys.keysOf({ clientId: 'a', jwksUrl: `https://${host}:${server.port}${path}` });
    return (await source.keyFor('one'))?.kid;
  };
  return { server, clock, keys, failures, kidAt, held };
}

const refusal = (kind: string) =>
  `the host leads to a forbidden address (${kind}); delivery.callbackAddressesAllowed says which are allowed`;

test('the keys behind a JWKS URL are fetched from an address that was checked, under the name of the host', async (t) => {
  const asked: string[] = [];
  const resolve: ResolveHost = async (host) => {
    asked.push(host);
    return ['127.0.0.1'];
  };
  const { kidAt } = await setUp(t, { allowed: ['127.0.0.0/8'], resolve });
  assert.equal(await kidAt('tpp.example'), 'one');
  assert.deepEqual(asked, ['tpp.example']);
});

test('the keys of a TPP do not wait for those of others on the same host, however long these take', async (t) => {
  const resolve: ResolveHost = async () => ['127.0.0.1'];
  const { kidAt, held, clock } = await setUp(t, { allowed: ['127.0.0.0/8'], resolve });
  const slow = Array.from({ length: 20 }, (_, n) => kidAt('tpp.example', `/slow/${n}.jwks`).catch(() => 'late'));
  await until(() => held.length === 20);
  assert.equal(await kidAt('tpp.example'), 'one');
  clock.advance(5000);
  assert.deepEqual(new Set(await Promise.all(slow)), new Set(['late']));
});

test('a JWKS URL whose port is not allowed is not fetched, and the log names the setting', async (t) => {
  const resolve: ResolveHost = async () => assert.fail('it was looked up');
  const { kidAt, failures, server } = await setUp(t, { allowed: ['127.0.0.0/8'], ports: ['443'], resolve });
  await assert.rejects(kidAt('tpp.example'));
  const why = 'delivery.callbackPortsAllowed says which are allowed';
  assert.deepEqual(failures, [`the port ${server.port} is forbidden; ${why}`]);
  assert.equal(server.connections(), 0);
});

const LED_INSIDE: readonly (readonly [string, readonly string[], string])[] = [
  ['the loopback', ['127.0.0.1'], 'loopback'],
  ['a private address', ['10.0.0.1'], 'private'],
  ['the metadata service of a cloud', ['169.254.169.254'], 'linkLocal'],
  ['an IPv4-mapped private address', ['::ffff:10.0.0.1'], 'private'],
  ['a public and a private address', ['192.0.0.9', '10.0.0.1'], 'private'],
];

for (const [name, addresses, kind] of LED_INSIDE) {
  test(`a JWKS URL whose host leads to ${name} is not fetched, and the log says which setting allows it`, async (t) => {
    const allowed = name.startsWith('a public') ? ['192.0.0.9/32'] : [];
    const { kidAt, server, failures } = await setUp(t, { allowed, resolve: async () => addresses });
    await assert.rejects(kidAt('tpp.example'), { name: 'JwksUnavailableError' });
    assert.deepEqual(failures, [refusal(kind)]);
    assert.equal(server.connections(), 0);
  });
}

for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', 'localhost', 'localhost.']) {
  test(`a JWKS URL at ${host} is not fetched, and nobody is asked for it`, async (t) => {
    const resolve = () => assert.fail('looked up');
    const { kidAt, server, failures } = await setUp(t, { allowed: [], resolve });
    await assert.rejects(kidAt(host), { name: 'JwksUnavailableError' });
    assert.deepEqual(failures, [refusal('loopback')]);
    assert.equal(server.connections(), 0);
  });
}

test('a name that is bound to another address between the check and the connection leads the fetch nowhere else', async (t) => {
  // Only the first answer is allowed; nobody listens there. Whoever looked up again would be led to the server.
  const answers = [['127.0.0.2'], ['127.0.0.1']];
  const resolve: ResolveHost = async () => answers.shift() ?? assert.fail('asked a third time');
  const { kidAt, server, clock, failures } = await setUp(t, { allowed: ['127.0.0.2/32'], resolve });
  await assert.rejects(kidAt('tpp.example'), { name: 'JwksUnavailableError' });
  assert.deepEqual(failures, ['ECONNREFUSED']);
  assert.equal(answers.length, 1, 'it is asked for once');
  clock.advance(REFETCH_MIN_MS);
  await assert.rejects(kidAt('tpp.example'), { name: 'JwksUnavailableError' });
  assert.equal(failures[1], refusal('loopback'));
  assert.equal(server.connections(), 0);
});

test('keys that were fetched stay in use when their URL is led inside the bank', async (t) => {
  let address = '127.0.0.1';
  const { kidAt, clock, failures, server } = await setUp(t, {
    allowed: ['127.0.0.1/32'],
    resolve: async () => [address],
  });
  assert.equal(await kidAt('tpp.example'), 'one');
  await until(() => server.open() === 0);
  address = '10.0.0.1';
  clock.advance(600_000);
  assert.equal(await kidAt('tpp.example'), 'one');
  await until(() => failures.length > 0);
  assert.deepEqual(failures, [refusal('private')]);
});

test('a host that cannot be looked up is logged with the code of DNS', async (t) => {
  const resolve = () => Promise.reject(new ResolveError('DNS_ENOTFOUND'));
  const { kidAt, failures } = await setUp(t, { allowed: [], resolve });
  await assert.rejects(kidAt('tpp.example'), { name: 'JwksUnavailableError' });
  assert.deepEqual(failures, ['DNS_ENOTFOUND']);
});

test('closing does not wait for a look-up that never ends', async (t) => {
  const { promise: asked, resolve: tellAsked } = Promise.withResolvers<void>();
  const resolve = () => {
    tellAsked();
    return new Promise<never>(() => undefined);
  };
  const { kidAt, keys } = await setUp(t, { allowed: [], resolve });
  const fetched = assert.rejects(kidAt('tpp.example'), { name: 'JwksUnavailableError' });
  await asked;
  await keys.close();
  await fetched;
});
