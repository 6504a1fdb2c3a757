import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RESOURCE_UPDATE } from '@tidings/protocol';
import { createPool } from '../../src/store/postgres/connection.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { EventTypes } from '../../src/store/postgres/event-types.ts';
import { indexOlder } from '../../src/store/postgres/index-older.ts';
import { MIGRATIONS } from '../../src/store/postgres/migrations.ts';
import type { SearchFilter, Store } from '../../src/store/store.ts';
import { jtiOf } from '../support/bank-events.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { plansOfPostgres } from '../support/search-plans.ts';
import { numbered, publish, register } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(async () => {
  await (await planned).close();
  await server.stop();
});

async function open(t: { after(work: () => Promise<void>): void }) {
  const url = await server.createDatabase();
  const options = { url, password: undefined, ca: undefined, connectionsMax: 2, statementTimeoutMs: 10_000 };
  const pool = createPool({ ...options, isPooled: false }, () => undefined);
  const database = new Database(pool, { statementTimeoutMs: 10_000, isPooled: false });
  t.after(() => database.close());
  return { url, database, run: (sql: string) => database.read(sql) };
}

async function jtisFound(store: Store, filter: SearchFilter): Promise<string[]> {
  const { notifications } = await store.search({ filter, after: undefined, limit: 100 });
  return notifications.map(({ jti }) => jti);
}

test('what an older program publishes beside a newer one is found by all but four things at once, and by those later', async (t) => {
  const { url, database, run } = await open(t);
  const store = await openInstance(t, url);
  await register(store, ['a']);
  await publish(store, 'a', ['e1', 'e2', 'e3', 'gone']);
  // As a program of the schema before leaves them: it knows nothing of these columns.
  await run('UPDATE event SET seq = NULL, types = NULL, txn_key = NULL, resource_key = NULL');
  await run(`DELETE FROM notification WHERE event_id = 'gone'`);
  const left = numbered('e', 4).slice(1).toReversed().map(jtiOf);
  for (const filter of [{ clientId: 'a' }, { eventId: 'e2' }, { jti: jtiOf('e2') }] as const) {
    assert.deepEqual(await jtisFound(store, filter), 'clientId' in filter ? left : [jtiOf('e2')]);
  }
  const later: [SearchFilter, string[]][] = [
    [{}, left],
    [{ eventType: RESOURCE_UPDATE }, left],
    [{ transactionId: jtiOf('e2') }, [jtiOf('e2')]],
    [{ resourceId: 'payment-of-e1' }, [jtiOf('e1')]],
  ];
  for (const [filter] of later) assert.deepEqual(await jtisFound(store, filter), []);
  assert.equal(await indexOlder(database, new EventTypes()), false, 'that was all');
  for (const [filter, found] of later) assert.deepEqual(await jtisFound(store, filter), found);
  assert.deepEqual(await database.read('SELECT 1 FROM event WHERE seq IS NULL'), [], 'nothing is looked at again');
});

test('a database that was in use is brought to the schema of searching, and older events are indexed by and by', async (t) => {
  const { url, database, run } = await open(t);
  await run(MIGRATIONS[0]?.sql ?? '');
  await run(`INSERT INTO event (event_id, fingerprint, published_at_ms, jti)
    SELECT 'e' || n, '\\x00', n, 'jti-' || n FROM generate_series(1, 1200) AS n`);
  const claims = JSON.stringify({ txn: 'X', events: { [RESOURCE_UPDATE]: { subject: {} } } });
  await run(`INSERT INTO notification (jti, client_id, event_id, published_at_ms, due_at_ms, claims)
    SELECT 'jti-' || n, 'a', 'e' || n, n, n, replace('${claims}', 'X', 't' || n % 3) FROM generate_series(1, 1200) AS n`);
  await run(`CREATE TABLE schema_version (version integer PRIMARY KEY, name text NOT NULL, oldest_compatible integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()); INSERT INTO schema_version VALUES (1, 'first schema', 1)`);
  const store = await openInstance(t, url);
  const eventTypes = new EventTypes();
  let portions = 1;
  while (await indexOlder(database, eventTypes)) portions += 1;
  assert.equal(portions, 3);
  const found: string[] = [];
  let place: string | undefined;
  do {
    const page = await store.search({ filter: { transactionId: 't1' }, after: place, limit: 150 });
    found.push(...page.notifications.map(({ jti }) => jti));
    place = page.next;
  } while (place !== undefined);
  assert.deepEqual(
    found,
    Array.from({ length: 400 }, (_, at) => `jti-${1198 - 3 * at}`),
  );
});

