import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { BankEvent, FanOut } from '../../model/event.ts';
import type { ClaimedNotification, Target } from '../../model/notification.ts';
import type { DecideFanOut, PublishOutcome, PublishResult, ReserveOptions } from '../delivery.ts';
import { jsonOrNull, text } from '../rows.ts';
import { freshOutcome, ReservedClaims, repeatedOutcome } from '../shared.ts';
import { type Clients, fallsDue, passBy } from './claim-queue.ts';
import type { RegistrationTables } from './registrations.ts';
import type { SearchIndex } from './search-index.ts';
import type { AwaitingTable } from './settle.ts';
import type { TargetTable } from './targets.ts';

/** Dependencies of publishing. */
export interface EventDependencies {
  readonly registrations: RegistrationTables;
  readonly states: TargetTable;
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly searchIndex: SearchIndex;
}

/** One batch that is being published. */
interface Batch {
  readonly decide: DecideFanOut;
  readonly nowMs: number;
  readonly reserved: ReservedClaims;
  /** Events that were published before, with their outcomes. */
  readonly known: Map<string, PublishOutcome>;
}

/** SQL of publishing. Must run inside a transaction. */
export class EventTables {
  readonly #dependencies: EventDependencies;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #insertSet: StatementSync;

  constructor(database: DatabaseSync, dependencies: EventDependencies) {
    this.#dependencies = dependencies;
    this.#select = database.prepare('SELECT fingerprint, jti, none_reason FROM event WHERE event_id = ?');
    this.#insert = database.prepare(
      `INSERT INTO event
         (event_id, fingerprint, client_id, published_at_ms, none_reason, jti, claims, trace, is_droppable)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertSet = database.prepare('INSERT INTO signed_set (seq, set_jws) VALUES (?, ?)');
  }

  /** All or nothing: a conflict is found before anything is written. */
  publish(
    events: readonly BankEvent[],
    decide: DecideFanOut,
    nowMs: number,
    reservation?: ReserveOptions,
  ): PublishResult {
    const known = new Map<string, PublishOutcome>();
    const eventIds = this.#conflictsOf(events, known);
    if (eventIds.length > 0) return { kind: 'conflict', eventIds };
    const reserved = new ReservedClaims(reservation, nowMs);
    const batch: Batch = { decide, nowMs, reserved, known };
    const outcomes = events.map((event) => known.get(event.id) ?? this.#publishOne(event, batch));
    return { kind: 'published', outcomes, claimed: reserved.claimed };
  }

  #conflictsOf(events: readonly BankEvent[], known: Map<string, PublishOutcome>): string[] {
    const fingerprints = new Map<string, string>();
    const conflicts = new Set<string>();
    for (const { id, fingerprint } of events) {
      const row = fingerprints.has(id) ? undefined : this.#select.get(id);
      if (row !== undefined) known.set(id, repeatedOutcome(id, row));
      const kept = row === undefined ? fingerprints.get(id) : text(row, 'fingerprint');
      if (kept !== undefined && kept !== fingerprint) conflicts.add(id);
      fingerprints.set(id, kept ?? fingerprint);
    }
    return [...conflicts];
  }

  #publishOne(event: BankEvent, batch: Batch): PublishOutcome {
    const { tpp, registration, target } = this.#dependencies.registrations.lookUp(event.clientId);
    const fanOut = batch.decide(event, tpp, registration);
    const seq = this.#insertRow(event, fanOut, batch.nowMs);
    const outcome = freshOutcome(event.id, fanOut);
    batch.known.set(event.id, { ...outcome, repeated: true });
    if (fanOut.kind === 'none') return outcome;
    if (fanOut.set !== undefined) this.#insertSet.run(seq, fanOut.set);
    const client = this.#dependencies.clients.get(event.clientId);
    const place = { seq, publishedAtMs: batch.nowMs, dueAtMs: batch.nowMs };
    this.#dependencies.searchIndex.add({ ...place, clientId: event.clientId, claims: fanOut.claims });
    this.#dependencies.awaiting.add(client, place);
    if (target === undefined || !batch.reserved.hasCapacityFor(target)) fallsDue(client, { ...place, queue: 'first' });
    else this.#claim(target, seq, { ...fanOut, traceContext: event.traceContext }, batch);
    return outcome;
  }

  #insertRow(event: BankEvent, fanOut: FanOut, nowMs: number): number {
    const isNone = fanOut.kind === 'none';
    const { lastInsertRowid } = this.#insert.run(
      event.id,
      event.fingerprint,
      event.clientId,
      nowMs,
      isNone ? fanOut.reason : null,
      isNone ? null : fanOut.claims.jti,
      isNone ? null : JSON.stringify(fanOut.claims),
      isNone ? null : jsonOrNull(event.traceContext),
      isNone ? 1 : 0,
    );
    return Number(lastInsertRowid);
  }

  /** Claims what was published just now, for the reservation. */
  #claim(
    target: Target,
    seq: number,
    notification: Pick<ClaimedNotification, 'claims' | 'set' | 'traceContext'>,
    { nowMs, reserved }: Batch,
  ): void {
    const { clients, states } = this.#dependencies;
    const client = clients.get(target.clientId);
    const place = { seq, queue: 'first', dueAtMs: nowMs } as const;
    const lease = clients.lease(client, notification.claims.jti, place, reserved.leasedUntilMs);
    passBy(client, place);
    states.countClaimed(target.clientId, 1, nowMs);
    const { round } = states.of(target.clientId);
    reserved.add(notification, target, { round, leaseToken: lease.token });
  }
}
