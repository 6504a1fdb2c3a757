import type { BankError } from '../bank/bank-error.ts';
import { TlsFetchError } from '../net/tls-fetch.ts';

const CONTENT_TOO_LARGE = 413;
// Temporary 4xx, or those resolved by a smaller request: timeout, content too large, too early, too many requests.
const PASSING_STATUSES: readonly number[] = [408, CONTENT_TOO_LARGE, 425, 429];

/** Whether a retry would be pointless: the client is closed, the token is refused, or the status is a permanent 4xx. */
export function isLasting(error: BankError): boolean {
  if (error.cause instanceof TlsFetchError && error.cause.code === 'closed') return true;
  if (error.kind !== 'refused') return error.kind === 'unauthorised';
  const { status = 0 } = error;
  return status >= 400 && status < 500 && !PASSING_STATUSES.includes(status);
}

/** Whether the response exceeded its limit. */
export function isTooLarge(error: BankError): boolean {
  return error.cause instanceof TlsFetchError && error.cause.code === 'too_large';
}

/** Whether the bank rejected the request as too large. */
export function isTooMuch(error: BankError): boolean {
  return error.kind === 'refused' && error.status === CONTENT_TOO_LARGE;
}
