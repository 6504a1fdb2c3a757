import { DatabaseSync } from 'node:sqlite';
import type { Backlog } from './backlog.ts';

// The TPP with one notification, which is the pattern, as it was first.
const KEEP = `
  CREATE TABLE bench_event AS SELECT * FROM event WHERE client_id = :clientId;
  CREATE TABLE bench_tpp AS SELECT * FROM tpp WHERE client_id = :clientId;
  CREATE TABLE bench_registration AS SELECT * FROM registration WHERE client_id = :clientId;`;

const CLEAR = [
  'awaiting',
  'settled',
  'search',
  'event',
  'registration',
  'tpp',
  'target',
  'withdrawing',
  'ending_waits',
].map((table) => `DELETE FROM ${table} WHERE client_id = :clientId`);
const CLEAR_BY_SEQ = ['attempt', 'signed_set', 'reported_error'].map(
  (table) => `DELETE FROM ${table} WHERE seq IN (SELECT seq FROM event WHERE client_id = :clientId)`,
);

const NUMBERS = 'WITH RECURSIVE n AS (SELECT 1 AS at UNION ALL SELECT at + 1 FROM n WHERE at < :notifications)';
const FIRST = '(SELECT max(seq) FROM bench_event) + 1000000';
const WRITE = [
  'INSERT INTO tpp SELECT * FROM bench_tpp',
  'UPDATE tpp SET is_suspended = :isSuspended WHERE client_id = :clientId',
  'INSERT INTO registration SELECT * FROM bench_registration',
  'INSERT INTO target VALUES (:clientId, 0, :probeAtMs, :probeAtMs, 0, NULL, 0)',
  `${NUMBERS} INSERT INTO event (seq, event_id, fingerprint, client_id, published_at_ms, jti, claims, is_droppable)
   SELECT ${FIRST} + at, 'backlog-' || at, fingerprint, client_id, :publishedAtMs + at, 'backlog-' || at,
     json_set(claims, '$.jti', 'backlog-' || at), 0 FROM n CROSS JOIN bench_event`,
  `INSERT OR IGNORE INTO event_types (urns) SELECT json_group_array(key) FROM bench_event, json_each(claims, '$.events')`,
  `INSERT INTO search SELECT seq, published_at_ms, client_id, (SELECT max(id) FROM event_types), seq * 7919 % 2147483647,
     seq * 6007 % 2147483647 FROM event WHERE client_id = :clientId`,
] as const;
const WRITE_STATE: Readonly<Record<Backlog['state'], string>> = {
  waiting: `INSERT INTO awaiting (seq, client_id, published_at_ms, due_at_ms, is_retry, attempts, round, round_attempts,
      round_began_at_ms, has_failed, is_indexed)
    SELECT seq, client_id, published_at_ms, :atMs + published_at_ms - :publishedAtMs, 1, 1, 0, 1, published_at_ms, 1, 1 FROM event WHERE client_id = :clientId`,
  offered: `INSERT INTO awaiting (seq, client_id, published_at_ms, due_at_ms, is_retry, attempts, round, round_attempts,
      offer_at_ms, has_failed, is_indexed)
    SELECT seq, client_id, published_at_ms, published_at_ms, 0, 0, 0, 0, :atMs, 0, 1 FROM event WHERE client_id = :clientId`,
  acknowledged: `INSERT INTO settled (seq, client_id, published_at_ms, state, settled_at_ms, acknowledged_by)
    SELECT seq, client_id, published_at_ms, 'acknowledged', :atMs, 'push' FROM event WHERE client_id = :clientId`,
};
const WRITE_ATTEMPTS = `INSERT INTO attempt
  SELECT seq, 1, published_at_ms, 20, event_id, 'https://tpp.example/', '{"kind":"refused","status":503}'
  FROM event WHERE client_id = :clientId`;

/** Puts the backlog in place of all that the TPP has. The first time it must have had one event published, and no more. */
export function putBacklogSqlite(file: string, backlog: Backlog): void {
  const { clientId, notifications, state, publishedAtMs, atMs, isSuspended, probeAtMs } = backlog;
  const database = new DatabaseSync(file);
  const values: Readonly<Record<string, string | number | null>> = {
    ...{ clientId, notifications, publishedAtMs, atMs, isSuspended: isSuspended ? 1 : 0, probeAtMs: probeAtMs ?? null },
  };
  const run = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setAllowUnknownNamedParameters(true);
    statement.run(values);
  };
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN');
    const isKept = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'bench_event'").get() !== undefined;
    if (!isKept) for (const sql of KEEP.split(';').filter((part) => part.trim() !== '')) run(sql);
    for (const sql of [...CLEAR_BY_SEQ, ...CLEAR, ...WRITE, WRITE_STATE[state]]) run(sql);
    if (state === 'waiting') run(WRITE_ATTEMPTS);
    database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}
