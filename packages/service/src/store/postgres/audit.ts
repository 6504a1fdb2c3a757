import { auditEntryOf } from '../audit-row.ts';
import type { AuditEntry, AuditFilter, StoredAuditEntry } from '../store.ts';
import type { Database, Transaction } from './database.ts';
import { jsonOf, storable } from './rows.ts';

/** Who exactly, from where, what it was and what it became; and that nothing is ever taken back. */
export const AUDIT_IN_FULL = `
  ALTER TABLE audit ADD COLUMN role text, ADD COLUMN authenticated_by text, ADD COLUMN remote_address text,
    ADD COLUMN was text, ADD COLUMN became text;
  CREATE INDEX audit_of_actor ON audit (actor, id);
  CREATE INDEX audit_of_action ON audit (action, id);
  CREATE INDEX audit_of_subject ON audit (subject, id);
  CREATE INDEX audit_at ON audit (at_ms);

  CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$;
  CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
`;

/** Adds an entry to the audit log, which is only added to. */
export async function addAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  const { atMs, actor, role, authenticatedBy, from, action, subject, detail, before, after } = entry;
  const json = (value: object | undefined) => (value === undefined ? undefined : JSON.stringify(value));
  await transaction.query(
    `INSERT INTO audit (at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became)
     SELECT at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became
       FROM json_to_recordset($1::json) AS r(at_ms bigint, actor text, role text, authenticated_by text,
         remote_address text, action text, subject text, detail text, was text, became text)`,
    [
      jsonOf([
        {
          ...{ at_ms: atMs, actor, role, authenticated_by: authenticatedBy, remote_address: from, action, subject },
          ...{ detail: JSON.stringify(detail), was: json(before), became: json(after) },
        },
      ]),
    ],
  );
}

const CONDITIONS = [
  ['actor', 'actor =', 'text'],
  ['action', 'action =', 'text'],
  ['subject', 'subject =', 'text'],
  ['fromMs', 'at_ms >=', 'bigint'],
  ['beforeMs', 'at_ms <', 'bigint'],
] as const;

/** The newest first. */
export async function auditEntries(
  database: Database,
  before: string | undefined,
  limit: number,
  filter: AuditFilter = {},
): Promise<StoredAuditEntry[]> {
  const id = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
  const given = CONDITIONS.filter(([name]) => filter[name] !== undefined);
  const conditions = given.map(([, condition, type], at) => ` AND ${condition} $${at + 3}::${type}`).join('');
  const rows = await database.read(
    `SELECT id, at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became
     FROM audit WHERE id < $1::bigint${conditions} ORDER BY id DESC LIMIT $2::int`,
    [id, limit, ...given.map(([name]) => storableOf(filter[name]))],
  );
  return rows.map(auditEntryOf);
}

function storableOf(value: string | number | undefined): string | number {
  return typeof value === 'string' ? storable(value) : (value ?? 0);
}
