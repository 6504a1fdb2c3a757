import type { DatabaseSync } from 'node:sqlite';
import type { Retargeting } from './retargeting.ts';
import type { WriteQueue } from './write-queue.ts';

// A portion holds the main thread for a few milliseconds.
const WITHDRAWN_AT_ONCE = 1000;

/** What was left of a withdrawal when the last process ended: that of a TPP without a registration. Dated by the deletion. */
export function finishWithdrawal(database: DatabaseSync, clientId: string): void {
  database.exec('BEGIN');
  database
    .prepare(
      `INSERT INTO settled (seq, client_id, published_at_ms, state, at_ms)
       SELECT seq, client_id, published_at_ms, 'withdrawn', max(published_at_ms, coalesce(
           (SELECT at_ms FROM audit WHERE subject = ?1 ORDER BY id DESC LIMIT 1), 0))
         FROM awaiting WHERE client_id = ?1`,
    )
    .run(clientId);
  database.prepare('DELETE FROM awaiting WHERE client_id = ?').run(clientId);
  database.exec('COMMIT');
}

/** Withdraws what is left of a TPP that has no registration any more, in portions; tells which ones are under way. */
export function withdrawingOf(retargeting: Retargeting, writes: WriteQueue) {
  const withdrawing = new Map<string, Promise<void>>();
  /** A large backlog in one transaction would hold the main thread. The deletion stands, whatever becomes of this. */
  const withdrawLeft = async (clientId: string, nowMs: number): Promise<void> => {
    const portion = () => retargeting.withdrawLeft(clientId, nowMs, WITHDRAWN_AT_ONCE);
    const all = untilLess(WITHDRAWN_AT_ONCE, () => writes.run(portion)).catch(() => undefined);
    withdrawing.set(clientId, all);
    await all;
    if (withdrawing.get(clientId) === all) withdrawing.delete(clientId);
  };
  return { withdrawing, withdrawLeft };
}

/** Repeats a portion of work until it did less than it may. */
async function untilLess(full: number, portion: () => Promise<number>): Promise<void> {
  for (let done = full; done === full; ) done = await portion();
}
