import type { TlsFetchError, TlsFetchErrorCode } from '../net/tls-fetch.ts';
import { safeText } from '../safe-text.ts';

const DETAILS_MAX_SHOWN = 3;
const TEXT_CHARS_MAX_SHOWN = 300;
const CODE_CHARS_MAX_SHOWN = 100;

/**
 * A failure at the bank.
 *
 * - `refused`: the bank responded with a status other than 2xx; see `status` and `codes`. Error responses are not
 *   verified.
 * - `unauthorised`: the authorisation server issued no token, or the bank rejected two tokens in a row (401).
 * - `unreachable`: no connection, or no complete response in time. It is unknown whether the request took effect.
 * - `untrusted`: the response cannot be trusted: its signature is missing or invalid, the keys are unavailable, or the
 *   body does not match the schema of the standard. The request may have taken effect. Also a link to an origin that is
 *   not allowed; in this case nothing was sent.
 */
export type BankErrorKind = 'refused' | 'unauthorised' | 'unreachable' | 'untrusted';

/** One entry of the bank's `Errors`. Texts are the bank's own, cut to 500 characters. */
export interface BankErrorDetail {
  /** `U029` in v4.0, `UK.OBIE.Rules.ResourceAlreadyExists` in v3.1; an OAuth code from the authorisation server. */
  readonly code: string;
  readonly message?: string;
  /** JSON path of the field, or name of the header. */
  readonly path?: string;
  readonly url?: string;
}

/** Details of a {@link BankError}. */
export interface BankErrorContext extends ErrorOptions {
  readonly status?: number | undefined;
  readonly interactionId?: string | undefined;
  readonly details?: readonly BankErrorDetail[] | undefined;
  readonly retryAfterMs?: number | undefined;
}

/**
 * The only error that a bank client throws for external failures. `message` says which call failed and why: the bank's own
 * codes and texts, or what is wrong with the connection and the remedy. It never contains a token, key or whole body.
 */
export class BankError extends Error {
  override readonly name = 'BankError';
  readonly kind: BankErrorKind;
  /** HTTP status; undefined when there was no response. */
  readonly status: number | undefined;
  /** The `x-fapi-interaction-id` that was sent, for enquiries at the bank; undefined for the authorisation server. */
  readonly interactionId: string | undefined;
  /** Entries of the bank's error body (v3.1 or v4.0); empty when there is none. */
  readonly details: readonly BankErrorDetail[];
  /** Delay that the bank requests (`Retry-After`, with 429 and 503); not limited. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: BankErrorKind, message: string, context: BankErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.kind = kind;
    this.status = context.status;
    this.interactionId = context.interactionId;
    this.details = context.details ?? [];
    this.retryAfterMs = context.retryAfterMs;
  }

  /** The codes of `details`. */
  get codes(): readonly string[] {
    return this.details.map(({ code }) => code);
  }
}

const KINDS: Readonly<Record<TlsFetchErrorCode, BankErrorKind>> = {
  closed: 'unreachable',
  aborted: 'unreachable',
  connection: 'unreachable',
  stale_connection: 'unreachable',
  timeout: 'unreachable',
  url: 'untrusted',
  too_large: 'untrusted',
  malformed: 'untrusted',
};

/** Maps a failed exchange to the error of the bank client. @param call as {@link describeCall} writes it */
export function bankErrorOf(error: TlsFetchError, call: string, interactionId?: string): BankError {
  return new BankError(KINDS[error.code], `${call}: ${error.message}`, { cause: error, interactionId });
}

/** A call for a message: `GET https://bank.example/open-banking/v4.0/events`, without query and credentials. */
export function describeCall(method: string, url: string): string {
  if (!URL.canParse(url)) return method;
  const { origin, pathname } = new URL(url);
  return `${method} ${origin}${pathname}`;
}

/** The reason that the bank gives: `U002: Invalid version (Data.Version)`; empty when it gives none. */
export function describeDetails(details: readonly BankErrorDetail[]): string {
  const shown = details.slice(0, DETAILS_MAX_SHOWN).map(({ code, message, path }) => {
    const text = message === undefined ? '' : `: ${safeText(message, TEXT_CHARS_MAX_SHOWN)}`;
    return `${safeText(code, CODE_CHARS_MAX_SHOWN)}${text}${path ? ` (${safeText(path, CODE_CHARS_MAX_SHOWN)})` : ''}`;
  });
  const left = details.length - shown.length;
  return [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join('; ');
}
