import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createAddressGuard,
  ForbiddenAddressError,
  ForbiddenPortError,
  whyNotTo,
} from '../../src/net/address-guard.ts';
import { createResolveHost, ResolveError } from '../../src/net/resolve-host.ts';
import { startDns } from '../support/dns-server.ts';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

function guardOf(addresses: readonly string[], allowed: readonly string[] = []) {
  const asked: string[] = [];
  const resolve = async (host: string) => {
    asked.push(host);
    return addresses;
  };
  return { guard: createAddressGuard({ allowed, resolve }), asked };
}

test('every address of a host is given, with its family', async () => {
  const { guard } = guardOf(['8.8.8.8', '2606:4700::1111']);
  assert.deepEqual(await guard.addressesOf('tpp.example'), [
    { address: '8.8.8.8', family: 4 },
    { address: '2606:4700::1111', family: 6 },
  ]);
});

test('one forbidden address refuses them all', async () => {
  for (const forbidden of ['10.0.0.1', '::1', '169.254.169.254']) {
    const { guard } = guardOf(['8.8.8.8', forbidden, '9.9.9.9']);
    await assert.rejects(guard.addressesOf('tpp.example'), ForbiddenAddressError);
  }
});

test('an address in place of a name is checked without asking anybody', async () => {
  const { guard, asked } = guardOf(['8.8.8.8']);
  for (const host of ['127.0.0.1', '[::1]', '10.0.0.1', '[::ffff:10.0.0.1]', '[64:ff9b::7f00:1]']) {
    assert.throws(() => guard.checkUrl(new URL(`https://${host}/`)), ForbiddenAddressError, host);
    await assert.rejects(guard.addressesOf(host), ForbiddenAddressError, host);
  }
  assert.deepEqual(await guard.addressesOf('9.9.9.9'), [{ address: '9.9.9.9', family: 4 }]);
  assert.deepEqual(asked, []);
});

test('names that are never public are refused without asking anybody, whatever DNS would say', async () => {
  const { guard, asked } = guardOf(['8.8.8.8']);
  const hosts = [
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    'printer.local',
    'db.internal',
    'metadata',
    'x.home.arpa',
    '127.1',
  ];
  for (const host of hosts) await assert.rejects(guard.addressesOf(host), ForbiddenAddressError, host);
  assert.deepEqual(asked, []);
});

test('where blocks are allowed, names of the bank’s own networks are looked up, and only addresses in the blocks pass', async () => {
  const { guard } = guardOf(['10.1.0.5'], ['10.1.0.0/16']);
  assert.equal((await guard.addressesOf('tpp.internal')).length, 1);
  assert.equal((await guard.addressesOf('tpp')).length, 1);
  await assert.rejects(guard.addressesOf('localhost'), ForbiddenAddressError);
  const elsewhere = guardOf(['10.2.0.5'], ['10.1.0.0/16']);
  await assert.rejects(elsewhere.guard.addressesOf('tpp.internal'), ForbiddenAddressError);
});

test('localhost is the loopback by definition, where that is allowed', async () => {
  const { guard, asked } = guardOf(['8.8.8.8'], LOOPBACK);
  const addresses = await guard.addressesOf('localhost');
  assert.deepEqual(
    addresses.map(({ address }) => address),
    ['127.0.0.1', '::1'],
  );
  assert.deepEqual(asked, []);
});

test('the error says to the operator what kind of address it was, and names none', async () => {
  const { guard } = guardOf(['10.20.30.40']);
  await assert.rejects(guard.addressesOf('tpp.example'), (error) => {
    assert.ok(error instanceof ForbiddenAddressError);
    assert.equal(error.code, 'FORBIDDEN_ADDRESS private');
    return !error.message.includes('10.20.30.40');
  });
});

