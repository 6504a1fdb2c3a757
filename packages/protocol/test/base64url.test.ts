import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64url, encodeBase64url } from '../src/index.ts';
import { withTrailingBits } from './support/bytes.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const anyBytes = fc.uint8Array({ maxLength: 300 });

describe('encoding and decoding', () => {
  test('round trip for any bytes, and agree with Node', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const text = encodeBase64url(bytes);
        assert.equal(text, Buffer.from(bytes).toString('base64url'));
        assert.deepEqual(decodeBase64url(text), bytes);
      }),
    );
  });

  test('round trip for 100 000 bytes', () => {
    const bytes = new Uint8Array(100_000).map((_, at) => at % 251);
    assert.deepEqual(decodeBase64url(encodeBase64url(bytes)), bytes);
  });

  test('follow the vectors of RFC 4648 section 10, without padding', () => {
    const vectors = { '': '', f: 'Zg', fo: 'Zm8', foo: 'Zm9v', foob: 'Zm9vYg', fooba: 'Zm9vYmE', foobar: 'Zm9vYmFy' };
    for (const [plain, encoded] of Object.entries(vectors)) {
      assert.equal(encodeBase64url(Buffer.from(plain)), encoded);
      assert.equal(Buffer.from(decodeBase64url(encoded) ?? assert.fail()).toString(), plain);
    }
  });

  test('use - and _ for the last two values', () => {
    assert.equal(encodeBase64url(new Uint8Array([0xfb, 0xff])), '-_8');
  });
});

describe('bytes have one spelling only', () => {
  test('whatever text is decoded is the one that its bytes are encoded as', () => {
    const texts = fc.oneof(
      fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 60 }),
      fc.string({ unit: fc.constantFrom(...ALPHABET, '=', '+', '/', ' '), maxLength: 20 }),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = decodeBase64url(text);
        if (bytes !== undefined) assert.equal(encodeBase64url(bytes), text);
      }),
      { numRuns: 1000 },
    );
  });

  test('of all texts of two and three letters just those are decoded whose unused bits are 0', () => {
    const decoded = { two: 0, three: 0 };
    for (const a of ALPHABET) {
      for (const b of ALPHABET) {
        if (decodeBase64url(a + b) !== undefined) decoded.two += 1;
        if (decodeBase64url(`A${a}${b}`) !== undefined) decoded.three += 1;
      }
    }
    assert.deepEqual(decoded, { two: 64 * 4, three: 64 * 16 });
  });

  test('a text with altered trailing bits is refused', () => {
    fc.assert(
      fc.property(
        anyBytes.filter(({ length }) => length % 3 !== 0),
        (bytes) => {
          assert.equal(decodeBase64url(withTrailingBits(encodeBase64url(bytes))), undefined);
        },
      ),
    );
  });

  const refused = ['A', 'AAAAA', 'Zg==', 'Zg=', 'Zm8=', 'Zm9v=', '=', '====', 'Zm9v\n', ' Zm9v', 'Zm 9v', 'Zm9v\u0000'];
  for (const text of [
    ...refused,
    '+_8',
    '-/8',
    'Zm9\u043e',
    'Zm9v\ufeff',
    'Zh',
    'Zm9',
    'Z\ud8009v',
    'Zm9v.',
    '\uff21AAA',
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => assert.equal(decodeBase64url(text), undefined));
  }
});
