import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sameDistinguishedName } from '../src/index.ts';

const KEYWORDS: readonly (readonly [string, string])[] = [
  ['CN', '2.5.4.3'],
  ['serialNumber', '2.5.4.5'],
  ['C', '2.5.4.6'],
  ['L', '2.5.4.7'],
  ['ST', '2.5.4.8'],
  ['street', '2.5.4.9'],
  ['O', '2.5.4.10'],
  ['OU', '2.5.4.11'],
  ['businessCategory', '2.5.4.15'],
  ['organizationIdentifier', '2.5.4.97'],
  ['DC', '0.9.2342.19200300.100.1.25'],
  ['UID', '0.9.2342.19200300.100.1.1'],
  ['emailAddress', '1.2.840.113549.1.9.1'],
];

function same(left: string, right: string): void {
  assert.ok(sameDistinguishedName(left, right), `${left} and ${right}`);
  assert.ok(sameDistinguishedName(right, left), `${right} and ${left}`);
}

function different(left: string, right: string): void {
  assert.equal(sameDistinguishedName(left, right), false, `${left} and ${right}`);
  assert.equal(sameDistinguishedName(right, left), false, `${right} and ${left}`);
}

describe('two distinguished names name the same subject', () => {
  for (const [keyword, oid] of KEYWORDS) {
    test(`with ${keyword} as keyword in any case, and as ${oid}`, () => {
      for (const type of [keyword, keyword.toLowerCase(), keyword.toUpperCase(), oid, `OID.${oid}`, `oid.${oid}`]) {
        same(`${keyword}=Example`, `${type}=Example`);
      }
    });
  }

  const equal: readonly (readonly [string, string, string])[] = [
    ['with spaces after the commas', 'CN=a,O=b,C=GB', 'CN=a, O=b,  C=GB'],
    ['with spaces around the equals signs', 'CN=a,O=b', 'CN = a , O = b'],
    ['with values in other case', 'CN=Example TPP', 'CN=EXAMPLE tpp'],
    ['with runs of spaces', 'CN=Example TPP', 'CN=Example   TPP'],
    ['with a comma escaped as itself or as its byte', 'O=Example\\, Ltd', 'O=Example\\2C Ltd'],
    ['with a backslash escaped as itself or as its byte', 'O=a\\\\b', 'O=a\\5Cb'],
    ['with a quote escaped as itself or as its byte', 'O=a\\"b', 'O=a\\22b'],
    ['with an equals sign escaped or not', 'O=a=b', 'O=a\\=b'],
    ['with a letter composed or not', 'O=B\u00fccher', 'O=Bu\u0308cher'],
    ['with letters of full width', 'O=\uff21\uff22', 'O=ab'],
    ['with letters outside ASCII as bytes', 'O=Bücher', 'O=B\\C3\\BCcher'],
    ['with the attributes of one RDN in any order', 'CN=a+UID=b,C=GB', 'UID=b+CN=a,C=GB'],
    ['with a value that is a URL', 'CN=https://tpp.example/?a=b', 'cn=https://TPP.example/?a=b'],
    ['with an empty value', 'CN=,O=b', 'CN= , O=b'],
    ['with a type that has no keyword here', '1.3.6.1.4.1.311.60.2.1.3=GB', 'OID.1.3.6.1.4.1.311.60.2.1.3=gb'],
    ['with a keyword that is not known', 'jurisdictionC=GB', 'JURISDICTIONC=gb'],
    [
      'with a value in hexadecimal, as RFC 4514 has it for OIDs',
      '2.5.4.97=#0c055053444742',
      'organizationIdentifier=PSDGB',
    ],
    ['with a PrintableString in hexadecimal', '2.5.4.6=#13024742,O=b', 'C=GB,O=b'],
    ['with a long string in hexadecimal', `2.5.4.3=#0C8182${'61'.repeat(130)}`, `CN=${'a'.repeat(130)}`],
  ];
  for (const [how, left, right] of equal) test(how, () => same(left, right));
});

