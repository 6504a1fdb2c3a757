import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIdentityEncoding, isUtf8, parseMediaType } from '@tidings/protocol';

const parsed = (value: string | null | undefined) => {
  const type = parseMediaType(value);
  return type && [type.essence, ...[...type.parameters].map(([name, text]) => `${name}=${text}`)];
};

for (const [value, ...expected] of [
  ['application/json', 'application/json'],
  ['Application/JSON', 'application/json'],
  ['application/json;', 'application/json'],
  ['application/json ; ', 'application/json'],
  ['application/json;;;', 'application/json'],
  [' \tapplication/json\t ', 'application/json'],
  ['application/json;charset=utf-8;', 'application/json', 'charset=utf-8'],
  ['application/json;;charset=utf-8', 'application/json', 'charset=utf-8'],
  ['application/json\t;\t;\tCHARSET="UTF-8" ; ; x=1;', 'application/json', 'charset=UTF-8', 'x=1'],
  ['application/json; charset = utf-8', 'application/json', 'charset=utf-8'],
  ['a/b;x="a;b, \\"c\\" \\\\";y=""', 'a/b', 'x=a;b, "c" \\', 'y='],
  ["!#$%&'*+.^_`|~-0/x+y", "!#$%&'*+.^_`|~-0/x+y"],
] as const) {
  test(`the media type ${JSON.stringify(value)} is ${expected.join(' ')}`, () => {
    assert.deepEqual(parsed(value), expected);
  });
}

for (const value of [
  undefined,
  null,
  '',
  ' ',
  'json',
  '/json',
  'application/',
  'application /json',
  'application/json, text/plain',
  'application/json,',
  'application/json charset=utf-8',
  'application/json;charset',
  'application/json;charset=',
  'application/json;=utf-8',
  'application/json;charset="utf-8',
  'application/json;charset=utf-8"',
  'application/json;charset=utf-8 x',
  'application/json;charset=utf-8;charset=utf-8',
  'application/json;charset=utf-8;Charset=latin1',
  'application/json\n',
  'application/json;x="\n"',
  'application/jsön',
]) {
  test(`${JSON.stringify(value)} is not a media type`, () => {
    assert.equal(parsed(value), undefined);
  });
}

test('a media type that is very long is parsed in linear time', () => {
  for (const [part, isGood] of [
    [';', true],
    [' ', true],
    ['; x', false],
    [';a="\\', false],
  ] as const) {
    const beganMs = performance.now();
    assert.equal(parsed(`application/json${part.repeat(100_000)}`) !== undefined, isGood, part);
    assert.ok(performance.now() - beganMs < 1000, part);
  }
});

test('a text is UTF-8 unless its charset is another', () => {
  for (const [value, expected] of [
    ['application/json', true],
    ['application/json;charset=utf-8', true],
    ['application/json;charset="UTF-8"', true],
    ['application/json;charset=iso-8859-1', false],
    ['application/json;charset=""', false],
  ] as const) {
    const type = parseMediaType(value);
    assert.equal(type && isUtf8(type), expected, value);
  }
});

test('only identity, any number of times and in any case, is no content coding', () => {
  for (const value of [undefined, null, '', ' ', 'identity', 'Identity', ' IDENTITY ,identity', ', identity,,']) {
    assert.ok(isIdentityEncoding(value), JSON.stringify(value));
  }
  for (const value of ['gzip', 'GZIP', 'br', 'x-gzip', 'identity, gzip', 'gzip, identity', 'identityx', 'a identity']) {
    assert.ok(!isIdentityEncoding(value), JSON.stringify(value));
  }
});
