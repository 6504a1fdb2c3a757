import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Attempt } from '../../model/attempt.ts';
import type { NotificationRecord, ReportedError } from '../../model/notification.ts';
import type { Backlog, TroubledTarget } from '../operations.ts';
import { json, notificationOf, optionalWhole, type Row, text, whole } from '../rows.ts';
import type { Clients } from './claim-queue.ts';
import type { RegistrationTables } from './registrations.ts';

/** SQL of looking at what there is; writes nothing. */
export class Reads {
  readonly #clients: Clients;
  readonly #registrations: RegistrationTables;
  readonly #notification: StatementSync;
  readonly #attempts: StatementSync;
  readonly #errors: StatementSync;
  readonly #oldest: StatementSync;
  readonly #placesOf: StatementSync;

  constructor(database: DatabaseSync, clients: Clients, registrations: RegistrationTables) {
    this.#clients = clients;
    this.#registrations = registrations;
    this.#notification = database.prepare(
      `SELECT event.seq, event.jti, event.event_id, event.client_id, event.claims, event.published_at_ms,
         signed_set.set_jws, awaiting.due_at_ms, settled.state, settled.settled_at_ms, settled.acknowledged_by
       FROM event LEFT JOIN signed_set ON signed_set.seq = event.seq LEFT JOIN awaiting ON awaiting.seq = event.seq
         LEFT JOIN settled ON settled.seq = event.seq
       WHERE event.jti = ? AND event.claims IS NOT NULL`,
    );
    this.#attempts = database.prepare('SELECT * FROM attempt WHERE seq = ? ORDER BY number');
    this.#errors = database.prepare('SELECT * FROM reported_error WHERE seq = ? ORDER BY number');
    this.#oldest = database.prepare('SELECT published_at_ms FROM awaiting ORDER BY seq LIMIT 1');
    // In the order of an index; few notifications are withheld from polls, and those are scanned.
    this.#placesOf = database.prepare(
      `SELECT (SELECT min(published_at_ms) FROM awaiting WHERE seq IN (
           (SELECT seq FROM awaiting WHERE client_id = ?1 AND offer_at_ms IS NULL ORDER BY seq LIMIT 1),
           (SELECT min(seq) FROM awaiting WHERE client_id = ?1 AND offer_at_ms IS NOT NULL))) AS oldest,
         (SELECT min(due) FROM (
           SELECT min(due_at_ms) AS due FROM awaiting WHERE client_id = ?1 AND is_retry = 0
           UNION ALL SELECT min(due_at_ms) FROM awaiting WHERE client_id = ?1 AND is_retry = 1)) AS due`,
    );
  }

  notification(jti: string): NotificationRecord | undefined {
    const row = this.#notification.get(jti);
    if (row === undefined) return undefined;
    const seq = whole(row, 'seq');
    return notificationOf(row, {
      attempts: this.#attempts.all(seq).map(attemptOf),
      errors: this.#errors.all(seq).map(errorOf),
      nextAttemptAtMs: this.#nextAttemptAtMs(row),
    });
  }

  #nextAttemptAtMs(row: Row): number | undefined {
    const target = this.#registrations.targetOf(text(row, 'client_id'));
    if (target === undefined || target.unresponsiveSinceMs !== undefined) return undefined;
    return this.#clients.leaseOf(text(row, 'jti'))?.untilMs ?? optionalWhole(row, 'due_at_ms');
  }

  backlogOf(clientId: string): Backlog {
    const row = this.#placesOf.get(clientId);
    return {
      awaiting: this.#clients.awaitingOf(clientId),
      oldestAwaitingAtMs: row && optionalWhole(row, 'oldest'),
      dueAtMs: row && optionalWhole(row, 'due'),
    };
  }

  /** Callback URLs that are failing or unresponsive, those with most awaiting first. */
  troubledTargets(limit: number): TroubledTarget[] {
    return this.#registrations
      .troubled()
      .map((target) => ({ ...target, awaiting: this.#clients.awaitingOf(target.clientId) }))
      .sort((left, right) => right.awaiting - left.awaiting || (left.clientId < right.clientId ? -1 : 1))
      .slice(0, limit)
      .map((target) => ({ ...target, ...this.backlogOf(target.clientId) }));
  }

  /** When the oldest awaiting notification of each TPP was published, the oldest of all first. */
  oldestAwaiting(limit: number): Map<string, number> {
    const oldest = this.#clients.list.flatMap(({ clientId, awaiting }): [string, number][] => {
      const atMs = awaiting === 0 ? undefined : this.backlogOf(clientId).oldestAwaitingAtMs;
      return atMs === undefined ? [] : [[clientId, atMs]];
    });
    return new Map(oldest.sort(([, left], [, right]) => left - right).slice(0, limit));
  }

  /** In the order of publishing, which is that of age but for clocks that were set back. */
  oldestAwaitingAtMs(): number | undefined {
    const row = this.#oldest.get();
    return row && whole(row, 'published_at_ms');
  }
}

function errorOf(row: Row): ReportedError {
  return {
    err: text(row, 'err'),
    description: text(row, 'description'),
    reportedAtMs: whole(row, 'reported_at_ms'),
  };
}

function attemptOf(row: Row): Attempt {
  return {
    startedAtMs: whole(row, 'started_at_ms'),
    durationMs: whole(row, 'duration_ms'),
    interactionId: text(row, 'interaction_id'),
    callbackUrl: text(row, 'callback_url'),
    outcome: json(row, 'outcome'),
  };
}
