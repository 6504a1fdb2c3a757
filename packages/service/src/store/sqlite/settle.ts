import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { NotificationRecord } from '../../model/notification.ts';
import { type Row, whole } from '../rows.ts';
import {
  type Client,
  type Clients,
  fallsDue,
  isGone,
  resetQueues,
  type Withdrawing,
  withdrawnUpTo,
} from './claim-queue.ts';

/** A notification that has just become awaiting. */
export interface NewlyAwaiting {
  readonly seq: number;
  readonly publishedAtMs: number;
  readonly dueAtMs: number;
}

/** How a notification ceased to be awaiting. */
export interface Settlement {
  readonly state: Exclude<NotificationRecord['state'], 'awaiting'>;
  readonly atMs: number;
  readonly acknowledgedBy?: NonNullable<NotificationRecord['acknowledgedBy']>;
}

/** The next step after an attempt of a notification that stays awaiting. */
export interface AfterAttempt {
  readonly startedAtMs: number;
  readonly round: number;
  /** When it is tried again, after the first attempts of others; undefined: it is requeued at its original position. */
  readonly retryAtMs: number | undefined;
}

// Attempts made so far, 1 when something went wrong, 1 when searches find it by an index.
const NO_PAST = { attempts: 0, hasFailed: 0, isIndexed: 0 };

// In the order of an index, so that a portion costs no more where much is awaiting.
const OF_CLIENT = 'SELECT seq FROM awaiting WHERE client_id = ? AND seq <= ? ORDER BY is_retry, due_at_ms, seq LIMIT ?';

/** SQL of awaiting notifications and of settling them; keeps {@link Clients} up to date. Must run inside a transaction. */
export class AwaitingTable {
  readonly #clients: Clients;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #settle: StatementSync;
  readonly #unsettle: StatementSync;
  readonly #pastOf: StatementSync;
  readonly #countAttempt: StatementSync;
  readonly #afterAttempt: StatementSync;
  readonly #place: StatementSync;
  readonly #endWaits: StatementSync;
  readonly #settleAll: StatementSync;
  readonly #deleteAll: StatementSync;

