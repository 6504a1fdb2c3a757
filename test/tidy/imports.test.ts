import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkDirection } from './direction.ts';
import { importsOf } from './imports.ts';
import { COMPUTED_IMPORTS } from './layers.ts';

const SERVICE = 'packages/service/src';

function rulesFor(path: string, ...statements: string[]): string[] {
  return checkDirection(path, statements.join('\n')).map(({ rule, line }) => `${rule}:${line}`);
}

describe('imports are read', () => {
  test('every way of importing is seen, with its line, and types are told from values', () => {
    const source = [
      "import a from './a.ts';",
      'import type {',
      '  B,',
      "} from './b.ts';",
      "export * from './c.ts';",
      "export { d } from './d.ts';",
      "export type { E } from './e.ts';",
      "import './f.ts';",
      "const g = await import('./g.ts');",
      "let h: import('./h.ts').H;",
      'await import(a);',
      '// import type { X } from "./not-this.ts"',
      'const text = \'import type { X } from "./nor-this.ts"\';',
    ].join('\n');
    const seen = importsOf('x.ts', source).map((each) => [each.line, each.specifier, each.typeOnly]);
    assert.deepEqual(seen, [
      [1, './a.ts', false],
      [2, './b.ts', true],
      [5, './c.ts', false],
      [6, './d.ts', false],
      [7, './e.ts', true],
      [8, './f.ts', false],
      [9, './g.ts', false],
      [10, './h.ts', true],
      [11, undefined, false],
    ]);
  });

  test('a .tsx file is read by the shape of its statements', () => {
    const source =
      "import { h } from 'preact';\nimport type { P } from '@tidings/protocol';\nexport const x = <p>hi</p>;";
    const seen = importsOf('x.tsx', source).map((each) => [each.line, each.specifier, each.typeOnly]);
    assert.deepEqual(seen, [
      [1, 'preact', false],
      [2, '@tidings/protocol', true],
    ]);
  });
});

describe('within the service', () => {
  const forbidden: [string, string][] = [
    ['store/store.ts', '../notify/attempt.ts'],
    ['store/store.ts', '../trust/registry.ts'],
    ['net/agent.ts', '../trust/registry.ts'],
    ['net/agent.ts', '../store/store.ts'],
    ['notify/publish.ts', '../api/events.ts'],
    ['api/events.ts', '../notify/publish.ts'],
    ['api/events.ts', '../operator/app.ts'],
    ['operator/app.ts', '../service.ts'],
    ['service.ts', './cli/start.ts'],
    ['service.ts', './index.ts'],
    ['operator/app.ts', '../index.ts'],
    ['base/clock.ts', '../config/schema.ts'],
    ['config/schema.ts', '../store/store.ts'],
    ['store/store.ts', '../misc/things.ts'],
  ];
  for (const [path, specifier] of forbidden) {
    test(`${path} may not import ${specifier}`, () => {
      assert.deepEqual(rulesFor(`${SERVICE}/${path}`, '', `import { x } from '${specifier}';`), ['direction:2']);
      assert.deepEqual(rulesFor(`${SERVICE}/${path}`, `import type { X } from '${specifier}';`), ['direction:1']);
    });
  }

  const allowed: [string, string][] = [
    ['notify/attempt.ts', '../store/store.ts'],
    ['store/sqlite/open.ts', '../store.ts'],
    ['store/store.ts', '../config/schema.ts'],
    ['config/schema.ts', '../base/clock.ts'],
    ['trust/registry.ts', '../net/agent.ts'],
    ['operator/app.ts', '../notify/publish.ts'],
    ['service.ts', './operator/app.ts'],
    ['index.ts', './service.ts'],
    ['cli/start.ts', '../index.ts'],
    ['cli/version.ts', '../../package.json'],
    ['store/store.ts', '@tidings/protocol'],
    ['store/sqlite/open.ts', 'node:sqlite'],
  ];
  for (const [path, specifier] of allowed) {
    test(`${path} may import ${specifier}`, () => {
      assert.deepEqual(rulesFor(`${SERVICE}/${path}`, `import { x } from '${specifier}';`), []);
    });
  }

  test('only what loads packages that need not be installed may import by a computed specifier', () => {
    for (const path of COMPUTED_IMPORTS) assert.deepEqual(rulesFor(path, 'await import(name);'), []);
    assert.deepEqual(rulesFor(`${SERVICE}/cli/sandbox.ts`, 'await import(name);'), ['direction:1']);
    assert.deepEqual(rulesFor(`${SERVICE}/cli/start.ts`, 'await import(name);'), ['direction:1']);
  });
});

