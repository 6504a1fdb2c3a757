import { isJsonObject } from '@tidings/protocol';
import type { AuditEntry, StoredAuditEntry } from '../store.ts';
import type { Database, Transaction } from './database.ts';
import { jsonOf, parseText, type Row, text, whole } from './rows.ts';

/** Adds an entry to the audit log, which is only added to. */
export async function addAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  const { atMs, actor, action, subject } = entry;
  await transaction.query(
    `INSERT INTO audit (at_ms, actor, action, subject, detail)
     SELECT at_ms, actor, action, subject, detail FROM json_to_recordset($1::json)
       AS r(at_ms bigint, actor text, action text, subject text, detail text)`,
    [jsonOf([{ at_ms: atMs, actor, action, subject, detail: JSON.stringify(entry.detail) }])],
  );
}

/** The newest first. */
export async function auditEntries(
  database: Database,
  before: string | undefined,
  limit: number,
): Promise<StoredAuditEntry[]> {
  const id = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
  const rows = await database.read(
    'SELECT id, at_ms, actor, action, subject, detail FROM audit WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::int',
    [id, limit],
  );
  return rows.map(entryOf);
}

function entryOf(row: Row): StoredAuditEntry {
  const detail = parseText(row, 'detail');
  return {
    id: String(whole(row, 'id')),
    atMs: whole(row, 'at_ms'),
    actor: text(row, 'actor'),
    action: text(row, 'action'),
    subject: text(row, 'subject'),
    detail: isJsonObject(detail) ? detail : {},
  };
}
