import type { AcknowledgedInPoll, PolledNotifications, PollToStore } from '../delivery.ts';
import { acknowledgedInPollOf, offeredOf, optionalWhole, type Row, text, whole } from '../rows.ts';
import { ERRORS_PER_NOTIFICATION_MAX, REOFFERS_PER_POLL_MIN } from '../shared.ts';
import { endWithContent } from './content.ts';
import { type Database, jsonOf, type Queryable, storable, type Transaction } from './database.ts';
import { settleSql, unsettleSql, withdrawnUpTo } from './settle.ts';

/** Polls of one TPP go one after the other, so that no two are offered the same. */
export async function poll(database: Database, request: PollToStore): Promise<PolledNotifications> {
  const clientId = storable(request.clientId);
  const { offered, acknowledged, reported, moreAvailable } = await database.transaction(
    async (transaction) => {
      const acknowledged = request.acknowledged.length > 0 ? await acknowledge(transaction, clientId, request) : [];
      const reported = request.errors.length > 0 ? await report(transaction, clientId, request) : [];
      const { rows, moreAvailable } = await offer(transaction, clientId, request);
      const offered = await endWithContent(transaction, rows);
      return { offered, acknowledged, reported, moreAvailable };
    },
    { locks: { polling: clientId } },
  );
  const byOffer = request.reofferMs === undefined ? offered.map((row) => acknowledgedInPollOf(row, 'offer')) : [];
  return {
    notifications: offered.map(offeredOf),
    moreAvailable,
    acknowledged: [...acknowledged, ...byOffer],
    reported,
  };
}

/** A notification that counted as acknowledged when it was offered is so by the TPP's own word then. */
async function acknowledge(
  transaction: Transaction,
  clientId: string,
  { acknowledged, nowMs }: PollToStore,
): Promise<AcknowledgedInPoll[]> {
  const jtis = [...new Set(acknowledged.map(storable))].sort();
  const gone = await transaction.query(
    `WITH gone AS (
       DELETE FROM notification n USING unnest($2::text[]) AS r(jti) WHERE n.jti = r.jti AND n.client_id = $1
       RETURNING n.*),
     kept AS (${settleSql({ state: 'acknowledged', acknowledgedBy: 'poll' }, '$3::bigint')})
     SELECT jti, published_at_ms FROM gone`,
    [clientId, jtis, nowMs],
  );
  const taken = gone.map((row) => acknowledgedInPollOf(row, 'poll'));
  const isGone = new Set(taken.map(({ jti }) => jti));
  const others = jtis.filter((jti) => !isGone.has(jti));
  if (others.length === 0) return taken;
  await transaction.query(
    `UPDATE settled SET acknowledged_by = 'poll', settled_at_ms = $3::bigint
     WHERE jti = ANY($2::text[]) AND client_id = $1 AND acknowledged_by = 'offer'`,
    [clientId, others, nowMs],
  );
  return taken;
}

/** @returns the notifications whose errors were kept */
async function report(transaction: Transaction, clientId: string, poll: PollToStore): Promise<string[]> {
  const { errors, nowMs } = poll;
  const entries = new Map<string, string[]>();
  for (const { jti, err, description } of errors) {
    const ofJti = entries.get(storable(jti)) ?? [];
    ofJti.push(JSON.stringify({ err, description, reportedAtMs: nowMs }));
    entries.set(storable(jti), ofJti);
  }
  const jtis = [...entries.keys()].sort();
  await transaction.query(
    `WITH gone AS (
       DELETE FROM settled WHERE jti = ANY($2::text[]) AND client_id = $1 AND acknowledged_by = 'offer' RETURNING *)
     ${unsettleSql(['published_at_ms', 'NULL'])}`,
    [clientId, jtis],
  );
  const rows = jsonOf(jtis.map((jti) => ({ jti, entries: entries.get(jti) })));
  const log = `(coalesce(n.error_log, '{}') || r.entries)[
    greatest(coalesce(cardinality(n.error_log), 0) + cardinality(r.entries) + 1 - ${ERRORS_PER_NOTIFICATION_MAX}, 1):]`;
  const from =
    'FROM json_to_recordset($2::json) AS r(jti text, entries text[]) WHERE n.jti = r.jti AND n.client_id = $1';
  const [awaiting, ended] = await Promise.all([
    transaction.query(
      `UPDATE notification n SET offer_at_ms = $3::bigint, error_log = ${log} ${from} RETURNING n.jti`,
      [clientId, rows, nowMs + poll.reofferAfterErrorMs],
    ),
    transaction.query(`UPDATE settled n SET error_log = ${log} ${from} RETURNING n.jti`, [clientId, rows]),
  ]);
  return [...new Set([...awaiting, ...ended].map((row) => text(row, 'jti')))];
}