describe('between packages', () => {
  const forbidden: [string, string][] = [
    ['packages/protocol/src/set.ts', 'node:crypto'],
    ['packages/protocol/src/set.ts', 'crypto'],
    ['packages/protocol/src/set.ts', 'undici'],
    ['packages/protocol/src/set.ts', '@tidings/tpp'],
    ['packages/protocol/src/set.ts', '../../tpp/src/index.ts'],
    ['packages/protocol/src/set.ts', '../test/helper.ts'],
    ['packages/tpp/src/receiver.ts', '@tidings/service'],
    ['packages/tpp/src/receiver.ts', 'fastify'],
    ['packages/service/src/store/store.ts', '@tidings/tpp'],
    ['packages/service/src/cli/start.ts', '@tidings/sandbox'],
    ['packages/service/src/cli/start.ts', '../../../sandbox/src/cli.ts'],
    ['packages/sandbox/src/bank.ts', '@tidings/service/src/store/store.ts'],
    ['packages/sandbox/src/bank.ts', '../../service/src/index.ts'],
    ['packages/sandbox/src/bank.ts', '@tidings/conformance'],
    ['packages/conformance/src/run.ts', '@tidings/sandbox'],
    ['packages/console/src/app.tsx', '@tidings/service'],
  ];
  for (const [path, specifier] of forbidden) {
    test(`${path} may not import ${specifier}`, () => {
      assert.deepEqual(rulesFor(path, `import { x } from '${specifier}';`), ['packages:1']);
    });
  }

  test('cli/sandbox.ts may not name the sandbox in a literal import either', () => {
    const statement = "await import('@tidings/sandbox/cli');";
    assert.deepEqual(rulesFor(`${SERVICE}/cli/sandbox.ts`, statement), ['packages:1']);
  });

  const allowed: [string, string][] = [
    ['packages/protocol/src/set.ts', 'typebox/value'],
    ['packages/protocol/src/set.ts', './claims.ts'],
    ['packages/tpp/src/receiver.ts', 'node:http'],
    ['packages/tpp/src/receiver.ts', 'oauth4webapi'],
    ['packages/sandbox/src/bank.ts', '@tidings/service'],
    ['packages/sandbox/src/bank.ts', 'fastify'],
  ];
  for (const [path, specifier] of allowed) {
    test(`${path} may import ${specifier}`, () => {
      assert.deepEqual(rulesFor(path, `import { x } from '${specifier}';`), []);
    });
  }
});

describe('from tests', () => {
  const cases: [string, string, string[]][] = [
    ['packages/service/test/store.test.ts', '../src/store/store.ts', []],
    ['packages/service/test/store.test.ts', '@tidings/tpp', []],
    ['packages/service/test/store.test.ts', '../../tpp/src/receiver.ts', ['tests:1']],
    ['packages/service/test/store.test.ts', '@tidings/tpp/src/receiver.ts', ['packages:1']],
    ['test/end-to-end.test.ts', '@tidings/sandbox/cli', []],
    ['test/end-to-end.test.ts', '../packages/service/src/store/store.ts', ['tests:1']],
  ];
  for (const [path, specifier, expected] of cases) {
    test(`${path} ${expected.length === 0 ? 'may' : 'may not'} import ${specifier}`, () => {
      assert.deepEqual(rulesFor(path, `import { x } from '${specifier}';`), expected);
    });
  }
});
