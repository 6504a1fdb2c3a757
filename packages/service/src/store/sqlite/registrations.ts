import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import { apiVersionOf, type Row, text } from '../row.ts';
import type {
  CallbackUrlToStore,
  ChangeResult,
  Registration,
  RegistrationsOfTpp,
  StoredCallbackUrl,
  StoredSubscription,
  SubscriptionToStore,
  Target,
  Tpp,
} from '../store.ts';
import { callbackUrlOf, subscriptionOf } from './rows.ts';
import type { TargetState, TargetTable } from './targets.ts';
import { TppTable } from './tpps.ts';
import type { UndoLog } from './undo.ts';

// TPPs that are looked up without the database; those of a large bank are a few hundred.
const KNOWN_MAX = 1000;

/** What fan-out and delivery need of a TPP. */
export interface Known {
  readonly tpp: Tpp | undefined;
  /** The one that holds. */
  readonly registration: Registration | undefined;
  /** Where its notifications are sent now; undefined when nowhere. */
  readonly target: Target | undefined;
  /** That everything above was made of. */
  readonly state: TargetState;
}

/** SQL about who is to be told where: TPPs, their event subscriptions and callback URLs. */
export class RegistrationTables {
  readonly #database: DatabaseSync;
  readonly #tpps: TppTable;
  readonly #states: TargetTable;
  readonly #selectSubscription: StatementSync;
  readonly #selectCallbackUrl: StatementSync;
  readonly #known = new Map<string, Known>();

