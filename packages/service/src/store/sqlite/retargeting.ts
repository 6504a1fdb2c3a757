import { isDeepStrictEqual } from 'node:util';
import type { ApiVersion } from '@tidings/protocol';
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
import type { AuditTable } from './audit.ts';
import type { Clients } from './clients.ts';
import type { EndingWaits } from './ending-waits.ts';
import type { RegistrationTables } from './registrations.ts';
import type { TargetTable } from './targets.ts';
import type { WithdrawingTable } from './withdrawing.ts';

/** What changes of a TPP are made with. */
export interface RetargetingParts {
  readonly registrations: RegistrationTables;
  readonly states: TargetTable;
  readonly clients: Clients;
  readonly audit: AuditTable;
  readonly withdrawing: WithdrawingTable;
  readonly endingWaits: EndingWaits;
}

/**
 * Changes of TPPs, of their registrations and of how their callback URLs fare, with what each means for the
 * notifications that are awaiting. Must run inside a transaction.
 */
export class Retargeting {
  readonly #parts: RetargetingParts;

  constructor(parts: RetargetingParts) {
    this.#parts = parts;
  }

  /** @returns whether deliveries are affected */
  putTpp(tpp: Tpp, audit?: AuditOf<Tpp>): boolean {
    const { registrations, states } = this.#parts;
    const { clientId } = tpp;
    this.#keep(audit, () => registrations.tpp(clientId));
    const before = registrations.targetOf(clientId);
    registrations.putTpp(tpp);
    const after = registrations.targetOf(clientId);
    if (after?.callbackUrl === before?.callbackUrl) return !isDeepStrictEqual(after?.retry, before?.retry);
    this.#moveAway(clientId);
    if (after !== undefined) this.#startOver(clientId, () => states.beginRound(clientId));
    return true;
  }

  removeTpp(clientId: string, nowMs: number, audit?: AuditOf<Tpp>): boolean {
    const { registrations, states } = this.#parts;
    const before = registrations.tpp(clientId);
    if (before !== undefined) this.#keep(audit, () => before);
    this.#parts.withdrawing.begin(clientId, nowMs);
    states.remove(clientId);
    return registrations.removeTpp(clientId);
  }

  createSubscription(
    subscription: SubscriptionToStore,
    nowMs: number,
    audit?: AuditOf<StoredSubscription>,
  ): 'created' | 'exists' {
    const { registrations } = this.#parts;
    if (registrations.subscriptionOf(subscription.clientId) !== undefined) return 'exists';
    this.#keep(audit, () => undefined);
    this.#replacing(subscription.clientId, nowMs, () => registrations.putSubscription(subscription));
    return 'created';
  }

  replaceSubscription(
    subscription: SubscriptionToStore,
    nowMs: number,
    audit?: AuditOf<StoredSubscription>,
  ): ChangeResult {
    const { registrations } = this.#parts;
    const { clientId, eventSubscriptionId, apiVersion } = subscription;
    const found = registrations.mayChangeSubscription(eventSubscriptionId, clientId, apiVersion);
    if (found !== 'changed') return found;
    this.#keep(audit, () => registrations.subscriptionOf(clientId));
    this.#replacing(clientId, nowMs, () => registrations.putSubscription(subscription));
    return found;
  }

  deleteSubscription(
    clientId: string,
    id: string,
    through: ApiVersion,
    nowMs: number,
    audit?: AuditOf<StoredSubscription>,
  ): ChangeResult {
    const { registrations } = this.#parts;
    const found = registrations.mayChangeSubscription(id, clientId, through);
    if (found !== 'changed') return found;
    this.#keep(audit, () => registrations.subscriptionOf(clientId));
    // A callback URL that holds from now on gets none of it.
    this.#parts.withdrawing.begin(clientId, nowMs);
    this.#turning(clientId, nowMs, () => registrations.deleteSubscription(clientId));
    return found;
  }

