import { isDeepStrictEqual } from 'node:util';
import type { AuditEntry, AuditOf } from '../../model/audit.ts';
import type {
  ChangeResult,
  Registration,
  RegistrationKind,
  RegistrationToDelete,
  RegistrationToStore,
} from '../../model/registration.ts';
import type { Tpp } from '../../model/tpp.ts';
import { EFFECTIVE_FIRST, optionalText, optionalWhole } from '../rows.ts';
import { addAudit } from './audit.ts';
import { beginEndingWaits, beginWithdrawing } from './backlogs.ts';
import { type Database, storable, type Transaction } from './database.ts';
import {
  deleteRegistration,
  findRegistration,
  findTpp,
  mayChangeRegistration,
  putRegistration,
  putTpp,
  removeTpp,
} from './registrations.ts';
import { fenceLeased } from './settle.ts';
import { probeNow, RECOVERED, recover } from './targets.ts';

/** A change of the registration of one TPP, being made. */
interface Change {
  readonly transaction: Transaction;
  readonly clientId: string;
  readonly nowMs: number;
  /** Most retries whose waits end within the change. */
  readonly portion: number;
}

/**
 * Changes of TPPs, of their registrations and of the health of their callback URLs, with the effect of each on awaiting
 * notifications. One at a time for each TPP, and none while something is published or claimed for it.
 */
export class Retargeting {
  readonly #database: Database;
  readonly #portion: number;

  /** @param portion most retries whose waits end with the change itself; the others follow in portions */
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

  createRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<'created' | 'exists'> {
    const { clientId, kind } = registration;
    return this.#changing(clientId, nowMs, async (change) => {
      if ((await findRegistration(change.transaction, clientId, kind)) !== undefined) return 'exists';
      await keep(change, audit, () => Promise.resolve(undefined));
      await put(change, registration);
      return 'created';
    });
  }

  replaceRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult> {
    const { clientId, kind, apiVersion } = registration;
    return this.#changing(clientId, nowMs, async (change) => {
      const found = await mayChangeRegistration(change.transaction, { ...registration, through: apiVersion });
      if (found !== 'changed') return found;
      await keep(change, audit, () => findRegistration(change.transaction, clientId, kind));
      await put(change, registration);
      return found;
    });
  }

  deleteRegistration(
    registration: RegistrationToDelete,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult> {
    const { clientId, kind } = registration;
    return this.#changing(clientId, nowMs, async (change) => {
      const { transaction } = change;
      const found = await mayChangeRegistration(transaction, registration);
      if (found !== 'changed') return found;
      await keep(change, audit, () => findRegistration(transaction, clientId, kind));
      await deleteRegistration(transaction, change.clientId, kind);
      if (await isSuperseded(change, kind)) return found;
      // A callback URL that becomes effective now gets none of it.
      await beginWithdrawing(transaction, change.clientId, nowMs);
      await followRegistration(change);
      return found;
    });
  }

  recover(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): Promise<boolean> {
    return this.#changing(clientId, nowMs, async (change) => {
      const { transaction } = change;
      const isRecovered = how === 'responsive' && (await recover(transaction, clientId, nowMs));
      if (isRecovered) await endWaits(change);
      const isDone = isRecovered || (how === 'probe-now' && (await probeNow(transaction, clientId, nowMs)));
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

/** Creates or replaces; awaiting notifications follow it, if it is effective. */
async function put(change: Change, registration: RegistrationToStore): Promise<void> {
  await putRegistration(change.transaction, registration);
  if (await isSuperseded(change, registration.kind)) return;
  await followRegistration(change);
  await endWaits(change);
}

/** A callback URL that an event subscription supersedes has no effect on deliveries. */
async function isSuperseded({ transaction, clientId }: Change, kind: RegistrationKind): Promise<boolean> {
  if (kind === 'event-subscription') return false;
  return (await findRegistration(transaction, clientId, 'event-subscription')) !== undefined;
}

/**
 * Another registration is effective, or none: its callback URL counts as responsive, even if it is the same one, and the retry
 * policy restarts for all that is awaiting. Attempts under way to the same URL may finish.
 */
async function followRegistration(change: Change): Promise<void> {
  const { transaction, clientId, nowMs } = change;
  const { wasUnresponsive } = await retarget(change);
  // What attempts said of the registration before does not hold for this one.
  await transaction.query(
    `UPDATE target SET failing_since_ms = NULL, failures = 0, last_failure = NULL, acknowledged_at_ms = NULL
     WHERE client_id = $1`,
    [clientId],
  );
  if (!wasUnresponsive) return beginRound(change);
  await transaction.query(`UPDATE target SET ${RECOVERED}, recovered_at_ms = $2::bigint WHERE client_id = $1`, [
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

// Nothing is pushed to a TPP that is suspended.
const URL_NOW = `SELECT r.callback_url FROM registration r LEFT JOIN tpp p ON p.client_id = r.client_id
  WHERE r.client_id = $1 AND p.is_suspended IS NOT TRUE ORDER BY ${EFFECTIVE_FIRST} LIMIT 1`;

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
