import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { checkDocstrings } from './docstrings.ts';
import { checkLock, checkManifest, checkPins, checkPlaces, versionOf } from './manifests.ts';
import { listFiles, readText } from './sources.ts';
import { assertNone, type Violation } from './violation.ts';
import { checkWords } from './words.ts';

const SOURCE = 'packages/protocol/src/set.ts';

function lines(violations: readonly Violation[]): number[] {
  return violations.map(({ line }) => line);
}

describe('words', () => {
  const mark = `TO${''}DO`;

  test('a foreign word is found inside an identifier, in sources only', () => {
    assert.deepEqual(lines(checkWords(SOURCE, 'a;\nconst myWebhookUrl = 1;')), [2]);
    assert.deepEqual(checkWords('test/x.test.ts', 'const myWebhookUrl = 1;'), []);
    assert.deepEqual(checkWords('packages/service/src/alerts/webhook.ts', 'const myWebhookUrl = 1;'), []);
  });

  test('a mark of unfinished work is found anywhere, but not inside another word', () => {
    assert.deepEqual(lines(checkWords('test/x.test.ts', `a;\n// ${mark}: later`)), [2]);
    assert.deepEqual(checkWords('test/x.test.ts', `const ${mark}S = 1;`), []);
  });

  test('a docstring that begins with "What" is found, in sources only', () => {
    assert.deepEqual(lines(checkWords(SOURCE, 'a;\n/** What a poll came to. */')), [2]);
    assert.deepEqual(checkWords('test/x.test.ts', '/** What a poll came to. */'), []);
  });
});

describe('docstrings', () => {
  test('an exported function, class or constant without one is found', () => {
    const source = 'export function f() {}\nexport class C {}\nexport const c = 1;\nexport async function g() {}';
    assert.deepEqual(lines(checkDocstrings(SOURCE, source)), [1, 2, 3, 4]);
  });

  test('a line comment, a plain block, a blank line or the docstring of a type do not count', () => {
    const sources = [
      '// f\nexport function f() {}',
      '/* f */\nexport function f() {}',
      '/** f */\n\nexport function f() {}',
      '/** T */\nexport type T = 1;\nexport function f() {}',
      '/** g */\nfunction g() {}\nexport function f() {}',
    ];
    for (const source of sources) assert.equal(checkDocstrings(SOURCE, source).length, 1, source);
  });

  test('a docstring right before, before the first overload, or before a group of constants does', () => {
    const sources = [
      '/** f */\nexport function f(): void {}',
      '/** f */\nexport function f(a: string): void;\nexport function f(a: unknown): void {}',
      '/** units */\nexport const SECOND_MS = 1000;\nexport const MINUTE_MS = 60_000;',
      'function internal() {}\nexport type T = 1;\nexport interface I { a: T }',
    ];
    for (const source of sources) assert.deepEqual(checkDocstrings(SOURCE, source), [], source);
  });

  test('a blank line ends a group of constants', () => {
    assert.deepEqual(lines(checkDocstrings(SOURCE, '/** a */\nexport const a = 1;\n\nexport const b = 2;')), [4]);
  });
});

describe('manifests', () => {
  test('a range, a tag, an address or the wrong version of ours is found, with its line', () => {
    const ours = new Map([versionOf('{ "name": "@tidings/protocol", "version": "0.1.0" }')]);
    const versions = ['^1.0.0', '~1.0.0', '*', 'latest', '>=1.0.0', '1.x', 'git+ssh://x', 'file:../x'];
    for (const version of versions) {
      const source = `{ "devDependencies": {\n"x": "${version}" } }`;
      assert.deepEqual(lines(checkPins('package.json', source, ours)), [2], version);
    }
    const stale = '{ "dependencies": { "@tidings/protocol": "0.0.9", "y": "1.2.3-beta.17" } }';
    assert.equal(checkPins('package.json', stale, ours).length, 1);
    assert.deepEqual(checkPins('package.json', stale.replace('0.0.9', '0.1.0'), ours), []);
  });

  test('a wrong licence, a missing type and missing engines are found', () => {
    assert.equal(checkManifest('packages/x/package.json', '{ "license": "MIT" }').length, 3);
    const good = '{ "license": "Apache-2.0", "type": "module", "engines": { "node": ">=24" } }';
    assert.deepEqual(checkManifest('packages/x/package.json', good), []);
  });

  test('an address in the lock file is found; a link to a workspace is none', () => {
    const source = '"resolved": "packages/tpp",\n"resolved": "https://mirror.bank.example/x.tgz"';
    assert.deepEqual(lines(checkLock('package-lock.json', source)), [2]);
  });

  test('a registry or a path of the machine is found', () => {
    const source = `a\nhttps://registry${'.'}npmjs.org/x\n/work${'/'}main/x`;
    assert.deepEqual(lines(checkPlaces('README.md', source)), [2, 3]);
  });
});

describe('files', () => {
  test('outside a git checkout the tree is walked, without what is never ours', (t) => {
    const root = mkdtempSync(join(tmpdir(), 'tidy-'));
    t.after(() => rmSync(root, { recursive: true }));
    for (const folder of ['src', 'node_modules', 'dist']) mkdirSync(join(root, folder));
    for (const path of ['src/a.ts', 'node_modules/b.ts', 'dist/c.ts', 'd.ts']) writeFileSync(join(root, path), 'x');
    assert.deepEqual(listFiles(root), ['d.ts', 'src/a.ts']);
    writeFileSync(join(root, 'd.ts'), new Uint8Array([1, 0, 2]));
    assert.equal(readText('d.ts', root), undefined);
  });

  test('a failure names file, line, rule and remedy', () => {
    const violation = { path: 'a.ts', line: 7, rule: 'words', found: 'a word', remedy: 'another word' };
    assert.doesNotThrow(() => assertNone([]));
    assert.throws(() => assertNone([violation]), { message: /a\.ts:7 {2}\[words\] a word\n {4}→ another word/ });
  });
});
