import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isJsonObject, JSON_DEPTH_MAX, parseStrictJson, StrictJsonError, textFault } from '../src/index.ts';
import { BYTE_ORDER_MARK, concat, utf8 } from './support/bytes.ts';

function refuses(bytes: Uint8Array, message?: RegExp): void {
  assert.throws(
    () => parseStrictJson(bytes),
    (error) => {
      assert.ok(error instanceof StrictJsonError, String(error));
      if (message !== undefined) assert.match(error.message, message);
      return true;
    },
  );
}

/** A name as a JSON string in which some characters, chosen by the mask, are spelt as \u escapes. */
function spell(name: string, mask: readonly boolean[]): string {
  const spelt = Array.from({ length: name.length }, (_, at) => {
    if (mask[at % Math.max(mask.length, 1)] !== true) return JSON.stringify(name.charAt(at)).slice(1, -1);
    return `\\u${name.charCodeAt(at).toString(16).padStart(4, '0')}`;
  });
  return `"${spelt.join('')}"`;
}

describe('a text of several lines that is not JSON', () => {
  for (const [text, line] of [
    ['{\n  "a": 1,\n}', 3],
    ['{\n  "a": 1\n  "b": 2\n}', 3],
    ['{\n  "a": tru\n}', 2],
    ['[\n  1,\n  "x\ny"\n]', 3],
    ['{\n  a: 1\n}', 2],
    ['[\n  [1, 2\n  {}\n]', 3],
    ['{"a":\n\n\n', 4],
    ['{}\n{}', 2],
    ['\n\nhello', 3],
    ['{"a": {"b": [1, {}, [], "c"]}}\n]', 2],
  ] as const) {
    test(`is refused with its line: ${JSON.stringify(text)}`, () => {
      refuses(utf8(text), new RegExp(`^is not JSON \\(line ${line}\\)$`));
    });
  }

  test('is valid up to the line that is named', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.nat(), (json, seed) => {
        const lines = JSON.stringify(JSON.parse(json), null, 1).split('\n');
        const at = seed % lines.length;
        const broken = lines.with(at, `!${lines[at]}`).join('\n');
        refuses(utf8(`${broken}\n`), new RegExp(`\\(line ${at + 1}\\)`));
      }),
    );
  });
});

describe('strict JSON agrees with JSON.parse', () => {
  test('on any JSON without duplicates', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(undefined, 1, '\t'), (text, indent) => {
        const spelt = JSON.stringify(JSON.parse(text), null, indent);
        assert.deepEqual(parseStrictJson(utf8(spelt)), JSON.parse(spelt));
      }),
      { numRuns: 1000 },
    );
  });

  test('on names and texts of any characters, which may look like JSON themselves', () => {
    const tricky = fc.string({
      unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ':', ',', 'a', 'é', '😀', '\n'),
      maxLength: 8,
    });
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ depthSize: 'small' }, tricky, fc.array(tie('tree')), fc.dictionary(tricky, tie('tree'))),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const text = JSON.stringify(value);
        assert.deepEqual(parseStrictJson(utf8(text)), JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  test('on what is no JSON', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json().map((text) => text.slice(1)),
        ),
        (text) => {
          const expected = parsed(text);
          if (expected === undefined) refuses(utf8(text));
        },
      ),
      { numRuns: 500 },
    );
  });

  function parsed(text: string): unknown {
    try {
      return { value: JSON.parse(text) };
    } catch {
      return undefined;
    }
  }

  test('on members that have names of the prototype', () => {
    const value = parseStrictJson(utf8('{"__proto__":{"a":1},"constructor":2}'));
    assert.ok(isJsonObject(value));
    assert.deepEqual(Object.keys(value), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(value['a'], undefined);
  });
});

