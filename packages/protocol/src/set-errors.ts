import { cutText } from './text.ts';

/**
 * Error codes of Security Event Token delivery (RFC 8935 section 2.4, IANA registry). A receiver responds with them,
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

/** An error code of RFC 8935. */
export type SetErrorCode = (typeof SET_ERROR_CODES)[number];

// The limit of `description` in `setErrs` (rules, section 6).
const MESSAGE_CHARS_MAX = 256;

/** A rejected SET. `message` is sent to the sender, cut to 256 characters because it may quote the SET. */
export class SetError extends Error {
  override readonly name = 'SetError';
  readonly code: SetErrorCode;

  constructor(code: SetErrorCode, message: string, options?: ErrorOptions) {
    super(cutText(message, MESSAGE_CHARS_MAX), options);
    this.code = code;
  }
}
