/**
 * Carries out a tutorial word for word: what its page says is typed, and what its page shows is compared. What the blocks mean
 * is said in blocks.ts.
 *
 * Ports are the one thing that is not taken as it stands: 8440 to 8446 and 9443 are replaced by free ones.
 */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import '../support/compile-cache.ts';
import { onlyEnvironment } from '../support/command.ts';
import { type Block, blocksOf, faultsIn } from './blocks.ts';
import { startRegistry } from './registry.ts';
import { isShown } from './shown-output.ts';
import { openShell, openTerminal, type Shell, type Terminal } from './terminals.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** What a page calls the checkout consists of these. */
const CHECKOUT = ['node_modules', 'packages', 'package.json', 'scripts', 'dist'];
const PORTS = 8;
const TIMES_MAX = 20;
const TPP_PORT = '9443';

interface Stage {
  readonly shell: Shell;
  readonly open: (commands: string) => Terminal;
  readonly terminals: Map<string, Terminal>;
}

/** Carries out the tutorial of this page, in a folder of its own. */
export async function carryOut(t: TestContext, page: string): Promise<void> {
  const blocks = blocksOf(await readFile(join(ROOT, page), 'utf8'));
  assert.deepEqual(faultsIn(blocks), [], page);
  const base = await mkdtemp(join(tmpdir(), 'tidings-tutorial-'));
  t.after(() => rm(base, { recursive: true, force: true }));
  const checkout = join(base, 'tidings');
  await mkdir(checkout);
  for (const name of CHECKOUT) await symlink(join(ROOT, name), join(checkout, name));
  const environment = onlyEnvironment({
    PATH: process.env['PATH'] ?? '',
    HOME: base,
    // The width of the terminal whose output a page shows.
    COLUMNS: '80',
    npm_config_registry: await startRegistry(t, join(ROOT, 'node_modules')),
    npm_config_update_notifier: 'false',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
  });
  const shell = openShell(checkout, environment, base);
  const terminals = new Map<string, Terminal>();
  t.after(async () => {
    await shell.close();
    for (const terminal of [...terminals.values()].toReversed()) await terminal.interrupt();
  });
  const open = (commands: string) => openTerminal(checkout, environment, commands);
  await playAll(page, withPorts(blocks, await freePorts()), { shell, open, terminals });
}

async function playAll(page: string, blocks: readonly Block[], stage: Stage): Promise<void> {
  let output = '';
  for (const [at, block] of blocks.entries()) {
    const where = `${page}:${block.line}`;
    try {
      if (block.word === 'again') output = await repeat(block.text, blocks[at + 1]?.text ?? '', stage);
      else output = (await play(block, stage, output)) ?? output;
    } catch (error) {
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

/** @returns what was printed in the end */
async function repeat(commands: string, shown: string, { shell }: Stage): Promise<string> {
  for (let times = 1; ; times += 1) {
    const { output } = await shell.run(commands);
    if (times === TIMES_MAX || isShown(shown, output)) return output;
  }
}

/** @returns what the shell printed, where the block is for the shell */
async function play(block: Block, stage: Stage, output: string): Promise<string | undefined> {
  const { language, word, text } = block;
  const { shell, terminals } = stage;
  if (language === 'text' && word === '') {
    assert.ok(isShown(text, output), `the page shows\n${text}\nand there came\n${output}`);
    return;
  }
  if (language === 'text') {
    const terminal = terminals.get(word);
    await terminal?.untilShown(text);
    return;
  }
  if (language === 'sh' && (word === '' || word === 'fails')) {
    const ended = await shell.run(text);
    assert.equal(ended.code !== 0, word === 'fails', `exit code ${ended.code}:\n${ended.output}`);
    return ended.output;
  }
  if (language === 'sh') {
    await terminals.get(word)?.interrupt();
    terminals.set(word, stage.open(text));
    return;
  }
  const { output: folder } = await shell.run('pwd');
  await writeFile(join(folder.trim(), word), text);
  return;
}

/** The blocks with free ports in place of those that the page names. */
function withPorts(blocks: readonly Block[], first: number): Block[] {
  return blocks.map(({ text, ...block }) => ({
    ...block,
    text: text
      .replaceAll(/\b844([0-6])\b/g, (_, offset: string) => String(first + Number(offset)))
      .replaceAll(TPP_PORT, String(first + PORTS - 1))
      .replaceAll(/^tidings sandbox\b/gm, `tidings sandbox --port ${first}`),
  }));
}

/** @returns the first of free ports in a row, below those that the system gives out by itself */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const areFree = await Promise.all(Array.from({ length: PORTS }, (_, offset) => isFree(first + offset)));
    if (areFree.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
