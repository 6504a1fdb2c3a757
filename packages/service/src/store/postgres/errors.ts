import { systemErrorCode } from '../../base/start-up-error.ts';
import { StoreError } from '../store.ts';

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

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

/** The transaction met another: it was rolled back, and may go through when it is repeated. */
export function isWorthRepeating(error: unknown): boolean {
  const code = codeOf(error);
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}
