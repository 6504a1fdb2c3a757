import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../../model/audit.ts';
import { AUDIT_COLUMNS, AUDIT_CONDITIONS, auditEntryOf, auditPlaceOf, auditRowOf, droppedEntriesOf } from '../rows.ts';
import { type Database, insertInto, jsonOf, storable, type Transaction } from './database.ts';

const INSERT = insertInto('audit', AUDIT_COLUMNS);

/** Adds an entry to the audit log, which is only added to. */
export async function addAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  await transaction.query(INSERT, [jsonOf([auditRowOf(entry)])]);
}

/** The newest first. */
export async function auditEntries(
  database: Database,
  before: string | undefined,
  limit: number,
  filter: AuditFilter = {},
): Promise<StoredAuditEntry[]> {
  const id = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
  const given = AUDIT_CONDITIONS.filter(([name]) => filter[name] !== undefined);
  const conditions = given.map(([, condition, type], at) => ` AND ${condition} $${at + 3}::${type}`).join('');
  const rows = await database.query(
    `SELECT id, ${AUDIT_COLUMNS} FROM audit WHERE id < $1::bigint${conditions} ORDER BY id DESC LIMIT $2::int`,
    [id, limit, ...given.map(([name]) => storableOf(filter[name]))],
  );
  return rows.map(auditEntryOf);
}

function storableOf(value: string | number | undefined): string | number {
  return typeof value === 'string' ? storable(value) : (value ?? 0);
}

const ARCHIVABLE = `
  SELECT id, ${AUDIT_COLUMNS} FROM audit
  WHERE authenticated_by = 'access-token' AND at_ms < $1::bigint AND (at_ms, id) > ($2::bigint, $3::bigint)
  ORDER BY at_ms, id LIMIT $4::int`;

/** Entries that TPPs made themselves before a time, the oldest first. */
export async function archivableAudit(
  database: Database,
  beforeMs: number,
  after: string | undefined,
  limit: number,
): Promise<StoredAuditEntry[]> {
  const rows = await database.query(ARCHIVABLE, [beforeMs, ...auditPlaceOf(after), limit]);
  return rows.map(auditEntryOf);
}

const DROP = `
  DELETE FROM audit WHERE id = ANY($1::bigint[]) AND authenticated_by = 'access-token' AND at_ms < $2::bigint
  RETURNING id, ${AUDIT_COLUMNS}`;

/** Drops a portion, and audits it. @returns how many entries were dropped */
export async function dropAudit(database: Database, { ids, beforeMs, audit }: AuditDrop): Promise<number> {
  return database.transaction(async (transaction) => {
    const dropped = droppedEntriesOf(await transaction.query(DROP, [ids.map(Number), beforeMs]), ids);
    await addAudit(transaction, audit(dropped));
    return dropped.length;
  });
}
