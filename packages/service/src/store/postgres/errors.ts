import { DatabaseError } from 'pg';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { StoreError } from '../store.ts';

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
// A newer version changed a table meanwhile: what was prepared on it is prepared anew, on another connection.
const FEATURE_NOT_SUPPORTED = '0A000';
const INVALID_STATEMENT_NAME = '26000';
const REPEATED: readonly (string | undefined)[] = [
  SERIALIZATION_FAILURE,
  DEADLOCK_DETECTED,
  FEATURE_NOT_SUPPORTED,
  INVALID_STATEMENT_NAME,
];

/** Turns an error of the driver into one of the store: the database refused, is away, or answered too late. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message || (systemErrorCode(error) ?? error.name) : String(error);
  return new StoreError(message, { cause: error, isLasting: OF_DATA.test(systemErrorCode(error) ?? '') });
}

/** SQLSTATE, or the code of the system; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  return systemErrorCode(error instanceof StoreError ? error.cause : error);
}

/** The transaction was rolled back, and may go through when it is repeated: it met another, or an older statement. */
export function isWorthRepeating(error: unknown): boolean {
  return REPEATED.includes(codeOf(error));
}

// Data that the tables cannot hold; unlike a constraint, no other row can make the difference.
const OF_DATA = /^(?:22|54)/;
// The same, constraints, limits of a row.
const OF_CONTENT = /^(?:22|23|54)/;

/** It is what was to be written that the database refused: something else would be taken. */
export function isOfContent(error: unknown): boolean {
  return OF_CONTENT.test(codeOf(error) ?? '');
}

const UNIQUE_VIOLATION = '23505';

/** A row was refused because there is another with its key. */
export function isTaken(error: unknown, constraint: string): boolean {
  if (codeOf(error) !== UNIQUE_VIOLATION || !(error instanceof StoreError)) return false;
  return error.cause instanceof DatabaseError && error.cause.constraint === constraint;
}
