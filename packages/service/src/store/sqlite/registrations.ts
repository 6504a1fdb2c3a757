import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import type {
  CallbackUrlToStore,
  ChangeResult,
  Registration,
  StoredCallbackUrl,
  StoredSubscription,
  SubscriptionToStore,
  Tpp,
} from '../store.ts';
import { apiVersionOf, callbackUrlOf, type Row, subscriptionOf, text } from './rows.ts';
import { TppTable } from './tpps.ts';

/**
 * SQL about who is to be told where: TPPs, their event subscriptions and callback URLs, and what a change of these means
 * for the notifications that are awaiting. Writes must run inside a transaction.
 */
export class RegistrationTables {
  readonly #database: DatabaseSync;
  readonly #tpps: TppTable;
  readonly #selectSubscription: StatementSync;
  readonly #selectCallbackUrl: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#tpps = new TppTable(database);
    this.#selectSubscription = database.prepare('SELECT * FROM event_subscription WHERE client_id = ?');
    this.#selectCallbackUrl = database.prepare('SELECT * FROM callback_url WHERE client_id = ?');
  }

  /** The registration that holds: an event subscription supersedes a callback URL. */
  registrationOf(clientId: string): Registration | undefined {
    const subscription = this.subscriptionOf(clientId);
    if (subscription !== undefined) return { kind: 'event-subscription', ...subscription };
    const callbackUrl = this.callbackUrlOf(clientId);
    return callbackUrl && { kind: 'callback-url', ...callbackUrl };
  }

  /** Where notifications of a TPP are sent now; undefined when nowhere. */
  targetOf(clientId: string): string | undefined {
    return targetOf(this.tpp(clientId), this.registrationOf(clientId));
  }

  tpp(clientId: string): Tpp | undefined {
    return this.#tpps.find(clientId);
  }

  tpps(after: string, limit: number): Tpp[] {
    return this.#tpps.list(after, limit);
  }

  putTpp(tpp: Tpp, nowMs: number): void {
    this.#retargeting(tpp.clientId, nowMs, () => this.#tpps.put(tpp));
  }

  removeTpp(clientId: string): boolean {
    this.#withdraw(clientId);
    this.#database.prepare('DELETE FROM event_subscription WHERE client_id = ?').run(clientId);
    this.#database.prepare('DELETE FROM callback_url WHERE client_id = ?').run(clientId);
    return this.#tpps.remove(clientId);
  }

  subscriptionOf(clientId: string): StoredSubscription | undefined {
    const row = this.#selectSubscription.get(clientId);
    return row && subscriptionOf(row);
  }

  createSubscription(subscription: SubscriptionToStore, nowMs: number): 'created' | 'exists' {
    if (this.subscriptionOf(subscription.clientId) !== undefined) return 'exists';
    this.#retargeting(subscription.clientId, nowMs, () => this.#insertSubscription(subscription));
    return 'created';
  }

  replaceSubscription(subscription: SubscriptionToStore, nowMs: number): ChangeResult {
    const { clientId, eventSubscriptionId, apiVersion } = subscription;
    const found = this.#mayChange(this.#subscriptionRow(eventSubscriptionId), clientId, apiVersion);
    if (found !== 'changed') return found;
    this.#replacing(clientId, nowMs, () => {
      this.#database.prepare('DELETE FROM event_subscription WHERE client_id = ?').run(clientId);
      this.#insertSubscription(subscription);
    });
    return 'changed';
  }

  deleteSubscription(clientId: string, eventSubscriptionId: string, through: ApiVersion): ChangeResult {
    const found = this.#mayChange(this.#subscriptionRow(eventSubscriptionId), clientId, through);
    if (found !== 'changed') return found;
    this.#database.prepare('DELETE FROM event_subscription WHERE client_id = ?').run(clientId);
    this.#withdraw(clientId);
    return 'changed';
  }

  callbackUrlOf(clientId: string): StoredCallbackUrl | undefined {
    const row = this.#selectCallbackUrl.get(clientId);
    return row && callbackUrlOf(row);
  }

  createCallbackUrl(callbackUrl: CallbackUrlToStore, nowMs: number): 'created' | 'exists' {
    if (this.callbackUrlOf(callbackUrl.clientId) !== undefined) return 'exists';
    this.#retargeting(callbackUrl.clientId, nowMs, () => this.#insertCallbackUrl(callbackUrl));
    return 'created';
  }

  replaceCallbackUrl(callbackUrl: CallbackUrlToStore, nowMs: number): ChangeResult {
    const { clientId, callbackUrlId, apiVersion } = callbackUrl;
    const found = this.#mayChange(this.#callbackUrlRow(callbackUrlId), clientId, apiVersion);
    if (found !== 'changed') return found;
    const replace = () => {
      this.#database.prepare('DELETE FROM callback_url WHERE client_id = ?').run(clientId);
      this.#insertCallbackUrl(callbackUrl);
    };
    if (this.subscriptionOf(clientId) === undefined) this.#replacing(clientId, nowMs, replace);
    else replace();
    return 'changed';
  }

  deleteCallbackUrl(clientId: string, callbackUrlId: string, through: ApiVersion): ChangeResult {
    const found = this.#mayChange(this.#callbackUrlRow(callbackUrlId), clientId, through);
    if (found !== 'changed') return found;
    this.#database.prepare('DELETE FROM callback_url WHERE client_id = ?').run(clientId);
    if (this.subscriptionOf(clientId) === undefined) this.#withdraw(clientId);
    return 'changed';
  }

  /** A callback URL is past a limit of the retry policy. */
  markUnresponsive(clientId: string, url: string, nowMs: number): void {
    for (const [table, column] of URL_COLUMNS) {
      this.#database
        .prepare(
          `UPDATE ${table} SET unresponsive_since_ms = coalesce(unresponsive_since_ms, ?)
           WHERE client_id = ? AND ${column} = ?`,
        )
        .run(nowMs, clientId, url);
    }
  }

  /** A callback URL has acknowledged: if it was unresponsive, everything that had ceased is due again. */
  markResponsive(clientId: string, url: string, nowMs: number): void {
    for (const [table, column] of URL_COLUMNS) {
      const { changes } = this.#database
        .prepare(
          `UPDATE ${table} SET unresponsive_since_ms = NULL
           WHERE client_id = ? AND ${column} = ? AND unresponsive_since_ms IS NOT NULL`,
        )
        .run(clientId, url);
      if (changes !== 0) this.#startNewRound(clientId, 'due_at_ms IS NULL', nowMs);
    }
  }

  #insertSubscription(subscription: SubscriptionToStore): void {
    const { clientId, eventSubscriptionId, apiVersion, version, callbackUrl, eventTypes } = subscription;
    this.#database
      .prepare(
        `INSERT INTO event_subscription
           (client_id, event_subscription_id, api_version, version, callback_url, event_types)
         VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(
        clientId,
        eventSubscriptionId,
        apiVersion,
        version,
        callbackUrl ?? null,
        eventTypes === undefined ? null : JSON.stringify(eventTypes),
      );
  }

  #insertCallbackUrl({ clientId, callbackUrlId, apiVersion, version, url }: CallbackUrlToStore): void {
    this.#database
      .prepare(
        'INSERT INTO callback_url (client_id, callback_url_id, api_version, version, url) VALUES (?, ?, ?, ?, ?)',
      )
      .run(clientId, callbackUrlId, apiVersion, version, url);
  }

  #subscriptionRow(id: string): Row | undefined {
    return this.#database.prepare('SELECT * FROM event_subscription WHERE event_subscription_id = ?').get(id);
  }

  #callbackUrlRow(id: string): Row | undefined {
    return this.#database.prepare('SELECT * FROM callback_url WHERE callback_url_id = ?').get(id);
  }

  /** A registration of v4.0 must not be changed through v3.1; the other way is allowed (rules, section 2). */
  #mayChange(row: Row | undefined, clientId: string, through: ApiVersion): ChangeResult {
    if (row === undefined) return 'unknown';
    if (text(row, 'client_id') !== clientId) return 'of-another-tpp';
    const createdThrough = apiVersionOf(text(row, 'api_version'));
    return API_VERSIONS.indexOf(createdThrough) > API_VERSIONS.indexOf(through) ? 'of-newer-version' : 'changed';
  }

  /** Runs a change after which notifications may have to go somewhere else, or nowhere. */
  #retargeting(clientId: string, nowMs: number, change: () => void): void {
    const before = this.targetOf(clientId);
    change();
    const after = this.targetOf(clientId);
    if (after === before) return;
    if (after === undefined) this.#onlyPolled(clientId);
    else this.#startNewRound(clientId, 'TRUE', nowMs);
  }

  /** As {@link #retargeting}, and a replaced registration makes its callback URL responsive again, the same one too. */
  #replacing(clientId: string, nowMs: number, replace: () => void): void {
    this.#retargeting(clientId, nowMs, replace);
    // What is under way to the same URL is left to finish.
    if (this.targetOf(clientId) !== undefined) this.#startNewRound(clientId, 'leased = 0', nowMs);
  }

  /**
   * Makes awaiting notifications due at once, with the whole retry policy before them. What is under way to another URL
   * is claimed anew: it may not count as ceased for a URL that never saw it.
   */
  #startNewRound(clientId: string, which: 'TRUE' | 'leased = 0' | 'due_at_ms IS NULL', nowMs: number): void {
    this.#database
      .prepare(
        `UPDATE notification SET due_at_ms = ?, round_attempts = 0, round_began_at_ms = NULL, leased = 0,
           lease_token = lease_token + 1 WHERE client_id = ? AND state = 'awaiting' AND ${which}`,
      )
      .run(nowMs, clientId);
  }

  #onlyPolled(clientId: string): void {
    this.#database
      .prepare(
        `UPDATE notification SET due_at_ms = NULL, leased = 0, lease_token = lease_token + 1
         WHERE client_id = ? AND state = 'awaiting'`,
      )
      .run(clientId);
  }

  #withdraw(clientId: string): void {
    this.#database
      .prepare(
        `UPDATE notification SET state = 'withdrawn', due_at_ms = NULL, leased = 0, lease_token = lease_token + 1
         WHERE client_id = ? AND state = 'awaiting'`,
      )
      .run(clientId);
  }
}

/** Where notifications are sent: nowhere while the TPP is suspended, only polls, or is not registered. */
export function targetOf(tpp: Tpp | undefined, registration: Registration | undefined): string | undefined {
  if (tpp?.isSuspended === true) return undefined;
  return registration?.kind === 'callback-url' ? registration.url : registration?.callbackUrl;
}

const URL_COLUMNS = [
  ['event_subscription', 'callback_url'],
  ['callback_url', 'url'],
] as const;
