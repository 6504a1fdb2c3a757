import type { DatabaseSync } from 'node:sqlite';
import type { ChangeResult, StoredSubscription, SubscriptionToStore, Tpp } from '../store.ts';
import { subscriptionOf, text, tppOf } from './rows.ts';

/** SQL about TPPs and their event subscriptions. Writes must run inside a transaction. */
export class RegistrationTables {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  putTpp(tpp: Tpp): void {
    this.#database
      .prepare(
        `INSERT INTO tpp (client_id, organisation_id, software_statement_id, jwks) VALUES (?, ?, ?, ?)
         ON CONFLICT (client_id) DO UPDATE SET organisation_id = excluded.organisation_id,
           software_statement_id = excluded.software_statement_id, jwks = excluded.jwks`,
      )
      .run(tpp.clientId, tpp.organisationId, tpp.softwareStatementId, JSON.stringify(tpp.jwks));
  }

  tpp(clientId: string): Tpp | undefined {
    const row = this.#database.prepare('SELECT * FROM tpp WHERE client_id = ?').get(clientId);
    return row && tppOf(row);
  }

  create(subscription: SubscriptionToStore): 'created' | 'exists' {
    const { changes } = this.#database
      .prepare(
        `INSERT INTO event_subscription
           (client_id, event_subscription_id, api_version, version, callback_url, event_types)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (client_id) DO NOTHING`,
      )
      .run(
        subscription.clientId,
        subscription.eventSubscriptionId,
        subscription.apiVersion,
        subscription.version,
        subscription.callbackUrl ?? null,
        eventTypesText(subscription),
      );
    return changes === 0 ? 'exists' : 'created';
  }

  subscriptionOf(clientId: string): StoredSubscription | undefined {
    const row = this.#database.prepare('SELECT * FROM event_subscription WHERE client_id = ?').get(clientId);
    return row && subscriptionOf(row);
  }

  replace(subscription: SubscriptionToStore, nowMs: number): ChangeResult {
    const found = this.#find(subscription.clientId, subscription.eventSubscriptionId);
    if (found !== 'changed') return found;
    const before = this.subscriptionOf(subscription.clientId);
    this.#database
      .prepare(
        `UPDATE event_subscription SET api_version = ?, version = ?, callback_url = ?, event_types = ?,
           unresponsive_since_ms = NULL WHERE client_id = ?`,
      )
      .run(
        subscription.apiVersion,
        subscription.version,
        subscription.callbackUrl ?? null,
        eventTypesText(subscription),
        subscription.clientId,
      );
    if (subscription.callbackUrl === undefined) this.#onlyPolled(subscription.clientId);
    else this.#redirect(subscription.clientId, before?.callbackUrl !== subscription.callbackUrl, nowMs);
    return 'changed';
  }

  delete(clientId: string, eventSubscriptionId: string): ChangeResult {
    const found = this.#find(clientId, eventSubscriptionId);
    if (found !== 'changed') return found;
    this.#database.prepare('DELETE FROM event_subscription WHERE client_id = ?').run(clientId);
    this.#database
      .prepare(
        `UPDATE notification SET state = 'withdrawn', due_at_ms = NULL, leased = 0, lease_token = lease_token + 1
         WHERE client_id = ? AND state = 'awaiting'`,
      )
      .run(clientId);
    return 'changed';
  }

  /** Makes what has ceased, or was only polled for, due at once, with the whole retry policy before it. */
  startNewRound(clientId: string, nowMs: number): void {
    this.#database
      .prepare(
        `UPDATE notification SET due_at_ms = ?, round_attempts = 0, round_began_at_ms = NULL
         WHERE client_id = ? AND state = 'awaiting' AND due_at_ms IS NULL`,
      )
      .run(nowMs, clientId);
  }

  /**
   * Everything awaiting is due at the callback URL that holds now. What is under way to another URL is claimed anew: it
   * may not count as ceased for a URL that never saw it. What is under way to the same URL is left to finish.
   */
  #redirect(clientId: string, urlChanged: boolean, nowMs: number): void {
    this.#database
      .prepare(
        `UPDATE notification SET due_at_ms = ?, round_attempts = 0, round_began_at_ms = NULL, leased = 0,
           lease_token = lease_token + 1 WHERE client_id = ? AND state = 'awaiting' AND (leased = 0 OR ?)`,
      )
      .run(nowMs, clientId, urlChanged ? 1 : 0);
  }

  #onlyPolled(clientId: string): void {
    this.#database
      .prepare(
        `UPDATE notification SET due_at_ms = NULL, leased = 0, lease_token = lease_token + 1
         WHERE client_id = ? AND state = 'awaiting'`,
      )
      .run(clientId);
  }

  #find(clientId: string, eventSubscriptionId: string): ChangeResult {
    const row = this.#database
      .prepare('SELECT client_id FROM event_subscription WHERE event_subscription_id = ?')
      .get(eventSubscriptionId);
    if (row === undefined) return 'unknown';
    return text(row, 'client_id') === clientId ? 'changed' : 'of-another-tpp';
  }
}

function eventTypesText(subscription: SubscriptionToStore): string | null {
  return subscription.eventTypes === undefined ? null : JSON.stringify(subscription.eventTypes);
}
