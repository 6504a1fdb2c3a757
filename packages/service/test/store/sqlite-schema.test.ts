import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { StartUpError } from '../../src/base/start-up-error.ts';
import { openDatabase } from '../../src/store/sqlite/open.ts';
import { MIGRATIONS } from '../../src/store/sqlite/schema.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { jtiOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { claim, jtisOf, publish, register } from './opened.ts';

/** A step as a later version may bring it: it adds to a table, fills in what it adds, and makes another. */
const LATER = `
  ALTER TABLE tpp ADD COLUMN added TEXT NOT NULL DEFAULT 'none';
  UPDATE tpp SET added = organisation_id;
  CREATE TABLE fresh (id INTEGER PRIMARY KEY) STRICT;
  INSERT INTO fresh SELECT count(*) FROM event`;

/** A store with one TPP and two events. @returns its file */
async function writeStore(t: TestContext): Promise<string> {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'tidings.db');
  const store = openSqliteStore({ file });
  await register(store, ['a']);
  await publish(store, 'a', ['e1', 'e2']);
  await store.close();
  return file;
}

function schemaOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
}

describe('opening a store', () => {
  test('of an older schema takes the steps that it lacks, once, and keeps what it has', async (t) => {
    const file = await writeStore(t);
    for (const _ of ['migrated', 'opened again']) {
      const database = openDatabase(file, [...MIGRATIONS, LATER]);
      assert.equal(schemaOf(database), MIGRATIONS.length + 1);
      assert.deepEqual(
        database
          .prepare('SELECT client_id, added, id FROM tpp, fresh')
          .all()
          .map((row) => ({ ...row })),
        [{ client_id: 'a', added: tppOf('a').organisationId, id: 2 }],
      );
      database.close();
    }
  });

  test('takes all of the steps or, when one fails, none', async (t) => {
    const file = await writeStore(t);
    assert.throws(
      () => openDatabase(file, [...MIGRATIONS, LATER, 'CREATE TABLE tpp (id INTEGER)']),
      /table tpp already/,
    );
    const store = openSqliteStore({ file });
    assert.deepEqual(jtisOf(await claim(store)), ['e1', 'e2'].map(jtiOf));
    await store.close();
    openDatabase(file, [...MIGRATIONS, LATER]).close();
  });

  test('that a newer version brought to a later schema is refused', async (t) => {
    const file = await writeStore(t);
    openDatabase(file, [...MIGRATIONS, LATER]).close();
    assert.throws(
      () => openSqliteStore({ file }),
      (error) => {
        assert.ok(error instanceof StartUpError);
        const [written, known] = [MIGRATIONS.length + 1, MIGRATIONS.length];
        return error.message.includes(`newer version of Tidings (schema ${written}, this version knows ${known})`);
      },
    );
  });
});

// In the order of publishing and with a limit: they stop as soon as they have enough.
const BOUNDED = [
  'SELECT seq, client_id, published_at_ms FROM awaiting ORDER BY seq LIMIT ?',
  'SELECT published_at_ms FROM awaiting ORDER BY seq LIMIT 1',
  "SELECT awaiting.seq, awaiting.published_at_ms, substr(set_jws, 1, instr(set_jws, '.') - 1) AS header FROM awaiting LEFT JOIN signed_set ON signed_set.seq = awaiting.seq ORDER BY awaiting.seq LIMIT ?",
];
// Of a handful of rows.
const FEW = [
  'SELECT id, host, process_id, version, node_version, started_at_ms, seen_at_ms FROM instance ORDER BY started_at_ms, id',
];
// Once, when the store opens.
const AT_OPENING = ['SELECT client_id, count(*) AS awaiting FROM awaiting GROUP BY client_id'];

