import assert from 'node:assert/strict';
import type { NotificationRecord } from '../../model/notification.ts';
import type { Backlog, DeliveryStates, StoreCounts } from '../operations.ts';
import { jsonList, notificationOf, optionalWhole, type Row, text, whole } from '../rows.ts';
import { withContent } from './content.ts';
import { type Database, storable } from './database.ts';
import { backlogOf, countOf, placesOf } from './targets.ts';

/** A notification as the operator sees it: awaiting, or else settled. */
export async function findNotification(database: Database, jti: string): Promise<NotificationRecord | undefined> {
  const [awaiting] = await database.queryByKey(
    `SELECT n.jti, n.seq, n.content_day, n.client_id, 'awaiting' AS state, n.published_at_ms, NULL AS acknowledged_by,
       n.error_log, n.attempt_log,
       CASE WHEN t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NULL THEN n.due_at_ms END AS next_attempt_at_ms
     FROM notification n LEFT JOIN target t ON t.client_id = n.client_id WHERE n.jti = $1`,
    [storable(jti)],
  );
  if (awaiting !== undefined) return recordOf(database, awaiting);
  // The newest: an id is used again only for an event that is published again after all of it was dropped.
  const [ended] = await database.queryByKey(
    `SELECT jti, seq, content_day, client_id, state, published_at_ms, settled_at_ms, acknowledged_by, error_log, attempt_log,
       NULL AS next_attempt_at_ms
     FROM settled WHERE jti = $1 ORDER BY seq DESC LIMIT 1`,
    [storable(jti)],
  );
  return ended && recordOf(database, ended);
}

async function recordOf(database: Database, found: Row): Promise<NotificationRecord> {
  const row = await withContent(database, found);
  return notificationOf(row, {
    attempts: jsonList(row, 'attempt_log'),
    errors: jsonList(row, 'error_log'),
    nextAttemptAtMs: optionalWhole(row, 'next_attempt_at_ms'),
  });
}

// Up to here it is counted one by one.
const COUNTED_MAX = 10_000;

/** Exact while it is little; beyond, what the statistics of the server say, which lag by a second or so. */
export async function countsOf(database: Database): Promise<StoreCounts> {
  const [row] = await database.query(
    `SELECT (SELECT count(*) FROM (SELECT 1 FROM notification LIMIT ${COUNTED_MAX + 1}) AS few) AS few,
       (SELECT greatest(n_live_tup, 0) FROM pg_stat_user_tables WHERE relid = 'notification'::regclass) AS about,
       (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'notification'::regclass) AS at_analysis`,
  );
  if (row === undefined) return { awaiting: 0 };
  const few = whole(row, 'few');
  // The server forgets its statistics when it crashes, until the table is analysed.
  const about = optionalWhole(row, 'about') ?? 0;
  const awaiting = few <= COUNTED_MAX ? few : Math.max(few, about > 0 ? about : whole(row, 'at_analysis'));
  return { awaiting };
}

// As `deliveryStateOf` of the model, for all TPPs that registered something.
const DELIVERY_STATES = `
  SELECT count(*) FILTER (WHERE p.is_suspended) AS suspended,
    count(*) FILTER (WHERE p.is_suspended IS NOT TRUE AND t.callback_url IS NULL) AS polling_only,
    count(*) FILTER (WHERE t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NOT NULL) AS unresponsive,
    count(*) FILTER (WHERE t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NULL
      AND t.failing_since_ms IS NOT NULL) AS failing,
    count(*) FILTER (WHERE t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NULL
      AND t.failing_since_ms IS NULL) AS healthy
  FROM (SELECT DISTINCT client_id FROM registration) AS r
    LEFT JOIN tpp p ON p.client_id = r.client_id LEFT JOIN target t ON t.client_id = r.client_id`;

/** How many TPPs that registered something have deliveries in each state. */
export async function deliveryStates(database: Database): Promise<DeliveryStates> {
  const [row] = await database.query(DELIVERY_STATES);
  assert(row !== undefined, 'counts have a row');
  return {
    healthy: whole(row, 'healthy'),
    failing: whole(row, 'failing'),
    unresponsive: whole(row, 'unresponsive'),
    suspended: whole(row, 'suspended'),
    'polling-only': whole(row, 'polling_only'),
  };
}

// Goes from TPP to TPP; few notifications are withheld from polls, and those are scanned.
const OLDEST = `
  WITH RECURSIVE c AS (
    (SELECT client_id, published_at_ms FROM notification WHERE offer_at_ms IS NULL
     ORDER BY client_id, published_at_ms LIMIT 1)
    UNION ALL
    SELECT n.client_id, n.published_at_ms FROM c CROSS JOIN LATERAL (
      SELECT client_id, published_at_ms FROM notification
      WHERE offer_at_ms IS NULL AND client_id > c.client_id ORDER BY client_id, published_at_ms LIMIT 1) AS n)
  SELECT client_id, min(published_at_ms) AS oldest FROM (
    SELECT * FROM c UNION ALL SELECT client_id, published_at_ms FROM notification WHERE offer_at_ms IS NOT NULL) AS each
  GROUP BY client_id ORDER BY oldest LIMIT $1::int`;

/** When the oldest awaiting notification of each TPP was published, the oldest of all first. */
export async function oldestAwaiting(database: Database, limit: number): Promise<Map<string, number>> {
  const rows = await database.query(OLDEST, [limit]);
  return new Map(rows.map((row) => [text(row, 'client_id'), whole(row, 'oldest')]));
}

export async function oldestAwaitingAtMs(database: Database): Promise<number | undefined> {
  const [oldest] = (await oldestAwaiting(database, 1)).values();
  return oldest;
}

/** The backlog of each TPP; a count beyond `countMax` is one more than that. */
export async function backlogsOf(
  database: Database,
  clientIds: readonly string[],
  countMax: number,
): Promise<ReadonlyMap<string, Backlog>> {
  const rows = await database.queryByKey(
    `SELECT c.client_id, ${placesOf('c.client_id')}, ${countOf('c.client_id', '$2')} AS awaiting
     FROM unnest($1::text[]) AS c(client_id)`,
    [clientIds.map(storable), countMax + 1],
  );
  return new Map(rows.map((row) => [text(row, 'client_id'), backlogOf(row)]));
}
