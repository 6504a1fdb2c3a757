import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeJson, printable, printableLines } from '../../src/base/terminal-text.ts';

const CONTROLS = {
  'a C0 control': '\u001b[2J',
  'the bell': '\u0007',
  'a carriage return': 'good\rbad',
  DEL: '\u007f',
  'a C1 control': '\u009b31m',
  'an operating system command': '\u009d0;title\u009c',
  'a right-to-left override': '\u202egnp.exe',
  'a bidirectional isolate': '\u2066x\u2069',
  'a right-to-left mark': '\u200f',
  'a zero-width space': 'a\u200bb',
  'a byte order mark': '\ufeff',
  'a tag character': '\u{e0041}',
  'a private use character': '\ue000',
  'a lone surrogate': '\ud800',
  'a line separator': '\u2028',
  'a paragraph separator': '\u2029',
};
const UNSAFE = /\p{C}|\u2028|\u2029/u;

for (const [what, text] of Object.entries(CONTROLS)) {
  test(`${what} reaches no terminal, and is escaped in JSON`, () => {
    for (const shown of [printable(text), printableLines(text, false), printableLines(text, true)]) {
      assert.doesNotMatch(shown, UNSAFE);
      assert.ok(shown.includes('\ufffd'));
    }
    const json = escapeJson(JSON.stringify({ text }));
    assert.doesNotMatch(json, UNSAFE);
    assert.deepEqual(JSON.parse(json), { text });
  });
}

const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom(...Object.values(CONTROLS)), fc.string({ unit: 'binary' })),
});

test('whatever a text holds, one line of it is one line, and JSON of it is read as it was', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      assert.doesNotMatch(printable(text), UNSAFE);
      assert.doesNotMatch(printableLines(text, false).replaceAll(/[\n\t]/g, ''), UNSAFE);
      const json = escapeJson(JSON.stringify([text], undefined, 2));
      assert.doesNotMatch(json.replaceAll('\n', ''), UNSAFE);
      assert.deepEqual(JSON.parse(json), [text]);
    }),
  );
});

test('letters, accents, emoji and other scripts stay as they are', () => {
  const text = 'Straße, café, 北京, שלום, 👍';
  assert.equal(printable(text), text);
  assert.equal(escapeJson(JSON.stringify(text)), JSON.stringify(text));
});

test('colours stay where they are wanted; what hides text or moves the cursor does not', () => {
  const colored = '\u001b[1mbold\u001b[22m \u001b[31mred\u001b[39m\n\ttab';
  assert.equal(printableLines(colored, true), colored);
  assert.ok(!printableLines(colored, false).includes('\u001b'));
  for (const sequence of ['\u001b[8m', '\u001b[7m', '\u001b[2J', '\u001b[1A', '\u001b]0;x\u0007', '\u001b[1;31m']) {
    assert.ok(!printableLines(sequence, true).includes('\u001b'), sequence);
  }
});
