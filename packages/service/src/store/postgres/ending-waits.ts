import { whole } from '../row.ts';
import type { Transaction } from './database.ts';
import { withdrawnUpTo } from './moves.ts';

/** SQL that lets a portion of retries take their old places. What another transaction is at is left to it. @param round SQL */
function endSome(round: string): string {
  return `
  WITH waiting AS MATERIALIZED (
    SELECT jti FROM notification WHERE client_id = $1 AND is_retry AND NOT is_leased AND round < (${round})
      AND seq > ${withdrawnUpTo('$1')}
    ORDER BY due_at_ms, seq LIMIT $2::int FOR UPDATE SKIP LOCKED),
  ended AS (
    UPDATE notification n SET is_retry = false, due_at_ms = published_at_ms FROM waiting WHERE n.jti = waiting.jti)
  SELECT count(*) AS count FROM waiting`;
}

const ROUND_NOW = 'SELECT t.round FROM target t WHERE t.client_id = $1';
const MARKER = 'FROM ending_waits WHERE client_id = $1';
const END_FIRST = endSome(ROUND_NOW);
/** A portion of them. $1: the TPP; $2: how many at most. */
export const END_SOME_WAITS = endSome(`SELECT before_round ${MARKER}`);

/**
 * Retries need wait no longer, since a new round has begun within this transaction: they take their old places. The first of
 * them at once, the others in portions: one statement for all would hold up publishing for the TPP as long as it takes.
 */
export async function beginEndingWaits(transaction: Transaction, clientId: string, portion: number): Promise<void> {
  const [row] = await transaction.query(END_FIRST, [clientId, portion]);
  if (row === undefined || whole(row, 'count') < portion) return;
  await transaction.query(
    `INSERT INTO ending_waits (client_id, before_round) SELECT t.client_id, t.round FROM target t WHERE t.client_id = $1
     ON CONFLICT (client_id) DO UPDATE SET before_round = excluded.before_round`,
    [clientId],
  );
}

/** All that waits is withdrawn. */
export async function forgetEndingWaits(transaction: Transaction, clientId: string): Promise<void> {
  await transaction.query(`DELETE ${MARKER}`, [clientId]);
}
