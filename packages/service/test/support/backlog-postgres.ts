import pg from 'pg';
import type { Backlog } from './backlog.ts';

const DAY_MS = 86_400_000;
const COLUMNS = 'jti, seq, client_id, published_at_ms, content_day';

// The TPP with one notification, which is the pattern, as it was first.
const KEEP = [
  `CREATE TABLE bench_notification AS SELECT n.jti, n.client_id, c.event_id, claims_of(c.claims, c.set_jws) AS claims
   FROM notification n JOIN content c ON c.day = n.content_day AND c.seq = n.seq WHERE n.client_id = $1`,
  'CREATE TABLE bench_event AS SELECT e.* FROM event e JOIN bench_notification n ON n.event_id = e.event_id',
  'CREATE TABLE bench_tpp AS SELECT * FROM tpp WHERE client_id = $1',
  'CREATE TABLE bench_registration AS SELECT * FROM registration WHERE client_id = $1',
  'CREATE TABLE bench_target AS SELECT * FROM target WHERE client_id = $1',
];
const CLEAR = ['notification', 'settled', 'registration', 'tpp', 'target', 'withdrawing', 'ending_waits'].map(
  (table) => `DELETE FROM ${table} WHERE client_id = $1`,
);
const CLEAR_EVENTS = ['event', 'content'].map((table) => `DELETE FROM ${table} WHERE event_id LIKE 'backlog-%'`);
const PUT_REGISTRATION = [
  'INSERT INTO tpp SELECT * FROM bench_tpp',
  'INSERT INTO registration SELECT * FROM bench_registration',
  'INSERT INTO target SELECT * FROM bench_target',
];
const PUT_EVENTS = `
  INSERT INTO event (event_id, fingerprint, published_at_ms, jti, seq, types, txn_key, resource_key)
  SELECT 'backlog-' || at, fingerprint, $2::bigint + at, 'backlog-' || at, 1000000 + at, types, at * 17, at * 13
  FROM generate_series(1, $1::int) AS at CROSS JOIN bench_event`;
const PUT_CONTENT = `
  INSERT INTO content (day, seq, event_id, claims)
  SELECT ($2::bigint + at) / ${DAY_MS}, 1000000 + at, 'backlog-' || at, replace(claims, jti, 'backlog-' || at)
  FROM generate_series(1, $1::int) AS at CROSS JOIN bench_notification`;
const NUMBERED = `'backlog-' || at, 1000000 + at, client_id, $2::bigint + at, ($2::bigint + at) / ${DAY_MS}`;
const FROM = 'FROM generate_series(1, $1::int) AS at CROSS JOIN bench_notification';
const PUT_STATE: Readonly<Record<Backlog['state'], string>> = {
  waiting: `INSERT INTO notification (${COLUMNS}, due_at_ms, is_retry, attempts, round_attempts, round_began_at_ms, attempt_log)
    SELECT ${NUMBERED}, $3::bigint + at, true, 1, 1, $2::bigint + at, ARRAY[json_build_object('startedAtMs', $2::bigint + at,
      'durationMs', 20, 'interactionId', at, 'callbackUrl', 'https://tpp.example/',
      'outcome', json_build_object('kind', 'refused', 'status', 503))::text] ${FROM}`,
  offered: `INSERT INTO notification (${COLUMNS}, due_at_ms, offer_at_ms) SELECT ${NUMBERED}, $2::bigint + at, $3::bigint ${FROM}`,
  acknowledged: `INSERT INTO settled (${COLUMNS}, state, acknowledged_by, settled_at_ms, lease_token, attempts)
    SELECT ${NUMBERED}, 'acknowledged', 'push', $3::bigint, 1, 1 ${FROM}`,
};

/** Puts the backlog in place of all that the TPP has. The first time it must have had one event published, and no more. */
export async function putBacklogPostgres(url: string, backlog: Backlog): Promise<void> {
  const { clientId, notifications, state, publishedAtMs, atMs, isSuspended, probeAtMs } = backlog;
  const client = new pg.Client({ connectionString: url, options: '-c synchronous_commit=off' });
  await client.connect();
  const query = (sql: string, values: readonly unknown[] = []) => client.query(sql, [...values]);
  try {
    await query('BEGIN');
    const { rows } = await query("SELECT 1 FROM pg_tables WHERE tablename = 'bench_event'");
    if (rows.length === 0) {
      // What is defined by a query takes no values.
      for (const sql of KEEP) await query(sql.replace('$1', client.escapeLiteral(clientId)));
    }
    for (const sql of CLEAR) await query(sql, [clientId]);
    for (const sql of CLEAR_EVENTS) await query(sql);
    for (const sql of PUT_REGISTRATION) await query(sql);
    await query('UPDATE tpp SET is_suspended = $2 WHERE client_id = $1', [clientId, isSuspended]);
    await query(
      `UPDATE target SET unresponsive_since_ms = $2, probe_at_ms = $2, round = 0,
         callback_url = CASE WHEN $3 THEN NULL ELSE callback_url END WHERE client_id = $1`,
      [clientId, probeAtMs ?? null, isSuspended],
    );
    await query(PUT_EVENTS, [notifications, publishedAtMs]);
    await query(PUT_CONTENT, [notifications, publishedAtMs]);
    await query(PUT_STATE[state], [notifications, publishedAtMs, atMs]);
    await query("SELECT setval('notification_seq', greatest(nextval('notification_seq'), $1))", [
      notifications + 1_000_001,
    ]);
    await query('COMMIT');
    for (const table of ['event', 'content', 'notification', 'settled']) await query(`VACUUM (ANALYZE) ${table}`);
  } finally {
    await client.end();
  }
}
