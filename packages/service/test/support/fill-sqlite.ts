import { DatabaseSync } from 'node:sqlite';
import { statisticsOf } from './fill-statistics.ts';
import { type Filled, type Filling, populationOf, setOf } from './search-population.ts';

const ROWS_PER_TRANSACTION = 20_000;

/** Writes notifications into a store file that no service has open, as that would have written them. */
export function fillSqlite(file: string, filling: Filling): void {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144');
    const indexes = database
      .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
      .all();
    // Made again at the end: sorted at once they take a fraction of the time.
    for (const { name } of indexes) database.exec(`DROP INDEX ${name}`);
    const write = writerOf(database);
    database.exec('BEGIN');
    for (const filled of populationOf(filling)) {
      write(filled);
      if (filled.seq % ROWS_PER_TRANSACTION > 0) continue;
      database.exec('COMMIT; BEGIN');
      filling.onProgress(filled.seq);
    }
    writeStatistics(database, filling);
    for (const { sql } of indexes) database.exec(String(sql));
    database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

function writeStatistics(database: DatabaseSync, filling: Filling): void {
  const insert = database.prepare(
    'INSERT INTO statistics (client_id, resolution, began_at_ms, part, tally) VALUES (?, ?, ?, ?, ?)',
  );
  for (const { clientId, resolution, beganAtMs, part, tally } of statisticsOf(filling)) {
    insert.run(clientId, resolution, beganAtMs, part, JSON.stringify(tally));
  }
}

function writerOf(database: DatabaseSync): (filled: Filled) => void {
  const event = database.prepare(
    `INSERT INTO event (seq, event_id, fingerprint, client_id, published_at_ms, jti, claims, is_droppable)
     VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
  );
  const search = database.prepare(
    'INSERT INTO search (seq, published_at_ms, client_id, types, txn_key, resource_key) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const set = database.prepare('INSERT INTO signed_set (seq, set_jws) VALUES (?, ?)');
  const awaiting = database.prepare(
    `INSERT INTO awaiting (seq, client_id, published_at_ms, due_at_ms, is_retry, attempts, round, round_attempts, has_failed,
       is_indexed) VALUES (?, ?, ?, ?, 0, ?, 0, 0, ?, 1)`,
  );
  const settled = database.prepare(
    'INSERT INTO settled (seq, client_id, published_at_ms, state, settled_at_ms, acknowledged_by) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const attempt = database.prepare(
    `INSERT INTO attempt (seq, number, started_at_ms, duration_ms, interaction_id, callback_url, outcome)
     SELECT ?1, 1, a ->> 'startedAtMs', a ->> 'durationMs', a ->> 'interactionId', a ->> 'callbackUrl', a -> 'outcome'
     FROM (SELECT ?2 AS a)`,
  );
  const numbers = new Map<string, number>();
  const numberOf = (types: string) => {
    const known =
      numbers.get(types) ??
      Number(database.prepare('INSERT INTO event_types (urns) VALUES (?) RETURNING id').get(types)?.['id']);
    numbers.set(types, known);
    return known;
  };
  return (filled) => {
    const { seq, clientId, publishedAtMs: atMs, state, claims } = filled;
    event.run(seq, filled.eventId, filled.fingerprint, clientId, atMs, filled.jti, JSON.stringify(claims));
    search.run(seq, atMs, clientId, numberOf(filled.types), filled.txnKey, filled.resourceKey);
    if (filled.attempt !== undefined) attempt.run(seq, JSON.stringify(filled.attempt));
    if (state !== 'awaiting') set.run(seq, setOf(seq));
    const hasFailed = filled.attempt === undefined ? 0 : 1;
    if (state === 'awaiting') awaiting.run(seq, clientId, atMs, atMs, hasFailed, hasFailed);
    else settled.run(seq, clientId, atMs, state, filled.settledAtMs, filled.acknowledgedBy ?? null);
  };
}
