import type { TlsFetchError, TlsFetchErrorCode } from '../net/tls-fetch.ts';
import { BankError, type BankErrorKind } from './bank-error.ts';

const KINDS: Readonly<Record<TlsFetchErrorCode, BankErrorKind>> = {
  closed: 'unreachable',
  aborted: 'unreachable',
  connection: 'unreachable',
  timeout: 'unreachable',
  url: 'untrusted',
  too_large: 'untrusted',
  malformed: 'untrusted',
};

/** Maps a failed exchange to the error of the bank client. */
export function bankErrorOf(error: TlsFetchError, interactionId: string | undefined): BankError {
  return new BankError(KINDS[error.code], error.message, { cause: error, interactionId });
}
