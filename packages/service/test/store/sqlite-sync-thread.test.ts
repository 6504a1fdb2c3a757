import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryFolder } from '@tidings/testing';
import { datasync } from '../../src/store/sqlite/sync-thread.ts';

test('what the disk refuses is an error of its own call alone', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const handle = await open(join(folder.path, 'file'), 'w');
  const nothing = 1_000_000;
  const [refused, done] = await Promise.allSettled([datasync(nothing), datasync(handle.fd)]);
  assert.match(String(refused.status === 'rejected' && refused.reason), /EBADF/);
  assert.equal(done.status, 'fulfilled');
  await datasync(handle.fd);
  await handle.close();
});

test('what an operator has Node.js load first is not loaded by the thread, which does not keep the process running', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const preload = join(folder.path, 'preload.cjs');
  writeFileSync(preload, "if (!require('node:worker_threads').isMainThread) process.exit(3);");
  const program = `
    const { open } = await import('node:fs/promises');
    const { datasync } = await import(${JSON.stringify(import.meta.resolve('../../src/store/sqlite/sync-thread.ts'))});
    const handle = await open(${JSON.stringify(join(folder.path, 'file'))}, 'w');
    await datasync(handle.fd);
    await handle.close();
    console.log('done');`;
  const options = { env: { ...process.env, NODE_OPTIONS: `--require ${preload}` } };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], options);
  assert.equal(stdout, 'done\n');
});
