import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { StartUpError } from '../../src/base/start-up-error.ts';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import { openDatabase } from '../../src/store/sqlite/open.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { openWal, UndoLog, WriteQueue } from '../../src/store/sqlite/write-queue.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { describeStoreContract } from './contract.ts';
import {
  acknowledge,
  acknowledged,
  claim,
  jtisOf,
  LEASE_MS,
  type OpenedStore,
  type OpenSettings,
  publish,
  recordAll,
  register,
} from './opened.ts';

async function open(settings: OpenSettings = {}): Promise<OpenedStore> {
  const folder = temporaryFolder();
  const file = join(folder.path, 'tidings.db');
  const first = openSqliteStore({ file, ...settings });
  let store = first;
  return {
    store: first,
    reopen: async () => {
      await store.close();
      store = openSqliteStore({ file, ...settings });
      return store;
    },
    close: async () => {
      await store.close();
      folder.remove();
    },
  };
}

describeStoreContract('SQLite', open);

function fileFor(t: TestContext, name = 'tidings.db'): string {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  return join(folder.path, name);
}

const OWN_DESCRIPTORS = '/proc/self/fd';

/** The files below a folder that this process has open. */
function openBelow(folder: string): string[] {
  const linkOf = (descriptor: string) => {
    try {
      return readlinkSync(join(OWN_DESCRIPTORS, descriptor));
    } catch {
      // That of reading the list itself is gone by now.
      return '';
    }
  };
  return readdirSync(OWN_DESCRIPTORS)
    .map(linkOf)
    .filter((file) => file.startsWith(folder));
}

test('a store that was closed leaves none of its files open', { skip: !existsSync(OWN_DESCRIPTORS) }, async (t) => {
  const file = fileFor(t);
  const store = openSqliteStore({ file });
  await register(store, ['a']);
  await publish(store, 'a', ['e-1']);
  assert.ok(openBelow(file).length > 1, 'the database and its log are open');
  await store.close();
  assert.deepEqual(openBelow(file), []);
});

function openAt(t: TestContext, file: string): Store {
  const store = openSqliteStore({ file });
  t.after(() => store.close().catch(() => undefined));
  return store;
}

/** Opening must be refused in one sentence that names the file and matches. */
function assertRefused(file: string, sentence: RegExp): void {
  assert.throws(
    () => openSqliteStore({ file }),
    (error) => {
      assert.ok(error instanceof StartUpError, String(error));
      assert.match(error.message, sentence);
      assert.ok(error.message.includes(file), error.message);
      return true;
    },
  );
}

/** Does something to a database file as another program would. */
function withDatabase(file: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(file);
  work(database);
  database.close();
}

test('a store that is open is refused a second opening, by a sentence that names the file', async (t) => {
  const file = fileFor(t);
  const store = openAt(t, file);
  assertRefused(file, /is in use by another process/);
  await store.putTpp(tppOf('a'), START_MS);
  assert.deepEqual(await store.tpp('a'), tppOf('a'));
  await store.close();
  assert.deepEqual(await openAt(t, file).tpp('a'), tppOf('a'));
});

const OPEN_AND_SAY = `
  import { openSqliteStore } from ${JSON.stringify(import.meta.resolve('../../src/store/sqlite/store.ts'))};
  try {
    openSqliteStore({ file: process.argv[1] });
    console.log('opened');
    process.kill(process.pid, 'SIGKILL');
  } catch (error) {
    console.log(error.name + ': ' + error.message);
  }
`;

function openInAnotherProcess(file: string): string {
  const args = ['--input-type=module', '-e', OPEN_AND_SAY, file];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim();
}

test('a store belongs to one process, until that one ends, however it ends', async (t) => {
  const file = fileFor(t);
  const store = openAt(t, file);
  const said = openInAnotherProcess(file);
  assert.match(said, /^StartUpError: .* is in use by another process/);
  assert.ok(said.includes(file));
  await store.close();
  assert.equal(openInAnotherProcess(file), 'opened');
  assert.equal(await openAt(t, file).tpp('a'), undefined);
});

test('a store of a newer version of Tidings is refused and left as it is', async (t) => {
  const file = fileFor(t);
  await openAt(t, file).close();
  withDatabase(file, (database) => database.exec('PRAGMA user_version = 99'));
  const before = readFileSync(file);
  assertRefused(file, /was written by a newer version of Tidings \(schema 99, this version knows \d+\)/);
  assert.deepEqual(readFileSync(file), before);
});

test('a file that is no database is refused and left as it is', (t) => {
  const file = fileFor(t);
  const text = 'not a database\n'.repeat(1000);
  writeFileSync(file, text);
  assertRefused(file, /is not a store of Tidings/);
  assert.equal(readFileSync(file, 'utf8'), text);
});

