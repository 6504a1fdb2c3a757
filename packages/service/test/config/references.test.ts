import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseReferences, type TextPart } from '../../src/config/references.ts';

/** Texts in which `$` and braces are as common as all else. */
const anyText = fc
  .array(fc.oneof(fc.constantFrom('$', '{', '}', '${', 'env:', 'file:'), fc.string()))
  .map((all) => all.join(''));
const literal = anyText.map((text) => ({ kind: 'literal', text }) as const);
const variable = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/).map((name) => ({ kind: 'env', name }) as const);
const path = fc
  .string({ minLength: 1 })
  .filter((text) => !/[{}]/.test(text))
  .map((text) => ({ kind: 'file', path: text }) as const);

/** Doubles each `$` in front of a brace, as docs/guides/secrets.md says. */
const escaped = (text: string) => text.replaceAll(/\$+(?=\{)/g, '$&$&');

function writtenAs(parts: readonly TextPart[]): string {
  return parts
    .map((part, at) => {
      if (part.kind === 'env') return `\${env:${part.name}}`;
      if (part.kind === 'file') return `\${file:${part.path}}`;
      // A `$` at the end stands in front of the brace of what follows only if that is literal, which it never is.
      const dollars = /\$+$/.exec(part.text)?.[0] ?? '';
      return escaped(part.text) + (at < parts.length - 1 ? dollars : '');
    })
    .join('');
}

/** Without empty texts, and with neighbouring texts joined. */
function joined(parts: readonly TextPart[]): TextPart[] {
  const all: TextPart[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (part.kind !== 'literal') all.push(part);
    else if (last?.kind === 'literal') all.splice(-1, 1, { kind: 'literal', text: last.text + part.text });
    else if (part.text !== '') all.push(part);
  }
  return all;
}

test('every text can be written, and is read as it was meant', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      assert.deepEqual(parseReferences(escaped(text)), text === '' ? [] : [{ kind: 'literal', text }]);
    }),
  );
});

test('references are found between any texts', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(literal, variable, path)), (parts) => {
      const expected = joined(parts);
      assert.deepEqual(parseReferences(writtenAs(expected)), expected);
    }),
  );
});

test('any text is read or refused, and one without "${" is taken as it is', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const parts = parseReferences(text);
      if (!text.includes('${')) assert.deepEqual(parts, text === '' ? [] : [{ kind: 'literal', text }]);
      for (const part of parts ?? []) if (part.kind === 'literal') assert.notEqual(part.text, '');
    }),
  );
});

for (const text of [
  '${',
  '${}',
  '${env:}',
  '${env:A-B}',
  '${env:1A}',
  '${ENV:A}',
  '${env:A',
  '${file:}',
  '${file:a${env:B}}',
  '${A}',
  '${env:A:-b}',
  '$$${x}',
]) {
  test(`${text} is no reference, and refused`, () => assert.equal(parseReferences(text), undefined));
}
