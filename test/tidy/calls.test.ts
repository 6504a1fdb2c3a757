import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Allowance, withoutAllowed } from './allowed.ts';
import { checkCalls } from './calls.ts';
import { checkSkips } from './skips.ts';

const PATH = 'packages/service/src/store/store.ts';

function rules(source: string, path: string = PATH): string[] {
  return checkCalls(path, source).map(({ rule, line }) => `${rule}:${line}`);
}

describe('what sources may not reach for', () => {
  const forbidden: [string, string][] = [
    ['clock', 'const t: number = Date.now();'],
    ['clock', "const t = Date['now']();"],
    ['clock', 'const clock = { now: Date.now };'],
    ['clock', 'const t = new Date();'],
    ['clock', 'const t = Date();'],
    ['clock', 'const t = performance.now();'],
    ['clock', 'const t = globalThis.performance.now();'],
    ['clock', 'const t = process.hrtime.bigint();'],
    ['clock', "import { performance } from 'node:perf_hooks';"],
    ['timer', 'setTimeout(() => undefined, 5);'],
    ['timer', 'const schedule = setInterval;'],
    ['timer', "import { setTimeout as sleep } from 'node:timers/promises';"],
    ['timer', "import * as timers from 'timers';"],
    ['random', 'export function f(random: () => number = Math.random): number { return random(); }'],
    ['random', 'const { random } = Math;'],
    ['fetch', "await fetch('https://bank.example');"],
    ['fetch', 'const options = { fetch };'],
    ['fetch', 'const get = globalThis.fetch;'],
    ['console', "console.log('x');"],
    ['output', "process.stdout.write('x');"],
    ['output', "import { stderr } from 'node:process';"],
    ['environment', "const home = process.env['HOME'];"],
    ['environment', 'const { env } = process;'],
    ['environment', "import { env } from 'node:process';"],
    ['exit', 'process.exit(1);'],
    ['eval', "eval('1');"],
    ['eval', "new Function('return 1');"],
    ['json-parse', 'const value = JSON.parse(body) as unknown;'],
    ['tls', 'const options = { rejectUnauthorized: false };'],
    ['tls', "const options = { 'rejectUnauthorized': false };"],
    ['tls', 'options.rejectUnauthorized = false;'],
    ['tls', "env.NODE_TLS_REJECT_UNAUTHORIZED = '0';"],
    ['tls', "env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';"],
  ];
  for (const [rule, source] of forbidden) {
    test(`${rule} is found in ${source}`, () => assert.deepEqual(rules(`\n${source}`), [`${rule}:2`]));
  }

  const allowed: string[] = [
    'const t = new Date(iatSeconds * 1000);',
    'const t = clock.now();',
    'function f(fetch: typeof globalThis.fetch): void { void fetch; }',
    "import { fetch } from 'undici';\nexport const get = fetch;",
    'function f({ setTimeout }: Timers): void { setTimeout(() => undefined, 5); }',
    'class Clock { setTimeout(): void {} }\nnew Clock().setTimeout();',
    'const text = "Math.random() and console.log"; // Date.now()',
    'const f: Function = g;',
    'process.exitCode = 1;',
    'const options = { rejectUnauthorized: true };',
    'const text = JSON.stringify(value);',
  ];
  for (const source of allowed) {
    test(`nothing is found in ${source.replaceAll('\n', ' ')}`, () => assert.deepEqual(rules(source), []));
  }

  test('a name bound in one function is still the global one in another', () => {
    const source = 'function f(fetch: F) { fetch(1); }\nfunction g() { fetch(2); }';
    assert.deepEqual(rules(source), ['fetch:2']);
  });

  test('JSON.parse is left to packages that read nothing from strangers', () => {
    assert.deepEqual(rules('JSON.parse(text);', 'packages/sandbox/src/state.ts'), []);
  });
});

describe('the allow-list', () => {
  const reason = 'the real clock lives here';
  const violations = checkCalls(PATH, 'Date.now();\nMath.random();\n({ rejectUnauthorized: false });');

  function remaining(...allowed: Allowance[]): string[] {
    return withoutAllowed(violations, allowed).map(({ rule }) => rule);
  }

  test('an entry excuses one rule in one file', () => {
    assert.deepEqual(remaining({ rule: 'clock', path: PATH, reason }), ['random', 'tls']);
  });

  test('an entry for a folder excuses what is in it', () => {
    assert.deepEqual(remaining({ rule: 'random', path: 'packages/service/src/store/', reason }), ['clock', 'tls']);
  });

  test('an entry that excuses nothing is itself a violation', () => {
    const other = { rule: 'clock', path: 'packages/service/src/other.ts', reason };
    assert.deepEqual(remaining(other), ['clock', 'random', 'tls', 'unneeded-allowance']);
  });

  test('nothing excuses an unverified TLS peer', () => {
    const entry = { rule: 'tls', path: PATH, reason };
    assert.deepEqual(remaining(entry), ['clock', 'random', 'tls', 'unneeded-allowance']);
  });
});

describe('tests that are left out', () => {
  const found: string[] = [
    "test.only('x', () => {});",
    "describe.skip('x', () => {});",
    "it.todo('x');",
    "test('x', { skip: true }, () => {});",
    "test('x', { todo: 'later' }, () => {});",
    "test('x', (t: TestContext) => t.skip());",
  ];
  for (const source of found) {
    test(`is found: ${source}`, () => assert.equal(checkSkips('test/x.test.ts', source).length, 1));
  }

  test('a skip on a condition, a false one, and the words in a text are none', () => {
    const source = "test('.only(', { skip: !hasDatabase }, () => {});\ntest('x', { only: false }, () => {});";
    assert.deepEqual(checkSkips('test/x.test.ts', source), []);
  });
});
