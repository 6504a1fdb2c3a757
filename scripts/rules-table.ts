import { readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { type CallExpression, type Node, parse } from 'acorn';
import { simple } from 'acorn-walk';
import type { NamedTest, Rule } from './rules/rule.ts';
import { SECTION_1 } from './rules/section-1.ts';
import { SECTION_2 } from './rules/section-2.ts';
import { SECTION_2_VERSIONS } from './rules/section-2-versions.ts';
import { SECTION_3 } from './rules/section-3.ts';
import { SECTION_4 } from './rules/section-4.ts';
import { SECTION_5 } from './rules/section-5.ts';
import { SECTION_6 } from './rules/section-6.ts';
import { SECTION_7 } from './rules/section-7.ts';
import { SECTION_8 } from './rules/section-8.ts';

// npm run docs: writes docs/rules.md, which maps each rule of the standard to the tests that show it. It fails when a
// rule has no test, or names one that is not there.

const PAGE = 'docs/rules.md';

/** A section of the rules. */
export interface Section {
  readonly number: number;
  readonly title: string;
  readonly rules: readonly Rule[];
}

/** All sections, in the numbering of the rules. */
export const SECTIONS: readonly Section[] = [
  { number: 1, title: 'Who is in the system', rules: SECTION_1 },
  { number: 2, title: 'Registrations', rules: [...SECTION_2, ...SECTION_2_VERSIONS] },
  { number: 3, title: 'The event notification', rules: SECTION_3 },
  { number: 4, title: 'Real time delivery', rules: SECTION_4 },
  { number: 5, title: 'Message signing', rules: SECTION_5 },
  { number: 6, title: 'Aggregated polling', rules: SECTION_6 },
  { number: 7, title: 'Errors', rules: SECTION_7 },
  { number: 8, title: 'Identity and keys', rules: SECTION_8 },
];

/** Reads a test file; undefined when it does not exist. */
export type ReadTest = (file: string) => string | undefined;

/** The faults of the rules, one line each: duplicate ids, rules without a test, and tests that do not exist. */
export function faultsOf(sections: readonly Section[], read: ReadTest = readTest): string[] {
  const titlesIn = titlesOf(read);
  const ids = sections.flatMap(({ rules }) => rules.map(({ id }) => id));
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `${id}: there are two rules of this id`);
  const others = sections.flatMap(({ number, rules }) =>
    rules.flatMap((each) => {
      const faults = each.tests.flatMap((named) => faultOf(named, titlesIn(named.file)) ?? []);
      if (!new RegExp(`^${number}\\.[a-z0-9.-]+$`).test(each.id)) faults.push(`the id is not one of section ${number}`);
      if (each.tests.length === 0) faults.push('it has no test');
      return faults.map((fault) => `${each.id}: ${fault}`);
    }),
  );
  return [...twice, ...others];
}

/** Parses each file once. */
function titlesOf(read: ReadTest): (file: string) => readonly Titled[] {
  const titles = new Map<string, readonly Titled[]>();
  return (file) => {
    const known = titles.get(file) ?? titledIn(read(file) ?? '');
    titles.set(file, known);
    return known;
  };
}

function readTest(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function faultOf({ file, name }: NamedTest, titles: readonly Titled[]): string | undefined {
  if (titles.length === 0) return `${file} is not there, or has no test`;
  if (name.replaceAll(COMPUTED, '').trim() === '') return `'${name}' names no test`;
  const meant = meantBy(name, titles);
  if (meant.length === 0) return `${file} has no test of the name '${name}'`;
  if (meant.length > 1) return `${file} has ${meant.length} tests of the name '${name}'`;
  return meant[0]?.holdsTest === true ? undefined : `${file}: '${name}' holds no test`;
}

/** The tests with this exact name, else those whose name contains it. */
function meantBy(name: string, titles: readonly Titled[]): readonly Titled[] {
  const exact = titles.filter(({ title }) => title === name);
  return exact.length > 0 ? exact : titles.filter(({ title }) => title.includes(name));
}

/** A test or a group of tests, with its name in the source. */
interface Titled {
  readonly title: string;
  /** True for a test, or a group that contains one. */
  readonly holdsTest: boolean;
}

const COMPUTED = '…';

/** The tests of a source that run, without skipped ones and those in comments or strings. */
function titledIn(source: string): Titled[] {
  const calls: { called: string; title: string; node: Node }[] = [];
  simple(parse(withoutTypes(source), { ecmaVersion: 'latest', sourceType: 'module' }), {
    CallExpression: (node: CallExpression) => {
      if (node.callee.type !== 'Identifier' || !/^(test|describe)$/.test(node.callee.name)) return;
      calls.push({ called: node.callee.name, title: titleOf(node.arguments[0]), node });
    },
  });
  const tests = calls.filter(({ called }) => called === 'test');
  return calls.map(({ title, node }) => ({
    title,
    holdsTest: tests.some((test) => node.start <= test.node.start && test.node.end <= node.end),
  }));
}

/** Replaces types by blanks. Suppresses the warning of Node.js that this is experimental. */
function withoutTypes(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The name as in the source, with computed parts as `…`. */
function titleOf(argument: CallExpression['arguments'][number] | undefined): string {
  if (argument?.type === 'Literal' && typeof argument.value === 'string') return argument.value;
  if (argument?.type !== 'TemplateLiteral') return COMPUTED;
  return argument.quasis.map(({ value }) => value.cooked ?? '').join(COMPUTED);
}

/** The table of all rules with their tests, as Markdown. */
export function rulesPage(): string {
  const titlesIn = titlesOf(readTest);
  const nameOf = ({ file, name }: NamedTest) => meantBy(name, titlesIn(file))[0]?.title ?? name;
  const count = SECTIONS.reduce((sum, { rules }) => sum + rules.length, 0);
  return `# Rules and their tests

The requirements of the standard on participants, registrations, event notifications, delivery, signatures, polling, errors and
identity, rule by rule and in our own words, with the tests that prove each one. Where the documents of the
standard contradict each other, [divergences](divergences.md) says which interpretation applies. There are ${count} rules.

In the name of a test, \`…\` stands for a part that is computed for each case. The name of a group stands for all tests in it.

This page is generated by \`npm run docs\` from the lists in \`scripts/rules/\`, which fails when a rule has no test.
${SECTIONS.map((section) => sectionPart(section, nameOf)).join('')}`;
}

function sectionPart({ number, title, rules }: Section, nameOf: (named: NamedTest) => string): string {
  const testCell = (named: NamedTest) => `[${shortened(named.file)}](../${named.file}): ${cell(nameOf(named))}`;
  const rows = rules.map(
    (each) => `| \`${each.id}\` | ${cell(each.rule)} | ${each.tests.map(testCell).join('<br>')} |`,
  );
  return `
## ${number}. ${title}

| rule | text | proved by |
|---|---|---|
${rows.join('\n')}
`;
}

function shortened(file: string): string {
  return file.replace(/^packages\//, '').replace(/(\.test)?\.ts$/, '');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('[', '\\[');
}

if (import.meta.main) {
  const faults = faultsOf(SECTIONS);
  const page = rulesPage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