  constructor(database: DatabaseSync, states: TargetTable, undo: UndoLog) {
    this.#database = database;
    this.#states = states;
    this.#tpps = new TppTable(database);
    this.#selectSubscription = database.prepare('SELECT * FROM event_subscription WHERE client_id = ?');
    this.#selectCallbackUrl = database.prepare('SELECT * FROM callback_url WHERE client_id = ?');
    undo.onRollBack(() => this.#known.clear());
  }

  /** Looks up all that is known of a TPP; cheap when it was so a short while ago. */
  lookUp(clientId: string): Known {
    const state = this.#states.of(clientId);
    const known = this.#known.get(clientId);
    if (known?.state === state) return known;
    const isStale = known === undefined || known.state.unresponsiveSinceMs !== state.unresponsiveSinceMs;
    const tpp = known === undefined ? this.tpp(clientId) : known.tpp;
    const registration = isStale ? this.#registrationOf(clientId) : known.registration;
    const fresh = { tpp, registration, target: targetOf(clientId, tpp, registration, state), state };
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(clientId, fresh);
    return fresh;
  }

  targetOf(clientId: string): Target | undefined {
    return this.lookUp(clientId).target;
  }

  targets(after: string, limit: number, only?: 'responsive' | 'unresponsive'): Target[] {
    const targets: Target[] = [];
    for (const clientId of this.#registered(after)) {
      if (targets.length === limit) break;
      const target = this.targetOf(clientId);
      const state = target?.unresponsiveSinceMs === undefined ? 'responsive' : 'unresponsive';
      if (target !== undefined && (only ?? state) === state) targets.push(target);
    }
    return targets;
  }

  /** TPPs that registered something, in the order of their client_id. */
  registrations(after: string, limit: number): RegistrationsOfTpp[] {
    const found: RegistrationsOfTpp[] = [];
    for (const clientId of this.#registered(after)) {
      if (found.length === limit) break;
      const isSuspended = this.lookUp(clientId).tpp?.isSuspended === true;
      const [subscription, callbackUrl] = [this.subscriptionOf(clientId), this.callbackUrlOf(clientId)];
      found.push({ clientId, isSuspended, subscription, callbackUrl });
    }
    return found;
  }

  /** client_ids, in their order, as they are asked for. */
  *#registered(after: string): Generator<string> {
    const next = this.#database.prepare(
      `SELECT min(client_id) AS client_id FROM
         (SELECT min(client_id) AS client_id FROM event_subscription WHERE client_id > :after
          UNION ALL SELECT min(client_id) FROM callback_url WHERE client_id > :after)`,
    );
    for (let client = after; ; ) {
      const row = next.get({ after: client });
      if (row === undefined || row['client_id'] === null) return;
      client = text(row, 'client_id');
      yield client;
    }
  }

  /** Of the callback URLs that hold; those of suspended TPPs are not counted. */
  countUnresponsive(): number {
    return this.#states.unresponsive().filter((clientId) => this.targetOf(clientId) !== undefined).length;
  }

  tpp(clientId: string): Tpp | undefined {
    return this.#tpps.find(clientId);
  }

  tpps(after: string, limit: number): Tpp[] {
    return this.#tpps.list(after, limit);
  }

  putTpp(tpp: Tpp): void {
    this.#tpps.put(tpp);
    this.#known.delete(tpp.clientId);
  }

  /** With its registrations. */
  removeTpp(clientId: string): boolean {
    this.deleteSubscription(clientId);
    this.deleteCallbackUrl(clientId);
    return this.#tpps.remove(clientId);
  }

  subscriptionOf(clientId: string): StoredSubscription | undefined {
    const row = this.#selectSubscription.get(clientId);
    return row && subscriptionOf(row, this.#states.of(clientId).unresponsiveSinceMs);
  }

  /** While an event subscription supersedes it, nothing is known of how it fares. */
  callbackUrlOf(clientId: string): StoredCallbackUrl | undefined {
    const row = this.#selectCallbackUrl.get(clientId);
    if (row === undefined) return undefined;
    const holds = this.#selectSubscription.get(clientId) === undefined;
    return callbackUrlOf(row, holds ? this.#states.of(clientId).unresponsiveSinceMs : undefined);
  }

  /** Whether an event subscription may be changed by a TPP through a version of the API. */
  mayChangeSubscription(id: string, clientId: string, through: ApiVersion): ChangeResult {
    const row = this.#database.prepare('SELECT * FROM event_subscription WHERE event_subscription_id = ?').get(id);
    return mayChange(row, clientId, through);
  }

  mayChangeCallbackUrl(id: string, clientId: string, through: ApiVersion): ChangeResult {
    const row = this.#database.prepare('SELECT * FROM callback_url WHERE callback_url_id = ?').get(id);
    return mayChange(row, clientId, through);
  }

  /** Creates or replaces. */
  putSubscription(subscription: SubscriptionToStore): void {
    const { clientId, eventSubscriptionId, apiVersion, version, callbackUrl, eventTypes } = subscription;
    this.deleteSubscription(clientId);
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

  deleteSubscription(clientId: string): void {
    this.#database.prepare('DELETE FROM event_subscription WHERE client_id = ?').run(clientId);
    this.#known.delete(clientId);
  }

  /** Creates or replaces. */
  putCallbackUrl({ clientId, callbackUrlId, apiVersion, version, url }: CallbackUrlToStore): void {
    this.deleteCallbackUrl(clientId);
    this.#database
      .prepare(
        'INSERT INTO callback_url (client_id, callback_url_id, api_version, version, url) VALUES (?, ?, ?, ?, ?)',
      )
      .run(clientId, callbackUrlId, apiVersion, version, url);
  }

  deleteCallbackUrl(clientId: string): void {
    this.#database.prepare('DELETE FROM callback_url WHERE client_id = ?').run(clientId);
    this.#known.delete(clientId);
  }

  /** An event subscription supersedes a callback URL. */
  #registrationOf(clientId: string): Registration | undefined {
    const subscription = this.subscriptionOf(clientId);
    if (subscription !== undefined) return { kind: 'event-subscription', ...subscription };
    const callbackUrl = this.callbackUrlOf(clientId);
    return callbackUrl && { kind: 'callback-url', ...callbackUrl };
  }
}

/** A registration of v4.0 must not be changed through v3.1; the other way is allowed (rules, section 2). */
function mayChange(row: Row | undefined, clientId: string, through: ApiVersion): ChangeResult {
  if (row === undefined) return 'unknown';
  if (text(row, 'client_id') !== clientId) return 'of-another-tpp';
  const createdThrough = apiVersionOf(text(row, 'api_version'));
  return API_VERSIONS.indexOf(createdThrough) > API_VERSIONS.indexOf(through) ? 'of-newer-version' : 'changed';
}

/** Where notifications are sent: nowhere while the TPP is suspended, only polls, or is not registered. */
function targetOf(
  clientId: string,
  tpp: Tpp | undefined,
  registration: Registration | undefined,
  state: TargetState,
): Target | undefined {
  if (tpp?.isSuspended === true) return undefined;
  const callbackUrl = registration?.kind === 'callback-url' ? registration.url : registration?.callbackUrl;
  if (callbackUrl === undefined) return undefined;
  const { unresponsiveSinceMs, probeAtMs, probes, backAtMs, claimedSinceBack } = state;
  const fared = { unresponsiveSinceMs, probeAtMs, probes, backAtMs, claimedSinceBack };
  return { clientId, callbackUrl, retry: tpp?.retry, ...fared };
}
