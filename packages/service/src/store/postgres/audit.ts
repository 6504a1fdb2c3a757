import assert from 'node:assert/strict';
import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../../model/audit.ts';
import { AUDIT_DROPPED_MAX } from '../../model/audit.ts';
import { auditEntryOf, auditPlaceOf, droppedEntriesOf } from '../audit-row.ts';
import type { Database, Transaction } from './database.ts';
import { jsonOf, storable } from './rows.ts';

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

const COLUMNS = 'id, at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became';

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
    `SELECT ${COLUMNS} FROM audit WHERE id < $1::bigint${conditions} ORDER BY id DESC LIMIT $2::int`,
    [id, limit, ...given.map(([name]) => storableOf(filter[name]))],
  );
  return rows.map(auditEntryOf);
}

function storableOf(value: string | number | undefined): string | number {
  return typeof value === 'string' ? storable(value) : (value ?? 0);
}

const ARCHIVABLE = `
  SELECT ${COLUMNS} FROM audit
  WHERE authenticated_by = 'access-token' AND at_ms < $1::bigint AND (at_ms, id) > ($2::bigint, $3::bigint)
  ORDER BY at_ms, id LIMIT $4::int`;

/** TPPs' own that were made before, the oldest first. */
export async function archivableAudit(
  database: Database,
  beforeMs: number,
  after: string | undefined,
  limit: number,
): Promise<StoredAuditEntry[]> {
  const rows = await database.read(ARCHIVABLE, [beforeMs, ...auditPlaceOf(after), limit]);
  return rows.map(auditEntryOf);
}

const DROP = `
  DELETE FROM audit WHERE id = ANY($1::bigint[]) AND authenticated_by = 'access-token' AND at_ms < $2::bigint
  RETURNING ${COLUMNS}`;

/** Drops a portion, and audits it. @returns how many went */
export async function dropAudit(database: Database, { ids, beforeMs, audit }: AuditDrop): Promise<number> {
  assert(ids.length <= AUDIT_DROPPED_MAX, 'the audit is dropped in portions');
  return database.transaction(async (transaction) => {
    const dropped = droppedEntriesOf(await transaction.query(DROP, [ids.map(Number), beforeMs]), ids);
    await addAudit(transaction, audit(dropped));
    return dropped.length;
  });
}
