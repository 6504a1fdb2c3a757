import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildProgram, commandsOf } from '@tidings/service/cli';
import { runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidings-completion-'));
after(() => rmSync(folder, { recursive: true }));
const isInstalled = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;

describe('tidings completion bash', { skip: !isInstalled('bash') && 'there is no bash here' }, () => {
  const script = join(folder, 'tidings.bash');
  before(async () => {
    const { code, stdout, stderr } = await runCli(['completion', 'bash']);
    assert.equal(code, 0, stderr);
    writeFileSync(script, stdout);
  });

  /** What bash offers for the last of these words. */
  function offered(...words: readonly string[]): string[] {
    const program = `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _tidings; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const output = execFileSync('bash', ['-uec', program, 'bash', script, 'tidings', ...words], { encoding: 'utf8' });
    return output.split('\n').filter((line) => line !== '');
  }

  test('offers every command, and those that begin as the word does', () => {
    assert.ok(
      ['serve', 'doctor', 'config', 'tpps', 'sandbox', 'completion'].every((name) => offered('').includes(name)),
    );
    assert.deepEqual(offered('doc'), ['doctor']);
  });

  test('offers what is in a group, also behind flags', () => {
    assert.deepEqual(offered('tpps', 'rec'), ['recover']);
    assert.deepEqual(offered('config', 'e'), ['effective']);
    assert.deepEqual(offered('config', 'effective', '--json', '--con'), ['--config']);
  });

  test('offers the flags of the command, and none of another', () => {
    assert.deepEqual(offered('doctor', '--ca'), ['--callback-url']);
    assert.deepEqual(offered('doctor', '--token'), []);
    assert.deepEqual(offered('tpps', 'list', '--token'), ['--token-file']);
  });

  test('offers the choices of a flag and of an argument, and nothing where any file or word may follow', () => {
    assert.deepEqual(offered('sandbox', '--change', 'con'), ['consent-revoked']);
    assert.deepEqual(offered('completion', 'z'), ['zsh']);
    assert.deepEqual(offered('serve', '--config', ''), []);
    assert.deepEqual(offered('serve', '-c', ''), []);
  });

  test('knows every command that there is', async () => {
    for (const { path, command } of commandsOf(await buildProgram())) {
      if (path === 'tidings') continue;
      const words = path.split(' ').slice(1);
      const flags = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long);
      const expected = [...flags, '--help'].sort();
      assert.deepEqual(offered(...words, '--').sort(), expected, path);
    }
  });
});

for (const shell of ['zsh', 'fish'].filter(isInstalled)) {
  test(`tidings completion ${shell} prints what ${shell} can read`, async () => {
    const script = join(folder, `tidings.${shell}`);
    writeFileSync(script, (await runCli(['completion', shell])).stdout);
    const { status, stderr } = spawnSync(shell, ['-n', script], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
}

test('fish offers commands, flags and choices', {
  skip: !isInstalled('fish') && 'there is no fish here',
}, async () => {
  const script = join(folder, 'offered.fish');
  writeFileSync(script, (await runCli(['completion', 'fish'])).stdout);
  const offered = (line: string) =>
    execFileSync('fish', ['-c', 'source $argv[1]; complete -C $argv[2]', script, line], { encoding: 'utf8' })
      .split('\n')
      .map((each) => each.split('\t')[0])
      .filter((each) => each !== '');
  assert.deepEqual(offered('tidings doc'), ['doctor']);
  assert.deepEqual(offered('tidings tpps s'), ['show', 'suspend']);
  assert.deepEqual(offered('tidings publish --in'), ['--in-flight']);
  assert.deepEqual(offered('tidings completion z'), ['zsh']);
});

test('the scripts for zsh and fish name every command and flag', async () => {
  const [zsh, fish] = await Promise.all(
    ['zsh', 'fish'].map(async (shell) => (await runCli(['completion', shell])).stdout),
  );
  for (const { path, command } of commandsOf(await buildProgram())) {
    assert.ok(zsh?.includes(`'${path}'`), `zsh: ${path}`);
    assert.ok(fish?.includes(`"__tidings_at '${path}'"`), `fish: ${path}`);
    for (const { long } of command.options.filter(({ hidden }) => !hidden)) {
      assert.ok(zsh?.includes(` ${long} `) || zsh?.includes(`${long} `), `zsh: ${path} ${long}`);
      assert.ok(fish?.includes(`"__tidings_at '${path}'" -l ${long?.slice(2)} `), `fish: ${path} ${long}`);
    }
  }
});

test('a shell that is none is wrong use', async () => {
  const { code, stderr } = await runCli(['completion', 'csh']);
  assert.equal(code, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish/);
});
