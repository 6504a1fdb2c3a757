import assert from 'node:assert/strict';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { RecordResult } from '../../src/store/delivery.ts';
import { START_MS } from '../support/fake-clock.ts';

/** A notification as the model sees it. */
export interface ModelNotification {
  readonly jti: string;
  readonly clientId: string;
  /** Position in the order of publication. */
  readonly order: number;
  readonly publishedAtMs: number;
  state: 'awaiting' | 'acknowledged' | 'withdrawn' | 'expired';
  /** When the next attempt is due, were it not leased. */
  dueAtMs: number;
  isRetry: boolean;
  /** It was handed back, or its lease ran out: it is due, but a store may put it where it likes among what is. */
  isOutOfPlace: boolean;
  /** The claim that stands, whether or not its lease has run out. */
  lease: ModelClaim | undefined;
  attempts: number;
  hasFailed: boolean;
  round: number;
  roundAttempts: number;
  /** Until when it is not offered in a poll; undefined when it may be. */
  offerAtMs: number | undefined;
}

/** A claim that a dispatcher holds, standing or overtaken. */
export interface ModelClaim {
  readonly claimed: ClaimedNotification;
  readonly notification: ModelNotification;
  readonly untilMs: number;
  /** That of the TPP when it was claimed. */
  readonly round: number;
}

/** A TPP: its registration, and the health of its callback URL. */
export interface ModelTpp {
  /** Undefined: it has no registration. */
  id: string | undefined;
  callbackUrl: string | undefined;
  isSuspended: boolean;
  round: number;
  /** Undefined: it is responsive. */
  probeAtMs: number | undefined;
  probes: number;
  claimedSinceRecovery: number;
}

/** What a store must know, in plain objects: the model against which real stores are held. */
export class Model {
  nowMs = START_MS;
  readonly tpps = new Map<string, ModelTpp>();
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

  tpp(clientId: string): ModelTpp {
    const fresh = { id: undefined, callbackUrl: undefined, isSuspended: false, round: 0 };
    const known = this.tpps.get(clientId) ?? { ...fresh, probeAtMs: undefined, probes: 0, claimedSinceRecovery: 0 };
    this.tpps.set(clientId, known);
    return known;
  }

  /** Where its notifications are sent now. */
  urlOf(clientId: string): string | undefined {
    const { isSuspended, callbackUrl } = this.tpp(clientId);
    return isSuspended ? undefined : callbackUrl;
  }

  awaiting(clientId?: string): ModelNotification[] {
    const awaiting = [...this.notifications.values()].filter(({ state }) => state === 'awaiting');
    return awaiting.filter((one) => clientId === undefined || one.clientId === clientId);
  }

  isFree({ lease }: ModelNotification): boolean {
    return lease === undefined || lease.untilMs <= this.nowMs;
  }

  /** True when a store may or may not see some claim as standing. */
  hasLapsedLease(): boolean {
    return this.awaiting().some((one) => one.lease !== undefined && this.isFree(one));
  }

  /** What of a TPP may be claimed now, in the order in which it must be. */
  dueOf(clientId: string): ModelNotification[] {
    if (this.urlOf(clientId) === undefined) return [];
    const { probeAtMs } = this.tpp(clientId);
    const free = this.awaiting(clientId).filter((one) => this.isFree(one));
    const due = free.filter(({ dueAtMs }) => dueAtMs <= this.nowMs || probeAtMs !== undefined);
    const isDue = probeAtMs === undefined || probeAtMs <= this.nowMs;
    return isDue ? due.sort(inOrderOfClaiming) : [];
  }

  /** When something falls due: at the earliest of all, and of the TPPs that have nothing due already. */
  nextDues(): { readonly earliest: number; readonly latest: number } {
    let earliest = Number.POSITIVE_INFINITY;
    let latest = Number.POSITIVE_INFINITY;
    for (const clientId of this.tpps.keys()) {
      if (this.urlOf(clientId) === undefined) continue;
      const awaiting = this.awaiting(clientId);
      const { probeAtMs } = this.tpp(clientId);
      const atMs = (one: ModelNotification) => (this.isFree(one) ? one.dueAtMs : (one.lease?.untilMs ?? 0));
      const isProbed = probeAtMs !== undefined && probeAtMs > this.nowMs;
      const all = isProbed ? awaiting.map(() => probeAtMs) : awaiting.map(atMs);
      const next = Math.min(Number.POSITIVE_INFINITY, ...all.filter((at) => at > this.nowMs));
      earliest = Math.min(earliest, next);
      const hasMore = isProbed ? false : probeAtMs !== undefined || this.dueOf(clientId).length > 0;
      if (!hasMore) latest = Math.min(latest, next);
    }
    return { earliest, latest };
  }