test('no statement goes through a whole table of events, notifications or attempts', (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const prepared = new Set<string>();
  const prepare = DatabaseSync.prototype.prepare;
  const plans: [string, string][] = [];
  t.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, sql: string) {
    if (!/^\s*(PRAGMA|SAVEPOINT|RELEASE)/.test(sql) && !prepared.has(sql)) {
      prepared.add(sql);
      for (const row of prepare.call(this, `EXPLAIN QUERY PLAN ${sql}`).all()) plans.push([sql, String(row['detail'])]);
    }
    return prepare.call(this, sql);
  });
  const store = openSqliteStore({ file: join(folder.path, 'tidings.db') });
  t.after(() => store.close());
  assert.ok(prepared.size > 30, `${prepared.size} statements were looked at`);
  const normal = (sql: string) => sql.replaceAll(/\s+/g, ' ').trim();
  const scans = plans.filter(([sql, detail]) => {
    if ([...BOUNDED, ...FEW, ...AT_OPENING].includes(normal(sql))) return false;
    return /^SCAN (event|search|awaiting|settled|attempt|reported_error|signed_set|activity|statistics)\b|TEMP B-TREE/.test(
      detail,
    );
  });
  assert.deepEqual(scans, []);
  const sorted = plans.filter(([sql, detail]) => BOUNDED.includes(normal(sql)) && /TEMP B-TREE/.test(detail));
  assert.deepEqual(sorted, []);
  const ofClient = plans.filter(([sql, detail]) => /settled WHERE client_id = /.test(sql) && /settled/.test(detail));
  assert.deepEqual(
    ofClient.map(([, detail]) => detail),
    ['SEARCH settled USING INDEX settled_of_client (client_id=? AND rowid>?)'],
    'redelivery of one TPP leaves the history of others alone',
  );
});

const DAY_MS = 86_400_000;

test('nothing in the audit can be changed, replaced or deleted, whoever tries, but for what TPPs did 30 days ago', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'tidings.db');
  const store = openSqliteStore({ file });
  for (const subject of ['a', 'b']) {
    await store.audit({ atMs: START_MS, actor: 'ops', action: 'tpp-removed', subject, detail: {} });
  }
  const own = { actor: 'tpp:a', authenticatedBy: 'access-token', action: 'callback-url-deleted', detail: {} } as const;
  for (const [subject, atMs] of [
    ['old', START_MS - 400 * DAY_MS],
    ['young', Date.now() - 29 * DAY_MS],
  ] as const) {
    await store.audit({ ...own, subject, atMs });
  }
  const kept = await store.auditEntries(undefined, 10);
  await store.close();
  const database = new DatabaseSync(file);
  for (const sql of [
    `UPDATE audit SET actor = 'somebody'`,
    'DELETE FROM audit',
    'DELETE FROM audit WHERE id = 1',
    `DELETE FROM audit WHERE subject = 'young'`,
    `UPDATE audit SET authenticated_by = 'access-token', at_ms = 0`,
    `UPDATE audit SET detail = '' WHERE subject = 'old'`,
    `INSERT OR REPLACE INTO audit (id, at_ms, actor, action, subject, detail) VALUES (1, 0, 'x', 'x', 'x', '{}')`,
  ]) {
    assert.throws(() => database.exec(sql), /the audit is only added to/);
  }
  for (const column of ['actor', 'action', 'subject']) {
    const plan = database.prepare(
      `EXPLAIN QUERY PLAN SELECT * FROM audit WHERE id < 9 AND ${column} = 'x' ORDER BY id DESC LIMIT 9`,
    );
    const details = plan.all().map(({ detail }) => String(detail));
    assert.deepEqual([details.length, details[0]?.includes(`audit_of_${column}`)], [1, true], details.join());
  }
  database.close();
  const reopened = openSqliteStore({ file });
  assert.deepEqual(await reopened.auditEntries(undefined, 10), kept);
  await reopened.close();
  const again = new DatabaseSync(file);
  assert.equal(again.prepare(`DELETE FROM audit WHERE subject = 'old'`).run().changes, 1);
  again.close();
});