// What was never offered and what may be offered again are two indexes: a poll costs the same whatever the backlog.
const CHOOSE = `
  WITH offerable AS MATERIALIZED (
    SELECT jti, published_at_ms, seq FROM (
      (SELECT jti, published_at_ms, seq FROM notification WHERE client_id = $1 AND offer_at_ms IS NULL
         AND seq > ${withdrawnUpTo('$1')}
       ORDER BY published_at_ms, seq LIMIT $3::int + 1)
      UNION ALL
      (SELECT jti, published_at_ms, seq FROM notification WHERE client_id = $1 AND offer_at_ms <= $2::bigint
         AND seq > ${withdrawnUpTo('$1')}
       ORDER BY offer_at_ms LIMIT $4::int)) AS either
    ORDER BY published_at_ms, seq LIMIT $3::int + 1),
  chosen AS MATERIALIZED (SELECT jti FROM offerable ORDER BY published_at_ms, seq LIMIT $3::int),
  counted AS (SELECT count(*) AS offerable FROM offerable)`;

const OFFER = `${CHOOSE},
  offered AS (
    UPDATE notification n SET offer_at_ms = $5::bigint FROM chosen WHERE n.jti = chosen.jti
    RETURNING n.jti, n.content_day, n.published_at_ms, n.seq)
  SELECT * FROM counted LEFT JOIN offered ON true ORDER BY published_at_ms, seq`;

const OFFER_ONCE = `${CHOOSE},
  gone AS (DELETE FROM notification n USING chosen WHERE n.jti = chosen.jti RETURNING n.*),
  kept AS (${settleSql({ state: 'acknowledged', acknowledgedBy: 'offer' }, '$5::bigint')})
  SELECT offerable, jti, seq, content_day, published_at_ms FROM counted LEFT JOIN gone ON true
  ORDER BY published_at_ms, seq`;

async function offer(
  transaction: Transaction,
  clientId: string,
  poll: PollToStore,
): Promise<{ readonly rows: readonly Row[]; readonly moreAvailable: boolean }> {
  const { nowMs, maxEvents, reofferMs } = poll;
  const rows = await transaction.query(reofferMs === undefined ? OFFER_ONCE : OFFER, [
    clientId,
    nowMs,
    maxEvents,
    Math.max(REOFFERS_PER_POLL_MIN, maxEvents + 1),
    nowMs + (reofferMs ?? 0),
  ]);
  const [first] = rows;
  return {
    rows: rows.filter((row) => row['jti'] !== null),
    moreAvailable: first !== undefined && whole(first, 'offerable') > maxEvents,
  };
}

/** When a notification of the TPP that is withheld now may be offered again; undefined when none is. */
export async function nextOfferAtMs(queryable: Queryable, clientId: string): Promise<number | undefined> {
  const [row] = await queryable.query(
    'SELECT min(offer_at_ms) AS at FROM notification WHERE client_id = $1 AND offer_at_ms IS NOT NULL',
    [storable(clientId)],
  );
  return row && optionalWhole(row, 'at');
}
