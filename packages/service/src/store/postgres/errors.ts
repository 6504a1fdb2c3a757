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

/** What came from the driver becomes the store's: the database refused, is away, or answered too late. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message || (systemErrorCode(error) ?? error.name) : String(error);
  return new StoreError(message, { cause: error });
}

/** SQLSTATE, or the code of the system; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  return systemErrorCode(error instanceof StoreError ? error.cause : error);
}

/** The transaction was rolled back, and may go through when it is repeated: it met another, or an older statement. */
export function isWorthRepeating(error: unknown): boolean {
  return REPEATED.includes(codeOf(error));
}
