import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { main } from '../src/cli/main.ts';
import { ASPSP_CHECKS } from '../src/index.ts';

async function run(...args: string[]): Promise<{ code: number; printed: string; errors: string }> {
  const seen = { printed: '', errors: '' };
  const code = await main(args, {
    print: (text) => {
      seen.printed += text;
    },
    printError: (text) => {
      seen.errors += text;
    },
    isTerminal: false,
    columns: undefined,
  });
  return { code, ...seen };
}

test('list shows every check with severity and source, also as JSON', async () => {
  const { code, printed } = await run('list');
  assert.equal(code, 0);
  for (const { id } of ASPSP_CHECKS) assert.match(printed, new RegExp(`^ {2}${id} +(must|should|may) +\\S`, 'm'));
  const json: { id: string; side: string; source: string }[] = JSON.parse((await run('list', '--json')).printed);
  assert.deepEqual(
    json.filter(({ side }) => side === 'aspsp').map(({ id }) => id),
    ASPSP_CHECKS.map(({ id }) => id),
  );
  assert.ok(json.every(({ source }) => source.length > 0));
});

test('the help of each command has examples and the exit codes', async () => {
  for (const args of [['--help'], ['aspsp', '--help']]) {
    const { code, printed } = await run(...args);
    assert.equal(code, 0);
    assert.match(printed, /Examples:\n {2}tidings-conformance /);
    assert.match(printed, /Exit codes: 0 .*1 .*2 /s);
  }
});

test('wrong use is 2, and says what is wrong', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-conformance-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [['unknown'], /unknown command/],
    [['aspsp'], /--config/],
    [
      ['aspsp', '--config', join(folder, 'absent.json')],
      /--config names the file .*absent\.json, which cannot be read \(ENOENT\)/,
    ],
    [['aspsp', '--config', file('broken.json', '{\n"name":')], /broken\.json is not JSON/],
    [['aspsp', '--config', file('twice.json', '{"name":"a","name":"b"}')], /member "name" twice/],
    [['aspsp', '--config', file('empty.json', '{}')], /name is missing; add it/],
    [['aspsp', '--config', 'a', '--only', 'POLL-01,,'], /single commas/],
    [['aspsp', '--config', 'a', '--fail-on', 'never'], /Allowed choices are must, should, may/],
  ];
  for (const [args, message] of wrong) {
    const { code, errors } = await run(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(errors, message);
  }
});