for (const schema of [0, 1, 99]) {
  test(`a database of another program, at its schema ${schema}, is refused and left as it is`, (t) => {
    const file = fileFor(t);
    withDatabase(file, (database) => {
      database.exec(`CREATE TABLE ledger (id INTEGER) STRICT; PRAGMA user_version = ${schema}`);
    });
    assertRefused(file, /is a database, but not a store of Tidings/);
    withDatabase(file, (database) => {
      const tables = database.prepare('SELECT name FROM sqlite_schema').all();
      assert.deepEqual(
        tables.map(({ name }) => name),
        ['ledger'],
      );
    });
  });
}

test('a folder that is missing is made, for nobody else to read', (t) => {
  const file = fileFor(t, join('one', 'two', 'tidings.db'));
  openAt(t, file);
  assert.ok(existsSync(file));
  assert.equal(statSync(join(file, '..')).mode & 0o077, 0);
});

test('a file that is missing is made in a folder that is there, for nobody else to read', (t) => {
  const file = fileFor(t);
  openAt(t, file);
  assert.equal(statSync(file).mode & 0o077, 0);
  assert.equal(statSync(`${file}-wal`).mode & 0o077, 0);
});

test('a folder that cannot be made is refused', (t) => {
  const regular = fileFor(t, 'regular');
  writeFileSync(regular, '');
  assertRefused(join(regular, 'tidings.db'), /cannot be opened/);
  assertRefused(join(regular, 'below', 'tidings.db'), /cannot be opened/);
});

test('many writes at once are all on disk when their promises resolve', async (t) => {
  const file = fileFor(t);
  const store = openAt(t, file);
  const ids = Array.from({ length: 1000 }, (_, at) => `e${at}`);
  await store.createRegistration(subscriptionOf('a'), START_MS);
  await Promise.all(ids.map((id) => store.publish([bankEvent('a', id)], notifyAll, START_MS)));
  await store.close();
  const reopened = openAt(t, file);
  assert.deepEqual(jtisOf(await claim(reopened)), ids.map(jtiOf));
});

