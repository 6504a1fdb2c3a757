import type { Target } from '../../model/notification.ts';
import { healthOf, optionalJson, type Row, text } from '../rows.ts';
import { type Queryable, storable, type Transaction } from './database.ts';

const REVISED = `revision = nextval('target_revision')`;

/** SQL that makes a target responsive again: the retry policy restarts for all that is awaiting. */
export const RECOVERED = `unresponsive_since_ms = NULL, probe_at_ms = NULL, probes = 0, claimed_since_recovery = 0,
  round = target.round + 1, ${REVISED}`;

export async function findTarget(queryable: Queryable, clientId: string): Promise<Target | undefined> {
  const [row] = await queryable.query(
    `SELECT ${TARGET_COLUMNS} FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
     WHERE t.client_id = $1 AND t.callback_url IS NOT NULL`,
    [storable(clientId)],
  );
  return row && targetOf(row);
}

const ONLY = {
  all: '',
  responsive: 'AND t.unresponsive_since_ms IS NULL',
  unresponsive: 'AND t.unresponsive_since_ms IS NOT NULL',
} as const;

/** In the order of their client_id. */
export async function listTargets(
  queryable: Queryable,
  after: string,
  limit: number,
  only: keyof typeof ONLY = 'all',
): Promise<Target[]> {
  const rows = await queryable.query(
    `SELECT ${TARGET_COLUMNS} FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
     WHERE t.client_id > $1 AND t.callback_url IS NOT NULL ${ONLY[only]} ORDER BY t.client_id LIMIT $2::int`,
    [storable(after), limit],
  );
  return rows.map(targetOf);
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

/** Columns of {@link targetOf}, of `target t` joined with `tpp p`. */
export const TARGET_COLUMNS = `t.client_id, t.callback_url, t.unresponsive_since_ms, t.probe_at_ms, t.probes,
  t.recovered_at_ms, t.claimed_since_recovery, p.retry`;

/** A target; the row must have a callback URL. */
export function targetOf(row: Row): Target {
  return {
    clientId: text(row, 'client_id'),
    callbackUrl: text(row, 'callback_url'),
    retry: optionalJson(row, 'retry'),
    ...healthOf(row),
  };
}
