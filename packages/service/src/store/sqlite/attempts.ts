import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RecentAttempts } from '../../model/attempt.ts';
import { endOf, type HealthTurn } from '../../model/attempt-health.ts';
import type { AttemptRecord, RecordedAttempts, RecordResult } from '../delivery.ts';
import {
  orReplace,
  RECENT_ATTEMPTS_COLUMNS,
  RECENT_ATTEMPTS_KEPT_MS,
  recentAttemptsOf,
  recentAttemptsRowOf,
  text,
  whole,
} from '../rows.ts';
import { healthChangesOf } from '../shared.ts';
import { type Client, type Clients, isGone, type Lease } from './claim-queue.ts';
import { insertInto } from './open.ts';
import type { RegistrationTables } from './registrations.ts';
import type { Retargeting } from './retargeting.ts';
import type { AwaitingTable } from './settle.ts';
import type { TargetTable } from './targets.ts';

/** Dependencies of recording attempts. */
export interface AttemptDependencies {
  readonly registrations: RegistrationTables;
  readonly states: TargetTable;
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly retargeting: Retargeting;
}

/** SQL of SETs and attempts. Must run inside a transaction. */
export class AttemptTables {
  readonly #dependencies: AttemptDependencies;
  readonly #seqOf: StatementSync;
  readonly #insertSet: StatementSync;
  readonly #selectSet: StatementSync;
  readonly #insertAttempt: StatementSync;

