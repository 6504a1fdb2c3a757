import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { BankEvent, FanOut, NoNotificationReason } from '../../model/event.ts';
import type { ClaimedNotification, Target } from '../../model/notification.ts';
import type { DecideFanOut, HandOver, PublishOutcome, PublishResult } from '../delivery.ts';
import { optionalText, type Row, text } from '../row.ts';
import type { AwaitingTable } from './awaiting.ts';
import { type Client, type Clients, fallsDue, passBy } from './clients.ts';
import type { RegistrationTables } from './registrations.ts';
import type { SearchIndex } from './search-index.ts';
import type { TargetTable } from './targets.ts';

/** Dependencies of publishing. */
export interface EventParts {
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
  readonly handOver: HandOver | undefined;
  /** Events that were published before, with their outcomes. */
  readonly known: Map<string, PublishOutcome>;
  readonly claimed: ClaimedNotification[];
  /** How many more of a TPP may be handed over. */
  readonly room: Map<string, number>;
}

/** SQL of publishing. Must run inside a transaction. */
export class EventTables {
  readonly #parts: EventParts;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;

  constructor(database: DatabaseSync, parts: EventParts) {
    this.#parts = parts;
    this.#select = database.prepare('SELECT fingerprint, jti, none_reason FROM event WHERE event_id = ?');
    this.#insert = database.prepare(
      `INSERT INTO event
         (event_id, fingerprint, client_id, published_at_ms, content, none_reason, jti, claims, is_droppable)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  /** All or nothing: a conflict is found before anything is written. */
  publish(events: readonly BankEvent[], decide: DecideFanOut, nowMs: number, handOver?: HandOver): PublishResult {
    const known = new Map<string, PublishOutcome>();
    const eventIds = this.#conflictsOf(events, known);
    if (eventIds.length > 0) return { kind: 'conflict', eventIds };
    const claimed: ClaimedNotification[] = [];
    const batch: Batch = { decide, nowMs, handOver, known, claimed, room: new Map() };
    const outcomes = events.map((event) => known.get(event.id) ?? this.#publishOne(event, batch));
    return { kind: 'published', outcomes, claimed };
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
    const { tpp, registration, target } = this.#parts.registrations.lookUp(event.clientId);
    const fanOut = batch.decide(event, tpp, registration);
    const seq = this.#insertRow(event, fanOut, batch.nowMs);
    const outcome = outcomeOf(event.id, fanOut);
    batch.known.set(event.id, { ...outcome, repeated: true });
    if (fanOut.kind === 'none') return outcome;
    const client = this.#parts.clients.get(event.clientId);
    const place = { seq, publishedAtMs: batch.nowMs, dueAtMs: batch.nowMs };
    this.#parts.searchIndex.add({ ...place, clientId: event.clientId, claims: fanOut.claims });
    this.#parts.awaiting.add(client, place);
    const room = target === undefined ? 0 : capacityFor(target, batch);
    if (target === undefined || room <= 0) fallsDue(client, { ...place, lane: 0 });
    else batch.claimed.push(this.#handOver(client, target, seq, { event, fanOut, batch }));
    return outcome;
  }

  #insertRow(event: BankEvent, fanOut: FanOut, nowMs: number): number {
    const content = JSON.stringify({
      occurredAtMs: event.occurredAtMs,
      transactionId: event.transactionId,
      resource: event.resource,
      events: event.events.map(({ type, reason }) => ({ type: type.urn, reason })),
      traceContext: event.traceContext,
    });
    const isNone = fanOut.kind === 'none';
    const { lastInsertRowid } = this.#insert.run(
      event.id,
      event.fingerprint,
      event.clientId,
      nowMs,
      content,
      isNone ? fanOut.reason : null,
      isNone ? null : fanOut.claims.jti,
      isNone ? null : JSON.stringify(fanOut.claims),
      isNone ? 1 : 0,
    );
    return Number(lastInsertRowid);
  }

  #handOver(
    client: Client,
    target: Target,
    seq: number,
    { event, fanOut, batch }: { event: BankEvent; fanOut: FanOut & { kind: 'notification' }; batch: Batch },
  ): ClaimedNotification {
    const { nowMs } = batch;
    const { claims } = fanOut;
    const { clientId, callbackUrl, retry } = target;
    const place = { seq, lane: 0, dueAtMs: nowMs } as const;
    const lease = this.#parts.clients.lease(client, claims.jti, place, nowMs + (batch.handOver?.leaseMs ?? 0));
    passBy(client, place);
    batch.room.set(clientId, (batch.room.get(clientId) ?? 0) - 1);
    this.#parts.states.countClaimed(clientId, 1, nowMs);
    const { round } = this.#parts.states.of(clientId);
    return {
      ...{ jti: claims.jti, clientId, callbackUrl, claims, set: undefined, publishedAtMs: nowMs, attempts: 0, round },
      ...{ roundAttempts: 0, roundBeganAtMs: undefined, retry, probe: undefined, leaseToken: lease.token },
      traceContext: event.traceContext,
    };
  }
}

/** How many more of a TPP may be handed over; asked once for each batch. */
function capacityFor(target: Target, { handOver, room, claimed }: Batch): number {
  if (handOver === undefined || target.unresponsiveSinceMs !== undefined) return 0;
  if (claimed.length >= handOver.limit) return 0;
  const left = room.get(target.clientId) ?? handOver.capacityFor(target);
  room.set(target.clientId, left);
  return left;
}

function outcomeOf(eventId: string, fanOut: FanOut): PublishOutcome {
  const known = { eventId, repeated: false };
  if (fanOut.kind === 'none') return { ...known, kind: 'none', reason: fanOut.reason };
  return { ...known, kind: 'notification', jti: fanOut.claims.jti };
}

function repeatedOutcome(eventId: string, row: Row): PublishOutcome {
  const jti = optionalText(row, 'jti');
  if (jti !== undefined) return { eventId, repeated: true, kind: 'notification', jti };
  return { eventId, repeated: true, kind: 'none', reason: text(row, 'none_reason') as NoNotificationReason };
}
