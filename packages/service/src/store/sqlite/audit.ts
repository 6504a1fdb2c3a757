import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../../model/audit.ts';
import { AUDIT_COLUMNS, AUDIT_CONDITIONS, auditEntryOf, auditPlaceOf, auditRowOf, droppedEntriesOf } from '../rows.ts';
import { insertInto } from './open.ts';

/** SQL of the audit log, which is only added to. Writes must run inside a transaction. */
export class AuditTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #archivable: StatementSync;
  readonly #drop: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare(insertInto('audit', AUDIT_COLUMNS));
    this.#archivable = database.prepare(
      `SELECT * FROM audit WHERE authenticated_by = 'access-token' AND at_ms < ? AND (at_ms, id) > (?, ?)
       ORDER BY at_ms, id LIMIT ?`,
    );
    this.#drop = database.prepare(
      `DELETE FROM audit WHERE id IN (SELECT value FROM json_each(?))
       AND authenticated_by = 'access-token' AND at_ms < ? RETURNING *`,
    );
  }

  add(entry: AuditEntry): void {
    this.#insert.run(auditRowOf(entry));
  }

  /** The newest first. */
  list(before: string | undefined, limit: number, filter: AuditFilter = {}): StoredAuditEntry[] {
    const given = AUDIT_CONDITIONS.filter(([name]) => filter[name] !== undefined);
    const where = ['id < ?', ...given.map(([, condition]) => `${condition} ?`)].join(' AND ');
    const values = given.map(([name]) => filter[name] ?? null);
    return this.#database
      .prepare(`SELECT * FROM audit WHERE ${where} ORDER BY id DESC LIMIT ?`)
      .all(before === undefined ? Number.MAX_SAFE_INTEGER : Number(before), ...values, limit)
      .map(auditEntryOf);
  }

  /** Entries that TPPs made themselves before a time, the oldest first. */
  archivable(beforeMs: number, after: string | undefined, limit: number): StoredAuditEntry[] {
    return this.#archivable.all(beforeMs, ...auditPlaceOf(after), limit).map(auditEntryOf);
  }

  /** @returns how many entries were dropped */
  drop({ ids, beforeMs, audit }: AuditDrop): number {
    const dropped = droppedEntriesOf(this.#drop.all(JSON.stringify(ids.map(Number)), beforeMs), ids);
    this.add(audit(dropped));
    return dropped.length;
  }
}
