import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RESOURCE_UPDATE } from '@tidings/protocol';
import { createPool } from '../../src/store/postgres/connection.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { MIGRATIONS } from '../../src/store/postgres/schema.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { plansOfPostgres } from '../support/search-plans.ts';

const server = await startPostgres({ isDurable: false });
after(async () => {
  await (await planned).close();
  await server.stop();
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
  ['settled_\\w*client', { clientId: 'a', publishedBeforeMs: 5 }],
  ['settled_(?:other|\\d+)_state', { state: 'expired' }],
  ['settled_\\w*client_id_state', { state: 'withdrawn', clientId: 'a' }],
] as const) {
  test(`a search by ${Object.keys(filter).join(', ')} goes by an index of its own`, async () => {
    const database = await planned;
    const { [index]: plan = '' } = await plansOfPostgres(database.url, { [index]: filter }, 50);
    assert.match(plan, new RegExp(`(?:using|on) ${index}`), plan);
    assert.doesNotMatch(plan, /Seq Scan on (?:event|content\w*|notification|settled\w*) /, plan);
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
  const looked = await plan('SELECT content_day, seq FROM notification ORDER BY jti LIMIT 9');
  assert.match(looked, /using notification_pkey/);
});

/** A database with rows of which one TPP has nearly all, known to the planner. */
const planned = (async () => {
  const url = await server.createDatabase();
  const options = { url, password: undefined, ca: undefined, connectionsMax: 1, statementTimeoutMs: 10_000 };
  const pool = createPool({ ...options, isPooled: false }, () => undefined);
  const run = (sql: string) => new Database(pool, { statementTimeoutMs: 10_000, isPooled: false }).query(sql);
  for (const { sql } of MIGRATIONS) await run(sql);
  await run(`INSERT INTO event_types (urns) VALUES ('["${RESOURCE_UPDATE}"]'), ('["other"]');
    INSERT INTO event (event_id, fingerprint, published_at_ms, jti, seq, types, txn_key, resource_key)
    SELECT 'e' || n, '\\x00', n, 'jti-' || n, n, 1 + (n % 999 = 0)::int, n, n % 100 FROM generate_series(1, 5000) AS n;
    INSERT INTO content (day, seq, event_id, claims) SELECT 0, n, 'e' || n, '{}' FROM generate_series(1, 5000) AS n;
    INSERT INTO notification (jti, seq, client_id, published_at_ms, content_day, due_at_ms, attempts)
    SELECT 'jti-' || n, n, CASE WHEN n % 999 = 0 THEN 'rare' ELSE 'a' END, n, 0, n, (n % 50 = 0)::int
    FROM generate_series(1, 5000) AS n;
    INSERT INTO settled (settled_at_ms, jti, seq, client_id, content_day, state, published_at_ms, lease_token, attempts)
    SELECT n, 'old-' || n, n, 'a', 0, CASE WHEN n % 4 = 0 THEN 'expired' ELSE 'acknowledged' END, n, 1, 1
    FROM generate_series(1, 5000) AS n; ANALYZE`);
  const plan = async (statement: string) => {
    const rows = await run(`EXPLAIN ${statement}`);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  return { url, plan, close: () => pool.end() };
})();
