import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blocksOf, faultsIn } from './blocks.ts';

// The short form of the tutorials that *.long.test.ts carries out. That the commands are there, with their flags, is shown by
// test/docs-commands.test.ts.

const TUTORIALS = 'docs/tutorials';
const pages = readdirSync(TUTORIALS);

for (const page of pages) {
  test(`the blocks of ${page} can be carried out, and their commands are those of a shell`, () => {
    const blocks = blocksOf(readFileSync(join(TUTORIALS, page), 'utf8'));
    assert.deepEqual(faultsIn(blocks), []);
    for (const { line, text } of blocks.filter(({ language }) => language === 'sh')) {
      const { stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
      assert.equal(stderr, '', `line ${line}`);
    }
  });
}

test('each tutorial is carried out by a test of its name', () => {
  const carriedOut = readdirSync('test/tutorials').flatMap((name) => {
    const [, page] = /docs\/tutorials\/([\w.]+)'/.exec(readFileSync(join('test/tutorials', name), 'utf8')) ?? [];
    return name.endsWith('.test.ts') && page !== undefined ? [page] : [];
  });
  assert.deepEqual(carriedOut.toSorted(), pages.toSorted());
});

test('a block that cannot be carried out is found', () => {
  const found = (markdown: string) => faultsIn(blocksOf(markdown));
  assert.deepEqual(found('nothing'), ['there is no block']);
  assert.deepEqual(found('```text\nx\n```\n'), ['line 1: no command was typed']);
  assert.deepEqual(found('```sh\nx\n```\n```text bank\nx\n```\n'), ['line 4: no terminal bank was opened']);
  assert.deepEqual(found('```sh again\nx\n```\n'), ['line 1: nothing says what it is repeated for']);
  assert.deepEqual(found('```js\nx\n```\n'), ['line 1: a block of js names no file']);
});
