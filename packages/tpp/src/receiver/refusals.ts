import type { NotificationErrorCode } from '../notification/notification-error.ts';
import { REMEDIES } from '../notification/remedies.ts';

/**
 * The reasons why a receiver does not acknowledge a request, with the status of the response. Responses with a code of
 * RFC 8935 have the body of its section 2.3; all others have none. After a 500 or 503 the bank retries.
 */
export const REFUSALS = {
  invalid_request: 400,
  invalid_key: 400,
  invalid_issuer: 400,
  invalid_audience: 400,
  authentication_failed: 400,
  access_denied: 400,
  method_not_allowed: 405,
  content_too_large: 413,
  unsupported_media_type: 415,
  /** The body has a content coding such as gzip, which is not supported. */
  unsupported_content_coding: 415,
  /** The body has a transfer coding other than `chunked`, which is not supported. */
  unsupported_transfer_coding: 501,
  /** A component in front of the receiver, such as a body parser, has read the body or ended its stream. */
  body_already_read: 500,
  /** The bank's keys are unavailable, so the SET could not be verified. */
  keys_unavailable: 500,
  /** The seen store failed. */
  seen_store_failed: 500,
  /** The database of the inbox failed. */
  inbox_failed: 500,
  /** `onNotification` threw or rejected. */
  handler_failed: 500,
  /** Too many notifications wait for the handler. The response has `Retry-After`. */
  handler_behind: 503,
} as const satisfies Readonly<Record<NotificationErrorCode, 400 | 500 | 503>> & Readonly<Record<string, number>>;

/** The closed union of refusal codes. */
export type RefusalCode = keyof typeof REFUSALS;

const PROBE = 'If the request is not from your bank, ignore it. Otherwise tell the bank.';

/** Remedies of the TPP for each refusal, for its own log. */
export const REFUSAL_REMEDIES: Readonly<Record<RefusalCode, string>> = {
  ...REMEDIES,
  method_not_allowed: PROBE,
  content_too_large: 'If it is a notification of your bank, set bodyBytesMax higher.',
  unsupported_media_type: PROBE,
  unsupported_content_coding: 'A proxy in front of the receiver must not compress request bodies.',
  unsupported_transfer_coding: PROBE,
  body_already_read: 'Mount the receiver in front of any body parser: the signature covers the exact bytes.',
};

/** A refusal, for the TPP's own log. The sender gets less detail. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly status: number;
  /** Why, in one or two sentences, which reveal nothing of the token. */
  readonly message: string;
  /** The remedy, in one or two sentences. */
  readonly remedy: string;
  /** The interaction id of the response. */
  readonly interactionId: string;
  /** `Retry-After` of the response, for status 503. */
  readonly retryAfterSeconds?: number;
  /** The name of the bank, where the endpoint has several and the token names one of them. */
  readonly bank?: string;
  /** The underlying error, for status 500; where no bank was found, an error that says what was looked for. */
  readonly cause?: unknown;
}

/** A request that is refused before verification; converted to a {@link Refusal} and a response in one place. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
