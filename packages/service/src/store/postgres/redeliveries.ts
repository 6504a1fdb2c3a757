import type { NotificationFilter, Redelivered, Redelivery } from '../operations.ts';
import { type Row, text, whole } from '../row.ts';
import { addAudit } from './audit.ts';
import type { Database, Transaction } from './database.ts';
import { outOfHistory, withdrawnUpTo } from './moves.ts';
import { isTrue, jsonOf, storable } from './rows.ts';

/** The result of a portion, and the TPPs whose notifications are due again. */
export interface PortionRedelivered {
  readonly redelivered: Redelivered;
  readonly clientIds: ReadonlySet<string>;
}

// So that a portion is not all looking.
const LOOKED_AT_MIN = 200;

// Of TPPs that have a registration; nobody else is there to whom it could go.
const REGISTERED = 'SELECT DISTINCT client_id FROM registration';

/** That something went wrong with a row of `notification n`. */
export const HAS_FAILED = `(n.error_log IS NOT NULL OR EXISTS (SELECT 1 FROM unnest(n.attempt_log) AS entry
  WHERE entry::json -> 'outcome' ->> 'kind' <> 'acknowledged'))`;

// What is covered by a deletion whose backlog is being withdrawn would be withdrawn with the rest.
const IS_KEPT = `n.seq > ${withdrawnUpTo('n.client_id')}`;

// $1 after: when published, $2 and sequence number; $3 TPP; $4 from; $5 before; $6 now; $7 how many; $8 jtis.
const AWAITING = `n.jti, n.client_id, n.published_at_ms, n.seq, true AS is_awaiting,
  NOT (n.is_leased AND n.due_at_ms > $6::bigint) AND ${IS_KEPT} AS is_free, ${HAS_FAILED} AS has_failed`;
const ACKNOWLEDGED = `n.jti, n.client_id, n.published_at_ms, n.seq, false AS is_awaiting,
  n.state = 'acknowledged' AND ${IS_KEPT} AS is_free, true AS has_failed`;
const RANGE = `(n.published_at_ms, n.seq) > ($1::bigint, $2::bigint) AND n.published_at_ms >= $4::bigint
  AND n.published_at_ms < $5::bigint`;
const IN_ORDER = 'ORDER BY published_at_ms, seq LIMIT $7::int';

/** Candidates in the order of publishing: of each TPP the first by the index, and of those the first. */
function candidatesOf({ jtis, only }: NotificationFilter): string {
  const where =
    jtis === undefined ? 'n.client_id = r.client_id' : 'n.client_id = r.client_id AND n.jti = ANY($8::text[])';
  const part = (columns: string, table: string, condition = '') =>
    `(SELECT ${columns} FROM ${table} n WHERE ${where} AND ${RANGE} ${condition} ${IN_ORDER})`;
  const parts = [
    part(AWAITING, 'notification', 'AND n.offer_at_ms IS NULL'),
    part(AWAITING, 'notification', 'AND n.offer_at_ms IS NOT NULL'),
    ...(only === undefined ? [part(ACKNOWLEDGED, 'history')] : []),
  ];
  return `SELECT n.* FROM (${REGISTERED}) AS r CROSS JOIN LATERAL (${parts.join(' UNION ALL ')}) AS n
    WHERE ($3::text IS NULL OR r.client_id = $3::text) AND ($8::text[] IS NULL OR n.jti = ANY($8::text[])) ${IN_ORDER}`;
}

/** Makes a portion due again, each with a new round. Under way is what is leased at the time of the audit entry. */
export function redeliver(database: Database, redelivery: Redelivery): Promise<PortionRedelivered> {
  const { filter } = redelivery;
  const unchanged = filter.clientId === undefined ? [] : [filter.clientId];
  return database.transaction((transaction) => redeliverIn(transaction, redelivery), {
    locks: { unchanged },
    isBulk: true,
  });
}

async function redeliverIn(transaction: Transaction, redelivery: Redelivery): Promise<PortionRedelivered> {
  const { filter, limit, isDryRun, audit } = redelivery;
  const lookedAt = Math.max(limit, LOOKED_AT_MIN);
  const rows = await transaction.query(candidatesOf(filter), valuesOf(redelivery, lookedAt));
  const meant: Row[] = [];
  let last: Row | undefined;
  for (const row of rows) {
    if (meant.length >= limit) break;
    last = row;
    if (isTrue(row, 'is_free') && (filter.only !== 'failed' || isTrue(row, 'has_failed'))) meant.push(row);
  }
  const isThrough = rows.length < lookedAt && last === rows.at(-1);
  const next = isThrough || last === undefined ? undefined : `${whole(last, 'published_at_ms')}:${whole(last, 'seq')}`;
  if (isDryRun) return { redelivered: { count: meant.length, next }, clientIds: new Set() };
  const clientIds = await makeDue(transaction, meant, redelivery);
  if (clientIds.length > 0)
    await addAudit(transaction, { ...audit, detail: { ...audit.detail, count: clientIds.length } });
  return { redelivered: { count: clientIds.length, next }, clientIds: new Set(clientIds) };
}

function valuesOf({ filter, after, audit }: Redelivery, lookedAt: number) {
  const { clientId, jtis, publishedFromMs = 0, publishedBeforeMs = Number.MAX_SAFE_INTEGER } = filter;
  const [publishedAtMs = -1, seq = -1] = after === undefined ? [] : after.split(':').map(Number);
  return [
    ...[publishedAtMs, seq, clientId === undefined ? null : storable(clientId), publishedFromMs, publishedBeforeMs],
    ...[audit.atMs, lookedAt, jtis === undefined ? null : jtis.map(storable)],
  ];
}

const DUE = 'json_to_recordset($1::json) AS r(jti text, due_at_ms bigint)';

const PLACE = `
  UPDATE notification n SET due_at_ms = r.due_at_ms, is_retry = false, round_attempts = 0, round_began_at_ms = NULL,
    offer_at_ms = NULL, is_leased = false, lease_token = n.lease_token + 1
  FROM ${DUE} WHERE n.jti = r.jti AND NOT (n.is_leased AND n.due_at_ms > $2::bigint) RETURNING n.client_id`;

const BRING_BACK = `
  WITH gone AS (
    DELETE FROM history h USING ${DUE} WHERE h.jti = r.jti AND h.state = 'acknowledged' RETURNING h.*, r.due_at_ms),
  back AS (${outOfHistory(['due_at_ms', 'NULL'])})
  SELECT client_id FROM gone`;

/** @returns the TPP of each that is due now; what another has changed meanwhile is left out */
async function makeDue(
  transaction: Transaction,
  meant: readonly Row[],
  { firstDueAtMs, spacingMs, audit }: Redelivery,
): Promise<string[]> {
  const due = meant.map((row, at) => ({
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
