import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import type { InvalidLine } from '../../src/cli/publish/input.ts';
import { progressFileOf, RejectedFile, readProgress, writeProgress } from '../../src/cli/publish/progress.ts';

// The files that `tidings publish` keeps beside the one that it reads.

test('progress is read back as it was written, and what makes no sense is refused with the remedy', (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'events');
  assert.equal(readProgress(file), undefined);
  const progress = {
    version: 1,
    operatorUrl: 'http://127.0.0.1:8444',
    offsetBytes: 5,
    lines: 1,
    sha256: 'a'.repeat(64),
  } as const;
  writeProgress(file, progress);
  assert.deepEqual(readProgress(file), progress);
  for (const text of ['', '{', '{}', JSON.stringify({ ...progress, version: 2 })]) {
    writeFileSync(progressFileOf(file), text);
    assert.throws(() => readProgress(file), { message: /--restart/, exitCode: 2 });
  }
  assert.throws(() => writeProgress(join(folder.path, 'none', 'x'), progress), {
    message: /cannot be written \(ENOENT\)/,
  });
});

test('the file of rejected lines goes on behind what is kept of it, and is never mixed with another', (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'rejected');
  const start = { offsetBytes: 0, lines: 0, sha256: '' };
  const line = (text: string): InvalidLine => ({
    kind: 'invalid',
    number: 1,
    bytes: Buffer.from(text),
    start,
    why: 'why',
  });
  const first = new RejectedFile(file, undefined);
  first.append([line('one')]);
  const keptBytes = first.bytes;
  first.append([line('two'), line('three')]);
  first.close();
  assert.throws(() => new RejectedFile(file, undefined), /not empty/);
  assert.throws(() => new RejectedFile(file, 100), /shorter/);
  const second = new RejectedFile(file, keptBytes);
  second.append([line('four')]);
  second.close();
  assert.equal(readFileSync(file, 'utf8'), 'one\nfour\n');
});