  publish(eventId: string, clientId: string, jti: string): void {
    const { id, round } = this.tpp(clientId);
    this.events.set(eventId, id && jti);
    if (id === undefined) return;
    this.notifications.set(jti, {
      ...{ jti, clientId, order: this.notifications.size, publishedAtMs: this.nowMs, state: 'awaiting' },
      ...{ dueAtMs: this.nowMs, isRetry: false, isOutOfPlace: false, lease: undefined },
      ...{ attempts: 0, hasFailed: false, round, roundAttempts: 0, offerAtMs: undefined },
    });
  }

  /** Checks a claim that the store gave out against what was due, and takes it over. */
  claim(claimed: ClaimedNotification, leaseMs: number): void {
    const notification = this.notifications.get(claimed.jti) ?? assert.fail(`${claimed.jti} was never published`);
    const { clientId } = notification;
    assert.equal(notification.state, 'awaiting', 'claimed what is not awaiting');
    assert.ok(this.isFree(notification), 'claimed under another live lease');
    assert.equal(claimed.callbackUrl, this.urlOf(clientId));
    const tpp = this.tpp(clientId);
    const roundAttempts = notification.round === tpp.round ? notification.roundAttempts : 0;
    assert.deepEqual([claimed.attempts, claimed.roundAttempts], [notification.attempts, roundAttempts]);
    assert.equal(claimed.probe, tpp.probeAtMs === undefined ? undefined : tpp.probes);
    if (tpp.probeAtMs === undefined) assert.ok(notification.dueAtMs <= this.nowMs, 'claimed what is not due');
    else tpp.probeAtMs = this.nowMs + leaseMs;
    const claim = { claimed, notification, untilMs: this.nowMs + leaseMs, round: tpp.round };
    notification.lease = claim;
    notification.isOutOfPlace = true;
    this.claims.push(claim);
  }

  /** @returns what the store must say */
  acknowledge({ notification, claimed }: ModelClaim): RecordResult {
    const applied = notification.state === 'awaiting';
    notification.attempts += 1;
    if (applied) settle(notification, 'acknowledged');
    const tpp = this.tpp(notification.clientId);
    if (tpp.probeAtMs === undefined || this.urlOf(notification.clientId) !== claimed.callbackUrl) {
      return applied ? 'applied' : 'overtaken';
    }
    this.recover(notification.clientId);
    return 'recovered';
  }

  /** @param next undefined: attempts cease. @returns what the store must say */
  fail(claim: ModelClaim, retryAtMs: number | undefined, probeAtMs: number): RecordResult {
    const { notification, claimed } = claim;
    notification.attempts += 1;
    notification.hasFailed = true;
    const tpp = this.tpp(notification.clientId);
    if (notification.lease !== claim) {
      const isProbe = tpp.probeAtMs !== undefined && claim.round === tpp.round && claimed.probe === tpp.probes;
      if (notification.state !== 'awaiting' && isProbe && retryAtMs === undefined) {
        Object.assign(tpp, { probes: tpp.probes + 1, probeAtMs });
      }
      return 'overtaken';
    }
    notification.lease = undefined;
    notification.roundAttempts = (notification.round === tpp.round ? notification.roundAttempts : 0) + 1;
    notification.round = tpp.round;
    if (tpp.probeAtMs !== undefined) {
      place(notification);
      if (claimed.probe === undefined || retryAtMs !== undefined) return 'applied';
      Object.assign(tpp, { probes: claimed.probe + 1, probeAtMs });
    } else if (retryAtMs === undefined && claimed.probe === undefined && claim.round === tpp.round) {
      place(notification);
      Object.assign(tpp, { probes: 0, probeAtMs });
      return 'became-unresponsive';
    } else {
      Object.assign(notification, { dueAtMs: retryAtMs ?? this.nowMs, isRetry: true, isOutOfPlace: false });
    }
    return 'applied';
  }

