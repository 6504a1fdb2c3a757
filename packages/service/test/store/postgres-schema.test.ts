import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { StartUpError } from '../../src/base/start-up-error.ts';
import { createPool } from '../../src/store/postgres/connection.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { migrate, refuseUnfit, schemaOf, stepsAfter } from '../../src/store/postgres/open.ts';
import { MIGRATIONS, type Migration } from '../../src/store/postgres/schema.ts';
import { START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { acknowledge, claim, fail, look, numbered, POLL, publish, register, retryAt } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

const NEWEST = MIGRATIONS.at(-1)?.version ?? 0;

/** A step as a later version may bring it: it adds to every table, and says who can still run. */
function additive(version: number, oldestCompatible = NEWEST): Migration {
  const tables = ['tpp', 'registration', 'target', 'event', 'notification', 'settled', 'audit'];
  const added = tables.map((table) => `ALTER TABLE ${table} ADD COLUMN added_${version} text NOT NULL DEFAULT 'none';`);
  return {
    version,
    oldestCompatible,
    name: `adds ${version}`,
    sql: `${added.join(' ')} CREATE TABLE fresh_${version} (id int)`,
  };
}

async function databaseAt(t: { after(work: () => Promise<void>): void }, url?: string): Promise<[Database, string]> {
  const at = url ?? (await server.createDatabase());
  const options = {
    url: at,
    password: undefined,
    ca: undefined,
    connectionsMax: 3,
    statementTimeoutMs: 10_000,
    isPooled: false,
  };
  const database = new Database(
    createPool(options, () => undefined),
    options,
  );
  t.after(() => database.close());
  return [database, at];
}

describe('migrating', () => {
  test('brings an empty database to the newest schema, says which steps it took, and is then done', async (t) => {
    const [database] = await databaseAt(t);
    assert.deepEqual(await schemaOf(database), { version: 0, oldestCompatible: 0 });
    assert.deepEqual(stepsAfter(await schemaOf(database)), MIGRATIONS);
    assert.deepEqual(await migrate(database), MIGRATIONS);
    assert.equal((await schemaOf(database)).version, NEWEST);
    assert.deepEqual(await migrate(database), []);
  });

  test('by several at once applies each step once', async (t) => {
    const [database, url] = await databaseAt(t);
    const [other] = await databaseAt(t, url);
    const steps = [...MIGRATIONS, additive(NEWEST + 1), additive(NEWEST + 2)];
    const applied = await Promise.all([database, other, database, other].map((one) => migrate(one, steps)));
    assert.deepEqual(
      applied
        .flat()
        .map(({ version }) => version)
        .toSorted((left, right) => left - right),
      steps.map(({ version }) => version),
    );
  });

  test('that fails halfway keeps the steps before, and nothing of the one that failed', async (t) => {
    const [database] = await databaseAt(t);
    const broken = { ...additive(NEWEST + 1), sql: 'CREATE TABLE half (id int); SELECT 1 / 0' };
    await assert.rejects(migrate(database, [...MIGRATIONS, broken]), /division by zero/);
    assert.equal((await schemaOf(database)).version, NEWEST);
    assert.deepEqual(await database.query("SELECT 1 FROM pg_class WHERE relname = 'half'"), []);
    assert.equal((await migrate(database, [...MIGRATIONS, additive(NEWEST + 1)])).length, 1);
  });

  test('leaves a database of another program as it is', async (t) => {
    const [database, url] = await databaseAt(t);
    await server.run('CREATE TABLE ledger (id int)', new URL(url).pathname.slice(1));
    await assert.rejects(migrate(database), (error) => {
      assert.ok(error instanceof StartUpError);
      return /"tidings_\d+" holds tables of another program/.test(error.message);
    });
    assert.deepEqual(await database.query("SELECT 1 FROM pg_class WHERE relname = 'schema_version'"), []);
  });

  test('numbers its steps one after another, and never needs a newer program than the step itself', () => {
    for (const [at, { version, oldestCompatible, name }] of MIGRATIONS.entries()) {
      assert.equal(version, at + 1);
      assert.ok(oldestCompatible >= 1 && oldestCompatible <= version, name);
    }
  });
});

const DAY_MS = 86_400_000;

test('nothing in the audit can be changed, truncated or deleted, but for what TPPs did 30 days ago', async (t) => {
  const [database, url] = await databaseAt(t);
  await migrate(database);
  const store = await openInstance(t, url);
  await store.audit({ atMs: START_MS, actor: 'ops', action: 'tpp-removed', subject: 'a', detail: {} });
  const own = { actor: 'tpp:a', authenticatedBy: 'access-token', action: 'callback-url-deleted', detail: {} } as const;
  for (const [subject, atMs] of [
    ['old', START_MS - 400 * DAY_MS],
    ['young', Date.now() - 29 * DAY_MS],
  ] as const) {
    await store.audit({ ...own, subject, atMs });
  }
  const kept = await store.auditEntries(undefined, 10);
  const run = (sql: string) => server.run(sql, new URL(url).pathname.slice(1));
  for (const sql of [
    `UPDATE audit SET actor = 'somebody'`,
    `UPDATE audit SET authenticated_by = 'access-token', at_ms = 0`,
    `UPDATE audit SET detail = '' WHERE subject = 'old'`,
    'DELETE FROM audit',
    'DELETE FROM audit WHERE id = 1',
    `DELETE FROM audit WHERE subject = 'young'`,
    'TRUNCATE audit',
  ]) {
    await assert.rejects(run(sql), /the audit is only added to/);
  }
  assert.deepEqual(await store.auditEntries(undefined, 10), kept);
  await run(`DELETE FROM audit WHERE subject = 'old'`);
  assert.equal((await store.auditEntries(undefined, 10)).length, kept.length - 1);
});

describe('an instance', () => {
  test('does not start on an older schema, and says what to do', async (t) => {
    const url = await server.createDatabase();
    await assert.rejects(openInstance(t, url, { isMigratedAtStart: false }), (error) => {
      assert.ok(error instanceof StartUpError);
      assert.match(error.message, /has schema 0 and this version needs \d+; run "tidings migrate"/);
      return true;
    });
  });

  test('starts on a newer schema that is compatible, and not on one that is not', () => {
    assert.doesNotThrow(() => refuseUnfit({ version: NEWEST + 3, oldestCompatible: NEWEST }));
    assert.throws(
      () => refuseUnfit({ version: NEWEST + 3, oldestCompatible: NEWEST + 1 }),
      new RegExp(`schema ${NEWEST + 3} by a newer version .* knows schema ${NEWEST + 1}; this one knows ${NEWEST}`),
    );
  });

  for (const isPooled of [false, true]) {
    const how = isPooled ? 'behind a pooler' : 'with what it has prepared';
    test(`goes on ${how} while a newer version migrates, and beside one that has`, async (t) => {
      const [database, url] = await databaseAt(t);
      const old = await openInstance(t, url, { isPooled });
      await register(old, ['a', 'b']);
      // Everything was asked before: what is prepared is prepared for the tables as they were.
      const work = async (prefix: string) => {
        await publish(old, 'a', numbered(prefix, 6));
        const claimed = await claim(old);
        assert.equal(claimed.length, 6);
        await old.keepSets(claimed.map(({ jti }) => ({ jti, set: 'kept' })));
        const [first, second, ...others] = claimed;
        assert.ok(first && second);
        await fail(old, first, retryAt(0));
        await old.release([second], START_MS);
        for (const one of [...others, ...(await claim(old))]) assert.equal(await acknowledge(old, one), 'applied');
        const { state, set, attempts } = await look(old, first.jti);
        assert.deepEqual([state, set, attempts.length], ['acknowledged', 'kept', 2]);
        await old.poll({ ...POLL, clientId: 'b', maxEvents: 3, acknowledged: [first.jti] });
        await Promise.all([old.tpp('a'), old.tpps('', 5), old.registrationsOf('a'), old.targets('', 5), old.counts()]);
        await old.auditEntries(undefined, 5);
      };
      await work('before-');
      const during = work('during-');
      assert.equal((await migrate(database, [...MIGRATIONS, additive(NEWEST + 1)])).length, 1);
      await during;
      await work('after-');
      const fresh = await openInstance(t, url, { isMigratedAtStart: false });
      await publish(fresh, 'b', ['by-fresh']);
      assert.equal((await claim(old)).length, 1, 'they work beside each other');
    });
  }
});
