import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatDistinguishedName,
  parseDistinguishedName,
  sameDistinguishedName,
} from '../src/pki/distinguished-name.ts';

const same = (one: string, other: string) =>
  sameDistinguishedName(parseDistinguishedName(one), parseDistinguishedName(other));

describe('a distinguished name as text', () => {
  const plain = 'CN=0015800001TDGTPPAX,organizationIdentifier=PSDGB-OB-1,O=Tidings Sample TPP Ltd,C=GB';

  test('is the same in each of the three ways to write the organisation identifier', () => {
    const hex = Buffer.from('PSDGB-OB-1').toString('hex');
    assert.ok(same(plain, 'CN=0015800001TDGTPPAX,2.5.4.97=PSDGB-OB-1,O=Tidings Sample TPP Ltd,C=GB'));
    assert.ok(same(plain, `CN=0015800001TDGTPPAX,2.5.4.97=#0c0a${hex},O=Tidings Sample TPP Ltd,C=GB`));
    assert.ok(same(plain, `CN=0015800001TDGTPPAX,2.5.4.97=#130A${hex.toUpperCase()},O=Tidings Sample TPP Ltd,C=GB`));
  });

  test('is the same with spaces around separators and another case of attribute names', () => {
    assert.ok(same(plain, 'cn=0015800001TDGTPPAX, organizationidentifier=PSDGB-OB-1, o=Tidings Sample TPP Ltd, c=GB'));
  });

  test('differs by the order of its RDNs, by a value, by its case, and by an RDN more or less', () => {
    assert.ok(!same('CN=a,O=b', 'O=b,CN=a'));
    assert.ok(!same('CN=a,O=b', 'CN=a,O=c'));
    assert.ok(!same('CN=a,O=b', 'CN=A,O=b'));
    assert.ok(!same('CN=a,O=b', 'CN=a,O=b,C=GB'));
    assert.ok(!same('CN=a,O=b', 'CN=a'));
  });

  test('cannot be made to look like another by escaping', () => {
    assert.ok(!same('CN=a\\,O\\=b', 'CN=a,O=b'));
    assert.ok(!same('CN=a\\+O\\=b', 'CN=a+O=b'));
    assert.ok(!same('CN=\\#0c0161', 'CN=#0c0161'));
  });

  test('has a set in an RDN of several attributes', () => {
    assert.ok(same('CN=a+UID=b,C=GB', 'UID=b+CN=a,C=GB'));
    assert.ok(!same('CN=a+UID=b,C=GB', 'CN=a,UID=b,C=GB'));
  });

  test('is written and read with the escapes of RFC 4514', () => {
    const text = 'CN=A\\, B \\"C\\" \\+ D\\\\E\\<F\\>\\;,OU=\\#x,O=\\ y\\ ,C=GB';
    const name = parseDistinguishedName(text);
    assert.deepEqual(
      name.map(([attribute]) => attribute?.value),
      ['A, B "C" + D\\E<F>;', '#x', ' y ', 'GB'],
    );
    assert.equal(formatDistinguishedName(name), text);
    assert.ok(same('SN=Lu\\C4\\8Di\\C4\\87', 'SN=Lučić'));
  });

  test('is refused when it is not one', () => {
    for (const text of ['', 'localhost', 'CN=a,', 'CN=a,,O=b', 'CN="a",O=b', 'CN=a;O=b', 'CN=a\\', 'XX=a', '=a']) {
      assert.throws(() => parseDistinguishedName(text), TypeError, text);
    }
  });
});
