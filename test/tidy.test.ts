import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALLOWED, withoutAllowed } from './tidy/allowed.ts';
import { checkCalls } from './tidy/calls.ts';
import { checkDirection } from './tidy/direction.ts';
import { checkDocstrings } from './tidy/docstrings.ts';
import { PACKAGES } from './tidy/layers.ts';
import { checkLock, checkManifest, checkPins, checkPlaces, versionOf } from './tidy/manifests.ts';
import { checkSkips } from './tidy/skips.ts';
import { listFiles, readText } from './tidy/sources.ts';
import { checkTlsClients } from './tidy/tls-clients.ts';
import { assertNone, type Checker, type Violation } from './tidy/violation.ts';
import { checkWords } from './tidy/words.ts';

// The house rules of CONTRIBUTING.md, held on every file of the repository. Each rule is a pure checker in test/tidy,
// where `*.test.ts` shows that it finds what it forbids.

const paths = listFiles();

const SCRIPTS = /\.(ts|js|mjs|cjs)$/;
const CODE = /\.(ts|tsx|js|mjs|cjs|css|html|sql|sh)$/;
// The package `testing` is a part of the tests: it may read the clock, and nobody installs it.
const SOURCES = /^packages\/(?!testing\/)[^/]+\/src\//;
const TESTS = /^(packages\/[^/]+\/)?test\/|^packages\/testing\//;
const DOCUMENTED = /^packages\/(protocol|tpp)\/src\//;
const MANIFEST = /(^|\/)package\.json$/;
const FIXTURE = /\/fixtures\//;

const scripts = paths.filter((path) => SCRIPTS.test(path) && !FIXTURE.test(path));
const sources = scripts.filter((path) => SOURCES.test(path));
const tests = scripts.filter((path) => TESTS.test(path));
const manifests = paths.filter((path) => MANIFEST.test(path) && !FIXTURE.test(path));

// What the allow-list may excuse is checked once, since an entry is unneeded only when no rule needed it.
const excusable = withoutAllowed([...run(checkCalls, sources), ...run(checkSkips, tests)], ALLOWED);

test('the tree is found, and every package has a row in the dependency rule', () => {
  assert.ok(manifests.includes('package.json') && tests.includes('test/tidy.test.ts'), 'the file list is not complete');
  const packages = new Set(paths.flatMap((path) => /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1] ?? []));
  const unknown = [...packages].filter((name) => PACKAGES[name] === undefined);
  assert.deepEqual(unknown, [], 'give the new package a row in PACKAGES of test/tidy/layers.ts');
});

const direction = run(
  checkDirection,
  paths.filter((path) => (SCRIPTS.test(path) || path.endsWith('.tsx')) && !FIXTURE.test(path)),
);

test('the service imports leftwards only: base ← config ← store, net ← trust ← notify, api ← operator ← cli', () => {
  assertNone(direction.filter(({ rule }) => rule === 'direction'));
});

test('packages meet at their public faces, and only where the dependency rule lets them', () => {
  assertNone(direction.filter(({ rule }) => rule === 'packages'));
});

test('tests reach the sources of their own package only, and others by name', () => {
  assertNone(direction.filter(({ rule }) => rule === 'tests'));
});

const CALL_RULES: readonly (readonly [string, readonly string[]])[] = [
  ['sources read no clock and set no timer of their own', ['clock', 'timer']],
  ['sources draw no random numbers of their own', ['random']],
  ['sources call no global fetch', ['fetch']],
  ['sources write nothing to the console', ['console']],
  ['sources read no environment variables', ['environment']],
  ['sources never end the process', ['exit']],
  ['sources never turn text into code', ['eval']],
  ['protocol, service and tpp never use JSON.parse on what strangers send', ['json-parse']],
  ['no source accepts a TLS peer it has not verified', ['tls']],
  ['no test is left out', ['skip']],
  ['every entry of the allow-list is still needed', ['unneeded-allowance']],
];

for (const [sentence, rules] of CALL_RULES) {
  test(sentence, () => assertNone(excusable.filter(({ rule }) => rules.includes(rule))));
}

test('every TLS client of the sources pins the verification of its peer, whatever the environment says', () => {
  assertNone(run(checkTlsClients, sources));
});

test("sources say the standard's words, and nothing is marked as unfinished", () => {
  assertNone(
    run(
      checkWords,
      paths.filter((path) => CODE.test(path)),
    ),
  );
});

test('every exported function, class and constant of protocol and tpp has a docstring', () => {
  assertNone(
    run(
      checkDocstrings,
      scripts.filter((path) => DOCUMENTED.test(path)),
    ),
  );
});

test('every dependency is pinned to an exact version', () => {
  const ours = new Map(manifests.map((path) => versionOf(text(path))));
  assertNone(manifests.flatMap((path) => checkPins(path, text(path), ours)));
});

test('every package is Apache-2.0, an ES module, and names the Node.js it needs', () => {
  assertNone(run(checkManifest, manifests));
});

test('the lock file names no registry', () => {
  assertNone(run(checkLock, ['package-lock.json']));
});

test('no file names the machine it was written on, or a registry', () => {
  assertNone(run(checkPlaces, paths));
});

function run(check: Checker, on: readonly string[]): Violation[] {
  return on.flatMap((path) => {
    try {
      return check(path, text(path));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const remedy = 'write erasable TypeScript only: no enum, namespace or parameter property';
      return [{ path, line: 1, rule: 'syntax', found: `cannot be parsed: ${error.message}`, remedy }];
    }
  });
}

/** Text of a file; a binary one has none. */
function text(path: string): string {
  return readText(path) ?? '';
}