test('a write that fails takes nothing of its neighbours with it', async (t) => {
  const store = openAt(t, fileFor(t));
  await register(store, ['a']);
  const fault = new Error('fan-out broke');
  const breaks = () => {
    throw fault;
  };
  const results = await Promise.allSettled([
    store.publish([bankEvent('a', 'e1')], notifyAll, START_MS),
    store.publish([bankEvent('a', 'e2')], breaks, START_MS),
    store.createRegistration(subscriptionOf('b', { id: 'sub-a' }), START_MS),
    store.publish([bankEvent('a', 'e3')], notifyAll, START_MS),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  assert.ok(results[1]?.status === 'rejected' && results[1].reason === fault);
  assert.ok(results[2]?.status === 'rejected' && results[2].reason instanceof StoreError);
  assert.deepEqual(jtisOf(await claim(store)), [jtiOf('e1'), jtiOf('e3')]);
});

test('what was claimed by a process that is gone is due as soon as the store opens', async (t) => {
  const file = fileFor(t);
  const store = openAt(t, file);
  await register(store, ['a']);
  const [jti = ''] = await publish(store, 'a', ['e1']);
  await claim(store);
  await store.close();
  const reopened = openAt(t, file);
  assert.deepEqual(jtisOf(await claim(reopened, { afterMs: 5 })), [jti]);
  assert.deepEqual(await claim(reopened, { afterMs: LEASE_MS }), []);
});

test('what is waiting to be written when the store closes is written first', async (t) => {
  const file = fileFor(t);
  const store = openAt(t, file);
  const written = store.putTpp(tppOf('a'), START_MS);
  await store.close();
  await written;
  assert.deepEqual(await openAt(t, file).tpp('a'), tppOf('a'));
});

test('a store that was closed refuses every operation with a StoreError', async (t) => {
  const store = openAt(t, fileFor(t));
  await store.close();
  await assert.rejects(store.putTpp(tppOf('a'), START_MS), StoreError);
  await assert.rejects(store.publish([bankEvent('a', 'e1')], notifyAll, START_MS), StoreError);
  await assert.rejects(store.tpp('a'), StoreError);
  await assert.rejects(claim(store), StoreError);
});

test('a full disk fails the write with a StoreError that says so, keeps nothing of it, and later writes work', async (t) => {
  const file = fileFor(t);
  const database = openDatabase(file);
  t.after(() => database.close());
  const writes = new WriteQueue(database, new UndoLog(), openWal(file));
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages + 4}`);
  const insert = database.prepare(
    'INSERT INTO tpp (client_id, organisation_id, software_statement_id, jwks, is_suspended) VALUES (?, ?, ?, ?, 0)',
  );
  const put = (clientId: string, chars: number) =>
    writes.run(() => insert.run(clientId, 'org', 'ssa', JSON.stringify('x'.repeat(chars))));
  const [small, large] = await Promise.allSettled([put('small', 10), put('large', 1_000_000)]);
  assert.ok(large?.status === 'rejected' && large.reason instanceof StoreError);
  assert.match(large.reason.message, /full/);
  await put('later', 10);
  const kept = database.prepare('SELECT client_id FROM tpp ORDER BY client_id').all();
  assert.deepEqual(
    kept.map((row) => row['client_id']),
    small?.status === 'fulfilled' ? ['later', 'small'] : ['later'],
  );
});

test('writes of many notifications share a commit only up to a bound, in their order, and a larger one is committed alone', async (t) => {
  const file = fileFor(t);
  const database = openDatabase(file);
  t.after(() => database.close());
  const writes = new WriteQueue(database, new UndoLog(), openWal(file));
  const commits: number[][] = [[]];
  const exec = database.exec.bind(database);
  t.mock.method(database, 'exec', (sql: string) => {
    if (sql === 'BEGIN IMMEDIATE') commits.push([]);
    exec(sql);
  });
  const sizes = [200, 200, 200, 1000, 1, 1];
  await Promise.all(sizes.map((size) => writes.run(() => commits.at(-1)?.push(size), size)));
  assert.deepEqual(commits.slice(1), [[200, 200], [200], [1000], [1, 1]]);
});

test('a store that is full refuses what it cannot keep, keeps what it promised, and goes on when there is room', async (t) => {
  const databases = new Set<DatabaseSync>();
  const exec = DatabaseSync.prototype.exec;
  t.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
    databases.add(this);
    return exec.call(this, sql);
  });
  const file = fileFor(t);
  const store = openAt(t, file);
  const [database] = databases;
  assert.ok(database);
  await register(store, ['a']);
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages + 40}`);
  const handOver = { leaseMs: LEASE_MS, limit: 1, capacityFor: () => 1 };
  const kept: string[] = [];
  const handed: ClaimedNotification[] = [];
  const publishOne = async (id: string) => {
    const result = await store.publish([bankEvent('a', id), bankEvent('a', `${id}-2`)], notifyAll, START_MS, handOver);
    if (result.kind === 'published') handed.push(...result.claimed);
    kept.push(jtiOf(id), jtiOf(`${id}-2`));
  };
  const fillUp = async () => {
    for (let at = 0; at < 10_000; at += 1) await publishOne(`e${at}`);
  };
  await assert.rejects(fillUp(), (error) => error instanceof StoreError && /full/.test(error.message));
  assert.ok(kept.length > 10);
  assert.deepEqual(await store.counts(), { awaiting: kept.length });
  const refused = `e${kept.length / 2}`;
  assert.equal(await store.notification(jtiOf(refused)), undefined);
  const claimed = await claim(store);
  assert.deepEqual(jtisOf([...handed, ...claimed]).toSorted(), kept.toSorted(), 'each was claimed once');

  database.exec(`PRAGMA max_page_count = ${pages + 4000}`);
  await publishOne(refused);
  const records = [...handed, ...claimed].map((one) => acknowledged(one));
  assert.ok((await recordAll(store, records, START_MS)).every((result) => result === 'applied'));
  assert.equal((await store.counts()).awaiting, 1);
  await store.close();
  const reopened = openAt(t, file);
  assert.deepEqual(jtisOf(await claim(reopened)), [jtiOf(`${refused}-2`)]);
});

test('a store that was closed has no byte of what was erased in its file', async (t) => {
  const file = fileFor(t);
  const store = openAt(t, file);
  await register(store, ['a']);
  await publish(store, 'a', ['secret-one', 'kept-one']);
  const set = `header.${'secret-set-'.repeat(500)}.signature`;
  await store.keepSets([{ jti: jtiOf('secret-one'), set }]);
  for (const each of await claim(store)) await acknowledge(store, each);
  const audit = { atMs: START_MS, actor: 'ops', action: 'erase', subject: 'a', detail: {} };
  await store.erase({ jtis: [jtiOf('secret-one')], expiresAwaiting: false, audit });
  await store.close();
  const bytes = readFileSync(file, 'latin1');
  assert.ok(bytes.includes('payment-of-kept-one'));
  assert.ok(!bytes.includes('payment-of-secret-one') && !bytes.includes('secret-set-'));
  assert.equal(existsSync(`${file}-wal`), false);
});
