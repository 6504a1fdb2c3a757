import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BY_SERVICE } from '../../model/audit.ts';
import type { Retention } from '../operations.ts';
import { text, whole } from '../rows.ts';
import type { AuditTable } from './audit.ts';
import type { Clients } from './claim-queue.ts';
import type { SearchIndex } from './search-index.ts';
import type { AwaitingTable } from './settle.ts';

// How many more than its limit an expiry examines: after a clock was set back, older ones are among newer ones.
const EXAMINED_BEYOND = 1000;

/** Dependencies of retention. */
export interface RetentionDependencies {
  readonly clients: Clients;
  readonly awaiting: AwaitingTable;
  readonly audit: AuditTable;
  readonly searchIndex: SearchIndex;
}

/** SQL of what is dropped by age, each in portions by an index. Must run inside a transaction. */
export class RetentionTables {
  readonly #clients: Clients;
  readonly #awaiting: AwaitingTable;
  readonly #audit: AuditTable;
  readonly #searchIndex: SearchIndex;
  readonly #oldestAwaiting: StatementSync;
  readonly #oldestSettled: StatementSync;
  readonly #dropNotification: readonly StatementSync[];
  readonly #dropErased: StatementSync;
  readonly #dropEvents: StatementSync;

  constructor(database: DatabaseSync, { clients, awaiting, audit, searchIndex }: RetentionDependencies) {
    this.#clients = clients;
    this.#awaiting = awaiting;
    this.#audit = audit;
    this.#searchIndex = searchIndex;
    this.#oldestAwaiting = database.prepare(
      'SELECT seq, client_id, published_at_ms FROM awaiting ORDER BY seq LIMIT ?',
    );
    this.#oldestSettled = database.prepare(
      'SELECT seq FROM settled WHERE settled_at_ms < ? ORDER BY settled_at_ms LIMIT ?',
    );
    this.#dropNotification = [
      'DELETE FROM settled WHERE seq = ?',
      'DELETE FROM attempt WHERE seq = ?',
      'DELETE FROM reported_error WHERE seq = ?',
      'DELETE FROM signed_set WHERE seq = ?',
      'UPDATE event SET claims = NULL, is_droppable = 1 WHERE seq = ?',
    ].map((sql) => database.prepare(sql));
    this.#dropErased = database.prepare(
      `DELETE FROM erased WHERE jti IN
         (SELECT jti FROM erased WHERE settled_at_ms < ? ORDER BY settled_at_ms LIMIT ?)`,
    );
    this.#dropEvents = database.prepare(
      `DELETE FROM event WHERE seq IN
         (SELECT seq FROM event WHERE is_droppable = 1 AND published_at_ms < ? ORDER BY published_at_ms LIMIT ?)`,
    );
  }

  /** In the order of publishing, which is that of age but for clocks that were set back. */
  expire(publishedBeforeMs: number, limit: number, nowMs: number): number {
    let count = 0;
    for (const row of this.#oldestAwaiting.all(limit + EXAMINED_BEYOND)) {
      if (count >= limit) break;
      if (whole(row, 'published_at_ms') >= publishedBeforeMs) continue;
      const client = this.#clients.get(text(row, 'client_id'));
      const seq = whole(row, 'seq');
      const lease = client.leases.get(seq);
      if (lease !== undefined && !lease.isOver) continue;
      if (this.#awaiting.settle(client, seq, { state: 'expired', atMs: nowMs })) count += 1;
    }
    if (count === 0) return 0;
    const detail = { count, publishedBeforeMs };
    this.#audit.add({ ...BY_SERVICE, atMs: nowMs, action: 'expire', subject: 'notifications', detail });
    return count;
  }

  drop({ notificationsBeforeMs, eventsBeforeMs, limit }: Retention): number {
    const rows = this.#oldestSettled.all(notificationsBeforeMs, limit);
    for (const row of rows) this.dropNotification(whole(row, 'seq'));
    const erased = Number(this.#dropErased.run(notificationsBeforeMs, limit - rows.length).changes);
    const dropped = rows.length + erased;
    return dropped + Number(this.#dropEvents.run(eventsBeforeMs, limit - dropped).changes);
  }

  /** Drops all of a settled notification but its event. */
  dropNotification(seq: number): void {
    for (const statement of this.#dropNotification) statement.run(seq);
    this.#searchIndex.drop(seq);
  }
}
