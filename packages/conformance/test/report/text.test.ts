import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { html } from '../../src/report/html/markup.ts';
import { cutTo, escapeHtml, escapeXml, oneLine, visible, widthOf, wrap } from '../../src/report/text.ts';
import { hostileText } from '../support/hostile-text.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be left.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const XML_CHARACTERS = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

test('no text gets a control character or a mark of direction past visible, and other texts stay as they are', () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      assert.doesNotMatch(visible(text), CONTROL);
      assert.ok(visible(text).isWellFormed());
    }),
  );
  assert.equal(visible('Grüße, 你好 👋🏽\n\t"ok"'), 'Grüße, 你好 👋🏽\n\t"ok"');
  assert.equal(visible('\u001b[31m\u202e\r\0'), '\\u{1b}[31m\\u{202e}\\u{d}\\u{0}');
});

test('any text in XML keeps to the characters of XML, and ends neither its attribute nor its element', () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      const escaped = escapeXml(text);
      assert.match(escaped, XML_CHARACTERS);
      assert.doesNotMatch(escaped, /[<>"'\n\t]|&(?!amp;|lt;|gt;|quot;|#39;|#9;|#10;)/);
    }),
  );
  assert.equal(escapeXml(']]>\uffff&\n'), ']]&gt;\ufffd&amp;&#10;');
});

test('any text in HTML is text: no tag, no attribute, no character reference begins in it', () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      assert.doesNotMatch(escapeHtml(text), /[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/);
      assert.equal(
        html`<p title="${text}">${[text, false, undefined, html`<b>${text}</b>`]}</p>`.text.match(/</g)?.length,
        4,
      );
    }),
  );
});

test('a line is one line, and is cut and wrapped to its width whatever it holds', () => {
  fc.assert(
    fc.property(hostileText, fc.integer({ min: 4, max: 60 }), (text, columns) => {
      assert.doesNotMatch(oneLine(text), /\n/);
      assert.ok(widthOf(cutTo(text, columns)) <= columns);
      const lines = wrap(text, columns);
      for (const line of lines) assert.ok(widthOf(line) <= columns, line);
      assert.equal(lines.join('').replaceAll(' ', ''), oneLine(text).replaceAll(' ', ''));
    }),
  );
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  assert.equal(cutTo('a sentence that is long', 10), 'a sentenc…');
  assert.equal(widthOf('你好'), 4);
});
