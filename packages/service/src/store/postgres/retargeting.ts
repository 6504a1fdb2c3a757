import { isDeepStrictEqual } from 'node:util';
import type { ApiVersion } from '@tidings/protocol';
import { optionalText, optionalWhole } from '../row.ts';
import type {
  AuditEntry,
  AuditOf,
  CallbackUrlToStore,
  ChangeResult,
  StoredCallbackUrl,
  StoredSubscription,
  SubscriptionToStore,
  Tpp,
} from '../store.ts';
import { addAudit } from './audit.ts';
import type { Database, Transaction } from './database.ts';
import { beginEndingWaits } from './ending-waits.ts';
import { fenceLeased } from './moves.ts';
import {
  findCallbackUrl,
  findSubscription,
  findTpp,
  mayChange,
  putCallbackUrl,
  putSubscription,
  putTpp,
  removeTpp,
} from './registrations.ts';
import { storable } from './rows.ts';
import { comeBack, IS_BACK, probeNow } from './targets.ts';
import { beginWithdrawing } from './withdrawing.ts';

/** A change of the registration of one TPP, being made. */
interface Change {
  readonly transaction: Transaction;
  readonly clientId: string;
  readonly nowMs: number;
  /** How many retries are spared their waits within it, at most. */
  readonly portion: number;
}

/**
 * Changes of TPPs, of their registrations and of how their callback URLs fare, with what each means for the
 * notifications that are awaiting. One at a time for each TPP, and none while something is published or claimed for it.
 */
export class Retargeting {
  readonly #database: Database;
  readonly #portion: number;

  /** @param portion how many retries are spared their waits with the change itself; the others in portions */
  constructor(database: Database, portion: number) {
    this.#database = database;
    this.#portion = portion;
  }

  /** @returns whether deliveries are affected */
  putTpp(tpp: Tpp, nowMs: number, audit?: AuditOf<Tpp>): Promise<boolean> {
    return this.#changing(tpp.clientId, nowMs, async (change) => {
      const { transaction, clientId } = change;
      const before = await findTpp(transaction, clientId);
      await keep(change, audit, () => Promise.resolve(before));
      await putTpp(transaction, tpp);
      const { isMoved, callbackUrl } = await retarget(change);
      if (!isMoved) {
        const affects = callbackUrl !== undefined && !isDeepStrictEqual(before?.retry, tpp.retry);
        if (affects) await transaction.query(`UPDATE target SET ${REVISED} WHERE client_id = $1`, [clientId]);
        return affects;
      }
      if (callbackUrl === undefined) return true;
      await beginRound(change);
      await endWaits(change);
      return true;
    });
  }

  removeTpp(clientId: string, nowMs: number, audit?: AuditOf<Tpp>): Promise<boolean> {
    return this.#changing(clientId, nowMs, async (change) => {
      const { transaction } = change;
      const before = await findTpp(transaction, clientId);
      if (before !== undefined) await keep(change, audit, () => Promise.resolve(before));
      await beginWithdrawing(transaction, clientId, nowMs);
      return removeTpp(transaction, clientId);
    });
  }

  createSubscription(
    subscription: SubscriptionToStore,
    nowMs: number,
    audit?: AuditOf<StoredSubscription>,
  ): Promise<'created' | 'exists'> {
    return this.#changing(subscription.clientId, nowMs, async (change) => {
      if ((await findSubscription(change.transaction, change.clientId)) !== undefined) return 'exists';
      await keep(change, audit, () => Promise.resolve(undefined));
      await putSubscription(change.transaction, subscription);
      await replaced(change);
      return 'created';
    });
  }

  replaceSubscription(
    subscription: SubscriptionToStore,
    nowMs: number,
    audit?: AuditOf<StoredSubscription>,
  ): Promise<ChangeResult> {
    const { clientId, eventSubscriptionId: id, apiVersion: through } = subscription;
    return this.#changing(clientId, nowMs, async (change) => {
      const found = await mayChange(change.transaction, 'event_subscription', { id, clientId, through });
      if (found !== 'changed') return found;
      await keep(change, audit, () => findSubscription(change.transaction, change.clientId));
      await putSubscription(change.transaction, subscription);
      await replaced(change);
      return found;
    });
  }

  deleteSubscription(
    clientId: string,
    id: string,
    through: ApiVersion,
    nowMs: number,
    audit?: AuditOf<StoredSubscription>,
  ): Promise<ChangeResult> {
    return this.#changing(clientId, nowMs, async (change) => {
      const found = await mayChange(change.transaction, 'event_subscription', { id, clientId, through });
      if (found !== 'changed') return found;
      await keep(change, audit, () => findSubscription(change.transaction, change.clientId));
      await beginWithdrawing(change.transaction, clientId, nowMs);
      await change.transaction.query('DELETE FROM event_subscription WHERE client_id = $1', [clientId]);
      await turnedTo(change);
      return found;
    });
  }

  createCallbackUrl(
    callbackUrl: CallbackUrlToStore,
    nowMs: number,
    audit?: AuditOf<StoredCallbackUrl>,
  ): Promise<'created' | 'exists'> {
    return this.#changing(callbackUrl.clientId, nowMs, async (change) => {
      if ((await findCallbackUrl(change.transaction, change.clientId)) !== undefined) return 'exists';
      await keep(change, audit, () => Promise.resolve(undefined));
      await putCallbackUrl(change.transaction, callbackUrl);
      if (!(await isSuperseded(change))) await replaced(change);
      return 'created';
    });
  }

  replaceCallbackUrl(
    callbackUrl: CallbackUrlToStore,
    nowMs: number,
    audit?: AuditOf<StoredCallbackUrl>,
  ): Promise<ChangeResult> {
    const { clientId, callbackUrlId: id, apiVersion: through } = callbackUrl;
    return this.#changing(clientId, nowMs, async (change) => {
      const found = await mayChange(change.transaction, 'callback_url', { id, clientId, through });
      if (found !== 'changed') return found;
      await keep(change, audit, () => findCallbackUrl(change.transaction, change.clientId));
      await putCallbackUrl(change.transaction, callbackUrl);
      if (!(await isSuperseded(change))) await replaced(change);
      return found;
    });
  }

  deleteCallbackUrl(
    clientId: string,
    id: string,
    through: ApiVersion,
    nowMs: number,
    audit?: AuditOf<StoredCallbackUrl>,
  ): Promise<ChangeResult> {
    return this.#changing(clientId, nowMs, async (change) => {
      const { transaction } = change;
      const found = await mayChange(transaction, 'callback_url', { id, clientId, through });
      if (found !== 'changed') return found;
      await keep(change, audit, () => findCallbackUrl(transaction, change.clientId));
      await transaction.query('DELETE FROM callback_url WHERE client_id = $1', [clientId]);
      if (await isSuperseded(change)) return found;
      await beginWithdrawing(transaction, clientId, nowMs);
      await turnedTo(change);
      return found;
    });
  }

  bringBack(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): Promise<boolean> {
    return this.#changing(clientId, nowMs, async (change) => {
      const { transaction } = change;
      const isBack = how === 'responsive' && (await comeBack(transaction, clientId, nowMs));
      if (isBack) await endWaits(change);
      const isDone = isBack || (how === 'probe-now' && (await probeNow(transaction, clientId, nowMs)));
      if (isDone) await addAudit(transaction, audit);
      return isDone;
    });
  }

  #changing<T>(clientId: string, nowMs: number, work: (change: Change) => Promise<T>): Promise<T> {
    const id = storable(clientId);
    return this.#database.transaction(
      (transaction) => work({ transaction, clientId: id, nowMs, portion: this.#portion }),
      {
        locks: { changing: id },
        isBulk: true,
      },
    );
  }
}

