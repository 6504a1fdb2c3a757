/**
 * A failure at the bank.
 *
 * - `refused`: it answered with a status that is not 2xx; `status` and `codes` say more. Not proven by a signature.
 * - `unauthorised`: the authorisation server gave no token, or the bank took none (401, twice).
 * - `unreachable`: no connection, or no whole answer in time. Whether a request took effect is not known.
 * - `untrusted`: what the bank said cannot be believed: a signature that is missing or bad, keys that are unavailable, a
 *   body that is not of the standard's shape; the request may well have taken effect. Also a link that leads to an
 *   origin that is not allowed; then nothing was sent.
 */
export type BankErrorKind = 'refused' | 'unauthorised' | 'unreachable' | 'untrusted';

/** One entry of the bank's `Errors`. Texts are the bank's own, cut to 500 characters. */
export interface BankErrorDetail {
  /** `U029` in v4.0, `UK.OBIE.Rules.ResourceAlreadyExists` in v3.1; an OAuth code from the authorisation server. */
  readonly code: string;
  readonly message?: string;
  /** The field as a JSON path, or the header. */
  readonly path?: string;
  readonly url?: string;
}

/** Details of a {@link BankError}, besides its kind. */
export interface BankErrorContext extends ErrorOptions {
  readonly status?: number | undefined;
  readonly interactionId?: string | undefined;
  readonly details?: readonly BankErrorDetail[] | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** The only error that a bank client throws for what others do. `message` holds no token, key or body. */
export class BankError extends Error {
  override readonly name = 'BankError';
  readonly kind: BankErrorKind;
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** The `x-fapi-interaction-id` that was sent, to quote to the bank; undefined for the authorisation server. */
  readonly interactionId: string | undefined;
  /** The errors in the bank's error body (v3.1 or v4.0); empty when there is none. */
  readonly details: readonly BankErrorDetail[];
  /** How long the bank asks to wait (`Retry-After`, with 429 and 503); not bounded. */
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