  /** @returns what the store must offer, oldest first, and whether there must be more */
  poll(
    clientId: string,
    reports: { acknowledged: readonly string[]; errors: readonly string[] },
    limits: { maxEvents: number; reofferMs: number; reofferAfterErrorMs: number },
  ): { jtis: string[]; moreAvailable: boolean } {
    for (const jti of reports.errors) {
      const one = this.notifications.get(jti);
      if (one?.clientId === clientId) one.hasFailed = true;
    }
    for (const one of this.awaiting(clientId)) {
      if (reports.acknowledged.includes(one.jti)) settle(one, 'acknowledged');
      else if (reports.errors.includes(one.jti)) one.offerAtMs = this.nowMs + limits.reofferAfterErrorMs;
    }
    const awaiting = this.awaiting(clientId).sort((left, right) => left.order - right.order);
    const offerable = awaiting.filter(({ offerAtMs }) => offerAtMs === undefined || offerAtMs <= this.nowMs);
    for (const one of offerable) one.offerAtMs = undefined;
    const offered = offerable.slice(0, limits.maxEvents);
    for (const one of offered) one.offerAtMs = this.nowMs + limits.reofferMs;
    return { jtis: offered.map(({ jti }) => jti), moreAvailable: offerable.length > offered.length };
  }

  release(claim: ModelClaim): void {
    const { notification, claimed } = claim;
    if (notification.lease !== claim) return;
    notification.lease = undefined;
    const tpp = this.tpp(notification.clientId);
    if (claimed.probe !== undefined && tpp.probeAtMs !== undefined) tpp.probeAtMs = this.nowMs;
  }

  /** Creates or replaces. */
  register(clientId: string, id: string, callbackUrl: string | undefined): void {
    const before = this.urlOf(clientId);
    Object.assign(this.tpp(clientId), { id, callbackUrl });
    if (this.urlOf(clientId) !== before) this.#endLeases(clientId);
    this.recover(clientId);
  }

  suspend(clientId: string, isSuspended: boolean): void {
    const before = this.urlOf(clientId);
    const tpp = this.tpp(clientId);
    tpp.isSuspended = isSuspended;
    if (this.urlOf(clientId) === before) return;
    this.#endLeases(clientId);
    if (isSuspended) return;
    tpp.round += 1;
    this.#endWaits(clientId);
  }

  delete(clientId: string): void {
    for (const one of this.awaiting(clientId)) settle(one, 'withdrawn');
    Object.assign(this.tpp(clientId), { id: undefined, callbackUrl: undefined });
    this.recover(clientId);
  }

  recover(clientId: string): void {
    const tpp = this.tpp(clientId);
    Object.assign(tpp, { round: tpp.round + 1, probeAtMs: undefined, probes: 0 });
    this.#endWaits(clientId);
  }

  /** Makes due what is meant. @returns how many */
  redeliver(clientId: string, only: 'failed' | 'awaiting' | undefined, dueAtMs: number): number {
    if (this.tpp(clientId).id === undefined) return 0;
    const meant = [...this.notifications.values()].filter((one) => {
      if (one.clientId !== clientId || one.lease !== undefined) return false;
      if (one.state !== 'awaiting') return one.state === 'acknowledged' && only === undefined;
      return only !== 'failed' || one.hasFailed;
    });
    for (const one of meant) {
      Object.assign(one, { state: 'awaiting', dueAtMs, isRetry: false, isOutOfPlace: false });
      Object.assign(one, { roundAttempts: 0, offerAtMs: undefined });
    }
    return meant.length;
  }

  /** @returns how many */
  expire(publishedBeforeMs: number): number {
    const old = this.awaiting().filter((one) => one.publishedAtMs < publishedBeforeMs && one.lease === undefined);
    for (const one of old) settle(one, 'expired');
    return old.length;
  }

  #endLeases(clientId: string): void {
    for (const one of this.awaiting(clientId)) one.lease = undefined;
  }

  #endWaits(clientId: string): void {
    for (const one of this.awaiting(clientId)) if (one.isRetry && one.lease === undefined) place(one);
  }
}

/** First attempts before retries; each by when they are due, then as they were published. */
export function inOrderOfClaiming(left: ModelNotification, right: ModelNotification): number {
  return Number(left.isRetry) - Number(right.isRetry) || left.dueAtMs - right.dueAtMs || left.order - right.order;
}

/** Into the place that it was published to. */
function place(notification: ModelNotification): void {
  Object.assign(notification, { dueAtMs: notification.publishedAtMs, isRetry: false, isOutOfPlace: false });
}

function settle(notification: ModelNotification, state: ModelNotification['state']): void {
  Object.assign(notification, { state, lease: undefined });
}
