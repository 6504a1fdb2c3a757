import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { forbiddenReason, literalOf, readBlocks } from '../../src/net/addresses.ts';

const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  'this network': ['0.0.0.0', '0.1.2.3', '::'],
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12:3456::1'],
  'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fec0::1'],
  'carrier-grade NAT': ['100.64.0.1', '100.127.255.255'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  'broadcast and reserved': ['255.255.255.255', '240.0.0.1', '192.0.0.1', '198.18.0.1', '100::1', '4000::1', 'e000::1'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1'],
  'metadata services': [
    '169.254.169.254',
    'fd00:ec2::254',
    'fd20:ce::254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
  ],
  'IPv4 inside IPv6': [
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '::7f00:1',
    '::10.0.0.1',
    '2600::5efe:10.0.0.1',
  ],
  NAT64: ['64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::8.8.8.8'],
  '6to4 and Teredo': ['2002:7f00:1::', '2002:808:808::1', '2001::1'],
  'a zone': ['fe80::1%eth0', '2600::1%eth0'],
  nonsense: ['', 'localhost', '1.2.3', '0x7f.0.0.1', '300.1.1.1', '1.2.3.4.5', '::g'],
};

for (const [what, addresses] of Object.entries(FORBIDDEN)) {
  test(`${what}: forbidden`, () => {
    const passed = addresses.filter((address) => forbiddenReason(address, []) === undefined);
    assert.deepEqual(passed, []);
  });
}

test('public addresses are not, and IPv4 inside IPv6 is judged as what it is', () => {
  const addresses = ['8.8.8.8', '93.184.215.14', '172.15.0.1', '172.32.0.1', '100.63.255.255', '2606:4700::1111'];
  const inside = ['::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2600::5efe:8.8.8.8'];
  assert.deepEqual(
    [...addresses, ...inside].filter((address) => forbiddenReason(address, []) !== undefined),
    [],
  );
});

test('an allowed block lifts the ban for what is in it, however it is written, and for nothing else', () => {
  const allowed = readBlocks(['10.1.0.0/16', 'fd00:1::/32', '168.63.129.16/32']);
  const allows = (address: string) => forbiddenReason(address, allowed) === undefined;
  assert.deepEqual(
    ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', 'fd00:1::5', '168.63.129.16'].filter(allows).length,
    5,
  );
  assert.deepEqual(['10.2.0.1', '127.0.0.1', '::1', 'fd00:2::5', '169.254.169.254'].filter(allows), []);
});

test('a block that is none is named', () => {
  assert.throws(() => readBlocks(['10.0.0.0/8', '10.0.0.0']), /"10\.0\.0\.0" is not a CIDR block/);
});

test('the URL parser leaves one spelling of each address, and brackets come off', () => {
  const hosts = ['2130706433', '0x7f000001', '0177.0.0.1', '127.1', '127.0.0.1.', '0x7f.1', '①②⑦.0.0.1'];
  const parsed = hosts.map((host) => literalOf(new URL(`https://${host}/`).hostname));
  assert.deepEqual(new Set(parsed), new Set(['127.0.0.1']));
  assert.equal(literalOf(new URL('https://[0:0:0:0:0:ffff:7f00:1]/').hostname), '::ffff:7f00:1');
  assert.equal(literalOf('tpp.example'), undefined);
});

test('whatever the IPv4 address, it is judged alike on its own and inside IPv6', async () => {
  const octet = fc.integer({ min: 0, max: 255 });
  await fc.assert(
    fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
      const address = octets.join('.');
      const reason = forbiddenReason(address, []) === undefined;
      for (const inside of [`::ffff:${address}`, `64:ff9b::${address}`, `2600::5efe:${address}`]) {
        assert.equal(forbiddenReason(inside, []) === undefined, reason, inside);
      }
      const [first = 0, second = 0] = octets;
      const isInner = first === 10 || first === 127 || first === 0 || first >= 224 || (first === 192 && second === 168);
      if (isInner) assert.equal(reason, false);
    }),
    { numRuns: 2000 },
  );
});

test('whatever the text, an IPv6 address outside 2000::/3 is forbidden unless it holds a public IPv4 address', async () => {
  await fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const isPublic = forbiddenReason(address, []) === undefined;
      const isUnicast = /^[23][0-9a-f]{3}:/i.test(address);
      const holdsIpv4 = /^(?:::|0+:|64:ff9b:)/i.test(address);
      assert.ok(!isPublic || isUnicast || holdsIpv4, address);
    }),
    { numRuns: 2000 },
  );
});