  createCallbackUrl(
    callbackUrl: CallbackUrlToStore,
    nowMs: number,
    audit?: AuditOf<StoredCallbackUrl>,
  ): 'created' | 'exists' {
    const { registrations } = this.#parts;
    if (registrations.callbackUrlOf(callbackUrl.clientId) !== undefined) return 'exists';
    this.#keep(audit, () => undefined);
    this.#changingCallbackUrl(callbackUrl.clientId, nowMs, () => registrations.putCallbackUrl(callbackUrl));
    return 'created';
  }

  replaceCallbackUrl(callbackUrl: CallbackUrlToStore, nowMs: number, audit?: AuditOf<StoredCallbackUrl>): ChangeResult {
    const { registrations } = this.#parts;
    const { clientId, callbackUrlId, apiVersion } = callbackUrl;
    const found = registrations.mayChangeCallbackUrl(callbackUrlId, clientId, apiVersion);
    if (found !== 'changed') return found;
    this.#keep(audit, () => registrations.callbackUrlOf(clientId));
    this.#changingCallbackUrl(clientId, nowMs, () => registrations.putCallbackUrl(callbackUrl));
    return found;
  }

  deleteCallbackUrl(
    clientId: string,
    id: string,
    through: ApiVersion,
    nowMs: number,
    audit?: AuditOf<StoredCallbackUrl>,
  ): ChangeResult {
    const { registrations } = this.#parts;
    const found = registrations.mayChangeCallbackUrl(id, clientId, through);
    if (found !== 'changed') return found;
    this.#keep(audit, () => registrations.callbackUrlOf(clientId));
    const deletion = () => registrations.deleteCallbackUrl(clientId);
    if (registrations.subscriptionOf(clientId) === undefined) {
      this.#parts.withdrawing.begin(clientId, nowMs);
      this.#turning(clientId, nowMs, deletion);
    } else deletion();
    return found;
  }

  bringBack(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): boolean {
    const { registrations, states } = this.#parts;
    if (registrations.targetOf(clientId)?.unresponsiveSinceMs === undefined) return false;
    if (how === 'responsive') this.comeBack(clientId, nowMs);
    else states.probeNow(clientId, nowMs);
    this.#parts.audit.add(audit);
    return true;
  }

  /** Of a change that is about to be made. */
  #keep<T>(audit: AuditOf<T> | undefined, before: () => T | undefined): void {
    const entry = audit?.(before());
    if (entry !== undefined) this.#parts.audit.add(entry);
  }

  /** A callback URL is responsive again: the retry policy begins anew for all that is awaiting. */
  comeBack(clientId: string, nowMs: number): void {
    this.#startOver(clientId, () => this.#parts.states.comeBack(clientId, nowMs));
  }

  /** A callback URL that an event subscription supersedes has no effect on deliveries. */
  #changingCallbackUrl(clientId: string, nowMs: number, change: () => void): void {
    if (this.#parts.registrations.subscriptionOf(clientId) === undefined) this.#replacing(clientId, nowMs, change);
    else change();
  }

  /** Runs a change of the registration that holds; what is awaiting goes by the new one. */
  #replacing(clientId: string, nowMs: number, change: () => void): void {
    this.#startOver(clientId, () => this.#turning(clientId, nowMs, change));
  }

  /**
   * Runs a change of the registration that holds, after which another one does, or none. Its callback URL counts as
   * responsive then, the same one too; what is under way to the same one is left to finish.
   */
  #turning(clientId: string, nowMs: number, change: () => void): void {
    const { registrations, states } = this.#parts;
    const before = registrations.targetOf(clientId);
    change();
    const after = registrations.targetOf(clientId);
    if (before?.callbackUrl !== after?.callbackUrl) this.#moveAway(clientId);
    const wasUnresponsive = states.of(clientId).unresponsiveSinceMs !== undefined;
    if (wasUnresponsive) states.comeBack(clientId, nowMs);
    else states.beginRound(clientId);
  }

  /** What is under way goes to a URL that is no longer the TPP's, and has no say any more. */
  #moveAway(clientId: string): void {
    const { clients } = this.#parts;
    clients.freeAllLeases(clients.get(clientId));
  }

  #startOver(clientId: string, begin: () => void): void {
    begin();
    this.#parts.endingWaits.begin(clientId, this.#parts.states.of(clientId).round);
  }
}
