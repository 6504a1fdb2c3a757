import { type AttemptHealth, type HealthChange, type HealthTurn, isNews } from '../../model/attempt-health.ts';
import type { CallbackUrlState } from '../../model/callback-url.ts';
import type { Target } from '../../model/notification.ts';
import type { Backlog, TroubledTarget } from '../operations.ts';
import { optionalJson, optionalWhole, type Row, text, whole } from '../rows.ts';
import { healthTurnOf } from '../shared.ts';
import { HEALTH_COLUMNS, healthOf } from '../target-rows.ts';
import { jsonOf, type Queryable, storable, type Transaction } from './database.ts';

/** Columns of {@link targetOf}, of `target t` joined with `tpp p`. */
export const TARGET_COLUMNS = `t.client_id, t.callback_url, p.retry, ${HEALTH_COLUMNS.map((name) => `t.${name}`).join(', ')}`;

const REVISED = `revision = nextval('target_revision')`;

/** SQL that makes a target responsive again: the retry policy restarts for all that is awaiting. */
export const RECOVERED = `unresponsive_since_ms = NULL, probe_at_ms = NULL, probes = 0, claimed_since_recovery = 0,
  failing_since_ms = NULL, failures = 0, round = target.round + 1, ${REVISED}`;

export async function findTarget(queryable: Queryable, clientId: string): Promise<Target | undefined> {
  const [row] = await queryable.query(
    `SELECT ${TARGET_COLUMNS} FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
     WHERE t.client_id = $1 AND t.callback_url IS NOT NULL`,
    [storable(clientId)],
  );
  return row && targetOf(row);
}

const ONLY: Readonly<Record<CallbackUrlState | 'all', string>> = {
  all: '',
  healthy: 'AND t.unresponsive_since_ms IS NULL AND t.failing_since_ms IS NULL',
  failing: 'AND t.unresponsive_since_ms IS NULL AND t.failing_since_ms IS NOT NULL',
  unresponsive: 'AND t.unresponsive_since_ms IS NOT NULL',
};

/** In the order of their client_id. */
export async function listTargets(
  queryable: Queryable,
  after: string,
  limit: number,
  only: CallbackUrlState | 'all' = 'all',
): Promise<Target[]> {
  const rows = await queryable.query(
    `SELECT ${TARGET_COLUMNS} FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
     WHERE t.client_id > $1 AND t.callback_url IS NOT NULL ${ONLY[only]} ORDER BY t.client_id LIMIT $2::int`,
    [storable(after), limit],
  );
  return rows.map(targetOf);
}

/** SQL of the columns of {@link backlogOf} but `awaiting`. @param clientId SQL of the TPP */
export function placesOf(clientId: string): string {
  // Each of the four has an index in its order.
  const [offerable, withheld, first, retry] = [
    ['published_at_ms', 'n.offer_at_ms IS NULL'],
    ['published_at_ms', 'n.offer_at_ms IS NOT NULL'],
    ['due_at_ms', 'NOT n.is_retry'],
    ['due_at_ms', 'n.is_retry'],
  ].map(
    ([column, only]) =>
      `(SELECT n.${column} FROM notification n WHERE n.client_id = ${clientId} AND ${only} ORDER BY n.${column}, n.seq LIMIT 1)`,
  );
  return `least(${offerable}, ${withheld}) AS oldest, least(${first}, ${retry}) AS due`;
}

/** SQL of how many notifications are awaiting, counted up to a parameter. @param clientId SQL of the TPP */
export function countOf(clientId: string, parameter: string): string {
  return `(SELECT count(*) FROM (SELECT 1 FROM notification n WHERE n.client_id = ${clientId} LIMIT ${parameter}::int) AS few)::int`;
}

export function backlogOf(row: Row): Backlog {
  return {
    awaiting: whole(row, 'awaiting'),
    oldestAwaitingAtMs: optionalWhole(row, 'oldest'),
    dueAtMs: optionalWhole(row, 'due'),
  };
}

// Of a large backlog no more is counted than is asked for.
const TROUBLED = `
  SELECT t.*, ${placesOf('t.client_id')}
  FROM (
    SELECT ${TARGET_COLUMNS}, ${countOf('t.client_id', '$2')} AS awaiting
    FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
    WHERE (t.unresponsive_since_ms IS NOT NULL OR t.failing_since_ms IS NOT NULL) AND t.callback_url IS NOT NULL
    ORDER BY awaiting DESC, t.client_id LIMIT $1::int) AS t
  ORDER BY t.awaiting DESC, t.client_id`;

/** Callback URLs that are failing or unresponsive, those with most awaiting first. */
export async function listTroubledTargets(
  queryable: Queryable,
  limit: number,
  countMax: number,
): Promise<TroubledTarget[]> {
  const rows = await queryable.query(TROUBLED, [limit, countMax + 1]);
  return rows.map((row) => ({ ...targetOf(row), ...backlogOf(row) }));
}

