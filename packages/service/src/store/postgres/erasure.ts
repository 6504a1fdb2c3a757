import {
  ERASED_COLUMNS,
  type Erasure,
  type ErasureResult,
  type ErasureStore,
  erasedNotificationOf,
  erasedOf,
  erasedRowOf,
  withCounts,
} from '../erasure.ts';
import { jsonList, notificationOf, orReplace, type Row, text, whole } from '../rows.ts';
import { addAudit } from './audit.ts';
import { withClaims } from './content.ts';
import { type Database, insertInto, jsonOf, storable, type Transaction } from './database.ts';
import { isUnderWay, settleSql } from './settle.ts';

/** Erasure of what notifications said. */
export function createErasureStore(database: Database): ErasureStore {
  return {
    erase: (erasure) => database.transaction((transaction) => erase(transaction, erasure), { isBulk: true }),
    erasedNotification: async (jti) => {
      const [row] = await database.queryByKey(`SELECT ${ERASED_COLUMNS} FROM erased WHERE jti = $1`, [storable(jti)]);
      return row && erasedNotificationOf(row);
    },
    erasedNotifications: async (clientId, after, limit) => {
      const rows = await database.queryByKey(
        `SELECT ${ERASED_COLUMNS} FROM erased WHERE client_id = $1 AND jti > $2 ORDER BY jti LIMIT $3::int`,
        [storable(clientId), storable(after), limit],
      );
      return rows.map(erasedNotificationOf);
    },
  };
}

const EXPIRE = `
  WITH gone AS (
    DELETE FROM notification n
    USING (SELECT jti FROM notification WHERE jti = ANY($1::text[]) ORDER BY jti FOR UPDATE) AS sorted
    WHERE n.jti = sorted.jti AND NOT ${isUnderWay('$2::bigint')} RETURNING n.*),
  kept AS (${settleSql({ state: 'expired' }, '$2::bigint')})
  SELECT count(*) AS count FROM gone`;

// The lock keeps the content where it is, and a redelivery from making it awaiting again.
const LOCK = `SELECT jti, seq, client_id, state, published_at_ms, settled_at_ms, acknowledged_by, attempt_log, error_log
  FROM settled WHERE jti = ANY($1::text[]) ORDER BY jti FOR UPDATE`;

// What outlived its day was copied to another, and the old copy is still there: the day is not asked for.
const CONTENT = 'SELECT DISTINCT ON (seq) seq, event_id, claims, set_jws FROM content WHERE seq = ANY($1::bigint[])';

const KEEP = `${insertInto('erased', ERASED_COLUMNS)} ${orReplace(ERASED_COLUMNS, 'jti')}`;

// Found by the index of the jti; those of the numbers are the ones that were locked.
const DROP_SETTLED = 'DELETE FROM settled WHERE jti = ANY($1::text[]) AND seq = ANY($2::bigint[])';
const DROP_CONTENT = 'DELETE FROM content WHERE seq = ANY($1::bigint[])';

// It is still recognised when it is published again, but found by nothing that it said.
const FORGET = `UPDATE event SET seq = NULL, types = NULL, txn_key = NULL, resource_key = NULL
  WHERE event_id = ANY($1::text[])`;

async function erase(transaction: Transaction, { jtis, expiresAwaiting, audit }: Erasure): Promise<ErasureResult> {
  const sorted = [...new Set(jtis.map(storable))].sort();
  const expired = expiresAwaiting ? await countIn(transaction, EXPIRE, [sorted, audit.atMs]) : 0;
  const awaiting = await countIn(
    transaction,
    'SELECT count(*) AS count FROM notification WHERE jti = ANY($1::text[])',
    [sorted],
  );
  const rows = await transaction.query(LOCK, [sorted]);
  if (rows.length === 0) return { erased: 0, expired, awaiting };
  const seqs = rows.map((row) => whole(row, 'seq'));
  const contents = new Map(
    (await transaction.query(CONTENT, [seqs])).map((content) => [whole(content, 'seq'), withClaims(content)]),
  );
  const erased = rows.flatMap((row) => {
    const content = contents.get(whole(row, 'seq'));
    return content === undefined ? [] : [recordOf({ ...row, ...content }, audit.atMs)];
  });
  const eventIds = [...contents.values()].map((content) => text(content, 'event_id')).sort();
  await Promise.all([
    transaction.query(KEEP, [jsonOf(erased.map(erasedRowOf))]),
    transaction.query(DROP_SETTLED, [sorted, seqs]),
    transaction.query(DROP_CONTENT, [seqs]),
    transaction.query(FORGET, [eventIds]),
    addAudit(transaction, withCounts(audit, { erased: rows.length, expired })),
  ]);
  return { erased: rows.length, expired, awaiting };
}

async function countIn(transaction: Transaction, ...query: Parameters<Transaction['query']>): Promise<number> {
  const [row] = await transaction.query(...query);
  return row === undefined ? 0 : whole(row, 'count');
}

function recordOf(row: Row, atMs: number) {
  const notification = notificationOf(row, {
    attempts: jsonList(row, 'attempt_log'),
    errors: jsonList(row, 'error_log'),
    nextAttemptAtMs: undefined,
  });
  return erasedOf(notification, whole(row, 'settled_at_ms'), atMs);
}