describe('two distinguished names name different subjects', () => {
  const unequal: readonly (readonly [string, string, string])[] = [
    ['with another value', 'CN=a,O=b', 'CN=a,O=c'],
    ['with the RDNs in another order', 'CN=a,O=b', 'O=b,CN=a'],
    ['with an RDN more', 'CN=a', 'CN=a,O=b'],
    ['with an RDN twice', 'CN=a', 'CN=a,CN=a'],
    ['with one RDN of two attributes in the place of two', 'CN=a+O=b', 'CN=a,O=b'],
    ['with another type of the same value', 'CN=a', 'OU=a'],
    ['with an escaped comma in the place of a separator', 'CN=a\\,O=b', 'CN=a,O=b'],
    ['with an escaped plus in the place of a separator', 'CN=a\\+O=b', 'CN=a+O=b'],
    ['with a space in the place of none', 'CN=a b', 'CN=ab'],
    ['with bytes that are not UTF-8', 'CN=\\FF', 'CN=\\FE'],
    ['with half a surrogate pair', 'CN=\ud800', 'CN=\ud801'],
    ['with half a surrogate pair for a replacement character', 'CN=\ud800', 'CN=\ufffd'],
    ['with an escaped # in the place of a hexadecimal value', 'CN=\\#0C0161', 'CN=a'],
    ['with a hexadecimal value of another string', '2.5.4.97=#0c055053444742', '2.5.4.97=PSDFR'],
  ];
  for (const [how, left, right] of unequal) test(how, () => different(left, right));
});

describe('an invalid distinguished name equals nothing, not even itself', () => {
  const texts = [
    '',
    ' ',
    'a',
    '=',
    '=a',
    'CN',
    ',',
    'CN=a,',
    'CN=a+',
    ',CN=a',
    'CN=a,,O=b',
    'CN=a;O=b',
    'CN="a"',
    'CN=a<b',
    'CN=a>b',
    'CN=a\\',
    '1=a',
    '1.=a',
    '.1=a',
    '2.5.4.3a=x',
    'C N=a',
    '-CN=a',
    'CN=\\C3',
    'CN=#',
    'CN=#0',
    'CN=#0G',
    'CN=#0c0261',
    'CN=#0c80616161',
    `CN=#0c80${'61'.repeat(128)}`,
    `CN=#0c82${'61'.repeat(130)}`,
    'CN=#0c8200016161',
    'CN=#020101',
    'CN=#0c0161 x',
    'CN=#0c01ff',
    '0015800001041REAAY/2fNwVYePN8WqqDFvVf7XMN',
    'https://tpp.example/',
  ];
  for (const text of texts) {
    test(JSON.stringify(text), () => {
      different(text, text);
      different(text, 'CN=a');
    });
  }

  test('a text over 4096 characters, since normalisation may take quadratic time', () => {
    const longest = `CN=${'a'.repeat(4093)}`;
    same(longest, longest);
    different(`${longest}a`, `${longest}a`);
    const marks = `CN=a${'\u0300\u0316'.repeat(500_000)}`;
    different(marks, marks);
    const many = 'CN=a,'.repeat(200_000);
    different(`${many}CN=a`, `${many}CN=a`);
  });
});

interface Attribute {
  readonly type: readonly [string, string];
  readonly value: string;
}
type Name = readonly (readonly Attribute[])[];

/** How a name is written: what the writer chooses freely, drawn one choice after another. */
interface Writing {
  readonly choices: readonly number[];
  readonly mayChangeCase: boolean;
}

const SPECIAL = new Set(['"', '+', ',', ';', '<', '>', '\\', '#', '=', ' ']);

