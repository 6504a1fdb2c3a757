import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { faultsOf, rulesPage, SECTIONS, type Section } from '../scripts/rules-table.ts';

// docs/rules.md says which test shows which rule. Here: that it is true, and that the check would say so if it were not.

const RULES_MIN: Readonly<Record<number, number>> = { 1: 13, 2: 50, 3: 36, 4: 22, 5: 40, 6: 28, 7: 34, 8: 15 };
const FILE = 'test/made-up.test.ts';
const SOURCE = `
  // test('only in a comment', () => undefined);
  const text = "test('only in a text', () => undefined)";
  test('a rule holds [2 made-up]', () => undefined);
  for (const each of ['a', 'b'] as const) test(\`\${each} is kept, \${text} too\`, () => undefined);
  test('twice', () => undefined);
  test('twice', () => undefined);
  test('longer than another', () => undefined);
  test('longer', () => undefined);
  describe('a group', () => { test('in it', () => undefined); });
  describe('an empty group', () => undefined);
  test.skip('left out', () => undefined);
  describe('a group of computed names', () => { for (const each of names) test(each, () => undefined); });
`;

const read = (file: string) => (file === FILE ? SOURCE : undefined);
const sectionOf = (...rules: Section['rules']): Section => ({ number: 2, title: 'Made up', rules });
const faultsFor = (name: string, file = FILE) =>
  faultsOf([sectionOf({ id: '2.made-up', rule: 'Made up.', tests: [{ file, name }] })], read);

describe('the rules', () => {
  test('each have a test that is there', () => {
    assert.deepEqual(faultsOf(SECTIONS), []);
  });

  test('are those of the page (npm run docs writes it)', () => {
    assert.equal(readFileSync('docs/rules.md', 'utf8'), rulesPage());
  });

  test('are as many in each section as the standard has', () => {
    assert.deepEqual(
      SECTIONS.map(({ number }) => number),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    for (const { number, rules } of SECTIONS) {
      assert.ok(rules.length >= (RULES_MIN[number] ?? Number.POSITIVE_INFINITY), `section ${number}: ${rules.length}`);
    }
  });
});

describe('the check of the rules', () => {
  for (const name of [
    'a rule holds [2 made-up]',
    '[2 made-up]',
    '… is kept, … too',
    'is kept',
    'longer',
    'of computed names',
  ]) {
    test(`finds '${name}'`, () => assert.deepEqual(faultsFor(name), []));
  }

  for (const name of [
    'a rule that is not there',
    'only in a comment',
    'only in a text',
    'left out',
    'each',
    '[6 made',
  ]) {
    test(`reports that '${name}' is no test`, () => {
      assert.deepEqual(faultsFor(name), [`2.made-up: ${FILE} has no test of the name '${name}'`]);
    });
  }

  test('reports a name that could be of several tests', () => {
    assert.deepEqual(faultsFor('twice'), [`2.made-up: ${FILE} has 2 tests of the name 'twice'`]);
    assert.deepEqual(faultsFor('long'), [`2.made-up: ${FILE} has 2 tests of the name 'long'`]);
  });

  test('reports a name that says nothing', () => {
    for (const name of ['', '…', ' … … ']) assert.deepEqual(faultsFor(name), [`2.made-up: '${name}' names no test`]);
  });

  test('reports a made-up rule beside the real ones', () => {
    const file = 'test/rules/registrations.test.ts';
    const madeUp = { id: '2.made-up', rule: 'Made up.', tests: [{ file, name: '[2 made-up]' }] };
    const faults = faultsOf(
      SECTIONS.map((each) => (each.number === 2 ? { ...each, rules: [...each.rules, madeUp] } : each)),
    );
    const more = faults.filter((fault) => fault.startsWith(madeUp.id));
    assert.deepEqual(more, [`2.made-up: ${file} has no test of the name '[2 made-up]'`]);
  });

  test('reports a group without a test', () => {
    assert.deepEqual(faultsFor('an empty group'), [`2.made-up: ${FILE}: 'an empty group' holds no test`]);
  });

  test('reports a file that is not there', () => {
    const file = 'test/nowhere.test.ts';
    assert.deepEqual(faultsFor('twice', file), [`2.made-up: ${file} is not there, or has no test`]);
    const section = sectionOf({ id: '2.made-up', rule: 'Made up.', tests: [{ file, name: 'x' }] });
    assert.equal(faultsOf([section]).length, 1, 'on disk too');
  });

  test('reports a rule without any test, an id that comes twice, and one of another section', () => {
    const tests = [{ file: FILE, name: '[2 made-up]' }];
    const faults = faultsOf(
      [
        sectionOf(
          { id: '2.none', rule: 'None.', tests: [] },
          { id: '2.same', rule: 'Same.', tests },
          { id: '2.same', rule: 'Same.', tests },
          { id: '3.other', rule: 'Other.', tests },
        ),
      ],
      read,
    );
    assert.deepEqual(faults, [
      '2.same: there are two rules of this id',
      '2.none: it has no test',
      '3.other: the id is not one of section 2',
    ]);
  });
});
