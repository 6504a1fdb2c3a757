import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ErasedNotification } from '../../model/erased.ts';
import {
  ERASED_COLUMNS,
  type Erasure,
  type ErasureResult,
  erasedNotificationOf,
  erasedOf,
  erasedRowOf,
  withCounts,
} from '../erasure.ts';
import { orReplace, text, whole } from '../rows.ts';
import type { AuditTable } from './audit.ts';
import { type Clients, isFree } from './claim-queue.ts';
import { insertInto } from './open.ts';
import type { Reads } from './reads.ts';
import type { RetentionTables } from './retention.ts';
import type { AwaitingTable } from './settle.ts';

/** Dependencies of erasing. */
export interface ErasureDependencies {
  readonly clients: Clients;
  readonly awaiting: AwaitingTable;
  readonly audit: AuditTable;
  readonly reads: Reads;
  readonly retention: RetentionTables;
}

/** SQL of erasing what notifications said. Writes must run inside a transaction. */
export class ErasureTables {
  readonly #database: DatabaseSync;
  readonly #dependencies: ErasureDependencies;
  readonly #place: StatementSync;
  readonly #settledAt: StatementSync;
  readonly #keep: StatementSync;
  readonly #get: StatementSync;
  readonly #ofClient: StatementSync;

  constructor(database: DatabaseSync, dependencies: ErasureDependencies) {
    this.#database = database;
    this.#dependencies = dependencies;
    this.#place = database.prepare('SELECT seq, client_id FROM event WHERE jti = ? AND claims IS NOT NULL');
    this.#settledAt = database.prepare('SELECT settled_at_ms FROM settled WHERE seq = ?');
    this.#keep = database.prepare(`${insertInto('erased', ERASED_COLUMNS)} ${orReplace(ERASED_COLUMNS, 'jti')}`);
    this.#get = database.prepare(`SELECT ${ERASED_COLUMNS} FROM erased WHERE jti = ?`);
    this.#ofClient = database.prepare(
      `SELECT ${ERASED_COLUMNS} FROM erased WHERE client_id = ? AND jti > ? ORDER BY jti LIMIT ?`,
    );
  }

  erase({ jtis, expiresAwaiting, audit }: Erasure): ErasureResult {
    // What is deleted is written over with zeros, which costs too much to do for all that retention deletes.
    this.#database.exec('PRAGMA secure_delete = ON');
    try {
      const counts = { erased: 0, expired: 0, awaiting: 0 };
      for (const jti of new Set(jtis)) {
        const place = this.#place.get(jti);
        if (place === undefined) continue;
        const seq = whole(place, 'seq');
        const isSettled = this.#settledAt.get(seq) !== undefined;
        const isExpired = !isSettled && expiresAwaiting && this.#expire(text(place, 'client_id'), seq, audit.atMs);
        if (isExpired) counts.expired += 1;
        if (isSettled || isExpired) counts.erased += 1;
        else counts.awaiting += 1;
        if (isSettled || isExpired) this.#erase(jti, seq, audit.atMs);
      }
      if (counts.erased > 0) this.#dependencies.audit.add(withCounts(audit, counts));
      return counts;
    } finally {
      this.#database.exec('PRAGMA secure_delete = OFF');
    }
  }

  /** @returns false when it is under way */
  #expire(clientId: string, seq: number, atMs: number): boolean {
    const { clients, awaiting } = this.#dependencies;
    const client = clients.get(clientId);
    return isFree(client, seq) && awaiting.settle(client, seq, { state: 'expired', atMs });
  }

  #erase(jti: string, seq: number, atMs: number): void {
    const notification = this.#dependencies.reads.notification(jti);
    const settled = this.#settledAt.get(seq);
    if (notification === undefined || settled === undefined) return;
    this.#keep.run(erasedRowOf(erasedOf(notification, whole(settled, 'settled_at_ms'), atMs)));
    this.#dependencies.retention.dropNotification(seq);
  }

  get(jti: string): ErasedNotification | undefined {
    const row = this.#get.get(jti);
    return row && erasedNotificationOf(row);
  }

  ofClient(clientId: string, after: string, limit: number): ErasedNotification[] {
    return this.#ofClient.all(clientId, after, limit).map(erasedNotificationOf);
  }
}