// As `afterChange` of the model, in a row that other instances change too.
const NOTE_ATTEMPTS = `
  WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS r(client_id text, callback_url text,
      acknowledged_at_ms bigint, failures int, failing_since_ms bigint, last_failure text)),
  before AS MATERIALIZED (
    SELECT t.client_id, t.failing_since_ms FROM target t JOIN r ON r.client_id = t.client_id
    WHERE t.callback_url = r.callback_url ORDER BY t.client_id FOR UPDATE OF t)
  UPDATE target t SET
    failing_since_ms = CASE WHEN r.acknowledged_at_ms IS NULL THEN coalesce(t.failing_since_ms, r.failing_since_ms)
      ELSE r.failing_since_ms END,
    failures = CASE WHEN r.acknowledged_at_ms IS NULL THEN t.failures ELSE 0 END + r.failures,
    last_failure = coalesce(r.last_failure, t.last_failure),
    acknowledged_at_ms = greatest(t.acknowledged_at_ms, r.acknowledged_at_ms)
  FROM r JOIN before ON before.client_id = r.client_id WHERE t.client_id = r.client_id
  RETURNING t.client_id, t.failing_since_ms, before.failing_since_ms AS failing_before_ms`;

/**
 * Attempts were made.
 *
 * @param known the health of callback URLs when the transaction began
 */
export async function noteAttempts(
  transaction: Transaction,
  changes: readonly HealthChange[],
  known: ReadonlyMap<string, AttemptHealth>,
): Promise<HealthTurn[]> {
  const news = changes.filter((change) => {
    const health = known.get(change.clientId);
    return health === undefined || isNews(change, health);
  });
  if (news.length === 0) return [];
  const rows = await transaction.query(NOTE_ATTEMPTS, [jsonOf(news.map(changeRowOf))]);
  const byClient = new Map(news.map((change) => [change.clientId, change]));
  return rows.flatMap((row) => {
    const change = byClient.get(text(row, 'client_id'));
    const turn =
      change && healthTurnOf(change, optionalWhole(row, 'failing_before_ms'), optionalWhole(row, 'failing_since_ms'));
    return turn ?? [];
  });
}

function changeRowOf(change: HealthChange): object {
  return {
    client_id: change.clientId,
    callback_url: change.callbackUrl,
    acknowledged_at_ms: change.acknowledgedAtMs ?? null,
    failures: change.failures,
    failing_since_ms: change.failingSinceMs ?? null,
    last_failure: change.lastFailure === undefined ? null : JSON.stringify(change.lastFailure),
  };
}

/**
 * An unresponsive callback URL is responsive again.
 *
 * @param callbackUrl only if it is this one
 * @returns whether it was unresponsive
 */
export async function recover(
  transaction: Transaction,
  clientId: string,
  nowMs: number,
  callbackUrl?: string,
): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE target SET ${RECOVERED}, recovered_at_ms = $2::bigint
     WHERE client_id = $1 AND unresponsive_since_ms IS NOT NULL AND callback_url = coalesce($3::text, callback_url)
     RETURNING client_id`,
    [clientId, nowMs, callbackUrl ?? null],
  );
  return rows.length > 0;
}

/** @returns whether there is an unresponsive callback URL to probe */
export async function probeNow(transaction: Transaction, clientId: string, nowMs: number): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE target SET probe_at_ms = $2::bigint, ${REVISED}
     WHERE client_id = $1 AND unresponsive_since_ms IS NOT NULL AND callback_url IS NOT NULL RETURNING client_id`,
    [clientId, nowMs],
  );
  return rows.length > 0;
}

/** @param round only in this one. @returns false when another was quicker, or a new round has begun */
export async function becomeUnresponsive(
  transaction: Transaction,
  clientId: string,
  { sinceMs, probeAtMs, round }: { readonly sinceMs: number; readonly probeAtMs: number; readonly round: number },
): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE target SET unresponsive_since_ms = $2::bigint, probe_at_ms = $3::bigint, probes = 0, ${REVISED}
     WHERE client_id = $1 AND unresponsive_since_ms IS NULL AND round = $4::int RETURNING client_id`,
    [clientId, sinceMs, probeAtMs, round],
  );
  return rows.length > 0;
}

/** @param round only in this one: of an older one the probe says nothing any more */
export async function probeFailed(
  transaction: Transaction,
  clientId: string,
  { probes, probeAtMs, round }: { readonly probes: number; readonly probeAtMs: number; readonly round: number },
): Promise<void> {
  await transaction.query(
    `UPDATE target SET probes = $2::int, probe_at_ms = $3::bigint
     WHERE client_id = $1 AND unresponsive_since_ms IS NOT NULL AND round = $4::int`,
    [clientId, probes, probeAtMs, round],
  );
}

/** Counts what was claimed of some TPPs, in one statement. */
export async function countClaimed(transaction: Transaction, counts: ReadonlyMap<string, number>): Promise<void> {
  if (counts.size === 0) return;
  const sorted = [...counts].sort(([left], [right]) => (left < right ? -1 : 1));
  await transaction.query(
    `UPDATE target t SET claimed_since_recovery = claimed_since_recovery + c.count
     FROM unnest($1::text[], $2::int[]) AS c(client_id, count) WHERE t.client_id = c.client_id`,
    [sorted.map(([clientId]) => clientId), sorted.map(([, count]) => count)],
  );
}

/** A target; the row must have a callback URL. */
export function targetOf(row: Row): Target {
  return {
    clientId: text(row, 'client_id'),
    callbackUrl: text(row, 'callback_url'),
    retry: optionalJson(row, 'retry'),
    ...healthOf(row),
  };
}
