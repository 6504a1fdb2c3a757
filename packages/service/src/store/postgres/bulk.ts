import type { BulkPortion, BulkResult, NotificationFilter, Redelivery } from '../operations.ts';
import { isTrue, type Row, text, whole } from '../rows.ts';
import { selectPortion, withCount } from '../shared.ts';
import { addAudit } from './audit.ts';
import { type Database, jsonOf, storable, type Transaction, type Values } from './database.ts';
import { HAS_FAILED, isUnderWay, settleSql, unsettleSql, withdrawnUpTo } from './settle.ts';

// A portion goes through at least so many candidates, so that few transactions find nothing.
const REDELIVERY_CANDIDATES_MIN = 200;
const WITHDRAWAL_CANDIDATES_MIN = 2000;

// Values of both statements. $1 after: when published, $2 and sequence number; $3 from; $4 before; $5 now; $6 how many;
// $7 TPP; $8 jtis.
const IN_TIME = {
  range: `(n.published_at_ms, n.seq) > ($1::bigint, $2::bigint) AND n.published_at_ms >= $3::bigint
    AND n.published_at_ms < $4::bigint`,
  order: 'ORDER BY published_at_ms, seq LIMIT $6::int',
};
// As the index has it that serves all TPPs.
const IN_TIME_OF_ALL = {
  range: `(-n.published_at_ms, -n.seq) < (-$1::bigint, -$2::bigint) AND -n.published_at_ms <= -$3::bigint
    AND -n.published_at_ms > -$4::bigint`,
  order: 'ORDER BY -published_at_ms DESC, -seq DESC LIMIT $6::int',
};
// Each value has to be referred to, so that its type is known.
const NAMED = '($8::text[] IS NULL OR n.jti = ANY($8::text[]))';
const OF_CLIENT = '($7::text IS NULL OR n.client_id = $7::text)';
const WITHHELD_OR_NOT = ['n.offer_at_ms IS NULL', 'n.offer_at_ms IS NOT NULL'];

// What is covered by a deletion whose backlog is being withdrawn would be withdrawn with the rest.
const IS_KEPT = `n.seq > ${withdrawnUpTo('n.client_id')}`;

/** Whether an awaiting row is selected, besides what its index has. */
function isSelected({ only }: NotificationFilter): string {
  return `NOT ${isUnderWay('$5::bigint')}${only === 'failed' ? ` AND ${HAS_FAILED}` : ''}`;
}

/** Candidates for redelivery in the order of publishing: of each TPP with a registration the first, and of those the first. */
function redeliveryCandidates(filter: NotificationFilter): string {
  const columns = 'n.jti, n.client_id, n.published_at_ms, n.seq';
  const named = filter.jtis === undefined ? 'true' : 'n.jti = ANY($8::text[])';
  const part = (table: string, more: string, condition: string) =>
    `(SELECT ${columns}, ${more} AS is_selected FROM ${table} n
      WHERE n.client_id = r.client_id AND ${named} AND ${IN_TIME.range} AND ${condition} ${IN_TIME.order})`;
  const awaiting = WITHHELD_OR_NOT.map((condition) =>
    part('notification', `true AS is_awaiting, ${isSelected(filter)} AND ${IS_KEPT}`, condition),
  );
  const acknowledged = part('settled', `false AS is_awaiting, n.state = 'acknowledged' AND ${IS_KEPT}`, 'true');
  const parts = filter.only === undefined ? [...awaiting, acknowledged] : awaiting;
  return `SELECT n.* FROM (SELECT DISTINCT client_id FROM registration) AS r
    CROSS JOIN LATERAL (${parts.join(' UNION ALL ')}) AS n
    WHERE ($7::text IS NULL OR r.client_id = $7::text) AND ${NAMED} ${IN_TIME.order}`;
}

/** Candidates for withdrawal in the order of publishing, each by an index. */
function withdrawalCandidates(filter: NotificationFilter): string {
  const part = (condition: string, { range, order } = IN_TIME) =>
    `(SELECT n.jti, n.published_at_ms, n.seq, ${isSelected(filter)} AS is_selected
      FROM notification n WHERE ${condition} AND ${range} ${order})`;
  if (filter.jtis !== undefined) return part(`n.jti = ANY($8::text[]) AND ${OF_CLIENT}`);
  if (filter.clientId === undefined) return part(`${NAMED} AND ${OF_CLIENT}`, IN_TIME_OF_ALL);
  const parts = WITHHELD_OR_NOT.map((condition) => part(`n.client_id = $7::text AND ${condition} AND ${NAMED}`));
  return `SELECT * FROM (${parts.join(' UNION ALL ')}) AS either ${IN_TIME.order}`;
}

async function select(transaction: Transaction, portion: BulkPortion, statement: string, candidatesMin: number) {
  const candidatesMax = Math.max(portion.limit, candidatesMin);
  const rows = await transaction.query(statement, valuesOf(portion, candidatesMax));
  return selectPortion(rows, {
    limit: portion.limit,
    isLast: rows.length < candidatesMax,
    isSelected: (row) => isTrue(row, 'is_selected'),
    placeOf: (row) => `${whole(row, 'published_at_ms')}:${whole(row, 'seq')}`,
  });
}

