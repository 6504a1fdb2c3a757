import assert from 'node:assert/strict';
import type { ClaimedNotification } from '../../src/store/store.ts';
import { START_MS } from '../support/fake-clock.ts';

/** A notification as the model sees it. */
export interface ModelNotification {
  readonly jti: string;
  readonly clientId: string;
  /** Position in the order of publication. */
  readonly order: number;
  state: 'awaiting' | 'acknowledged' | 'withdrawn';
  /** As in the store: while it is leased, when the lease runs out. */
  dueAtMs: number | undefined;
  /** The claim that stands, whether or not its lease has run out. */
  lease: ModelClaim | undefined;
  attempts: number;
  roundAttempts: number;
  /** Until when it is not offered in a poll; undefined when it may be. */
  offerAtMs: number | undefined;
}

/** A claim that a dispatcher holds, standing or overtaken. */
export interface ModelClaim {
  readonly claimed: ClaimedNotification;
  readonly notification: ModelNotification;
}

export interface ModelRegistration {
  readonly id: string;
  callbackUrl: string | undefined;
  unresponsive: boolean;
}

/** What a store must know, in plain objects: the model against which real stores are held. */
export class Model {
  nowMs = START_MS;
  readonly registrations = new Map<string, ModelRegistration>();
  readonly notifications = new Map<string, ModelNotification>();
  /** Claims that may still be recorded or released, also those that were overtaken. */
  readonly claims: ModelClaim[] = [];
  /** What came of each event: its `jti`, or undefined for none. */
  readonly events = new Map<string, string | undefined>();
  readonly #history: string;
  #ids = 0;

  /** @param history keeps the names of histories apart that run in one store */
  constructor(history: string) {
    this.#history = history;
  }

  /** The client_id of a TPP in this history. */
  clientId(tpp: string): string {
    return `${this.#history}-${tpp}`;
  }

  newId(): string {
    this.#ids += 1;
    return `${this.#history}-${this.#ids}`;
  }

  awaitingOf(clientId: string): ModelNotification[] {
    return [...this.notifications.values()].filter((one) => one.clientId === clientId && one.state === 'awaiting');
  }

  /** What of a TPP may be claimed now, in the order in which it must be. */
  dueOf(clientId: string): ModelNotification[] {
    return this.awaitingOf(clientId)
      .filter(({ dueAtMs }) => dueAtMs !== undefined && dueAtMs <= this.nowMs)
      .sort((left, right) => (left.dueAtMs ?? 0) - (right.dueAtMs ?? 0) || left.order - right.order);
  }

  nextDueAtMs(without?: string): number | undefined {
    const due = [...this.notifications.values()].flatMap((one) =>
      one.clientId === without ? [] : (one.dueAtMs ?? []),
    );
    return due.length === 0 ? undefined : Math.min(...due);
  }

  publish(eventId: string, clientId: string, jti: string): void {
    const registration = this.registrations.get(clientId);
    this.events.set(eventId, registration && jti);
    if (registration === undefined) return;
    this.notifications.set(jti, {
      jti,
      clientId,
      order: this.notifications.size,
      state: 'awaiting',
      dueAtMs: registration.callbackUrl === undefined ? undefined : this.nowMs,
      lease: undefined,
      attempts: 0,
      roundAttempts: 0,
      offerAtMs: undefined,
    });
  }

  /** Checks a claim that the store gave out against what was due, and takes it over. */
  claim(claimed: ClaimedNotification, leaseMs: number): void {
    const notification = this.notifications.get(claimed.jti) ?? assert.fail(`${claimed.jti} was never published`);
    assert.equal(notification.state, 'awaiting', 'claimed what is not awaiting');
    const { dueAtMs } = notification;
    assert.ok(dueAtMs !== undefined && dueAtMs <= this.nowMs, 'claimed what is not due, or under another live lease');
    assert.equal(claimed.callbackUrl, this.registrations.get(notification.clientId)?.callbackUrl);
    assert.deepEqual([claimed.attempts, claimed.roundAttempts], [notification.attempts, notification.roundAttempts]);
    const claim = { claimed, notification };
    notification.lease = claim;
    notification.dueAtMs = this.nowMs + leaseMs;
    this.claims.push(claim);
  }

