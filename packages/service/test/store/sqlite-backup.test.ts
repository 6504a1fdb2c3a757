import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { openDatabase } from '../../src/store/sqlite/open.ts';
import { backUpDatabase, openWal, UndoLog, WriteQueue } from '../../src/store/sqlite/write-queue.ts';

const ROWS = 4000;
const NEVER = new AbortController().signal;

/** Counts how often writes were let in between. */
class CountedQueue extends WriteQueue {
  letIn = 0;

  override interleave<T>(work: (write: () => void) => Promise<T>): Promise<T> {
    return super.interleave((write) =>
      work(() => {
        this.letIn += 1;
        write();
      }),
    );
  }
}

/** Turns of the event loop in which everything that is due happens. */
async function turns(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A store file of some 8 MiB, with a table in it that a test writes and a count of what was written. */
function setUp(t: TestContext) {
  const folder = temporaryFolder();
  const file = join(folder.path, 'tidings.db');
  const database = openDatabase(file);
  database.exec('CREATE TABLE pad (n INTEGER PRIMARY KEY, filler BLOB); CREATE TABLE counted (n INTEGER)');
  database.exec(`INSERT INTO counted VALUES (${ROWS})`);
  database.exec(`WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < ${ROWS})
    INSERT INTO pad SELECT n, randomblob(2000) FROM r`);
  const wal = openWal(file);
  const writes = new CountedQueue(database, new UndoLog(), wal);
  const add = database.prepare('INSERT INTO pad (filler) VALUES (randomblob(2000))');
  const count = database.prepare('UPDATE counted SET n = n + 1');
  t.after(async () => {
    await writes.end();
    await wal.close();
    database.close();
    folder.remove();
  });
  const write = () =>
    writes.run(() => {
      add.run();
      count.run();
    });
  return { folder, copy: join(folder.path, 'copy.db'), database, writes, write };
}

/** What a copy holds, once it was found to be whole. */
function contentOf(file: string): { rows: number; counted: number } {
  const database = new DatabaseSync(file);
  try {
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
    const row = database.prepare('SELECT (SELECT count(*) FROM pad) AS r, (SELECT n FROM counted) AS c').get();
    return { rows: Number(row?.['r']), counted: Number(row?.['c']) };
  } finally {
    database.close();
  }
}

test('a copy that is made while writes go on is the store at one moment, and nothing of the writes is lost', async (t) => {
  const { database, writes, write, copy } = setUp(t);
  // Starts the thread that waits for the disk, which takes longer than the copying may.
  await writes.run(() => undefined);
  let written = 0;
  let isOver = false;
  const writer = async () => {
    while (!isOver) {
      await write();
      written += 1;
    }
  };
  const writers = Array.from({ length: 20 }, writer);
  await backUpDatabase(database, writes, copy, NEVER).finally(() => {
    isOver = true;
  });
  const duringCopy = written;
  await Promise.all(writers);
  assert.ok(duringCopy > 0 && writes.letIn > 1, 'writes went on meanwhile');
  const { rows, counted } = contentOf(copy);
  assert.equal(rows, counted, 'whole transactions only');
  assert.ok(rows >= ROWS && rows <= ROWS + written);
  assert.equal(Number(database.prepare('SELECT n FROM counted').get()?.['n']), ROWS + written);
});

test('what was answered before the copying began is in the copy', async (t) => {
  const { database, writes, write, copy } = setUp(t);
  await Promise.all(Array.from({ length: 50 }, write));
  await backUpDatabase(database, writes, copy, NEVER);
  assert.deepEqual(contentOf(copy), { rows: ROWS + 50, counted: ROWS + 50 });
  assert.equal(statSync(copy).mode & 0o777, 0o600);
});

test('a write that fails meanwhile takes nothing of the copy or of the others with it', async (t) => {
  const { database, writes, write, copy } = setUp(t);
  const copying = backUpDatabase(database, writes, copy, NEVER);
  const bad = assert.rejects(
    writes.run(() => {
      database.exec('DELETE FROM pad');
      throw new Error('refused');
    }),
    /refused/,
  );
  await Promise.all([bad, write(), copying]);
  await backUpDatabase(database, writes, `${copy}2`, NEVER);
  assert.ok(contentOf(copy).rows >= ROWS);
  assert.deepEqual(contentOf(`${copy}2`), { rows: ROWS + 1, counted: ROWS + 1 });
});

test('a copy that is ended early leaves no file, and writes go on', async (t) => {
  const { folder, database, writes, write, copy } = setUp(t);
  const ending = new AbortController();
  const copying = assert.rejects(backUpDatabase(database, writes, copy, ending.signal), /enough/);
  const written = write();
  ending.abort(new Error('enough'));
  await copying;
  await written;
  await write();
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.startsWith('copy')),
    [],
  );
});

test('a file that exists is not overwritten, and stays', async (t) => {
  const { database, writes, copy } = setUp(t);
  await backUpDatabase(database, writes, copy, NEVER);
  await assert.rejects(backUpDatabase(database, writes, copy, NEVER), { code: 'EEXIST' });
  assert.ok(existsSync(copy));
});

test('while another thread works with the database, a write runs when it is let in, and not before', async (t) => {
  const { writes } = setUp(t);
  let isRun = false;
  // Due already when the work begins: it waits all the same.
  const written = writes.run(() => {
    isRun = true;
  });
  await writes.interleave(async (letIn) => {
    await turns();
    assert.equal(isRun, false);
    letIn();
    assert.equal(isRun, true);
    const another = writes.run(() => {
      isRun = false;
    });
    await written;
    await turns();
    assert.equal(isRun, true);
    letIn();
    await another;
  });
});

test('what was not let in runs when the other thread is done', async (t) => {
  const { writes, write } = setUp(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  const working = writes.interleave(() => promise);
  const written = write();
  await turns();
  resolve();
  await Promise.all([working, written]);
});

test('closing waits for the other thread', async (t) => {
  const { writes, write } = setUp(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  const working = writes.interleave(() => promise);
  let isEnded = false;
  const written = write();
  const ended = writes.end().then(() => {
    isEnded = true;
  });
  await turns();
  assert.equal(isEnded, false);
  resolve();
  await Promise.all([working, ended, written]);
});
