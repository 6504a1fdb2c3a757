import type { NotificationRecord } from '../../model/notification.ts';
import type { Transaction } from './database.ts';

/** How a notification is settled. */
export interface Settlement {
  readonly state: Exclude<NotificationRecord['state'], 'awaiting'>;
  readonly acknowledgedBy?: NonNullable<NotificationRecord['acknowledgedBy']>;
}

/**
 * SQL that settles the rows of `gone`, a DELETE from `notification` that returns its columns. The lease token grows, which
 * fences earlier claims if the notification ever becomes awaiting again.
 *
 * @param endedAt SQL of when
 * @param attempts SQL of how many attempts were made and of their log, where one more ends it
 */
export function settleSql(
  { state, acknowledgedBy }: Settlement,
  endedAt: string,
  [attempts, log]: readonly [string, string] = ['attempts', 'attempt_log'],
): string {
  return `INSERT INTO settled (settled_at_ms, jti, seq, client_id, state, acknowledged_by, published_at_ms, content_day,
      lease_token, attempts, attempt_log, error_log)
    SELECT ${endedAt}, jti, seq, client_id, '${state}',
      ${acknowledgedBy === undefined ? 'NULL' : `'${acknowledgedBy}'`}, published_at_ms, content_day, lease_token + 1,
      ${attempts}, ${log}, error_log FROM gone`;
}

/** SQL that makes the rows of `gone`, a DELETE from `settled`, awaiting again. @param more SQL of due_at_ms and offer_at_ms */
export function unsettleSql(more: readonly [string, string]): string {
  return `INSERT INTO notification (jti, seq, client_id, published_at_ms, content_day, lease_token, attempts, attempt_log,
      error_log, due_at_ms, offer_at_ms)
    SELECT jti, seq, client_id, published_at_ms, content_day, lease_token, attempts, attempt_log, error_log,
      ${more.join(', ')} FROM gone`;
}

/** Fences attempts under way to a URL that is no longer the TPP's. */
export async function fenceLeased(transaction: Transaction, clientId: string): Promise<void> {
  await transaction.query(
    `WITH leased AS MATERIALIZED (
       SELECT jti FROM notification WHERE client_id = $1 AND is_leased ORDER BY jti FOR UPDATE)
     UPDATE notification n SET is_leased = false, lease_token = lease_token + 1, due_at_ms = published_at_ms
     FROM leased WHERE n.jti = leased.jti`,
    [clientId],
  );
}

/** SQL of where what may be delivered of a TPP begins: its sequence numbers are greater. @param clientId SQL of the TPP */
export function withdrawnUpTo(clientId: string): string {
  return `coalesce((SELECT w.up_to_seq FROM withdrawing w WHERE w.client_id = ${clientId}), 0)`;
}

/** That something went wrong with a row of `notification n`: an attempt failed, or the TPP reported an error. */
export const HAS_FAILED = `(n.error_log IS NOT NULL OR EXISTS (SELECT 1 FROM unnest(n.attempt_log) AS entry
  WHERE entry::json -> 'outcome' ->> 'kind' <> 'acknowledged'))`;

/** That a row of `notification n` is leased at a time. @param now SQL of the time */
export function isUnderWay(now: string): string {
  return `(n.is_leased AND n.due_at_ms > ${now})`;
}