test('a callback URL may be registered when its host is found, and leads to public addresses only', async () => {
  const url = 'https://tpp.example/v4.0/event-notifications';
  const unknown = { allowed: [], resolve: () => Promise.reject(new ResolveError('DNS_ENOTFOUND')) };
  assert.equal(await whyNotTo(url, guardOf(['8.8.8.8']).guard, false), undefined);
  assert.equal(await whyNotTo(url, guardOf(['8.8.8.8', '10.0.0.1']).guard, false), 'must lead to a public address');
  assert.equal(await whyNotTo(url, createAddressGuard(unknown), false), 'must lead to a public address');
  const broken = { allowed: [], resolve: () => Promise.reject(new Error('a bug')) };
  await assert.rejects(whyNotTo(url, createAddressGuard(broken), false), /a bug/);
});

test('behind a proxy nothing is looked up at registration, and what needs no look-up to be refused is still refused', async () => {
  const { guard, asked } = guardOf(['10.0.0.1']);
  assert.equal(await whyNotTo('https://tpp.example/event-notifications', guard, true), undefined);
  assert.equal(await whyNotTo('https://10.0.0.1/event-notifications', guard, true), 'must lead to a public address');
  assert.equal(await whyNotTo('https://db.internal/event-notifications', guard, true), 'must lead to a public address');
  assert.deepEqual(asked, []);
});

test('a real DNS server is asked for both kinds of address, under the whole name', async (t) => {
  const dns = await startDns(t, () => ({ ipv4: ['8.8.8.8', '9.9.9.9'], ipv6: ['2606:4700::1111'] }));
  const resolve = createResolveHost({ servers: [dns.address], timeoutMs: 1000 });
  assert.deepEqual((await resolve('tpp.example')).toSorted(), ['2606:4700::1111', '8.8.8.8', '9.9.9.9']);
  assert.deepEqual(new Set(dns.asked()), new Set(['tpp.example']));
});

test('of a name with one kind of address, that is enough; of one with none, the code says so', async (t) => {
  const dns = await startDns(t, (name) => (name === 'v4.example' ? { ipv4: ['8.8.8.8'] } : {}));
  const resolve = createResolveHost({ servers: [dns.address], timeoutMs: 1000 });
  assert.deepEqual(await resolve('v4.example'), ['8.8.8.8']);
  await assert.rejects(
    resolve('none.example'),
    (error) => error instanceof ResolveError && error.code === 'DNS_ENODATA',
  );
});

test('a DNS server that does not answer is given up', async (t) => {
  const dns = await startDns(t, () => undefined);
  const resolve = createResolveHost({ servers: [dns.address], timeoutMs: 50 });
  await assert.rejects(
    resolve('tpp.example'),
    (error) => error instanceof ResolveError && error.code === 'DNS_ETIMEOUT',
  );
});

const PORTS_ALLOWED = ['', ':443', ':1024', ':8443', ':65535'];
const PORTS_FORBIDDEN = [':0', ':1', ':22', ':25', ':53', ':80', ':444', ':1023'];

for (const [ports, good, bad] of [
  [undefined, PORTS_ALLOWED, PORTS_FORBIDDEN],
  [['443'], ['', ':443'], [':444', ':8443', ':1024']],
  [
    ['8443', '9000-9001'],
    [':8443', ':9000', ':9001'],
    ['', ':443', ':8999', ':9002'],
  ],
] as const) {
  test(`with ports ${ports ?? 'as they are by default'}, others are refused at registration and at each connection`, async () => {
    const guard = createAddressGuard({ allowed: [], ...(ports && { ports }), resolve: async () => ['8.8.8.8'] });
    for (const port of good) {
      guard.checkUrl(new URL(`https://tpp.example${port}/event-notifications`));
      assert.equal(await whyNotTo(`https://tpp.example${port}/event-notifications`, guard, false), undefined);
    }
    for (const port of bad) {
      const url = `https://tpp.example${port}/event-notifications`;
      assert.throws(() => guard.checkUrl(new URL(url)), ForbiddenPortError, port);
      for (const isProxied of [false, true]) {
        assert.equal(await whyNotTo(url, guard, isProxied), 'must have a port that we deliver to');
      }
    }
  });
}
