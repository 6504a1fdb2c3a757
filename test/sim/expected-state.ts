import type { BankEvent, RetryOverrides } from '../../packages/service/test/support/parts.ts';
import type { Grant, Note, PartyNote } from './ledger.ts';
import type { Timeline } from './timeline.ts';

/** Before all time: due at once. */
export const EVER = Number.NEGATIVE_INFINITY;

/** What should be in the store: who is registered where, and what each notification is. Holds the first breach of a rule. */
export class ExpectedState {
  readonly notes = new Map<string, Note>();
  readonly parties = new Map<string, PartyNote>();
  /** What came of each event, once committed: its jti, or none. */
  readonly events = new Map<string, string | undefined>();
  /** What the run showed at all, so that a run which shows nothing is noticed. */
  readonly seen = {
    posts: 0,
    acknowledged: 0,
    duplicates: 0,
    ceased: 0,
    recovered: 0,
    overtaken: 0,
    probes: 0,
    ofOlderRounds: 0,
  };
  readonly #timeline: Timeline;
  /** When something last went wrong that may delay others. */
  #disturbedAtMs = EVER;
  #disturbances = 0;
  #breach: string | undefined;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** The first rule that was broken. */
  get breach(): string | undefined {
    return this.#breach;
  }

  fail(breach: string): void {
    this.#breach ??= `at ${this.#timeline.nowMs.toFixed(1)} ms: ${breach}`;
  }

  /** Something goes wrong that may delay what has nothing to do with it. */
  disturb(): void {
    this.#disturbedAtMs = this.#timeline.nowMs;
  }

  /** An operation goes wrong, and others may wait for it. @returns to be called when it has ended */
  disturbing(): () => void {
    this.#disturbances += 1;
    return () => {
      this.#disturbances -= 1;
      this.disturb();
    };
  }

  /** Whether nothing has gone wrong for so long before a time, and nothing is going wrong. */
  isCalmSince(lengthMs: number, beforeMs: number): boolean {
    return this.#disturbances === 0 && this.#disturbedAtMs + lengthMs < beforeMs;
  }

  registered(clientId: string, url: string, retry: RetryOverrides | undefined, isSteady: boolean): void {
    const state = { isSuspended: false, isUnresponsive: false, probeAtMs: EVER, probes: 0, recoveredAtMs: undefined };
    const awaiting = new Set<Note>();
    this.parties.set(clientId, {
      clientId,
      retry,
      isSteady,
      url,
      ...state,
      claimedSinceRecovery: 0,
      round: 0,
      awaiting,
    });
  }

  replaced(clientId: string, url: string, nowMs: number): void {
    const party = this.party(clientId);
    if (party.url !== url) this.fence(party);
    party.url = url;
    if (party.isUnresponsive) this.recover(party, nowMs);
    else this.newRound(party);
  }

  suspended(clientId: string, isSuspended: boolean): void {
    const party = this.party(clientId);
    party.isSuspended = isSuspended;
    if (isSuspended) this.fence(party);
    else this.newRound(party);
  }

  removed(clientId: string): void {
    for (const note of this.party(clientId).awaiting) {
      note.state = 'withdrawn';
      note.current = undefined;
    }
    this.parties.delete(clientId);
  }

  recovered(clientId: string, how: 'responsive' | 'probe-now', nowMs: number): void {
    const party = this.party(clientId);
    if (how === 'responsive') this.recover(party, nowMs);
    else party.probeAtMs = nowMs;
  }

  polled(clientId: string, acknowledged: readonly string[], offered: readonly string[]): void {
    for (const jti of acknowledged) this.acknowledge(this.note(jti), undefined);
    for (const jti of offered) {
      const note = this.note(jti);
      if (note.clientId !== clientId) this.fail(`${jti} was offered to another TPP`);
      if (note.state !== 'awaiting') this.fail(`${jti} is ${note.state}, and was offered`);
      note.isTaken = true;
    }
  }

  /** @returns which notifications must have been made due */
  redelivered(clientId: string, only: 'failed' | 'awaiting' | undefined, dueAtMs: number): number {
    let count = 0;
    for (const note of this.notes.values()) {
      if (note.clientId !== clientId || note.state === 'withdrawn') continue;
      // Under way, unless its lease has run out.
      if (note.current !== undefined && note.dueAtMs > EVER) continue;
      if (note.state === 'acknowledged' && only !== undefined) continue;
      count += 1;
      Object.assign(note, { state: 'awaiting', acknowledgedAtMs: undefined, acknowledgedThrough: undefined });
      this.party(clientId).awaiting.add(note);
      note.current = undefined;
      this.renew(note);
      note.dueAtMs = dueAtMs;
    }
    return count;
  }

  party(clientId: string): PartyNote {
    const party = this.parties.get(clientId);
    if (party === undefined) throw new Error(`there is no TPP ${clientId}`);
    return party;
  }

  note(jti: string): Note {
    const note = this.notes.get(jti);
    if (note === undefined) throw new Error(`there is no notification ${jti}`);
    return note;
  }

  made(event: BankEvent, jti: string | undefined, claims: string | undefined, stampMs: number): void {
    const party = this.parties.get(event.clientId);
    this.events.set(event.id, jti);
    if ((jti === undefined) !== (party === undefined)) this.fail(`${event.id} came to ${jti ?? 'nothing'}`);
    if (jti === undefined || party === undefined) return;
    if (claims === undefined || this.notes.has(jti)) {
      this.fail(`${event.id} became ${jti}, which is not new`);
      return;
    }
    const note: Note = {
      ...{ jti, eventId: event.id, clientId: event.clientId, claims, publishedAtMs: this.#timeline.nowMs },
      ...{ stampMs, ahead: party.awaiting.size },
      ...{ state: 'awaiting', set: undefined, current: undefined, dueAtMs: EVER },
      ...{ failures: 0, failuresOfRound: 0 },
      ...{ acknowledgedAtMs: undefined, acknowledgedThrough: undefined },
      ...{ firstPostAtMs: undefined, isTaken: false },
    };
    this.notes.set(jti, note);
    // Of two commits the second may have been asked for first: what it publishes is the older.
    for (const other of party.awaiting) if (other.stampMs > stampMs) other.ahead += 1;
    party.awaiting.add(note);
  }

  acknowledge(note: Note, through: Grant | undefined): void {
    if (note.state !== 'awaiting') return;
    this.seen.acknowledged += 1;
    Object.assign(note, { state: 'acknowledged', acknowledgedAtMs: this.#timeline.nowMs });
    Object.assign(note, { acknowledgedThrough: through, current: undefined });
    this.parties.get(note.clientId)?.awaiting.delete(note);
  }

  recover(party: PartyNote, nowMs: number): void {
    this.seen.recovered += 1;
    Object.assign(party, { isUnresponsive: false, recoveredAtMs: nowMs, claimedSinceRecovery: 0 });
    this.newRound(party);
  }

  /** What is under way has no say any more. */
  fence(party: PartyNote): void {
    for (const note of party.awaiting) {
      if (note.current === undefined) continue;
      note.current = undefined;
      note.dueAtMs = EVER;
    }
  }

  newRound(party: PartyNote): void {
    party.round += 1;
    for (const note of party.awaiting) this.renew(note);
  }

  renew(note: Note): void {
    Object.assign(note, { failures: 0, failuresOfRound: 0 });
    if (note.current === undefined) note.dueAtMs = EVER;
  }
}