// What decides is whether the planner can take another index in their place, however the numbers are.
for (const [index, filter] of [
  ['event_txn', { transactionId: 't' }],
  ['event_resource', { resourceId: 'r', state: 'acknowledged' }],
  ['event_of_types', { eventType: RESOURCE_UPDATE, publishedFromMs: 5 }],
  ['event_published', { state: 'acknowledged' }],
  ['notification_newest', { state: 'awaiting' }],
  ['notification_failed', { state: 'failed', eventType: RESOURCE_UPDATE }],
  ['notification_failed_client', { state: 'failed', clientId: 'a' }],
  ['notification_(offerable|withheld)', { state: 'awaiting', clientId: 'a' }],
  ['history_\\w*client', { clientId: 'a', publishedBeforeMs: 5 }],
  ['history_(?:other|\\d+)_state', { state: 'expired' }],
  ['history_\\w*client_id_state', { state: 'withdrawn', clientId: 'a' }],
] as const) {
  test(`a search by ${Object.keys(filter).join(', ')} goes by an index of its own`, async () => {
    const database = await planned;
    const { [index]: plan = '' } = await plansOfPostgres(database.url, { [index]: filter }, 50);
    assert.match(plan, new RegExp(`(?:using|on) ${index}`), plan);
    assert.doesNotMatch(plan, /Seq Scan on (?:event|notification|history\w*) /, plan);
  });
}

test('a poll of a TPP with little goes by its own notifications, however much others have', async () => {
  const { plan } = await planned;
  const polled = await plan(`SELECT jti FROM notification WHERE client_id = 'rare' AND offer_at_ms IS NULL
    ORDER BY published_at_ms, seq LIMIT 10`);
  assert.match(polled, /using notification_offerable/);
});

test('what depends on a signing key is looked for among the oldest, and no further', async () => {
  const { plan } = await planned;
  const looked = await plan(`SELECT split_part(set_jws, '.', 1) FROM notification ORDER BY jti LIMIT 9`);
  assert.match(looked, /using notification_pkey/);
});

/** A database with rows of which one TPP has nearly all, known to the planner. */
const planned = (async () => {
  const url = await server.createDatabase();
  const options = { url, password: undefined, ca: undefined, connectionsMax: 1, statementTimeoutMs: 10_000 };
  const pool = createPool({ ...options, isPooled: false }, () => undefined);
  const run = (sql: string) => new Database(pool, { statementTimeoutMs: 10_000, isPooled: false }).read(sql);
  for (const { sql } of MIGRATIONS) await run(sql);
  await run(`INSERT INTO event_types (urns) VALUES ('["${RESOURCE_UPDATE}"]'), ('["other"]');
    INSERT INTO event (event_id, fingerprint, published_at_ms, jti, seq, types, txn_key, resource_key)
    SELECT 'e' || n, '\\x00', n, 'jti-' || n, n, 1 + (n % 999 = 0)::int, n, n % 100 FROM generate_series(1, 5000) AS n;
    INSERT INTO notification (jti, seq, client_id, event_id, published_at_ms, due_at_ms, attempts, claims)
    SELECT 'jti-' || n, n, CASE WHEN n % 999 = 0 THEN 'rare' ELSE 'a' END, 'e' || n, n, n, (n % 50 = 0)::int, '{}'
    FROM generate_series(1, 5000) AS n;
    INSERT INTO history (ended_at_ms, jti, seq, client_id, event_id, state, published_at_ms, lease_token, attempts, claims)
    SELECT n, 'old-' || n, n, 'a', 'old' || n, CASE WHEN n % 4 = 0 THEN 'expired' ELSE 'acknowledged' END, n, 1, 1, '{}'
    FROM generate_series(1, 5000) AS n; ANALYZE`);
  const plan = async (statement: string) => {
    const rows = await run(`EXPLAIN ${statement}`);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  return { url, plan, close: () => pool.end() };
})();
