import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameDistinguishedName } from '@tidings/protocol';
import { testPki } from '@tidings/testing';
import fc from 'fast-check';
import { matchesSubject } from '../../src/trust/client-certificate.ts';
import { subjectDnOf } from '../../src/trust/x509.ts';
import { type NameAttribute, nameOf } from '../support/distinguished-names.ts';

const [UTF8, PRINTABLE, IA5, BMP, TELETEX, INTEGER] = [0x0c, 0x13, 0x16, 0x1e, 0x14, 0x02];
const cn = (value: string, tag = UTF8): NameAttribute => ['550403', tag, value];
const o = (value: string, tag = UTF8): NameAttribute => ['55040a', tag, value];
const ou = (value: string): NameAttribute => ['55040b', UTF8, value];
const c = (value: string): NameAttribute => ['550406', PRINTABLE, value];
const dc = (value: string): NameAttribute => ['0992268993f22c640119', IA5, value];
const organisationIdentifier = (value: string, tag = UTF8): NameAttribute => ['550461', tag, value];

async function subjectFor(...names: readonly (readonly NameAttribute[])[]): Promise<string | undefined> {
  return subjectDnOf((await (await testPki()).authority.issue({ subject: nameOf(...names) })).der);
}

/** A name as no two readers differ on it: every byte of every value in hexadecimal digits. */
function inHex(type: string, value: string): string {
  return `${type}=${Buffer.from(value).toString('hex').replaceAll(/../g, String.raw`\$&`)}`;
}

const bmp = Buffer.from('Bänk', 'utf16le').swap16().toString('latin1');

const WRITTEN: readonly (readonly [string, readonly (readonly NameAttribute[])[], string])[] = [
  ['the last RDN of the certificate first', [[c('GB')], [o('Bank')], [cn('a')]], 'CN=a,O=Bank,C=GB'],
  ['special characters escaped', [[o(String.raw`a,b+c"d\e<f>g;h`)]], String.raw`O=a\,b\+c\"d\\e\<f\>g\;h`],
  ['an equals sign as it is', [[cn('a=b,O=c')]], String.raw`CN=a=b\,O=c`],
  ['a leading number sign escaped', [[cn('#0c0161')]], String.raw`CN=\#0c0161`],
  ['a number sign elsewhere as it is', [[cn('a#')]], 'CN=a#'],
  ['spaces at the ends escaped', [[cn(' a b ')]], String.raw`CN=\ a b\ `],
  ['one space alone escaped once', [[cn(' ')]], String.raw`CN=\ `],
  ['control characters as digits', [[cn('a\nCN=b\0')]], String.raw`CN=a\0aCN=b\00`],
  ['other white space as digits', [[cn('\u00a0#1')]], String.raw`CN=\c2\a0#1`],
  ['a byte order mark as digits', [[cn('\ufeff#1')]], String.raw`CN=\ef\bb\bf#1`],
  ['text beyond ASCII as it is', [[o('Bänk 銀行 🏦')]], 'O=Bänk 銀行 🏦'],
  ['several attributes of one RDN with +', [[o('x')], [cn('a+b'), ou('c')]], String.raw`CN=a\+b+OU=c,O=x`],
  ['an empty value', [[cn('')]], 'CN='],
  ['a BMPString as its text', [[['550403', BMP, Buffer.from(bmp, 'latin1')]]], 'CN=Bänk'],
  ['a TeletexString as its DER', [[cn('a', TELETEX)]], '2.5.4.3=#140161'],
  ['a value that is no text as its DER', [[cn('a', INTEGER)]], '2.5.4.3=#020161'],
  ['a type without a keyword as OID and DER', [[organisationIdentifier('PSDGB-1')]], '2.5.4.97=#0c0750534447422d31'],
  ['an email address as OID and DER', [[['2a864886f70d010901', IA5, 'a@b']]], '1.2.840.113549.1.9.1=#1603614062'],
  ['domain components', [[dc('example')], [dc('tpp')]], 'DC=tpp,DC=example'],
];

for (const [what, names, expected] of WRITTEN) {
  test(`a subject is written with ${what}`, async () => assert.equal(await subjectFor(...names), expected));
}