  constructor(database: DatabaseSync, dependencies: AttemptDependencies) {
    this.#dependencies = dependencies;
    this.#seqOf = database.prepare('SELECT seq FROM event WHERE jti = ? AND claims IS NOT NULL');
    this.#insertSet = database.prepare('INSERT INTO signed_set (seq, set_jws) VALUES (?, ?) ON CONFLICT DO NOTHING');
    this.#selectSet = database.prepare('SELECT set_jws FROM signed_set WHERE seq = ?');
    this.#insertAttempt = database.prepare(
      `INSERT INTO attempt (seq, number, started_at_ms, duration_ms, interaction_id, callback_url, outcome)
       SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM attempt WHERE seq = ?1`,
    );
  }

  keepSets(sets: readonly { readonly jti: string; readonly set: string }[]): string[] {
    return sets.map(({ jti, set }) => {
      const seq = this.#find(jti);
      if (seq === undefined) throw new Error(`there is no notification ${jti}`);
      if (this.#insertSet.run(seq, set).changes !== 0) return set;
      const row = this.#selectSet.get(seq);
      return row === undefined ? set : text(row, 'set_jws');
    });
  }

  record(records: readonly AttemptRecord[], nowMs: number): RecordedAttempts {
    const { registrations, states } = this.#dependencies;
    const results = records.map((record) => this.#recordOne(record, nowMs));
    const recovered = new Set(
      records.filter((_, at) => results[at] === 'recovered').map(({ claimed }) => claimed.clientId),
    );
    const turns: HealthTurn[] = [];
    for (const change of healthChangesOf(records, (clientId) => registrations.targetOf(clientId)?.callbackUrl)) {
      const turn = states.note(change);
      if (turn !== undefined && !recovered.has(turn.clientId)) turns.push(turn);
    }
    for (const { claimed } of records) states.catchUp(claimed.clientId);
    return { results, turns };
  }

  /** Of what is claimed it is known without the database. */
  #find(jti: string): number | undefined {
    const lease = this.#dependencies.clients.leaseOf(jti);
    if (lease !== undefined) return lease.seq;
    const row = this.#seqOf.get(jti);
    return row && whole(row, 'seq');
  }

  #recordOne(record: AttemptRecord, nowMs: number): RecordResult {
    const { claimed, attempt, next } = record;
    const seq = this.#find(claimed.jti);
    if (seq === undefined) {
      // It was dropped.
      this.#noteProbe(record);
      return 'overtaken';
    }
    const { startedAtMs, durationMs, interactionId, callbackUrl, outcome } = attempt;
    const tookMs = Math.round(durationMs);
    this.#insertAttempt.run(seq, startedAtMs, tookMs, interactionId, callbackUrl, JSON.stringify(outcome));
    const client = this.#dependencies.clients.get(claimed.clientId);
    if (next.kind === 'acknowledged') return this.#acknowledge(record, client, seq, nowMs);
    const lease = this.#dependencies.clients.leaseOf(claimed.jti);
    if (lease?.token === claimed.leaseToken) return this.#fail(record, client, lease, nowMs);
    const isAwaiting = this.#dependencies.awaiting.countAttempt(seq);
    if (!isAwaiting) this.#noteProbe(record);
    return 'overtaken';
  }

  /**
   * A probe fails although its notification is not awaiting any more, such as when the TPP polled it meanwhile: it says as much
   * of the callback URL, and the next one is due when it would be.
   */
  #noteProbe({ claimed, next }: AttemptRecord): void {
    const { states } = this.#dependencies;
    const { unresponsiveSinceMs, round, probes } = states.of(claimed.clientId);
    if (next.kind !== 'cease' || unresponsiveSinceMs === undefined) return;
    if (claimed.probe !== probes || claimed.round !== round) return;
    states.probeFailed(claimed.clientId, probes + 1, next.probeAtMs);
  }

  #acknowledge({ claimed, attempt }: AttemptRecord, client: Client, seq: number, nowMs: number): RecordResult {
    const { awaiting, registrations, retargeting } = this.#dependencies;
    const atMs = endOf(attempt);
    const applied = awaiting.settle(client, seq, { state: 'acknowledged', atMs, acknowledgedBy: 'push' });
    const target = registrations.targetOf(claimed.clientId);
    const isRecovered = target?.unresponsiveSinceMs !== undefined && target.callbackUrl === claimed.callbackUrl;
    if (isRecovered) retargeting.startNewRound(claimed.clientId, nowMs);
    if (isRecovered) return 'recovered';
    return applied ? 'applied' : 'overtaken';
  }

  /** The claim stands, so the URL is still the one that the TPP has. */
  #fail({ claimed, attempt, next }: AttemptRecord, client: Client, lease: Lease, nowMs: number): RecordResult {
    const { clients, awaiting, states } = this.#dependencies;
    const { clientId } = claimed;
    const { startedAtMs } = attempt;
    clients.endLease(client, lease);
    if (lease.isOver) isGone(client);
    const { round, unresponsiveSinceMs } = states.of(clientId);
    const place = (retryAtMs: number | undefined) =>
      awaiting.placeAfterAttempt(client, lease.seq, { startedAtMs, round, retryAtMs });
    if (unresponsiveSinceMs !== undefined) {
      place(undefined);
      // A probe of an older round says nothing of the callback URL since it recovered.
      if (next.kind === 'cease' && claimed.probe !== undefined && claimed.round === round) {
        states.probeFailed(clientId, claimed.probe + 1, next.probeAtMs);
      }
      return 'applied';
    }
    if (next.kind === 'cease' && claimed.probe === undefined && claimed.round === round) {
      place(undefined);
      states.becomeUnresponsive(clientId, endOf(attempt), next.probeAtMs);
      return 'became-unresponsive';
    }
    // A probe that failed although the callback URL recovered by other means is an attempt like any other, and so is what
    // ceases by the counts of an older round.
    place(next.kind === 'retry' ? next.atMs : nowMs);
    return 'applied';
  }
}

/** SQL of the last attempts for each TPP. Writes must run inside a transaction. */
export class RecentAttemptTable {
  readonly #upsert: StatementSync;
  readonly #deleteOld: StatementSync;
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#upsert = database.prepare(
      `${insertInto('recent_attempts', RECENT_ATTEMPTS_COLUMNS)}
       ${orReplace(RECENT_ATTEMPTS_COLUMNS, 'client_id, instance')}`,
    );
    this.#deleteOld = database.prepare('DELETE FROM recent_attempts WHERE client_id = ? AND at_ms < ?');
    this.#select = database.prepare('SELECT client_id, instance, attempts FROM recent_attempts WHERE client_id = ?');
  }

  keep(recent: readonly RecentAttempts[], nowMs: number): void {
    for (const one of recent) {
      this.#deleteOld.run(one.clientId, nowMs - RECENT_ATTEMPTS_KEPT_MS);
      this.#upsert.run(recentAttemptsRowOf(one, nowMs));
    }
  }

  of(clientIds: readonly string[]): RecentAttempts[] {
    return clientIds.flatMap((clientId) => this.#select.all(clientId).map(recentAttemptsOf));
  }
}
