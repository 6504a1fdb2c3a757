import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { healthOf, orReplace, type TargetHealth, text, whole } from '../rows.ts';
import { isCounted } from '../shared.ts';
import type { UndoLog } from './write-queue.ts';

/** The health of the effective callback URL of a TPP, whatever that URL is. */
export interface TargetState extends TargetHealth {
  /** Grows whenever the retry policy restarts for all that is awaiting. */
  readonly round: number;
}

const COLUMNS = 'client_id, round, unresponsive_since_ms, probe_at_ms, probes, recovered_at_ms, claimed_since_recovery';

const NEVER_USED: TargetState = {
  round: 0,
  unresponsiveSinceMs: undefined,
  probeAtMs: undefined,
  probes: 0,
  recoveredAtMs: undefined,
  claimedSinceRecovery: 0,
};

/**
 * One row per TPP, kept in memory too, so that turning unresponsive and recovering cost the same whatever is awaiting.
 * Writes must run inside a transaction.
 */
export class TargetTable {
  readonly #undo: UndoLog;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  readonly #states = new Map<string, TargetState>();
  /** TPPs whose state in memory is ahead of that on disk. */
  readonly #ahead = new Set<string>();
  readonly #unresponsive = new Set<string>();

  constructor(database: DatabaseSync, undo: UndoLog) {
    this.#undo = undo;
    this.#upsert = database.prepare(
      `INSERT INTO target (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ${orReplace(COLUMNS, 'client_id')}`,
    );
    this.#delete = database.prepare('DELETE FROM target WHERE client_id = ?');
    for (const row of database.prepare('SELECT * FROM target').all()) {
      this.#put(text(row, 'client_id'), { round: whole(row, 'round'), ...healthOf(row) });
    }
  }

  of(clientId: string): TargetState {
    return this.#states.get(clientId) ?? NEVER_USED;
  }

  /** TPPs whose callback URL is unresponsive. */
  unresponsive(): string[] {
    return [...this.#unresponsive];
  }

  beginRound(clientId: string): void {
    const state = this.of(clientId);
    this.#write(clientId, { ...state, round: state.round + 1 });
  }

  /** It is responsive again, however that came. */
  recover(clientId: string, nowMs: number): void {
    this.#write(clientId, { ...NEVER_USED, round: this.of(clientId).round + 1, recoveredAtMs: nowMs });
  }

  becomeUnresponsive(clientId: string, sinceMs: number, probeAtMs: number): void {
    this.#write(clientId, { ...this.of(clientId), unresponsiveSinceMs: sinceMs, probeAtMs, probes: 0 });
  }

  probeFailed(clientId: string, probes: number, probeAtMs: number): void {
    this.#write(clientId, { ...this.of(clientId), probes, probeAtMs });
  }

  probeNow(clientId: string, nowMs: number): void {
    this.#write(clientId, { ...this.of(clientId), probeAtMs: nowMs });
  }

  /** No other probe before that; in memory only, as is the lease of the probe. */
  holdProbe(clientId: string, untilMs: number): void {
    this.#keep(clientId, { ...this.of(clientId), probeAtMs: untilMs });
  }

  /** Counts what was claimed while it may still be ramping up. It is written with what is recorded next. */
  countClaimed(clientId: string, count: number, nowMs: number): void {
    const state = this.of(clientId);
    if (count === 0 || !isCounted(state, nowMs)) return;
    this.#keep(clientId, { ...state, claimedSinceRecovery: state.claimedSinceRecovery + count });
    this.#ahead.add(clientId);
  }

  /** Writes what was only counted. */
  catchUp(clientId: string): void {
    if (this.#ahead.has(clientId)) this.#write(clientId, this.of(clientId));
  }

  remove(clientId: string): void {
    this.#delete.run(clientId);
    this.#keep(clientId, undefined);
  }

  #write(clientId: string, state: TargetState): void {
    const { round, unresponsiveSinceMs, probeAtMs, probes, recoveredAtMs, claimedSinceRecovery } = state;
    this.#upsert.run(
      clientId,
      round,
      unresponsiveSinceMs ?? null,
      probeAtMs ?? null,
      probes,
      recoveredAtMs ?? null,
      claimedSinceRecovery,
    );
    if (this.#ahead.delete(clientId)) this.#undo.add(() => this.#ahead.add(clientId));
    this.#keep(clientId, state);
  }

  #keep(clientId: string, state: TargetState | undefined): void {
    const before = this.#states.get(clientId);
    this.#put(clientId, state);
    this.#undo.add(() => this.#put(clientId, before));
  }

  #put(clientId: string, state: TargetState | undefined): void {
    if (state === undefined) this.#states.delete(clientId);
    else this.#states.set(clientId, state);
    if (state?.unresponsiveSinceMs === undefined) this.#unresponsive.delete(clientId);
    else this.#unresponsive.add(clientId);
  }
}
