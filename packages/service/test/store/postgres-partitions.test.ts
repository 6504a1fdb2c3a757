import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { Deadline } from '@tidings/testing';
import type { Store } from '../../src/store/store.ts';
import { jtiOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { acknowledge, claim, look, numbered, publish, register } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

const DAY_MS = 86_400_000;
// Real days: the store makes partitions for them by the clock of the database.
const today = Math.floor(Date.now() / DAY_MS);

async function open(t: TestContext): Promise<{ store: Store; database: string; url: string }> {
  const url = await server.createDatabase();
  return { store: await openInstance(t, url), database: new URL(url).pathname.slice(1), url };
}

function nameOf(day: number, table = 'settled'): string {
  return `${table}_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

async function partitions(database: string, table = 'settled'): Promise<string[]> {
  const rows = await server.run(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = '${table}'::regclass ORDER BY 1`,
    database,
  );
  return rows.map(({ name }) => String(name));
}

/** Puts the partition of a day long gone in place, as it was made then. */
async function madeOn(database: string, day: number): Promise<void> {
  await server.run(
    `CREATE TABLE ${nameOf(day)} PARTITION OF settled FOR VALUES FROM (${day * DAY_MS}) TO (${(day + 1) * DAY_MS});
     ALTER TABLE ${nameOf(day)} OWNER TO tidings`,
    database,
  );
}

/** Acknowledges one after another, each at its time. */
async function acknowledgeAt(store: Store, times: readonly number[], prefix = 'e'): Promise<void> {
  await publish(store, 'a', numbered(prefix, times.length));
  const claimed = await claim(store);
  for (const [at, one] of claimed.entries()) await acknowledge(store, one, (times[at] ?? 0) - START_MS);
}

const all = (store: Store, prefix: string, count: number) =>
  Promise.all(numbered(prefix, count).map(async (id) => (await store.notification(jtiOf(id))) !== undefined));

test('there are partitions for today and a week to come, and what ends then is in that of its day', async (t) => {
  const { store, database, url } = await open(t);
  const expected = [...Array.from({ length: 8 }, (_, ahead) => nameOf(today + ahead)), 'settled_other'];
  // The day may change while this runs.
  assert.deepEqual(
    (await partitions(database)).filter((name) => expected.includes(name)),
    expected,
  );
  await openInstance(t, url);
  await register(store, ['a']);
  await acknowledgeAt(store, [today * DAY_MS, (today + 1) * DAY_MS - 1, (today + 2) * DAY_MS, START_MS]);
  const rows = await server.run('SELECT tableoid::regclass::text AS name, jti FROM settled ORDER BY jti', database);
  assert.deepEqual(
    rows.map(({ name }) => name),
    [nameOf(today), nameOf(today), nameOf(today + 2), 'settled_other'],
  );
});

test('a day that is wholly past its time is dropped at once, one that is not is left whole', async (t) => {
  const { store, database } = await open(t);
  await register(store, ['a']);
  for (const day of [today - 5, today - 4, today - 3]) await madeOn(database, day);
  const noon = (day: number) => day * DAY_MS + DAY_MS / 2;
  await acknowledgeAt(store, [noon(today - 5), noon(today - 5), noon(today - 4), noon(today - 3), noon(today)]);
  const drop = (beforeMs: number) =>
    store.dropHistory({ notificationsBeforeMs: beforeMs, eventsBeforeMs: 0, limit: 1 });
  const before = noon(today - 3);
  assert.ok((await drop(before)) >= 1);
  assert.ok((await drop(before)) >= 1);
  assert.equal(await drop(before), 0);
  assert.deepEqual(await all(store, 'e', 5), [false, false, false, true, true]);
  const left = await partitions(database);
  assert.ok(!left.includes(nameOf(today - 5)) && !left.includes(nameOf(today - 4)) && left.includes(nameOf(today - 3)));
});

test('days in which nothing ended are dropped too, and counted as no rows', async (t) => {
  const { store, database } = await open(t);
  await madeOn(database, today - 5);
  await madeOn(database, today - 4);
  assert.equal(await store.dropHistory({ notificationsBeforeMs: today * DAY_MS, eventsBeforeMs: 0, limit: 10 }), 0);
  const left = await partitions(database);
  assert.ok(!left.includes(nameOf(today - 5)) && !left.includes(nameOf(today - 4)));
});