  /** @returns whether the store must say that the step was applied */
  acknowledge(claim: ModelClaim): boolean {
    const { notification, claimed } = claim;
    const applied = notification.state === 'awaiting';
    notification.attempts += 1;
    if (applied) {
      notification.state = 'acknowledged';
      notification.dueAtMs = undefined;
      notification.lease = undefined;
    }
    const registration = this.registrations.get(notification.clientId);
    if (registration?.unresponsive && registration.callbackUrl === claimed.callbackUrl) {
      registration.unresponsive = false;
      for (const one of this.awaitingOf(notification.clientId)) if (one.dueAtMs === undefined) this.#newRound(one);
    }
    return applied;
  }

  /** @param retryAtMs undefined: attempts cease. @returns whether the store must say that the step was applied */
  fail(claim: ModelClaim, retryAtMs: number | undefined): boolean {
    const { notification, claimed } = claim;
    notification.attempts += 1;
    if (notification.lease !== claim) return false;
    notification.lease = undefined;
    notification.roundAttempts += 1;
    notification.dueAtMs = retryAtMs;
    const registration = this.registrations.get(notification.clientId);
    if (retryAtMs === undefined && registration?.callbackUrl === claimed.callbackUrl) registration.unresponsive = true;
    return true;
  }

  /** @returns what the store must offer, oldest first, and whether there must be more */
  poll(
    clientId: string,
    reports: { acknowledged: readonly string[]; errors: readonly string[] },
    limits: { maxEvents: number; reofferMs: number; reofferAfterErrorMs: number },
  ): { jtis: string[]; moreAvailable: boolean } {
    for (const one of this.awaitingOf(clientId)) {
      if (reports.acknowledged.includes(one.jti)) {
        one.state = 'acknowledged';
        one.dueAtMs = undefined;
        one.lease = undefined;
      } else if (reports.errors.includes(one.jti)) one.offerAtMs = this.nowMs + limits.reofferAfterErrorMs;
    }
    const awaiting = this.awaitingOf(clientId).sort((left, right) => left.order - right.order);
    const offerable = awaiting.filter(({ offerAtMs }) => offerAtMs === undefined || offerAtMs <= this.nowMs);
    for (const one of offerable) one.offerAtMs = undefined;
    const offered = offerable.slice(0, limits.maxEvents);
    for (const one of offered) one.offerAtMs = this.nowMs + limits.reofferMs;
    return { jtis: offered.map(({ jti }) => jti), moreAvailable: offerable.length > offered.length };
  }

  release({ notification, ...claim }: ModelClaim): void {
    if (notification.lease?.claimed !== claim.claimed) return;
    notification.lease = undefined;
    notification.dueAtMs = this.nowMs;
  }

  replace(clientId: string, callbackUrl: string | undefined): void {
    const registration = this.registrations.get(clientId) ?? assert.fail('nothing to replace');
    const isSameUrl = registration.callbackUrl === callbackUrl;
    registration.callbackUrl = callbackUrl;
    registration.unresponsive = false;
    for (const one of this.awaitingOf(clientId)) {
      if (callbackUrl !== undefined && isSameUrl && one.lease !== undefined) continue;
      one.lease = undefined;
      if (callbackUrl === undefined) one.dueAtMs = undefined;
      else this.#newRound(one);
    }
  }

  delete(clientId: string): void {
    this.registrations.delete(clientId);
    for (const one of this.awaitingOf(clientId)) {
      one.state = 'withdrawn';
      one.dueAtMs = undefined;
      one.lease = undefined;
    }
  }

  #newRound(notification: ModelNotification): void {
    notification.dueAtMs = this.nowMs;
    notification.roundAttempts = 0;
  }
}