test('bytes that are no UTF-8 are written as their DER, and so match no text', async () => {
  const { der } = await (await testPki()).authority.issue({ subject: nameOf([cn('~')]) });
  // As the whole text: that byte alone may stand in the serial number before it.
  der.writeUInt8(0xff, der.indexOf(Buffer.from('0c017e', 'hex')) + 2);
  assert.equal(subjectDnOf(der), '2.5.4.3=#0c01ff');
  assert.ok(!matchesSubject({ subjectDn: '2.5.4.3=#0c01ff' }, 'CN=\ufffd'));
});

test('a certificate without a subject has the empty name, which matches nothing', async () => {
  assert.equal(await subjectFor(), '');
  assert.equal(matchesSubject({ subjectDn: '' }, ''), false);
  assert.equal(matchesSubject({ subjectDn: '' }, 'CN=a'), false);
});

test('whatever a value holds, the subject matches itself and no other', async () => {
  const value = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter((text) => text.isWellFormed());
  const nasty = fc.string({ unit: fc.constantFrom(...' ,+"\\<>;#=\n\0\u00a0aO0c'), minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.oneof(value, nasty), fc.oneof(value, nasty), async (one, other) => {
      const written = (await subjectFor([o(one)], [cn(other)])) ?? 'none';
      const expected = `${inHex('CN', other)},${inHex('O', one)}`;
      assert.ok(matchesSubject({ subjectDn: written }, expected), `${written} is not ${expected}`);
      assert.ok(!matchesSubject({ subjectDn: written }, `${expected},C=GB`));
      assert.ok(!matchesSubject({ subjectDn: written }, `${inHex('CN', `${other}x`)},${inHex('O', one)}`));
      assert.doesNotMatch(written, /\p{Cc}/u);
    }),
    { numRuns: 60 },
  );
});

const SUBJECT = [[c('GB')], [o('Alpha, Ltd')], [organisationIdentifier('PSDGB-FCA-123', PRINTABLE)], [cn('0015')]];

const SAME: readonly string[] = [
  String.raw`CN=0015,organizationIdentifier=PSDGB-FCA-123,O=Alpha\, Ltd,C=GB`,
  String.raw`CN=0015, 2.5.4.97=PSDGB-FCA-123, O=Alpha\2c Ltd, C=GB`,
  String.raw`cn=0015,OID.2.5.4.97=psdgb-fca-123,o=ALPHA\,  ltd,c=gb`,
];

for (const dn of SAME) {
  test(`${dn} matches however the certificate was written`, async () => {
    assert.ok(matchesSubject({ subjectDn: (await subjectFor(...SUBJECT)) ?? '' }, dn));
  });
}

const OTHER: readonly string[] = [
  String.raw`C=GB,O=Alpha\, Ltd,organizationIdentifier=PSDGB-FCA-123,CN=0015`,
  String.raw`CN=0015,O=Alpha\, Ltd,C=GB`,
  String.raw`CN=0015+organizationIdentifier=PSDGB-FCA-123,O=Alpha\, Ltd,C=GB`,
  String.raw`CN=0015,organizationIdentifier=PSDGB-FCA-124,O=Alpha\, Ltd,C=GB`,
  'CN=0015',
  '',
  'CN',
];

for (const dn of OTHER) {
  test(`${JSON.stringify(dn)} is another subject`, async () => {
    assert.ok(!matchesSubject({ subjectDn: (await subjectFor(...SUBJECT)) ?? '' }, dn));
  });
}

test('names that Node.js writes alike are told apart', async () => {
  const [two, one] = [await subjectFor([cn('a')], [cn('b')]), await subjectFor([cn('a\nCN=b')])];
  assert.ok(two !== undefined && one !== undefined && !sameDistinguishedName(two, one));
});

test('a certificate that is cut off or altered in length has no subject, and nothing is thrown', async () => {
  const { der } = await (await testPki()).authority.issue();
  for (let length = 0; length < der.length; length += 1) assert.equal(subjectDnOf(der.subarray(0, length)), undefined);
  for (let at = 0; at < 160; at += 1) {
    for (const byte of [0x00, 0x80, 0x84, 0xff]) {
      const altered = Buffer.from(der);
      altered[at] = byte;
      assert.doesNotThrow(() => subjectDnOf(altered));
    }
  }
});
