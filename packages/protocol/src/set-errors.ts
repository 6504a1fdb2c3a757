/**
 * Error codes of Security Event Token delivery (RFC 8935 section 2.4, the IANA registry). A receiver answers with them,
 * and a poller reports them in `setErrs`.
 */
export const SET_ERROR_CODES = [
  'invalid_request',
  'invalid_key',
  'invalid_issuer',
  'invalid_audience',
  'authentication_failed',
  'access_denied',
] as const;

/** One code of RFC 8935. */
export type SetErrorCode = (typeof SET_ERROR_CODES)[number];

/** A SET that was refused. `message` goes to the sender, at most 256 characters. */
export class SetError extends Error {
  override readonly name = 'SetError';
  readonly code: SetErrorCode;

  constructor(code: SetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
