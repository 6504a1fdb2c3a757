import assert from 'node:assert/strict';
import { isJsonObject } from '@tidings/protocol';
import type { AuditAuthentication, StoredAuditEntry } from '../model/audit.ts';
import type { Row } from './row.ts';

const AUTHENTICATIONS: readonly AuditAuthentication[] = ['token', 'oidc', 'access-token', 'service'];

/** An entry of the audit as both databases give it; what an older version wrote lacks the later columns. */
export function auditEntryOf(row: Row): StoredAuditEntry {
  const { id, at_ms: atMs } = row;
  assert(typeof id === 'number' && typeof atMs === 'number', 'an entry of the audit has an id and a time');
  const by = AUTHENTICATIONS.find((each) => each === row['authenticated_by']);
  return {
    id: String(id),
    atMs,
    actor: textOf(row, 'actor') ?? '',
    ...optional('role', textOf(row, 'role')),
    ...optional('authenticatedBy', by),
    ...optional('from', textOf(row, 'remote_address')),
    action: textOf(row, 'action') ?? '',
    subject: textOf(row, 'subject') ?? '',
    detail: jsonOf(row, 'detail') ?? {},
    ...optional('before', jsonOf(row, 'was')),
    ...optional('after', jsonOf(row, 'became')),
  };
}

/** The entries that a drop took, in the order of its ids. */
export function droppedEntriesOf(rows: readonly Row[], ids: readonly string[]): StoredAuditEntry[] {
  const byId = new Map(rows.map(auditEntryOf).map((entry) => [entry.id, entry]));
  return ids.map((id) => byId.get(id)).filter((entry) => entry !== undefined);
}

/** Reads `ATMS:ID`, after which a page of {@link Store.archivableAudit} begins. */
export function auditPlaceOf(after: string | undefined): readonly [atMs: number, id: number] {
  const [atMs = -1, id = -1] = after === undefined ? [] : after.split(':').map(Number);
  return [atMs, id];
}

function optional<K extends string, T>(name: K, value: T | undefined): { readonly [name in K]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in K]?: T };
}

function textOf(row: Row, column: string): string | undefined {
  const value = row[column];
  return typeof value === 'string' ? value : undefined;
}

function jsonOf(row: Row, column: string): Readonly<Record<string, unknown>> | undefined {
  const text = textOf(row, column);
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  return isJsonObject(value) ? value : undefined;
}
