import type {
  AttemptRecord,
  BankEvent,
  Claim,
  ClaimedNotification,
  ClaimOptions,
  DecideFanOut,
  HandOver,
  PolledNotifications,
  PollToStore,
  PublishOutcome,
  PublishResult,
  RecordResult,
  Redelivered,
  Redelivery,
  Store,
  StoreChange,
  Tpp,
} from '../../packages/service/test/support/parts.ts';
import {
  beginRound,
  comeBack,
  inClaimOrder,
  leaseTo,
  newParty,
  type Party,
  type Row,
  standsStill,
  targetOf,
  waitNoMore,
} from './memory-rows.ts';

/** What of a store the engine and the operator's dealings with it need. */
type Simulated = Pick<
  Store,
  | ('putTpp' | 'removeTpp' | 'createSubscription' | 'replaceSubscription' | 'publish' | 'claimDue' | 'keepSets')
  | ('recordAttempts' | 'release' | 'bringBack' | 'redeliver' | 'poll' | 'notification' | 'onChange' | 'close')
>;

/** Opens a {@link MemoryStore}; whatever else a store can do is refused. */
export function openMemoryStore(): Store {
  const memory = new MemoryStore();
  const refuse = () => Promise.reject(new Error('not part of the simulation'));
  const refused = {
    ...{ tpp: refuse, tpps: refuse, subscriptionOf: refuse, deleteSubscription: refuse, createCallbackUrl: refuse },
    ...{ callbackUrlOf: refuse, replaceCallbackUrl: refuse, deleteCallbackUrl: refuse, targets: refuse },
    ...{ expireAwaiting: refuse, dropHistory: refuse, counts: refuse, audit: refuse, auditEntries: refuse },
    ...{ nextOfferAtMs: refuse, useSigningKey: refuse, signingKeys: refuse, oldestAwaitingAtMs: refuse },
  };
  return Object.assign(memory, refused);
}

/**
 * A store in plain objects, for seeds by the thousand: what the engine needs of the store interface, with the meaning
 * that it gives to each operation. The same seeds run on the real embedded store too, only slower.
 */
class MemoryStore implements Simulated {
  readonly #parties = new Map<string, Party>();
  readonly #rows = new Map<string, Row>();
  readonly #events = new Map<string, { readonly fingerprint: string; readonly outcome: PublishOutcome }>();
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #lastClient = '';
  #seq = 0;

  async putTpp(tpp: Tpp): Promise<void> {
    const known = this.#parties.get(tpp.clientId);
    if (known === undefined) {
      this.#parties.set(tpp.clientId, newParty(tpp));
      return;
    }
    const isResumed = known.tpp.isSuspended === true && tpp.isSuspended !== true;
    known.tpp = tpp;
    if (isResumed) beginRound(known);
    this.#tell([], [tpp.clientId]);
  }

  async removeTpp(clientId: string): Promise<boolean> {
    const party = this.#parties.get(clientId);
    if (party === undefined) return false;
    for (const row of party.awaiting) row.state = 'withdrawn';
    this.#parties.delete(clientId);
    this.#tell([], [clientId]);
    return true;
  }

  async createSubscription(subscription: Parameters<Store['createSubscription']>[0]): Promise<'created' | 'exists'> {
    const party = this.#party(subscription.clientId);
    if (party.subscription !== undefined) return 'exists';
    party.subscription = subscription;
    this.#tell([], [subscription.clientId]);
    return 'created';
  }

  async replaceSubscription(subscription: Parameters<Store['replaceSubscription']>[0], nowMs: number) {
    const party = this.#party(subscription.clientId);
    const isOther = party.subscription?.callbackUrl !== subscription.callbackUrl;
    party.subscription = subscription;
    if (isOther) {
      for (const row of party.awaiting) {
        if (!row.isLeased) continue;
        row.leaseToken += 1;
        row.isLeased = false;
        waitNoMore(row);
      }
    }
    if (party.unresponsiveSinceMs === undefined) beginRound(party);
    else comeBack(party, nowMs);
    this.#tell([], [subscription.clientId]);
    return 'changed' as const;
  }

