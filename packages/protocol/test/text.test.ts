import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cutText, fitText, isLongerThan, textFault } from '../src/index.ts';

const BANK = '\u{1f3e6}';
/** Any UTF-16 units, halves of pairs among them. */
const anyText = fc.string({ unit: fc.oneof(fc.constantFrom('\ud83c', '\udfe6', BANK, '\0', 'e\u0301'), fc.string()) });

describe('the length of a text', () => {
  test('is counted in code points, neither in UTF-16 units nor in what a reader takes for a character', () => {
    for (const unit of ['x', 'é', '€', BANK]) {
      assert.equal(isLongerThan(unit.repeat(128), 128), false, unit);
      assert.equal(isLongerThan(unit.repeat(129), 128), true, unit);
    }
    assert.equal(isLongerThan('e\u0301'.repeat(64), 128), false);
    assert.equal(isLongerThan('e\u0301'.repeat(65), 128), true);
    assert.equal(isLongerThan('\u{1f468}\u200d\u{1f469}', 2), true);
  });

  test('is that of its code points, whatever the text and the limit', () => {
    fc.assert(
      fc.property(anyText, fc.nat(20), (text, max) => {
        assert.equal(isLongerThan(text, max), Array.from(text).length > max);
        assert.equal(cutText(text, max), Array.from(text).slice(0, max).join(''));
      }),
    );
  });

  test('is cut between code points, never within one', () => {
    assert.equal(cutText(`${'x'.repeat(39)}${BANK}${BANK}`, 40), `${'x'.repeat(39)}${BANK}`);
    assert.equal(cutText(BANK.repeat(300), 256), BANK.repeat(256));
  });
});

describe('a text that cannot be stored or signed', () => {
  test('is one with an unpaired surrogate, at any position', () => {
    for (const text of ['\ud800', 'x\udc00', '\udfe6\ud83c', `${BANK}\ud83c`, `\udfe6${BANK}`]) {
      assert.match(String(textFault(text)), /unpaired surrogate/, JSON.stringify(text));
    }
  });

  test('or one with U+0000', () => {
    for (const text of ['\0', 'a\0', '\0a', `${BANK}\0`]) assert.match(String(textFault(text)), /U\+0000/);
  });

  test('is exactly one that UTF-8 or PostgreSQL would change or reject', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const isKept =
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text)) === text &&
          !text.includes('\0');
        assert.equal(textFault(text) === undefined, isKept);
        assert.equal(textFault(fitText(text)), undefined);
        assert.equal(fitText(text) === text, isKept);
        assert.equal(fitText(text).length, text.length);
      }),
    );
  });
});
