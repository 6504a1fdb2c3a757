import assert from 'node:assert/strict';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../../model/audit.ts';
import { AUDIT_DROPPED_MAX } from '../../model/audit.ts';
import { auditEntryOf, auditPlaceOf, droppedEntriesOf } from '../audit-row.ts';

const CONDITIONS = [
  ['actor', 'actor = ?'],
  ['action', 'action = ?'],
  ['subject', 'subject = ?'],
  ['fromMs', 'at_ms >= ?'],
  ['beforeMs', 'at_ms < ?'],
] as const;

/** SQL of the audit log, which is only added to. Writes must run inside a transaction. */
export class AuditTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #archivable: StatementSync;
  readonly #drop: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare(
      `INSERT INTO audit (at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#archivable = database.prepare(
      `SELECT * FROM audit WHERE authenticated_by = 'access-token' AND at_ms < ? AND (at_ms, id) > (?, ?)
       ORDER BY at_ms, id LIMIT ?`,
    );
    this.#drop = database.prepare(
      `DELETE FROM audit WHERE id IN (SELECT value FROM json_each(?))
       AND authenticated_by = 'access-token' AND at_ms < ? RETURNING *`,
    );
  }

  add({ atMs, actor, role, authenticatedBy, from, action, subject, detail, before, after }: AuditEntry): void {
    const json = (value: object | undefined) => (value === undefined ? null : JSON.stringify(value));
    const by = [actor, role ?? null, authenticatedBy ?? null, from ?? null];
    this.#insert.run(atMs, ...by, action, subject, JSON.stringify(detail), json(before), json(after));
  }

  /** The newest first. */
  list(before: string | undefined, limit: number, filter: AuditFilter = {}): StoredAuditEntry[] {
    const given = CONDITIONS.filter(([name]) => filter[name] !== undefined);
    const where = ['id < ?', ...given.map(([, condition]) => condition)].join(' AND ');
    const values = given.map(([name]) => filter[name] ?? null);
    return this.#database
      .prepare(`SELECT * FROM audit WHERE ${where} ORDER BY id DESC LIMIT ?`)
      .all(before === undefined ? Number.MAX_SAFE_INTEGER : Number(before), ...values, limit)
      .map(auditEntryOf);
  }

  /** TPPs' own that were made before, the oldest first. */
  archivable(beforeMs: number, after: string | undefined, limit: number): StoredAuditEntry[] {
    return this.#archivable.all(beforeMs, ...auditPlaceOf(after), limit).map(auditEntryOf);
  }

  /** @returns how many went */
  drop({ ids, beforeMs, audit }: AuditDrop): number {
    assert(ids.length <= AUDIT_DROPPED_MAX, 'the audit is dropped in portions');
    const dropped = droppedEntriesOf(this.#drop.all(JSON.stringify(ids.map(Number)), beforeMs), ids);
    this.add(audit(dropped));
    return dropped.length;
  }
}
