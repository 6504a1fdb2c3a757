import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humanPrinter } from '../src/play/print.ts';

test('external texts in the report of a step cannot control a terminal', () => {
  let text = '';
  const printer = humanPrinter((more) => {
    text += more;
  });
  printer.step({ step: 'deliver', ok: true, ms: 1, message: '\u001b[2J\u009b1m\u202egnp.exe\nfake', details: {} });
  assert.match(text, /gnp\.exe/);
  assert.doesNotMatch(text.slice(0, -1), /\p{C}/u);
});
