import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterChange, type HealthChange, type HealthTurn, isNews, NO_ATTEMPTS } from '../../model/attempt-health.ts';
import { orReplace, text, whole } from '../rows.ts';
import { healthTurnOf, isCounted } from '../shared.ts';
import { HEALTH_COLUMNS, healthOf, healthRowOf, type TargetHealth } from '../target-rows.ts';
import { insertInto } from './open.ts';
import type { UndoLog } from './write-queue.ts';

/** The health of the effective callback URL of a TPP, whatever that URL is. */
export interface TargetState extends TargetHealth {
  /** Grows whenever the retry policy restarts for all that is awaiting. */
  readonly round: number;
}

const COLUMNS = ['client_id', 'round', ...HEALTH_COLUMNS].join(', ');

const NEVER_USED: TargetState = {
  round: 0,
  unresponsiveSinceMs: undefined,
  probeAtMs: undefined,
  probes: 0,
  recoveredAtMs: undefined,
  claimedSinceRecovery: 0,
  ...NO_ATTEMPTS,
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
  /** TPPs whose callback URL is failing or unresponsive. */
  readonly #troubled = new Set<string>();

  constructor(database: DatabaseSync, undo: UndoLog) {
    this.#undo = undo;
    this.#upsert = database.prepare(`${insertInto('target', COLUMNS)} ${orReplace(COLUMNS, 'client_id')}`);
    this.#delete = database.prepare('DELETE FROM target WHERE client_id = ?');
    for (const row of database.prepare('SELECT * FROM target').all()) {
      this.#put(text(row, 'client_id'), { round: whole(row, 'round'), ...healthOf(row) });
    }
  }

  of(clientId: string): TargetState {
    return this.#states.get(clientId) ?? NEVER_USED;
  }

  /** TPPs whose callback URL is failing or unresponsive. */
  troubled(): string[] {
    return [...this.#troubled];
  }

  beginRound(clientId: string): void {
    const state = this.of(clientId);
    this.#write(clientId, { ...state, round: state.round + 1 });
  }

  /** It is responsive again, however that came; of its attempts the last failure and acknowledgement stay known. */
  recover(clientId: string, nowMs: number): void {
    const { round, lastFailure, acknowledgedAtMs } = this.of(clientId);
    const known = { lastFailure, acknowledgedAtMs };
    this.#write(clientId, { ...NEVER_USED, ...known, round: round + 1, recoveredAtMs: nowMs });
  }

  /** Another registration is effective: what attempts said of the one before does not hold for it. */
  forgetAttempts(clientId: string): void {
    this.#write(clientId, { ...this.of(clientId), ...NO_ATTEMPTS });
  }

  /** Attempts were made. */
  note(change: HealthChange): HealthTurn | undefined {
    const { clientId } = change;
    const state = this.of(clientId);
    if (!isNews(change, state)) return undefined;
    const after = afterChange(state, change);
    this.#write(clientId, { ...state, ...after });
    return healthTurnOf(change, state.failingSinceMs, after.failingSinceMs);
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
    this.#upsert.run({ client_id: clientId, round: state.round, ...healthRowOf(state) });
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
    const isTroubled = state?.unresponsiveSinceMs !== undefined || state?.failingSinceMs !== undefined;
    if (isTroubled) this.#troubled.add(clientId);
    else this.#troubled.delete(clientId);
  }
}
