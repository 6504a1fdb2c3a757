import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Attempt } from '../model/attempt.ts';
import type { AuditEntry } from '../model/audit.ts';
import type { ErasedNotification } from '../model/erased.ts';
import type { NotificationRecord } from '../model/notification.ts';
import { json, type Row, text, whole } from './rows.ts';

/** Most notifications that one transaction erases: SQLite blocks the main thread meanwhile, and writes zeros over each. */
export const ERASED_MAX = 50;

/** A portion of an erasure. */
export interface Erasure {
  /** At most {@link ERASED_MAX}; what is unknown or erased already is passed over. */
  readonly jtis: readonly string[];
  /** True: those that are awaiting, and not under way, expire first. False: they are left as they are. */
  readonly expiresAwaiting: boolean;
  /** `atMs` is the time of the erasure: what is leased then is under way. */
  readonly audit: AuditEntry;
}

/** The result of a portion of an erasure. */
export interface ErasureResult {
  readonly erased: number;
  /** Of them, those that expired for it. */
  readonly expired: number;
  /** Notifications that were left because they are awaiting. */
  readonly awaiting: number;
}

/** Erasure of what notifications said. */
export interface ErasureStore {
  /**
   * Erases the content of settled notifications: claims, SET, keys of the search, texts of the TPP. What became of each is
   * kept, with the digest of its SET, until retention would have dropped the notification. Its event is still recognised
   * when it is published again. Audited with the counts, unless nothing was erased.
   */
  erase(erasure: Erasure): Promise<ErasureResult>;
  /** Finds the record of a notification that was erased. */
  erasedNotification(jti: string): Promise<ErasedNotification | undefined>;
  /** Those of a TPP, in the order of their `jti`. @param after `jti` to begin after; empty for the first */
  erasedNotifications(clientId: string, after: string, limit: number): Promise<readonly ErasedNotification[]>;
}

/** Columns of `erased`. */
export const ERASED_COLUMNS = 'jti, client_id, settled_at_ms, erased_at_ms, record';

/** Makes the record that is kept of a settled notification. */
export function erasedOf(
  notification: NotificationRecord,
  settledAtMs: number,
  erasedAtMs: number,
): ErasedNotification {
  const { jti, eventId, clientId, state, claims, set, publishedAtMs, acknowledgedAtMs, acknowledgedBy } = notification;
  assert(state !== 'awaiting', 'what is awaiting is not erased');
  return {
    ...{ jti, eventId, clientId, state, publishedAtMs, acknowledgedAtMs, acknowledgedBy, settledAtMs, erasedAtMs },
    issuer: claims.iss,
    set: set === undefined ? undefined : { sha256: sha256Of(set), header: set.split('.', 1).join() },
    attempts: notification.attempts.map(withoutText),
    errors: notification.errors.map((error) => ({ ...error, description: '' })),
  };
}

/** SHA-256, hexadecimal. */
export function sha256Of(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The description in a response is the TPP's to choose, and may repeat what was sent. */
function withoutText(attempt: Attempt): Attempt {
  if (attempt.outcome.kind !== 'refused') return attempt;
  const { description: _, ...outcome } = attempt.outcome;
  return { ...attempt, outcome };
}

/** A row of `erased` by its columns. */
export function erasedRowOf({ jti, clientId, settledAtMs, erasedAtMs, ...record }: ErasedNotification) {
  return {
    ...{ jti, client_id: clientId, settled_at_ms: settledAtMs, erased_at_ms: erasedAtMs },
    record: JSON.stringify(record),
  };
}

/** A notification that was erased. */
export function erasedNotificationOf(row: Row): ErasedNotification {
  const record: Omit<ErasedNotification, 'jti' | 'clientId' | 'settledAtMs' | 'erasedAtMs'> = json(row, 'record');
  return {
    ...record,
    ...{ acknowledgedAtMs: record.acknowledgedAtMs, acknowledgedBy: record.acknowledgedBy, set: record.set },
    ...{ jti: text(row, 'jti'), clientId: text(row, 'client_id') },
    ...{ settledAtMs: whole(row, 'settled_at_ms'), erasedAtMs: whole(row, 'erased_at_ms') },
  };
}

/** The audit entry of a portion, with its counts. */
export function withCounts(audit: AuditEntry, { erased, expired }: Omit<ErasureResult, 'awaiting'>): AuditEntry {
  return { ...audit, detail: { ...audit.detail, count: erased, ...(expired > 0 && { expired }) } };
}
