import pg from 'pg';
import { type FilledStatistics, statisticsOf } from './fill-statistics.ts';
import { type Filled, type Filling, populationOf, setOf } from './search-population.ts';

const ROWS_PER_STATEMENT = 2000;
const CONNECTIONS = 2;
const DAY_MS = 86_400_000;
// Of the days before the first event too, since their partitions would be there.
const DAYS = 61;

const WRITE = `
  WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS r(seq bigint, event_id text, fingerprint text,
    jti text, client_id text, types text, txn_key int, resource_key int, claims text, set_jws text, at_ms bigint,
    state text, by text, settled_at_ms bigint, attempt text)),
  e AS (
    INSERT INTO event (event_id, fingerprint, published_at_ms, jti, seq, types, txn_key, resource_key)
    SELECT event_id, decode(fingerprint, 'hex'), at_ms, jti, seq, t.id, txn_key, resource_key
    FROM r JOIN event_types t ON t.urns = r.types),
  c AS (
    INSERT INTO content (day, seq, event_id, claims, set_jws)
    SELECT at_ms / ${DAY_MS}, seq, event_id, claims, set_jws FROM r),
  n AS (
    INSERT INTO notification (jti, seq, client_id, published_at_ms, content_day, due_at_ms, attempts, attempt_log)
    SELECT jti, seq, client_id, at_ms, at_ms / ${DAY_MS}, at_ms, (attempt IS NOT NULL)::int,
      CASE WHEN attempt IS NOT NULL THEN ARRAY[attempt] END FROM r WHERE state = 'awaiting')
  INSERT INTO settled (settled_at_ms, jti, seq, client_id, state, acknowledged_by, published_at_ms, content_day,
    lease_token, attempts, attempt_log)
  SELECT settled_at_ms, jti, seq, client_id, state, by, at_ms, at_ms / ${DAY_MS}, 1, (attempt IS NOT NULL)::int,
    CASE WHEN attempt IS NOT NULL THEN ARRAY[attempt] END FROM r WHERE state <> 'awaiting'`;

/** Writes notifications into a database whose schema is there, as the service would have written them. */
export async function fillPostgres(url: string, filling: Filling): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, options: '-c synchronous_commit=off' });
  try {
    await makePartitions(pool, filling.endsAtMs);
    let written = 0;
    const rows = populationOf(filling);
    const numbered = new Set<string>();
    const work = async () => {
      for (let batch = take(rows); batch.length > 0; batch = take(rows)) {
        const fresh = [...new Set(batch.map(({ types }) => types))].filter((types) => !numbered.has(types));
        for (const types of fresh) {
          await pool.query('INSERT INTO event_types (urns) VALUES ($1) ON CONFLICT DO NOTHING', [types]);
          numbered.add(types);
        }
        await pool.query(WRITE, [JSON.stringify(batch.map(rowOf))]);
        written += batch.length;
        filling.onProgress(written);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
    await pool.query("SELECT setval('notification_seq', $1)", [filling.notifications + 1]);
    await writeStatistics(pool, filling);
    for (const table of ['event', 'content', 'notification', 'settled', 'statistics'])
      await pool.query(`VACUUM (ANALYZE) ${table}`);
  } finally {
    await pool.end();
  }
}

async function writeStatistics(pool: pg.Pool, filling: Filling): Promise<void> {
  const rows: Generator<FilledStatistics> = statisticsOf(filling);
  for (let batch = take(rows); batch.length > 0; batch = take(rows)) {
    const columns = batch.map(({ clientId, beganAtMs, tally, ...rest }) => ({
      ...{ client_id: clientId, began_at_ms: beganAtMs, ...rest, tally: JSON.stringify(tally) },
    }));
    await pool.query(
      `INSERT INTO statistics (client_id, resolution, began_at_ms, part, tally)
       SELECT * FROM json_to_recordset($1::json)
         AS r(client_id text, resolution text, began_at_ms bigint, part text, tally text)`,
      [JSON.stringify(columns)],
    );
  }
}

function take<T>(rows: Generator<T>): T[] {
  const batch: T[] = [];
  while (batch.length < ROWS_PER_STATEMENT) {
    const { value, done } = rows.next();
    if (done === true) break;
    batch.push(value);
  }
  return batch;
}

function rowOf(filled: Filled): object {
  const { seq, eventId, fingerprint, jti, clientId, types, publishedAtMs, state } = filled;
  return {
    ...{ seq, event_id: eventId, fingerprint, jti, client_id: clientId, types, at_ms: publishedAtMs, state },
    ...{ txn_key: filled.txnKey, resource_key: filled.resourceKey, claims: JSON.stringify(filled.claims) },
    ...{ by: filled.acknowledgedBy, settled_at_ms: filled.settledAtMs },
    ...(state !== 'awaiting' && { set_jws: setOf(seq) }),
    ...(filled.attempt !== undefined && { attempt: JSON.stringify(filled.attempt) }),
  };
}

/** Those of the days gone by, as the service made them then. */
async function makePartitions(pool: pg.Pool, endsAtMs: number): Promise<void> {
  const today = Math.floor(endsAtMs / DAY_MS);
  for (let day = today - DAYS; day < today; day += 1) {
    const named = new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');
    for (const [table, perDay] of [
      ['settled', DAY_MS],
      ['content', 1],
    ] as const) {
      await pool.query(
        `CREATE TABLE ${table}_${named} PARTITION OF ${table} FOR VALUES FROM (${day * perDay}) TO (${(day + 1) * perDay})
           WITH (toast_tuple_target = 8160)`,
      );
    }
  }
}
