import type { Transaction } from './database.ts';
import { forgetEndingWaits } from './ending-waits.ts';
import { fenceLeased, intoHistory } from './moves.ts';

/**
 * Begins to withdraw what is awaiting of a TPP, within the deletion that is the reason: from then on nothing of it goes
 * anywhere, and whoever holds some of it has no say any more. One statement for all of it would hold up publishing for the
 * TPP as long as it takes. Nothing is published for the TPP meanwhile, so that whatever is later has a greater number.
 */
export async function beginWithdrawing(transaction: Transaction, clientId: string, nowMs: number): Promise<void> {
  await transaction.query(
    `INSERT INTO withdrawing (client_id, up_to_seq, at_ms)
     SELECT $1::text, nextval('notification_seq'), $2::bigint
     WHERE EXISTS (SELECT 1 FROM notification WHERE client_id = $1)
     ON CONFLICT (client_id) DO UPDATE SET up_to_seq = excluded.up_to_seq, at_ms = excluded.at_ms`,
    [clientId, nowMs],
  );
  await fenceLeased(transaction, clientId);
  await forgetEndingWaits(transaction, clientId);
}

const MARKER = 'FROM withdrawing WHERE client_id = $1';

/** A portion of a backlog. $1: the TPP; $2: how many at most. */
export const WITHDRAW_SOME = `
  WITH picked AS MATERIALIZED (
    SELECT jti FROM notification WHERE client_id = $1 AND seq <= (SELECT up_to_seq ${MARKER})
    ORDER BY is_retry, due_at_ms, seq LIMIT $2::int),
  sorted AS MATERIALIZED (
    SELECT n.jti FROM notification n JOIN picked ON picked.jti = n.jti ORDER BY n.jti FOR UPDATE OF n),
  gone AS (DELETE FROM notification n USING sorted WHERE n.jti = sorted.jti RETURNING n.*),
  kept AS (${intoHistory({ state: 'withdrawn' }, `(SELECT at_ms ${MARKER})`)})
  SELECT count(*) AS count FROM picked`;
