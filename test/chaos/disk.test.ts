import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
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
