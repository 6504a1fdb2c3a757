import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { install } from '../support/installation.ts';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'tidings.js');

/** Runs `tidings doctor` as a process of its own, with colours asked for. */
async function doctor(...args: readonly string[]) {
  const env = { CI: 'true', FORCE_COLOR: '1' };
  const child = spawn(process.execPath, [BIN, 'doctor', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, ...output };
}

test('a healthy installation: a list with marks, no colour in a pipe, exit code 0', async (t) => {
  const { code, stdout, stderr } = await doctor('--config', install(t).file);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^✓ configuration +The settings in \S+tidings\.json are valid\.\n/);
  assert.match(stdout, /\n\nNo problems found\.\n$/);
  assert.ok(!stdout.includes('\x1b'));
});

test('a warning alone is exit code 0, and has its remedy below it', async (t) => {
  const it = install(t);
  it.set(
    'operator.tokens',
    ['1f', '2f'].map((byte) => ({ name: 'a', role: 'viewer', sha256: byte.repeat(32) })),
  );
  const { code, stdout } = await doctor('--config', it.file);
  assert.equal(code, 0);
  assert.match(stdout, /^! operator tokens +"operator\.tokens\[1\]".*\n +→ Give each token the name/m);
  assert.match(stdout, /\nNo errors, 1 warning\.\n$/);
});

test('an error is exit code 1, and --json tells the same to machines', async (t) => {
  const it = install(t);
  it.set('store.file', 'tidings.json/tidings.db');
  const { code, stdout } = await doctor('--config', it.file, '--json');
  assert.equal(code, 1);
  const { isHealthy, errors, warnings, findings } = JSON.parse(stdout);
  assert.deepEqual([isHealthy, errors, warnings], [false, 1, 0]);
  const [{ check, remedy }] = findings.filter(({ severity }: { severity: string }) => severity === 'error');
  assert.equal(check, 'database');
  assert.match(remedy, /correct "store\.file"/);
});

test('what it cannot do is exit code 2', async (t) => {
  const { file } = install(t);
  for (const [args, said] of [
    [[], /required option '-c, --config <file>'/],
    [['--config', `${file}.not`], /tidings\.json\.not, given by --config, does not exist/],
    [['--config', file, '--callback-url', 'tpp'], /--callback-url \(tpp\) is not a URL/],
  ] as const) {
    const { code, stdout, stderr } = await doctor(...args);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, said);
  }
});