/** Of a change that is about to be made. */
async function keep<T>(
  { transaction }: Change,
  audit: AuditOf<T> | undefined,
  before: () => Promise<T | undefined>,
): Promise<void> {
  if (audit === undefined) return;
  const entry = audit(await before());
  if (entry !== undefined) await addAudit(transaction, entry);
}

const REVISED = `revision = nextval('target_revision')`;

/** A callback URL that an event subscription supersedes has no effect on deliveries. */
async function isSuperseded({ transaction, clientId }: Change): Promise<boolean> {
  const rows = await transaction.query('SELECT 1 FROM event_subscription WHERE client_id = $1', [clientId]);
  return rows.length > 0;
}

/** The registration that holds was changed, and what is awaiting goes by the new one. */
async function replaced(change: Change): Promise<void> {
  await turnedTo(change);
  await endWaits(change);
}

/**
 * Another registration holds, or none: its callback URL counts as responsive, the same one too, and the whole retry policy is
 * before all that is awaiting. What is under way to the same one is left to finish.
 */
async function turnedTo(change: Change): Promise<void> {
  const { transaction, clientId, nowMs } = change;
  const { wasUnresponsive } = await retarget(change);
  if (!wasUnresponsive) return beginRound(change);
  await transaction.query(`UPDATE target SET ${IS_BACK}, back_at_ms = $2::bigint WHERE client_id = $1`, [
    clientId,
    nowMs,
  ]);
}

async function beginRound({ transaction, clientId }: Change): Promise<void> {
  await transaction.query(`UPDATE target SET round = round + 1, ${REVISED} WHERE client_id = $1`, [clientId]);
}

function endWaits({ transaction, clientId, portion }: Change): Promise<void> {
  return beginEndingWaits(transaction, clientId, portion);
}

// An event subscription supersedes a callback URL; nothing is pushed to a TPP that is suspended.
const URL_NOW = `SELECT CASE WHEN p.is_suspended THEN NULL WHEN s.client_id IS NOT NULL THEN s.callback_url ELSE c.url END
  FROM (SELECT $1::text AS client_id) AS k LEFT JOIN tpp p ON p.client_id = k.client_id
    LEFT JOIN event_subscription s ON s.client_id = k.client_id LEFT JOIN callback_url c ON c.client_id = k.client_id`;

/** Works out where the notifications of a TPP go after a change. What is under way to elsewhere is fenced. */
async function retarget({ transaction, clientId }: Change) {
  await transaction.query('INSERT INTO target (client_id) VALUES ($1) ON CONFLICT DO NOTHING', [clientId]);
  const [row] = await transaction.query(
    `UPDATE target t SET callback_url = (${URL_NOW}), ${REVISED} FROM target AS before
     WHERE t.client_id = $1 AND before.client_id = $1
     RETURNING t.callback_url, before.callback_url AS url_before, before.unresponsive_since_ms`,
    [clientId],
  );
  const callbackUrl = row && optionalText(row, 'callback_url');
  const isMoved = row !== undefined && optionalText(row, 'url_before') !== callbackUrl;
  if (isMoved) await fenceLeased(transaction, clientId);
  return {
    isMoved,
    callbackUrl,
    wasUnresponsive: row !== undefined && optionalWhole(row, 'unresponsive_since_ms') !== undefined,
  };
}