/** Writes a name in one of its many spellings (RFC 4514). */
function write(name: Name, { choices, mayChangeCase }: Writing): string {
  let drawn = 0;
  const choose = (count: number): number => {
    const choice = choices[drawn % Math.max(choices.length, 1)] ?? 0;
    drawn += 1;
    return choice % count;
  };
  const space = () => ' '.repeat(choose(3));
  const writeType = ([keyword, oid]: readonly [string, string]): string =>
    [keyword, keyword.toUpperCase(), keyword.toLowerCase(), oid, `OID.${oid}`][choose(5)] ?? keyword;
  const asBytes = (char: string): string => {
    const pairs = Buffer.from(char).toString('hex').match(/../g) ?? [];
    return pairs.map((pair) => `\\${choose(2) === 0 ? pair : pair.toUpperCase()}`).join('');
  };
  const writeChar = (char: string): string => {
    const swapped = char === char.toUpperCase() ? char.toLowerCase() : char.toUpperCase();
    const written = mayChangeCase && choose(2) === 0 ? swapped : char;
    if (choose(4) === 0) return asBytes(written);
    return SPECIAL.has(char) ? `\\${char}` : written;
  };
  const writeAttribute = ({ type, value }: Attribute): string =>
    `${space()}${writeType(type)}${space()}=${space()}${Array.from(value, writeChar).join('')}${space()}`;
  return name.map((attributes) => attributes.map(writeAttribute).join('+')).join(',');
}

const type = fc.constantFrom(...KEYWORDS);
const writing = (mayChangeCase: boolean) =>
  fc.record({
    choices: fc.array(fc.nat(59), { minLength: 1, maxLength: 40 }),
    mayChangeCase: fc.constant(mayChangeCase),
  });
const nameOf = (value: fc.Arbitrary<string>): fc.Arbitrary<Name> => {
  const rdn = fc.array(fc.record({ type, value }), { minLength: 1, maxLength: 3 });
  return fc.array(rdn, { minLength: 1, maxLength: 5 });
};
const asciiName = nameOf(fc.string({ unit: 'grapheme-ascii', maxLength: 12 }));
const unicodeName = nameOf(fc.string({ unit: 'grapheme', maxLength: 12 }));

describe('any distinguished name', () => {
  test('is the same however its characters are escaped, its types written and its spaces set', () => {
    fc.assert(
      fc.property(unicodeName, writing(false), writing(false), (name, one, other) => {
        same(write(name, one), write(name, one));
        same(write(name, one), write(name, other));
      }),
      { numRuns: 500 },
    );
  });

  test('is the same in any case', () => {
    fc.assert(
      fc.property(asciiName, writing(true), writing(true), (name, one, other) => {
        same(write(name, one), write(name, other));
      }),
      { numRuns: 500 },
    );
  });

  test('is another when any value has a letter more', () => {
    fc.assert(
      fc.property(asciiName, fc.nat(), writing(true), writing(true), (name, pick, one, other) => {
        const at = pick % name.length;
        const altered = name.map((rdn, index) =>
          index === at ? rdn.map((each, first) => (first === 0 ? { ...each, value: `${each.value}x` } : each)) : rdn,
        );
        // Where an RDN has one type twice, the altered name may be a reordering of the same attributes.
        fc.pre(new Set(name[at]?.map((each) => each.type[0])).size === name[at]?.length);
        different(write(name, one), write(altered, other));
      }),
      { numRuns: 500 },
    );
  });

  test('is another with an RDN more', () => {
    fc.assert(
      fc.property(asciiName, asciiName, writing(true), (name, more, one) => {
        different(write(name, one), write([...name, ...more], one));
      }),
    );
  });
});

test('any two texts are compared without an error, and symmetrically', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({
      unit: fc.constantFrom('C', 'N', 'O', '=', ',', '+', '\\', '#', ' ', '0', 'c', '1', '.', '"'),
      maxLength: 30,
    }),
  );
  fc.assert(
    fc.property(text, text, (left, right) => {
      assert.equal(sameDistinguishedName(left, right), sameDistinguishedName(right, left));
      assert.equal(typeof sameDistinguishedName(left, left), 'boolean');
    }),
    { numRuns: 1000 },
  );
});
