import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { configurationPage } from '../scripts/configuration-doc.ts';
import { conformanceConfigurationPage } from '../scripts/conformance-doc.ts';
import { SERVICE } from './tidy/layers.ts';

const DOCS = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
const READMES = readdirSync('packages').map((name) => join('packages', name, 'README.md'));
const ROOT_PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'];
const PAGES = [...ROOT_PAGES, ...READMES, ...DOCS.map((name) => join('docs', name))];
// The README of a package is read where the rest of the repository is not.
const REPOSITORY = 'https://github.com/tidings-events/tidings/blob/main/';

test('the configuration page is what the schema says (npm run docs writes it)', () => {
  assert.equal(readFileSync('docs/configuration.md', 'utf8'), configurationPage());
});

test('every link between the pages leads to a file that is there', () => {
  let links = 0;
  for (const page of PAGES) {
    for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links += 1;
      assert.ok(existsSync(join(dirname(page), target)), `${page} links to ${target}, which is not there`);
    }
  }
  assert.ok(links > 0, 'no link was found: the check looks at nothing');
});

test('every link to a heading of a page leads to a heading that is there', () => {
  let links = 0;
  for (const page of PAGES) {
    for (const [, target = '', anchor = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#\s]*)#([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links += 1;
      const linked = target === '' ? page : join(dirname(page), target);
      assert.ok(anchorsOf(linked).includes(anchor), `${page} links to ${linked}#${anchor}, which is not there`);
    }
  }
  assert.ok(links > 0, 'no link was found: the check looks at nothing');
});

/** Anchors of the headings of a page, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('every link of a README of a package into the repository leads to a file that is there', () => {
  for (const page of READMES) {
    const targets = [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, target = '']) => target);
    assert.ok(targets.length > 0, `${page} links to nothing`);
    for (const target of targets) {
      assert.ok(target.startsWith(REPOSITORY), `${page} links to ${target}, which its package does not hold`);
      assert.ok(existsSync(target.slice(REPOSITORY.length)), `${page} links to ${target}, which is not there`);
    }
  }
});

test('the pages name the commands that package.json has', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync('package.json', 'utf8'));
  for (const page of PAGES) {
    for (const [, name = ''] of readFileSync(page, 'utf8').matchAll(/npm run ([a-z:-]+)/g)) {
      assert.ok(Object.hasOwn(scripts, name), `${page} names npm run ${name}, which package.json has not`);
    }
  }
});

test('the pages name settings that the configuration has', () => {
  const namesOf = (page: string) => [...page.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name);
  const ofService = namesOf(configurationPage());
  // The conformance runner has a configuration of its own.
  const ofRunner = [...ofService, ...namesOf(conformanceConfigurationPage())];
  // The changelog names what was renamed.
  for (const page of PAGES.filter((each) => each !== 'CHANGELOG.md')) {
    const settings = page.includes('conformance') ? ofRunner : ofService;
    const sections = new Set(settings.map((name) => name.split('.')[0]));
    const hasSetting = (named: string) => settings.some((name) => name === named || name.startsWith(`${named}.`));
    for (const [, named = ''] of readFileSync(page, 'utf8').matchAll(/`([a-zA-Z]+(?:\.[a-zA-Z]+)+)`/g)) {
      if (/\.(?:json|pem|key)$/.test(named) || !sections.has(named.split('.')[0])) continue;
      assert.ok(hasSetting(named), `${page} names the setting ${named}, which is not there`);
    }
  }
});

test('the index lists every page of docs once, in the four kinds of documentation', () => {
  const index = readFileSync('docs/README.md', 'utf8');
  const kinds = [...index.matchAll(/^## (.*)$/gm)].map(([, kind]) => kind);
  assert.deepEqual(kinds, ['Tutorials', 'How-to guides', 'Reference', 'Explanation']);
  const listed = [...index.matchAll(/^\| \[[^\]]+\]\(([^)]+)\) \|/gm)].map(([, target = '']) => target);
  const pages = DOCS.filter((name) => name !== 'README.md').map((name) => name.replaceAll('\\', '/'));
  assert.deepEqual(listed.toSorted(), pages.toSorted());
});

test('every file that the architecture names is there, and each walk has at most six files below the command line', () => {
  const page = readFileSync('docs/architecture.md', 'utf8');
  const named = [...page.matchAll(/`([\w./-]+\/[\w.-]+\.ts)`/g)].map(([, file = '']) => file);
  assert.ok(named.length > 0, 'no file is named: the check looks at nothing');
  for (const file of named) {
    assert.ok(existsSync(file) || existsSync(join('packages/service/src', file)), `${file} is not there`);
  }
  const walks = page.split('\n### ').slice(1);
  assert.equal(walks.length, 2);
  for (const walk of walks) {
    const files = [...walk.matchAll(/^\| `([^`]+)` \|/gm)].filter(([, file = '']) => !file.startsWith('cli/'));
    assert.ok(files.length > 0 && files.length <= 6, walk);
  }
});

test('the pages show the order of imports that the house rules hold', () => {
  const shown = ['docs/architecture.md', 'CONTRIBUTING.md'].map(
    (page) => /^base ← .*$/m.exec(readFileSync(page, 'utf8'))?.[0] ?? '',
  );
  assert.equal(shown[0], shown[1]);
  const groups = (shown[0] ?? '').split(' ← ').map((group) => group.split(', '));
  assert.deepEqual(groups.flat().toSorted(), Object.keys(SERVICE).toSorted());
  for (const [at, group] of groups.entries()) {
    const left = groups.slice(0, at).flat();
    for (const place of group) {
      for (const imported of SERVICE[place] ?? [])
        assert.ok(left.includes(imported), `${place} may import ${imported}`);
    }
  }
});

test('the glossary has at most 25 words, in their order', () => {
  const words = [...readFileSync('docs/glossary.md', 'utf8').matchAll(/^\| ([a-z ]+) \|/gm)].map(([, word]) => word);
  const [head, ...own] = words;
  assert.equal(head, 'word');
  assert.ok(own.length > 0 && own.length <= 25, `${own.length} words`);
  assert.deepEqual(own, own.toSorted());
});
