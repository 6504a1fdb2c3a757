import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createPool } from '../../src/store/postgres/connection.ts';
import { Database, Overtaken } from '../../src/store/postgres/database.ts';
import { StoreError } from '../../src/store/store.ts';
import { startPostgres } from '../support/postgres-server.ts';

const server = await startPostgres({ isDurable: false });
const options = {
  url: server.url,
  password: undefined,
  ca: undefined,
  connectionsMax: 4,
  statementTimeoutMs: 5000,
  isPooled: false,
};
const database = new Database(
  createPool(options, () => undefined),
  options,
);
after(async () => {
  await database.close();
  await server.stop();
});

before(() =>
  server.run(
    'CREATE TABLE counter (id int PRIMARY KEY, count int NOT NULL); ALTER TABLE counter OWNER TO tidings',
    'tidings',
  ),
);
beforeEach(() => server.run('DELETE FROM counter; INSERT INTO counter VALUES (1, 0), (2, 0)', 'tidings'));

const counts = async () => (await database.query('SELECT count FROM counter ORDER BY id')).map((row) => row['count']);

test('transactions that meet in a deadlock are restarted, and both go through', async () => {
  const met = Promise.withResolvers<void>();
  let begun = 0;
  let runs = 0;
  const add = (order: readonly number[]) =>
    database.transaction(async (transaction) => {
      runs += 1;
      await transaction.query('UPDATE counter SET count = count + 1 WHERE id = $1::int', [order[0] ?? 0]);
      begun += 1;
      if (begun === 2) met.resolve();
      await met.promise;
      await transaction.query('UPDATE counter SET count = count + 1 WHERE id = $1::int', [order[1] ?? 0]);
    });
  await Promise.all([add([1, 2]), add([2, 1])]);
  // The one that lost begins again at once, and may meet the other a second time before that goes on.
  assert.ok(runs >= 3, `${runs} runs: they did not meet`);
  assert.deepEqual(await counts(), [2, 2]);
});

test('one that was overtaken is restarted, but not for ever', async () => {
  let runs = 0;
  const result = await database.transaction(async (transaction) => {
    runs += 1;
    await transaction.query('UPDATE counter SET count = count + 1 WHERE id = 1');
    if (runs < 3) throw new Overtaken();
    return 'done';
  });
  assert.deepEqual([result, runs, await counts()], ['done', 3, [1, 0]]);
  const always = database.transaction(() => Promise.reject(new Overtaken()));
  await assert.rejects(always, (error) => error instanceof StoreError && /too many others/.test(error.message));
});

test('what the work throws is passed on, and nothing of it is kept', async () => {
  const fault = new Error('a fault of ours');
  const broken = database.transaction(async (transaction) => {
    await transaction.query('UPDATE counter SET count = 7');
    throw fault;
  });
  await assert.rejects(broken, (error) => error === fault);
  assert.deepEqual(await counts(), [0, 0]);
});

test('of several statements that were sent at once the reason is that of the first that failed', async () => {
  const broken = database.transaction(async (transaction) => {
    await Promise.all([
      transaction.query('UPDATE counter SET count = 7 WHERE id = $1::int', [1]),
      transaction.query('INSERT INTO counter VALUES ($1::int, 1)', [1]),
      transaction.query('UPDATE counter SET count = 8 WHERE id = $1::int', [2]),
    ]);
  });
  await assert.rejects(broken, (error) => error instanceof StoreError && /duplicate key/.test(error.message));
  assert.deepEqual(await counts(), [0, 0]);
  await assert.rejects(
    database.transaction((one) => one.last('UPDATE counter SET count = 1 / $1::int', [0])),
    /division/,
  );
  assert.deepEqual(await counts(), [0, 0]);
});

test('what was prepared on a table that has changed since is prepared again', async () => {
  const all = () => database.query('SELECT * FROM counter WHERE id >= $1::int ORDER BY id', [0]);
  // On every connection.
  await Promise.all(Array.from({ length: 8 }, all));
  await server.run('ALTER TABLE counter ADD COLUMN added int NOT NULL DEFAULT 3', 'tidings');
  const results = await Promise.all(Array.from({ length: 8 }, all));
  for (const rows of results) assert.deepEqual(rows[0], { id: 1, count: 0, added: 3 });
});

test('a database that is closed refuses with a StoreError', async () => {
  const other = new Database(
    createPool(options, () => undefined),
    options,
  );
  await other.query('SELECT 1');
  await other.close();
  await assert.rejects(other.query('SELECT 1'), StoreError);
});

test('an error about the data itself is lasting; one that another row, or later, would not meet is not', async () => {
  const failing = (sql: string, values: readonly (string | number)[]) =>
    database.query(sql, values).then(
      () => assert.fail('it was taken'),
      (error: unknown) => error,
    );
  for (const [sql, values, isLasting] of [
    ['SELECT $1::text', ['x\0'], true],
    ['SELECT $1::int', ['x'], true],
    ['INSERT INTO counter VALUES ($1::int, 0) RETURNING id', [1], false],
    ['SELECT * FROM nowhere WHERE $1::int = 1', [1], false],
  ] as const) {
    const error = await failing(sql, values);
    assert.ok(error instanceof StoreError, sql);
    assert.equal(error.isLasting, isLasting, `${sql}: ${error.message}`);
  }
});
