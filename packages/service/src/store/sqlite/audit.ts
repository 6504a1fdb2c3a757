import assert from 'node:assert/strict';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { AUDIT_DROPPED_MAX } from '../audit.ts';
import { auditEntryOf, auditPlaceOf, droppedEntriesOf } from '../audit-row.ts';
import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../store.ts';

/** Schema 6: who exactly, from where, what it was and what it became; and that nothing is ever taken back. */
export const AUDIT_IN_FULL = `
  ALTER TABLE audit ADD COLUMN role TEXT;
  ALTER TABLE audit ADD COLUMN authenticated_by TEXT;
  ALTER TABLE audit ADD COLUMN remote_address TEXT;
  ALTER TABLE audit ADD COLUMN was TEXT;
  ALTER TABLE audit ADD COLUMN became TEXT;
  CREATE INDEX audit_of_actor ON audit (actor, id);
  CREATE INDEX audit_of_action ON audit (action, id);
  CREATE INDEX audit_of_subject ON audit (subject, id);
  CREATE INDEX audit_at ON audit (at_ms);

  CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
  CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
  -- INSERT OR REPLACE deletes past the trigger above.
  CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
`;

/** TPPs' own entries may be dropped once they are 30 days old, and no others ever. */
export const AUDIT_OF_TPPS_BY_AGE = `
  CREATE INDEX audit_of_tpps ON audit (at_ms) WHERE authenticated_by = 'access-token';
  DROP TRIGGER audit_is_not_deleted;
  CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    WHEN OLD.authenticated_by IS NOT 'access-token' OR OLD.at_ms > unixepoch('now') * 1000 - 2592000000
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
`;

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
