import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressList } from '../../src/trust/gateway-addresses.ts';

const isListed = createAddressList([
  '10.0.0.5',
  '192.168.1.77/24',
  '2001:DB8::1',
  '2001:db8:1::/48',
  '::ffff:172.16.0.9',
]);

const LISTED: readonly string[] = [
  ...['10.0.0.5', '::ffff:10.0.0.5', '::FFFF:0a00:0005', '0:0:0:0:0:ffff:10.0.0.5'],
  ...['192.168.1.0', '192.168.1.255', '::ffff:192.168.1.3', '172.16.0.9', '::ffff:172.16.0.9'],
  ...['2001:db8::1', '2001:0db8:0000::0001', '2001:db8:1:ffff::9'],
];

for (const address of LISTED) test(`${address} is listed`, () => assert.equal(isListed(address), true));

const NOT_LISTED: readonly (string | undefined)[] = [
  ...['10.0.0.6', '192.168.2.1', '172.16.0.8', '2001:db8::2', '2001:db8:2::1', '::ffff:10.0.0.6'],
  // IPv4-compatible and translated addresses are other addresses.
  ...['::10.0.0.5', '64:ff9b::10.0.0.5', '::ffff:0:10.0.0.5'],
  ...['2001:db8::1%eth0', '', 'localhost', '10.0.0.5 ', '10.0.0.05', '010.0.0.5', '10.0.0.5, 1.2.3.4', undefined],
];

for (const address of NOT_LISTED) test(`${address} is not listed`, () => assert.equal(isListed(address), false));

test('a block written as an IPv6 address of an IPv4 one counts its bits from there', () => {
  const isInBlock = createAddressList(['::ffff:10.1.0.0/112']);
  assert.deepEqual([isInBlock('10.1.200.3'), isInBlock('10.2.0.1')], [true, false]);
});

const REFUSED: readonly string[] = [
  ...['gateway.example', '', '10.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/0x8'],
  ...['2001:db8::/129', 'fe80::1%eth0', '0.0.0.0/0', '::/0', '::ffff:0:0/96', '::ffff:10.0.0.0/8', '[::1]'],
];

for (const entry of REFUSED) {
  test(`the setting refuses ${JSON.stringify(entry)}, naming it`, () => {
    assert.throws(
      () => createAddressList(['10.0.0.1', entry]),
      (error: Error) => {
        assert.equal(error.name, 'StartUpError');
        assert.ok(error.message.includes(`"api.gateway.addresses": ${JSON.stringify(entry)}`));
        return true;
      },
    );
  });
}