describe('strict JSON refuses a duplicate member', () => {
  const texts = [
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"\\u0061":1,"\\u0061":2}',
    '{"":1,"":2}',
    '{"/":1,"\\/":2}',
    '{"\\n":1,"\\u000a":2}',
    '{"\\u00E9":1,"\\u00e9":2}',
    '{"é":1,"\\u00e9":2}',
    '{"😀":1,"\\ud83d\\ude00":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"x":{"a":1,"a":2}}',
    '[{"a":1,"a":2}]',
    '[[[{"x":[{"y":{"a":[],"b":{},"a":0}}]}]]]',
    '{ "a" : [ { } , { } ] , "a" : 1 }',
    '{"a":{"a":{}},"b":1,"a":2}',
    '{"a":"}","a":1}',
    '{"a":"\\"","a":1}',
    '{"a":"\\\\","a":1}',
    '{"a\\\\":1,"a\\u005c":1}',
  ];
  for (const text of texts) {
    test(text, () => {
      JSON.parse(text);
      refuses(utf8(text), /twice/);
    });
  }

  test('at any depth, of any name, however spelt', () => {
    const mask = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
    const wraps = fc.array(fc.constantFrom('array', 'object', 'sibling'), { maxLength: 12 });
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((name) => textFault(name) === undefined),
        fc.json({ maxDepth: 3 }),
        mask,
        mask,
        wraps,
        (name, value, first, second, around) => {
          const between = spell(`${name}x`, [false]);
          const wrapped = (inner: string): string =>
            around.reduce((text, wrap) => {
              if (wrap === 'array') return `[${text},${value}]`;
              if (wrap === 'object') return `{${spell(name, first)}:${text}}`;
              return `{${between}:${value},${spell(name, second)}: ${text}}`;
            }, inner);
          const once = wrapped(`{${spell(name, first)}:${value},${between}:${value}}`);
          const twice = wrapped(`{${spell(name, first)}:${value},${between}:${value},${spell(name, second)}:${value}}`);
          assert.deepEqual(parseStrictJson(utf8(once)), JSON.parse(once));
          JSON.parse(twice);
          refuses(utf8(twice), /twice/);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('and names it in a short message', () => {
    const name = 'n'.repeat(10_000);
    assert.throws(
      () => parseStrictJson(utf8(`{"${name}":1,"${name}":2}`)),
      (error) => error instanceof StrictJsonError && error.message.length < 200,
    );
  });

  test('but not equal members of different objects', () => {
    const text = '{"a":{"a":{"a":[{"a":1},{"a":2}]}},"b":{"a":1}}';
    assert.deepEqual(parseStrictJson(utf8(text)), JSON.parse(text));
  });
});

describe('strict JSON refuses', () => {
  test('a byte order mark', () => refuses(concat(BYTE_ORDER_MARK, utf8('{}')), /byte order mark/));
  test('a byte order mark alone', () => refuses(BYTE_ORDER_MARK));
  test('a byte order mark behind white space', () => refuses(concat(utf8(' '), BYTE_ORDER_MARK, utf8('{}'))));

  const notUtf8: Record<string, readonly number[]> = {
    'latin1 in a string': [0x22, 0xe9, 0x22],
    'an overlong slash': [0x22, 0xc0, 0xaf, 0x22],
    'half a surrogate pair': [0x22, 0xed, 0xa0, 0x80, 0x22],
    'a cut sequence': [0x22, 0xf0, 0x9f, 0x98, 0x22],
    'a byte above any code point': [0x22, 0xf5, 0x80, 0x80, 0x80, 0x22],
    'UTF-16': [0x7b, 0x00, 0x7d, 0x00],
    'UTF-16 with its mark': [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00],
  };
  for (const [what, bytes] of Object.entries(notUtf8)) {
    test(`what is not UTF-8: ${what}`, () => refuses(new Uint8Array(bytes)));
  }

  for (const text of [
    '',
    ' ',
    'undefined',
    'NaN',
    '{a:1}',
    "{'a':1}",
    '{"a":1,}',
    '[1,]',
    '01',
    '+1',
    '.5',
    '{}{}',
    '{"a"}',
    '"\n"',
    '// x',
  ]) {
    test(`what is not JSON: ${JSON.stringify(text)}`, () => refuses(utf8(text), /not JSON/));
  }

  test(`what is nested deeper than ${JSON_DEPTH_MAX} levels`, () => {
    const arrays = (depth: number) => utf8('['.repeat(depth) + ']'.repeat(depth));
    const objects = (depth: number) => utf8(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
    for (const nested of [arrays, objects]) {
      parseStrictJson(nested(JSON_DEPTH_MAX));
      refuses(nested(JSON_DEPTH_MAX + 1), /nested deeper/);
      refuses(nested(200_000), /nested deeper/);
    }
  });

  const UNFIT: readonly (readonly [string, string, RegExp])[] = [
    ['{"id":"x\\ud800"}', 'id', /^contains an unpaired surrogate/],
    ['{"id":"\\uDC00\\uD800"}', 'id', /^contains an unpaired surrogate/],
    ['{"id":"\\uD83C\\uD83C\\uDFE6"}', 'id', /^contains an unpaired surrogate/],
    ['{"a":[{},{"b":["x","\\udfff"]}]}', 'a[1].b[1]', /^contains an unpaired surrogate/],
    ['[1,{"resource":{"id":"\\u0000"}}]', '[1].resource.id', /^contains the character U\+0000/],
    ['{"a":{"x\\ud800":1}}', 'a.x\ufffd', /^has a member name that contains an unpaired surrogate/],
    ['{"\\u0000":1}', '\ufffd', /^has a member name that contains the character U\+0000/],
    ['"\\ud800"', '', /^contains an unpaired surrogate/],
  ];
  for (const [text, path, why] of UNFIT) {
    test(`texts that cannot be kept, naming where they stand: ${text}`, () => {
      assert.throws(
        () => parseStrictJson(utf8(text)),
        (error) => error instanceof StrictJsonError && error.path === path && why.test(error.message),
      );
      assert.deepEqual(parseStrictJson(utf8(text), { acceptsUnfitTexts: true }), JSON.parse(text));
    });
  }

  test('but no escape that makes a whole character, or only looks like half of one', () => {
    for (const text of ['"\\ud83c\\udfe6"', '"\\\\ud800"', '"\\\\u0000"', '"\\u0001"', '"\\ud7ff\\ue000"']) {
      assert.equal(parseStrictJson(utf8(text)), JSON.parse(text));
    }
  });

  test('any bytes, or reads them as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.uint8Array({ max: 0x7f })), (bytes) => {
        try {
          const value = parseStrictJson(bytes);
          assert.deepEqual(value, JSON.parse(new TextDecoder().decode(bytes)));
        } catch (error) {
          assert.ok(error instanceof StrictJsonError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test('isJsonObject tells objects from arrays, null and the rest', () => {
  for (const value of [{}, { a: 1 }, Object.create(null)]) assert.ok(isJsonObject(value));
  for (const value of [[], null, undefined, 'x', 1, true]) assert.equal(isJsonObject(value), false);
});
