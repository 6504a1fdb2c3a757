import { cutText } from './text.ts';

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

// `description` of `setErrs` (rules, section 6).
const MESSAGE_CHARS_MAX = 256;

/** A SET that was refused. `message` goes to the sender; it is cut to 256 characters, since it may quote the SET. */
export class SetError extends Error {
  override readonly name = 'SetError';
  readonly code: SetErrorCode;

  constructor(code: SetErrorCode, message: string, options?: ErrorOptions) {
    super(cutText(message, MESSAGE_CHARS_MAX), options);
    this.code = code;
  }
}
