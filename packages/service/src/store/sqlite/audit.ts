import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { auditEntryOf } from '../audit-row.ts';
import type { AuditEntry, AuditFilter, StoredAuditEntry } from '../store.ts';

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

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare(
      `INSERT INTO audit (at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
}