  constructor(database: DatabaseSync, clients: Clients) {
    this.#clients = clients;
    this.#insert = database.prepare(
      `INSERT INTO awaiting (seq, client_id, published_at_ms, due_at_ms, is_retry, attempts, round, round_attempts,
         has_failed, is_indexed)
       VALUES (?, ?, ?, ?, 0, ?, 0, 0, ?, ?)`,
    );
    this.#delete = database.prepare('DELETE FROM awaiting WHERE seq = ? RETURNING published_at_ms');
    this.#settle = database.prepare(
      'INSERT INTO settled (seq, client_id, published_at_ms, state, settled_at_ms, acknowledged_by) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#unsettle = database.prepare('DELETE FROM settled WHERE seq = ? RETURNING published_at_ms');
    this.#pastOf = database.prepare(
      `SELECT (SELECT count(*) FROM attempt WHERE seq = ?1) AS attempts,
         EXISTS (SELECT 1 FROM reported_error WHERE seq = ?1)
           OR EXISTS (SELECT 1 FROM attempt WHERE seq = ?1 AND outcome ->> 'kind' <> 'acknowledged') AS has_failed`,
    );
    this.#countAttempt = database.prepare('UPDATE awaiting SET attempts = attempts + 1, has_failed = 1 WHERE seq = ?');
    this.#afterAttempt = database.prepare(
      `UPDATE awaiting SET attempts = attempts + 1, has_failed = 1, round = :round,
         round_attempts = iif(round = :round, round_attempts, 0) + 1,
         round_began_at_ms = coalesce(iif(round = :round, round_began_at_ms, NULL), :startedAtMs),
         is_retry = :isRetry, due_at_ms = coalesce(:retryAtMs, published_at_ms)
       WHERE seq = :seq RETURNING due_at_ms`,
    );
    this.#place = database.prepare(
      `UPDATE awaiting SET due_at_ms = ?, is_retry = 0, round_attempts = 0, round_began_at_ms = NULL,
         offer_at_ms = NULL WHERE seq = ?`,
    );
    this.#endWaits = database.prepare(
      `UPDATE awaiting SET is_retry = 0, due_at_ms = published_at_ms WHERE seq IN
         (SELECT seq FROM awaiting WHERE client_id = ? AND is_retry = 1 AND round < ? AND seq > ?
            AND seq NOT IN (SELECT value FROM json_each(?)) ORDER BY due_at_ms LIMIT ?)`,
    );
    this.#settleAll = database.prepare(
      `INSERT INTO settled (seq, client_id, published_at_ms, state, settled_at_ms)
       SELECT seq, client_id, published_at_ms, 'withdrawn', ? FROM awaiting WHERE seq IN (${OF_CLIENT})`,
    );
    this.#deleteAll = database.prepare(`DELETE FROM awaiting WHERE seq IN (${OF_CLIENT})`);
  }

  /** A new notification is awaiting, with no attempts unless it has a past. */
  add(
    client: Client,
    { seq, publishedAtMs, dueAtMs }: NewlyAwaiting,
    { attempts, hasFailed, isIndexed } = NO_PAST,
  ): void {
    this.#insert.run(seq, client.clientId, publishedAtMs, dueAtMs, attempts, hasFailed, isIndexed);
    this.#clients.count(client, 1);
  }

  /** @returns false when it was not awaiting, and nothing was changed */
  settle(client: Client, seq: number, { state, atMs, acknowledgedBy }: Settlement): boolean {
    const row = this.#delete.get(seq);
    if (row === undefined) return false;
    const publishedAtMs = whole(row, 'published_at_ms');
    this.#settle.run(seq, client.clientId, publishedAtMs, state, atMs, acknowledgedBy ?? null);
    this.#clients.count(client, -1);
    const lease = client.leases.get(seq);
    if (lease === undefined || lease.isOver) isGone(client);
    if (lease !== undefined) this.#clients.endLease(client, lease);
    return true;
  }

  /** A settled notification is awaiting again. @param dueAtMs undefined: as if it had just been published */
  unsettle(client: Client, seq: number, dueAtMs?: number): void {
    const row = this.#unsettle.get(seq);
    if (row === undefined) return;
    const publishedAtMs = whole(row, 'published_at_ms');
    const past = this.#pastOf.get(seq);
    const placed = { seq, publishedAtMs, dueAtMs: dueAtMs ?? publishedAtMs };
    const counted = past && { attempts: whole(past, 'attempts'), hasFailed: whole(past, 'has_failed') };
    // Indexed or not: what stands in both places is found once.
    this.add(client, placed, counted && { ...counted, isIndexed: 1 });
    fallsDue(client, { ...placed, queue: 'first' });
  }

  /** Counts a failed attempt that does not decide what follows. @returns false when it is not awaiting, and nothing is counted */
  countAttempt(seq: number): boolean {
    return this.#countAttempt.run(seq).changes > 0;
  }

  /** An attempt failed; the lease must have ended. */
  placeAfterAttempt(client: Client, seq: number, { startedAtMs, round, retryAtMs }: AfterAttempt): void {
    const isRetry = retryAtMs === undefined ? 0 : 1;
    const row: Row | undefined = this.#afterAttempt.get({
      seq,
      round,
      startedAtMs,
      isRetry,
      retryAtMs: retryAtMs ?? null,
    });
    if (row !== undefined)
      fallsDue(client, { seq, queue: retryAtMs === undefined ? 'first' : 'retry', dueAtMs: whole(row, 'due_at_ms') });
  }

  /** Makes a free one due at a time, with the whole retry policy before it. */
  place(client: Client, seq: number, dueAtMs: number): void {
    this.#place.run(dueAtMs, seq);
    isGone(client);
    fallsDue(client, { seq, queue: 'first', dueAtMs });
  }

  /** Ends the waits of retries that failed before a round: they are requeued at their original positions. @returns how many */
  endWaits(client: Client, round: number, limit: number): number {
    if (client.awaiting === 0) return 0;
    const leased = JSON.stringify([...client.leases.keys()]);
    const { changes } = this.#endWaits.run(client.clientId, round, withdrawnUpTo(client), leased, limit);
    resetQueues(client);
    return Number(changes);
  }

  /** Withdraws a portion of a backlog without leases. @returns how many */
  withdraw(client: Client, { upToSeq, atMs }: Withdrawing, limit: number): number {
    this.#settleAll.run(atMs, client.clientId, upToSeq, limit);
    const changes = Number(this.#deleteAll.run(client.clientId, upToSeq, limit).changes);
    this.#clients.count(client, -changes);
    resetQueues(client);
    return changes;
  }

  /** Ends all leases of a TPP. */
  fence(client: Client): void {
    for (const lease of [...client.leases.values()]) this.#clients.endLease(client, lease);
    resetQueues(client);
  }
}
