import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Attempt, ClaimedNotification, ClaimOptions, NextStep, NotificationRecord } from '../store.ts';
import type { RegistrationTables } from './registrations.ts';
import { claimsOf, notificationOf, optionalText, optionalWhole, type Row, text, whole } from './rows.ts';

/** SQL of delivering. Writes must run inside a transaction. */
export class DeliveryTables {
  readonly #database: DatabaseSync;
  readonly #registrations: RegistrationTables;
  readonly #nextClient: StatementSync;
  readonly #dueOfClient: StatementSync;
  readonly #lease: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #keepSet: StatementSync;
  readonly #insertAttempt: StatementSync;
  /** Where the last claim stopped, so that each TPP is first in turn. */
  #lastClient = '';

  constructor(database: DatabaseSync, registrations: RegistrationTables) {
    this.#database = database;
    this.#registrations = registrations;
    this.#nextClient = database.prepare(
      `SELECT client_id FROM notification WHERE due_at_ms IS NOT NULL AND client_id > ?
       ORDER BY client_id LIMIT 1`,
    );
    this.#dueOfClient = database.prepare(
      `SELECT * FROM notification WHERE client_id = ? AND due_at_ms <= ? AND state = 'awaiting'
       ORDER BY due_at_ms, seq LIMIT ?`,
    );
    this.#lease = database.prepare(
      'UPDATE notification SET due_at_ms = ?, leased = 1, lease_token = lease_token + 1 WHERE seq = ?',
    );
    this.#nextDue = database.prepare(
      'SELECT min(due_at_ms) AS due FROM notification WHERE client_id = ? AND due_at_ms IS NOT NULL',
    );
    this.#keepSet = database.prepare(
      'UPDATE notification SET set_jws = coalesce(set_jws, ?) WHERE jti = ? RETURNING set_jws',
    );
    this.#insertAttempt = database.prepare(
      `INSERT INTO attempt (jti, started_at_ms, duration_ms, interaction_id, callback_url, outcome)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
  }

  /** The store serves one process: whatever was leased when it opens was left by one that is gone. */
  takeBackLeases(nowMs: number): void {
    this.#database.prepare('UPDATE notification SET due_at_ms = ?, leased = 0 WHERE leased = 1').run(nowMs);
  }

  /** Goes round the TPPs that have something due, beginning after the last one served. */
  claimDue(options: ClaimOptions): ClaimedNotification[] {
    const claimed: ClaimedNotification[] = [];
    const served = new Set<string>();
    let client = this.#clientAfter(this.#lastClient);
    while (client !== undefined && !served.has(client) && claimed.length < options.limit) {
      served.add(client);
      const room = options.perTppMax - (options.inFlight.get(client) ?? 0);
      const limit = Math.min(room, options.limit - claimed.length);
      if (limit > 0) claimed.push(...this.#claimOf(client, limit, options));
      this.#lastClient = client;
      client = this.#clientAfter(client);
    }
    return claimed;
  }

  #clientAfter(clientId: string): string | undefined {
    const row = this.#nextClient.get(clientId) ?? this.#nextClient.get('');
    return row && text(row, 'client_id');
  }

  #claimOf(clientId: string, limit: number, options: ClaimOptions): ClaimedNotification[] {
    const callbackUrl = this.#registrations.targetOf(clientId);
    if (callbackUrl === undefined) return [];
    return this.#dueOfClient.all(clientId, options.nowMs, limit).map((row) => {
      this.#lease.run(options.nowMs + options.leaseMs, whole(row, 'seq'));
      return claimedOf(row, callbackUrl);
    });
  }

  keepSet(jti: string, set: string): string {
    const row = this.#keepSet.get(set, jti);
    if (row === undefined) throw new Error(`there is no notification ${jti}`);
    return text(row, 'set_jws');
  }

  recordAttempt(claimed: ClaimedNotification, attempt: Attempt, next: NextStep): boolean {
    const { startedAtMs, durationMs, interactionId, callbackUrl, outcome } = attempt;
    this.#insertAttempt.run(
      claimed.jti,
      startedAtMs,
      Math.round(durationMs),
      interactionId,
      callbackUrl,
      JSON.stringify(outcome),
    );
    this.#countAttempt(claimed, startedAtMs);
    if (next.kind === 'acknowledged') return this.#acknowledge(claimed, startedAtMs + Math.round(durationMs));
    const applied = this.#reschedule(claimed, next.kind === 'retry' ? next.atMs : null);
    if (applied && next.kind === 'cease') {
      this.#registrations.markUnresponsive(claimed.clientId, callbackUrl, startedAtMs + Math.round(durationMs));
    }
    return applied;
  }

  /** An attempt of a claim that no longer stands is history, but no part of the round: that may be at another URL. */
  #countAttempt(claimed: ClaimedNotification, startedAtMs: number): void {
    this.#database
      .prepare(
        `UPDATE notification SET attempts = attempts + 1,
           round_attempts = round_attempts + (leased = 1 AND lease_token = :token),
           round_began_at_ms = iif(leased = 1 AND lease_token = :token, coalesce(round_began_at_ms, :startedAtMs),
             round_began_at_ms) WHERE jti = :jti`,
      )
      .run({ token: claimed.leaseToken, startedAtMs, jti: claimed.jti });
  }

  #acknowledge(claimed: ClaimedNotification, nowMs: number): boolean {
    const { changes } = this.#database
      .prepare(
        `UPDATE notification SET state = 'acknowledged', acknowledged_by = 'push', acknowledged_at_ms = ?, due_at_ms = NULL, leased = 0
         WHERE jti = ? AND state = 'awaiting'`,
      )
      .run(nowMs, claimed.jti);
    this.#registrations.markResponsive(claimed.clientId, claimed.callbackUrl, nowMs);
    return changes !== 0;
  }

  #reschedule(claimed: ClaimedNotification, dueAtMs: number | null): boolean {
    const { changes } = this.#database
      .prepare(
        `UPDATE notification SET due_at_ms = ?, leased = 0
         WHERE jti = ? AND state = 'awaiting' AND lease_token = ? AND leased = 1`,
      )
      .run(dueAtMs, claimed.jti, claimed.leaseToken);
    return changes !== 0;
  }

  release(claimed: readonly ClaimedNotification[], nowMs: number): void {
    for (const notification of claimed) this.#reschedule(notification, nowMs);
  }

  nextDueAtMs(without: ReadonlySet<string>): number | undefined {
    let earliest: number | undefined;
    let row = this.#nextClient.get('');
    while (row !== undefined) {
      const client = text(row, 'client_id');
      const due = without.has(client) ? undefined : this.#nextDue.get(client)?.['due'];
      if (typeof due === 'number') earliest = Math.min(due, earliest ?? due);
      row = this.#nextClient.get(client);
    }
    return earliest;
  }

  /** Goes from TPP to TPP: the first of each is found by the index, however many are awaiting. */
  oldestAwaitingAtMs(): number | undefined {
    const clientAfter = this.#database.prepare(
      `SELECT client_id FROM notification WHERE state = 'awaiting' AND client_id > ? ORDER BY client_id LIMIT 1`,
    );
    const oldestOf = this.#database.prepare(
      `SELECT published_at_ms FROM notification WHERE state = 'awaiting' AND client_id = ? ORDER BY seq LIMIT 1`,
    );
    let oldest: number | undefined;
    for (let row = clientAfter.get(''); row !== undefined; row = clientAfter.get(text(row, 'client_id'))) {
      const first = oldestOf.get(text(row, 'client_id'));
      const publishedAtMs = first === undefined ? undefined : whole(first, 'published_at_ms');
      if (publishedAtMs !== undefined) oldest = Math.min(publishedAtMs, oldest ?? publishedAtMs);
    }
    return oldest;
  }

  notification(jti: string): NotificationRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM notification WHERE jti = ?').get(jti);
    if (row === undefined) return undefined;
    const attempts = this.#database.prepare('SELECT * FROM attempt WHERE jti = ? ORDER BY seq').all(jti);
    const errors = this.#database.prepare('SELECT * FROM reported_error WHERE jti = ? ORDER BY seq').all(jti);
    return notificationOf(row, attempts, errors);
  }
}

function claimedOf(row: Row, callbackUrl: string): ClaimedNotification {
  return {
    jti: text(row, 'jti'),
    clientId: text(row, 'client_id'),
    callbackUrl,
    claims: claimsOf(row),
    set: optionalText(row, 'set_jws'),
    attempts: whole(row, 'attempts'),
    roundAttempts: whole(row, 'round_attempts'),
    roundBeganAtMs: optionalWhole(row, 'round_began_at_ms'),
    leaseToken: whole(row, 'lease_token') + 1,
  };
}
