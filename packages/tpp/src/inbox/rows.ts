import { InboxError } from './inbox-error.ts';
import type { ClaimedNotification, StoredDeadLetter } from './inbox-store.ts';

/** One row of a result, of which nothing is known yet. */
export type Row = Readonly<Record<string, unknown>>;

/** Columns that every notification has. */
export const COLUMNS = 'id, issuer, jti, resource, toe, claims, token, interaction_id, received_at_ms, attempts';

const ID = /^\d{1,18}$/;

/** Whether a text may be the id of a row; any other id is of no row. */
export function isRowId(id: string): boolean {
  return ID.test(id);
}

/** Reads the row of a claimed notification. @throws {InboxError} invalid_row */
export function claimedOf(row: Row, lease: string): ClaimedNotification {
  return { ...notificationOf(row), lease, attempt: number(row, 'attempts'), isLate: number(row, 'is_late') !== 0 };
}

/** Reads the row of a dead letter. @throws {InboxError} invalid_row */
export function deadLetterOf(row: Row): StoredDeadLetter {
  const attempts = number(row, 'attempts');
  return { ...notificationOf(row), attempts, reason: text(row, 'reason'), diedAtMs: number(row, 'settled_at_ms') };
}

function notificationOf(row: Row) {
  return {
    id: String(number(row, 'id')),
    issuer: text(row, 'issuer'),
    jti: text(row, 'jti'),
    resource: text(row, 'resource'),
    toeSeconds: number(row, 'toe'),
    claims: text(row, 'claims'),
    set: text(row, 'token'),
    interactionId: text(row, 'interaction_id'),
    receivedAtMs: number(row, 'received_at_ms'),
  };
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw invalid(column);
}

/** Drivers return a 64-bit integer as a number, a bigint or its digits. @throws {InboxError} invalid_row */
export function number(row: Row | undefined, column: string): number {
  const value = row?.[column];
  const given = typeof value === 'bigint' || (typeof value === 'string' && /^\d+$/.test(value)) ? Number(value) : value;
  if (typeof given === 'number' && Number.isSafeInteger(given)) return given;
  throw invalid(column);
}

/** Like {@link number}, where the column may be null. */
export function numberOrUndefined(row: Row | undefined, column: string): number | undefined {
  return row?.[column] === null ? undefined : number(row, column);
}

function invalid(column: string): InboxError {
  return new InboxError(
    'invalid_row',
    `The column ${column} of the inbox has an unexpected value: was it changed by hand?`,
  );
}
