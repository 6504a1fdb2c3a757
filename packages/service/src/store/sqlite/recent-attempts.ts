import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RecentAttempts } from '../../model/attempt.ts';
import { recentAttemptsOf } from '../row.ts';

// What processes that are gone kept goes when another has written for that long.
const KEPT_AFTER_MS = 86_400_000;

/** SQL of the last attempts for each TPP. Writes must run inside a transaction. */
export class RecentAttemptTable {
  readonly #upsert: StatementSync;
  readonly #deleteOld: StatementSync;
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#upsert = database.prepare(
      `INSERT INTO recent_attempts (client_id, instance, at_ms, attempts) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, attempts = excluded.attempts`,
    );
    this.#deleteOld = database.prepare('DELETE FROM recent_attempts WHERE client_id = ? AND at_ms < ?');
    this.#select = database.prepare('SELECT client_id, instance, attempts FROM recent_attempts WHERE client_id = ?');
  }

  keep(recent: readonly RecentAttempts[], nowMs: number): void {
    for (const { clientId, instance, attempts } of recent) {
      this.#deleteOld.run(clientId, nowMs - KEPT_AFTER_MS);
      this.#upsert.run(clientId, instance, nowMs, JSON.stringify(attempts));
    }
  }

  of(clientIds: readonly string[]): RecentAttempts[] {
    return clientIds.flatMap((clientId) => this.#select.all(clientId).map(recentAttemptsOf));
  }
}