function valuesOf({ filter, after, audit }: BulkPortion, candidatesMax: number): Values {
  const { clientId, jtis, publishedFromMs = 0, publishedBeforeMs = Number.MAX_SAFE_INTEGER } = filter;
  const [publishedAtMs = -1, seq = -1] = after === undefined ? [] : after.split(':').map(Number);
  return [
    publishedAtMs,
    seq,
    publishedFromMs,
    publishedBeforeMs,
    audit.atMs,
    candidatesMax,
    clientId === undefined ? null : storable(clientId),
    jtis === undefined ? null : jtis.map(storable),
  ];
}

/**
 * Makes a portion due again, each notification with a new round. What is leased at the time of the audit entry is under way.
 *
 * @returns the result, and the TPPs whose notifications are due again
 */
export function redeliver(
  database: Database,
  redelivery: Redelivery,
): Promise<{ readonly result: BulkResult; readonly clientIds: ReadonlySet<string> }> {
  const { filter, isDryRun, audit } = redelivery;
  const unchanged = filter.clientId === undefined ? [] : [filter.clientId];
  return database.transaction(
    async (transaction) => {
      const statement = redeliveryCandidates(filter);
      const { selected, next } = await select(transaction, redelivery, statement, REDELIVERY_CANDIDATES_MIN);
      if (isDryRun) return { result: { count: selected.length, next }, clientIds: new Set() };
      const clientIds = await makeDue(transaction, selected, redelivery);
      if (clientIds.length > 0) await addAudit(transaction, withCount(audit, clientIds.length));
      return { result: { count: clientIds.length, next }, clientIds: new Set(clientIds) };
    },
    { locks: { unchanged }, isBulk: true },
  );
}

const DUE = 'json_to_recordset($1::json) AS r(jti text, due_at_ms bigint)';

const PLACE = `
  UPDATE notification n SET due_at_ms = r.due_at_ms, is_retry = false, round_attempts = 0, round_began_at_ms = NULL,
    offer_at_ms = NULL, is_leased = false, lease_token = n.lease_token + 1
  FROM ${DUE} WHERE n.jti = r.jti AND NOT ${isUnderWay('$2::bigint')} RETURNING n.client_id`;

const BRING_BACK = `
  WITH gone AS (
    DELETE FROM settled h USING ${DUE} WHERE h.jti = r.jti AND h.state = 'acknowledged' RETURNING h.*, r.due_at_ms),
  back AS (${unsettleSql(['due_at_ms', 'NULL'])})
  SELECT client_id FROM gone`;

/** @returns the TPP of each that is due now; what another transaction has changed meanwhile is left out */
async function makeDue(
  transaction: Transaction,
  selected: readonly Row[],
  { firstDueAtMs, spacingMs, audit }: Redelivery,
): Promise<string[]> {
  const due = selected.map((row, at) => ({
    isAwaiting: isTrue(row, 'is_awaiting'),
    row: { jti: text(row, 'jti'), due_at_ms: firstDueAtMs + at * spacingMs },
  }));
  const sorted = due.sort((left, right) => (left.row.jti < right.row.jti ? -1 : 1));
  const rowsOf = (isAwaiting: boolean) => sorted.filter((one) => one.isAwaiting === isAwaiting).map(({ row }) => row);
  const [placed, back] = await Promise.all([
    transaction.query(PLACE, [jsonOf(rowsOf(true)), audit.atMs]),
    transaction.query(BRING_BACK, [jsonOf(rowsOf(false))]),
  ]);
  return [...placed, ...back].map((row) => text(row, 'client_id'));
}

// What another transaction has changed meanwhile is left out.
const WITHDRAW = `
  WITH gone AS (
    DELETE FROM notification n
    USING (SELECT jti FROM notification WHERE jti = ANY($1::text[]) ORDER BY jti FOR UPDATE) AS sorted
    WHERE n.jti = sorted.jti AND NOT ${isUnderWay('$2::bigint')} RETURNING n.*),
  kept AS (${settleSql({ state: 'withdrawn' }, '$2::bigint')})
  SELECT count(*) AS count FROM gone`;

/** Withdraws a portion. What is leased at the time of the audit entry is under way. */
export function withdraw(database: Database, withdrawal: BulkPortion): Promise<BulkResult> {
  const { filter, isDryRun, audit } = withdrawal;
  return database.transaction(
    async (transaction) => {
      const statement = withdrawalCandidates(filter);
      const { selected, next } = await select(transaction, withdrawal, statement, WITHDRAWAL_CANDIDATES_MIN);
      if (isDryRun || selected.length === 0) return { count: selected.length, next };
      const [row] = await transaction.query(WITHDRAW, [selected.map((one) => text(one, 'jti')).sort(), audit.atMs]);
      const count = row === undefined ? 0 : whole(row, 'count');
      if (count > 0) await addAudit(transaction, withCount(audit, count));
      return { count, next };
    },
    { isBulk: true },
  );
}