  async publish(
    events: readonly BankEvent[],
    decide: DecideFanOut,
    nowMs: number,
    handOver?: HandOver,
  ): Promise<PublishResult> {
    const conflicts = events.filter(({ id, fingerprint }) => {
      const known = this.#events.get(id);
      return known !== undefined && known.fingerprint !== fingerprint;
    });
    if (conflicts.length > 0) return { kind: 'conflict', eventIds: conflicts.map(({ id }) => id) };
    const fresh: Row[] = [];
    const outcomes = events.map((event) => this.#publishOne(event, decide, nowMs, fresh));
    const claimed = handOver === undefined ? [] : this.#handOver(fresh, handOver, nowMs);
    if (fresh.length > 0) this.#tell(new Set(fresh.map(({ clientId }) => clientId)), []);
    return { kind: 'published', outcomes, claimed };
  }

  async claimDue(options: ClaimOptions): Promise<Claim> {
    const claimed: ClaimedNotification[] = [];
    const clients = [...this.#parties.keys()].sort();
    const first = clients.findIndex((clientId) => clientId > this.#lastClient);
    const inTurn = first <= 0 ? clients : [...clients.slice(first), ...clients.slice(0, first)];
    for (const clientId of inTurn) {
      const party = this.#party(clientId);
      const left = options.limit - claimed.length;
      if (left <= 0) break;
      const taken = this.#claimOf(party, left, options);
      if (taken.length > 0) this.#lastClient = clientId;
      claimed.push(...taken);
    }
    return { claimed, nextDueAtMs: this.#nextDueAtMs(options.nowMs) };
  }

  async keepSets(sets: readonly { readonly jti: string; readonly set: string }[]): Promise<readonly string[]> {
    return sets.map(({ jti, set }) => {
      const row = this.#row(jti);
      row.set ??= set;
      return row.set;
    });
  }

  async recordAttempts(records: readonly AttemptRecord[], nowMs: number): Promise<readonly RecordResult[]> {
    return records.map((record) => this.#record(record, nowMs));
  }

  async release(claimed: readonly ClaimedNotification[], nowMs: number): Promise<void> {
    for (const { jti, clientId, leaseToken, probe } of claimed) {
      const row = this.#row(jti);
      if (!standsStill(row, leaseToken)) continue;
      row.isLeased = false;
      row.dueAtMs = nowMs;
      const party = this.#party(clientId);
      if (probe !== undefined && party.unresponsiveSinceMs !== undefined) party.probeAtMs = nowMs;
    }
  }

  async bringBack(clientId: string, how: 'responsive' | 'probe-now', nowMs: number): Promise<boolean> {
    const party = this.#parties.get(clientId);
    if (party === undefined || targetOf(party)?.unresponsiveSinceMs === undefined) return false;
    if (how === 'responsive') comeBack(party, nowMs);
    else party.probeAtMs = nowMs;
    this.#tell([], [clientId]);
    return true;
  }

  async redeliver({ filter, limit, firstDueAtMs, spacingMs }: Redelivery): Promise<Redelivered> {
    const meant = [...this.#rows.values()]
      .filter(({ clientId }) => filter.clientId === undefined || clientId === filter.clientId)
      .filter(({ jti }) => filter.jtis?.includes(jti) ?? true)
      .filter((row) => (row.state === 'awaiting' ? !row.isLeased : row.state === 'acknowledged' && !filter.only))
      .slice(0, limit);
    for (const [at, row] of meant.entries()) {
      const party = this.#parties.get(row.clientId);
      if (party === undefined) continue;
      party.awaiting.add(row);
      Object.assign(row, { state: 'awaiting', acknowledgedAtMs: undefined, acknowledgedBy: undefined });
      Object.assign(row, { offerAtMs: undefined, roundAttempts: 0, roundBeganAtMs: undefined, isRetry: false });
      row.round = party.round;
      row.dueAtMs = firstDueAtMs + at * spacingMs;
    }
    this.#tell(new Set(meant.map(({ clientId }) => clientId)), []);
    return { count: meant.length, next: undefined };
  }

  async poll({ clientId, acknowledged, maxEvents, nowMs, reofferMs }: PollToStore): Promise<PolledNotifications> {
    const party = this.#party(clientId);
    for (const jti of acknowledged) {
      const row = this.#rows.get(jti);
      if (row?.clientId === clientId && row.state === 'awaiting') this.#acknowledge(row, party, 'poll', nowMs);
    }
    const offerable = [...party.awaiting].filter(({ offerAtMs }) => offerAtMs === undefined || offerAtMs <= nowMs);
    const offered = offerable.slice(0, maxEvents);
    for (const row of offered) row.offerAtMs = nowMs + (reofferMs ?? 0);
    return { notifications: offered, moreAvailable: offerable.length > offered.length };
  }

  async notification(jti: string): ReturnType<Store['notification']> {
    const row = this.#rows.get(jti);
    return row && { ...row, errors: [], nextAttemptAtMs: row.dueAtMs };
  }

  onChange(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  #publishOne(event: BankEvent, decide: DecideFanOut, nowMs: number, fresh: Row[]): PublishOutcome {
    const known = this.#events.get(event.id);
    if (known !== undefined) return { ...known.outcome, repeated: true };
    const party = this.#parties.get(event.clientId);
    const stored = party?.subscription;
    const registration = stored && { kind: 'event-subscription' as const, ...stored, unresponsiveSinceMs: undefined };
    const fanOut = decide(event, party?.tpp, registration);
    const common = { eventId: event.id, repeated: false };
    if (fanOut.kind === 'none' || party === undefined) {
      const reason = fanOut.kind === 'none' ? fanOut.reason : 'unknown-client';
      return this.#remember(event, { ...common, kind: 'none', reason });
    }
    this.#seq += 1;
    const { clientId, id: eventId } = event;
    const row: Row = {
      ...{ seq: this.#seq, jti: fanOut.claims.jti, eventId, clientId, claims: fanOut.claims, publishedAtMs: nowMs },
      ...{ attempts: [], set: undefined, state: 'awaiting', acknowledgedAtMs: undefined, acknowledgedBy: undefined },
      ...{ round: party.round, roundAttempts: 0, roundBeganAtMs: undefined, isRetry: false, dueAtMs: nowMs },
      ...{ isLeased: false, leaseToken: 0, offerAtMs: undefined },
    };
    this.#rows.set(row.jti, row);
    party.awaiting.add(row);
    fresh.push(row);
    return this.#remember(event, { ...common, kind: 'notification', jti: row.jti });
  }

  #remember({ id, fingerprint }: BankEvent, outcome: PublishOutcome): PublishOutcome {
    this.#events.set(id, { fingerprint, outcome });
    return outcome;
  }

  #handOver(fresh: readonly Row[], { leaseMs, limit, roomFor }: HandOver, nowMs: number): ClaimedNotification[] {
    const claimed: ClaimedNotification[] = [];
    const room = new Map<string, number>();
    for (const row of fresh) {
      const party = this.#party(row.clientId);
      const target = targetOf(party);
      if (target === undefined || target.unresponsiveSinceMs !== undefined || claimed.length >= limit) continue;
      const left = room.get(row.clientId) ?? roomFor(target);
      room.set(row.clientId, left - 1);
      if (left > 0) claimed.push(leaseTo(row, party, target, nowMs + leaseMs));
    }
    return claimed;
  }

  #claimOf(party: Party, limit: number, { nowMs, leaseMs, roomFor }: ClaimOptions): ClaimedNotification[] {
    const target = targetOf(party);
    if (target === undefined) return [];
    const isProbe = target.unresponsiveSinceMs !== undefined;
    if (isProbe && (party.probeAtMs ?? 0) > nowMs) return [];
    const due = [...party.awaiting].filter(({ dueAtMs }) => dueAtMs <= nowMs).sort(inClaimOrder);
    if (due.length === 0) return [];
    const room = Math.min(roomFor(target), limit, isProbe ? 1 : limit);
    const taken = due.slice(0, Math.max(room, 0));
    if (isProbe && taken.length > 0) party.probeAtMs = nowMs + leaseMs;
    return taken.map((row) => leaseTo(row, party, target, nowMs + leaseMs));
  }

  #nextDueAtMs(nowMs: number): number | undefined {
    let earliest = Number.POSITIVE_INFINITY;
    for (const party of this.#parties.values()) {
      if (targetOf(party) === undefined || party.awaiting.size === 0) continue;
      const isProbe = party.unresponsiveSinceMs !== undefined;
      const dues = isProbe ? [party.probeAtMs ?? nowMs] : [...party.awaiting].map(({ dueAtMs }) => dueAtMs);
      for (const dueAtMs of dues) if (dueAtMs > nowMs) earliest = Math.min(earliest, dueAtMs);
    }
    return earliest === Number.POSITIVE_INFINITY ? undefined : earliest;
  }

  #record({ claimed, attempt, next }: AttemptRecord, nowMs: number): RecordResult {
    const row = this.#row(claimed.jti);
    const party = this.#parties.get(claimed.clientId);
    row.attempts.push(attempt);
    if (party === undefined) return 'overtaken';
    const stands = standsStill(row, claimed.leaseToken);
    if (stands && row.round === party.round) {
      row.roundAttempts += 1;
      row.roundBeganAtMs ??= attempt.startedAtMs;
    }
    if (next.kind === 'acknowledged') return this.#recordAcknowledged(row, party, claimed, nowMs);
    if (!stands) return 'overtaken';
    row.isLeased = false;
    if (next.kind === 'retry' && party.unresponsiveSinceMs === undefined) {
      row.isRetry = true;
      row.dueAtMs = next.atMs;
      return 'applied';
    }
    waitNoMore(row);
    if (next.kind === 'retry') return 'applied';
    if (party.unresponsiveSinceMs !== undefined) {
      if (claimed.probe !== undefined) {
        party.probes = claimed.probe + 1;
        party.probeAtMs = next.probeAtMs;
      }
      return 'applied';
    }
    party.unresponsiveSinceMs = attempt.startedAtMs + Math.round(attempt.durationMs);
    party.probes = 0;
    party.probeAtMs = next.probeAtMs;
    this.#tell([], [claimed.clientId]);
    return 'became-unresponsive';
  }

  #recordAcknowledged(row: Row, party: Party, claimed: ClaimedNotification, nowMs: number): RecordResult {
    const isFresh = row.state === 'awaiting';
    if (isFresh) this.#acknowledge(row, party, 'push', nowMs);
    const isBack = party.unresponsiveSinceMs !== undefined && targetOf(party)?.callbackUrl === claimed.callbackUrl;
    if (isBack) {
      comeBack(party, nowMs);
      this.#tell([], [claimed.clientId]);
      return 'came-back';
    }
    return isFresh ? 'applied' : 'overtaken';
  }

  #acknowledge(row: Row, party: Party, by: 'push' | 'poll', nowMs: number): void {
    Object.assign(row, { state: 'acknowledged', acknowledgedAtMs: nowMs, acknowledgedBy: by, isLeased: false });
    party.awaiting.delete(row);
  }

  #tell(offered: Iterable<string>, retargeted: Iterable<string>): void {
    const change = { offered: new Set(offered), retargeted: new Set(retargeted) };
    for (const listener of this.#listeners) listener(change);
  }

  #party(clientId: string): Party {
    const party = this.#parties.get(clientId);
    if (party === undefined) throw new Error(`there is no TPP ${clientId}`);
    return party;
  }

  #row(jti: string): Row {
    const row = this.#rows.get(jti);
    if (row === undefined) throw new Error(`there is no notification ${jti}`);
    return row;
  }
}
