import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Disk, whyNoPowerCuts } from './disk.ts';

const impossible = (await whyNoPowerCuts()) ?? false;

test('a power cut loses what was written without synchronisation, and keeps the rest', {
  skip: impossible,
}, async () => {
  const disk = await Disk.open();
  try {
    const [kept, cached] = [join(disk.folder, 'kept'), join(disk.folder, 'cached')];
    writeFileSync(kept, 'kept', { flush: true });
    writeFileSync(cached, 'cached');
    let killed = false;
    await disk.cutPower(async () => {
      assert.equal(readFileSync(cached, 'utf8'), 'cached', 'until then nothing is changed');
      killed = true;
    });
    assert.ok(killed);
    assert.equal(readFileSync(kept, 'utf8'), 'kept');
    assert.notEqual(existsSync(cached) && readFileSync(cached, 'utf8'), 'cached');
    writeFileSync(cached, 'synchronised');
    await disk.sync();
    await disk.cutPower(async () => undefined);
    assert.equal(readFileSync(cached, 'utf8'), 'synchronised');
  } finally {
    await disk.close();
  }
});

test('a process that is killed leaves no mount and no folder behind', { skip: impossible }, async () => {
  const script = `
    import { Disk } from './test/chaos/disk.ts';
    process.stdout.write((await Disk.open()).folder);
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [folder] = await once(child.stdout, 'data');
  assert.ok(existsSync(String(folder)));
  child.kill('SIGKILL');
  while (existsSync(dirname(String(folder)))) await pause(50);
  assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(String(folder)));
});
