import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isJsonObject } from '@tidings/protocol';
import type { AuditEntry, StoredAuditEntry } from '../store.ts';
import { parseText, type Row, text, whole } from './rows.ts';

/** SQL of the audit log, which is only added to. Writes must run inside a transaction. */
export class AuditTable {
  readonly #insert: StatementSync;
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare('INSERT INTO audit (at_ms, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)');
    this.#select = database.prepare('SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?');
  }

  add({ atMs, actor, action, subject, detail }: AuditEntry): void {
    this.#insert.run(atMs, actor, action, subject, JSON.stringify(detail));
  }

  /** The newest first. */
  list(before: string | undefined, limit: number): StoredAuditEntry[] {
    return this.#select.all(before === undefined ? Number.MAX_SAFE_INTEGER : Number(before), limit).map(entryOf);
  }
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