test('new partitions are created as time goes on, and a day that history went before it is left where it is', async (t) => {
  const { store, database } = await open(t);
  await register(store, ['a']);
  await server.run(`DROP TABLE ${nameOf(today + 3)}, ${nameOf(today + 4)}`, database);
  await acknowledgeAt(store, [(today + 3) * DAY_MS + 1]);
  await store.dropHistory({ notificationsBeforeMs: 0, eventsBeforeMs: 0, limit: 10 });
  const made = await partitions(database);
  assert.ok(!made.includes(nameOf(today + 3)) && made.includes(nameOf(today + 4)));
  await acknowledgeAt(store, [(today + 4) * DAY_MS + 1, (today + 3) * DAY_MS + 2], 'f');
  assert.deepEqual([...(await all(store, 'e', 1)), ...(await all(store, 'f', 2))], [true, true, true]);
});

test('dropping while the table is busy gives up soon, and does it another time; nobody waits for it meanwhile', async (t) => {
  const { store, database } = await open(t);
  await register(store, ['a']);
  await madeOn(database, today - 5);
  await acknowledgeAt(store, [(today - 5) * DAY_MS]);
  const busy = server.run('BEGIN; SELECT count(*) FROM settled; SELECT pg_sleep(1.5); COMMIT', database);
  const drop = () => store.dropHistory({ notificationsBeforeMs: today * DAY_MS, eventsBeforeMs: 0, limit: 10 });
  const locks = () => server.run("SELECT 1 FROM pg_locks WHERE relation = 'settled'::regclass", database);
  const deadline = new Deadline();
  while ((await locks()).length === 0) deadline.check(() => 'somebody who reads the table');
  assert.equal(await drop(), 0);
  await acknowledgeAt(store, [today * DAY_MS], 'f');
  assert.equal((await look(store, jtiOf('f0'))).state, 'acknowledged');
  await busy;
  assert.ok((await drop()) >= 1);
  assert.deepEqual(await all(store, 'e', 1), [false]);
});

test('what is awaiting again after it was history is in no partition, and is never dropped', async (t) => {
  const { store, database } = await open(t);
  await register(store, ['a']);
  await madeOn(database, today - 5);
  await acknowledgeAt(store, [(today - 5) * DAY_MS]);
  const audit = { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} };
  const options = { after: undefined, limit: 10, firstDueAtMs: START_MS, spacingMs: 0, isDryRun: false, audit };
  assert.equal((await store.redeliver({ filter: { clientId: 'a' }, ...options })).count, 1);
  await store.dropHistory({ notificationsBeforeMs: today * DAY_MS, eventsBeforeMs: today * DAY_MS, limit: 10 });
  assert.equal((await look(store, jtiOf('e0'))).state, 'awaiting');
});

test('the content of a day goes when nothing of it is needed; what outlives the day stays as it is, with its SET', async (t) => {
  const { store, database } = await open(t);
  const old = today - 5;
  await server.run(
    `CREATE TABLE ${nameOf(old, 'content')} PARTITION OF content FOR VALUES FROM (${old}) TO (${old + 1});
     ALTER TABLE ${nameOf(old, 'content')} OWNER TO tidings`,
    database,
  );
  await register(store, ['a']);
  const ids = ['gone', 'late', 'awaits', 'signed'];
  await publish(store, 'a', ids, old * DAY_MS - START_MS);
  const signed = jtiOf('signed');
  await store.keepSets([{ jti: signed, set: 'kept' }]);
  const before = await Promise.all(ids.map((id) => store.notification(jtiOf(id))));
  const [gone, late] = await claim(store, { afterMs: old * DAY_MS - START_MS });
  assert.ok(gone && late);
  await acknowledge(store, gone, old * DAY_MS + 1 - START_MS);
  await acknowledge(store, late, (today - 1) * DAY_MS - START_MS);
  const drop = (day: number) => store.dropHistory({ notificationsBeforeMs: day * DAY_MS, eventsBeforeMs: 0, limit: 2 });
  while ((await drop(today - 1)) > 0);
  assert.ok(!(await partitions(database, 'content')).includes(nameOf(old, 'content')));
  const after = await Promise.all(ids.map((id) => store.notification(jtiOf(id))));
  assert.equal(after[0], undefined);
  assert.deepEqual(
    after.slice(1).map((one) => [one?.claims, one?.set, one?.eventId]),
    before.slice(1).map((one) => [one?.claims, one?.set, one?.eventId]),
  );
  assert.deepEqual(await store.keepSets([{ jti: signed, set: 'another' }]), ['kept']);
  const rows = await server.run('SELECT day, count(*)::int AS count FROM content GROUP BY day', database);
  assert.deepEqual(
    rows.map(({ count }) => count),
    [3],
  );
});
