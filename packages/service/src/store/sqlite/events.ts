import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { BankEvent, DecideFanOut, FanOut, NoNotificationReason, PublishOutcome, PublishResult } from '../store.ts';
import { type RegistrationTables, targetOf } from './registrations.ts';
import { optionalText, type Row, text } from './rows.ts';

/** SQL of publishing. Must run inside a transaction. */
export class EventTables {
  readonly #registrations: RegistrationTables;
  readonly #selectEvent: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #insertNotification: StatementSync;

  constructor(database: DatabaseSync, registrations: RegistrationTables) {
    this.#registrations = registrations;
    this.#selectEvent = database.prepare('SELECT fingerprint, jti, none_reason FROM event WHERE event_id = ?');
    this.#insertEvent = database.prepare(
      `INSERT INTO event (event_id, fingerprint, client_id, published_at_ms, content, jti, none_reason)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertNotification = database.prepare(
      `INSERT INTO notification (jti, event_id, client_id, state, claims, published_at_ms, due_at_ms)
       VALUES (?, ?, ?, 'awaiting', ?, ?, ?)`,
    );
  }

  /** All or nothing: a conflict is found before anything is written. */
  publish(events: readonly BankEvent[], decide: DecideFanOut, nowMs: number): PublishResult {
    const fingerprints = new Map<string, string>();
    const conflicts = new Set<string>();
    for (const event of events) {
      const known = this.#fingerprintOf(event.id) ?? fingerprints.get(event.id);
      if (known !== undefined && known !== event.fingerprint) conflicts.add(event.id);
      fingerprints.set(event.id, event.fingerprint);
    }
    if (conflicts.size > 0) return { kind: 'conflict', eventIds: [...conflicts] };
    return { kind: 'published', outcomes: events.map((event) => this.#publishOne(event, decide, nowMs)) };
  }

  #fingerprintOf(eventId: string): string | undefined {
    const row = this.#selectEvent.get(eventId);
    return row && text(row, 'fingerprint');
  }

  #publishOne(event: BankEvent, decide: DecideFanOut, nowMs: number): PublishOutcome {
    const known = this.#selectEvent.get(event.id);
    if (known !== undefined) return repeatedOutcome(event.id, known);
    const registration = this.#registrations.registrationOf(event.clientId);
    const tpp = this.#registrations.tpp(event.clientId);
    const fanOut = decide(event, tpp, registration);
    this.#insertEventRow(event, fanOut, nowMs);
    if (fanOut.kind === 'none') return { eventId: event.id, repeated: false, ...fanOut };
    const { claims } = fanOut;
    const dueAtMs = targetOf(tpp, registration) === undefined ? null : nowMs;
    this.#insertNotification.run(claims.jti, event.id, event.clientId, JSON.stringify(claims), nowMs, dueAtMs);
    return { eventId: event.id, repeated: false, kind: 'notification', jti: claims.jti };
  }

  #insertEventRow(event: BankEvent, fanOut: FanOut, nowMs: number): void {
    const content = JSON.stringify({
      occurredAtMs: event.occurredAtMs,
      transactionId: event.transactionId,
      resource: event.resource,
      events: event.events.map(({ type, reason }) => ({ type: type.urn, reason })),
    });
    const jti = fanOut.kind === 'notification' ? fanOut.claims.jti : null;
    const reason = fanOut.kind === 'none' ? fanOut.reason : null;
    this.#insertEvent.run(event.id, event.fingerprint, event.clientId, nowMs, content, jti, reason);
  }
}

function repeatedOutcome(eventId: string, row: Row): PublishOutcome {
  const jti = optionalText(row, 'jti');
  if (jti !== undefined) return { eventId, repeated: true, kind: 'notification', jti };
  return { eventId, repeated: true, kind: 'none', reason: text(row, 'none_reason') as NoNotificationReason };
}
