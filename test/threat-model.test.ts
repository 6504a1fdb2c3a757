import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type Rule, rule } from '../scripts/rules/rule.ts';
import { faultsOf, type Section } from '../scripts/rules-table.ts';

// docs/threat-model.md says which test shows which control. Here: that each threat has one, and that it is there.

const PAGE = readFileSync('docs/threat-model.md', 'utf8');
const THREATS_MIN = 50;

/** The tables of the threats, by their numbers. The file that a link leads to is the one that is looked at. */
function sectionsOf(page: string): Section[] {
  const threats = page.slice(page.indexOf('\n## Threats\n'), page.indexOf('\n## What is left\n'));
  return threats
    .split('\n### ')
    .slice(1)
    .map((section) => {
      const [heading = '', ...lines] = section.split('\n');
      const [, number, title = ''] = /^(\d+)\. (.+)$/.exec(heading) ?? [];
      return { number: Number(number), title, rules: lines.filter((line) => /^\| \d/.test(line)).map(threatOf) };
    });
}

/** A row: the threat with its number, the control, and the tests. */
function threatOf(line: string): Rule {
  const [threat = '', control = '', tests = ''] = line.split(' | ');
  const [id = '', ...said] = threat.replace('| ', '').split(' ');
  assert.ok(said.length > 0 && control.trim() !== '', `${line} says no threat, or no control`);
  return rule(id, `${said.join(' ')}: ${control}`, ...tests.replace(/ \|$/, '').split('<br>').map(namedTest));
}

function namedTest(text: string): [file: string, name: string] {
  const [, shown = '', file = '', name = ''] = /^\[(.+?)\]\(\.\.\/(.+?)\): (.+)$/.exec(text) ?? [];
  assert.ok(
    name !== '' && file.includes(shown.slice(0, shown.indexOf('/') + 1)),
    `${text} is no link to a test with its name`,
  );
  return [file, name];
}

describe('the threat model', () => {
  test('has a test that is there for each threat', () => {
    assert.deepEqual(faultsOf(sectionsOf(PAGE)), []);
  });

  test('has a table for each trust boundary, and all its threats', () => {
    const boundaries = PAGE.slice(PAGE.indexOf('\n## Trust boundaries\n'), PAGE.indexOf('\n## Threats\n'));
    const numbers = [...boundaries.matchAll(/^(\d+)\. \*\*/gm)].map(([, number]) => Number(number));
    const sections = sectionsOf(PAGE);
    assert.deepEqual(
      sections.map(({ number }) => number),
      numbers,
    );
    for (const { number, rules } of sections) {
      assert.deepEqual(
        rules.map(({ id }) => id),
        rules.map((_, at) => `${number}.${at + 1}`),
      );
    }
    assert.ok(sections.flatMap(({ rules }) => rules).length >= THREATS_MIN);
  });

  test('says what is left, data unencrypted in SQLite among it', () => {
    assert.match(PAGE.slice(PAGE.indexOf('\n## What is left\n')), /^\| The SQLite store is not encrypted \|/m);
  });

  test('would be found out if it named a test that is not there, or none', () => {
    const named = '[operator/logs](../test/operator/logs.test.ts): ';
    const madeUp = (cell: string) =>
      `\n## Threats\n\n### 1. Made up\n\n| 1.1 A threat | a control | ${cell} |\n\n## What is left\n`;
    assert.deepEqual(faultsOf(sectionsOf(madeUp(`${named}a full run is logged`))), []);
    assert.deepEqual(faultsOf(sectionsOf(madeUp(`${named}no such test`))), [
      "1.1: test/operator/logs.test.ts has no test of the name 'no such test'",
    ]);
    assert.equal(faultsOf(sectionsOf(madeUp('[operator/none](../test/operator/none.test.ts): x'))).length, 1);
    assert.throws(() => sectionsOf(madeUp('')), /is no link to a test/);
  });
});
