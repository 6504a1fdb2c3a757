import type { NotificationErrorCode } from '../notification/notification-error.ts';

/**
 * Every way in which a receiver does not acknowledge, and the status that says so: one row each. The codes of RFC 8935
 * are answered with their body (section 2.3); the others with none. 500 makes the bank send again.
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
  /** The content is encoded (gzip, say), which would have to be undone first. */
  unsupported_content_coding: 415,
  /** The body comes in a transfer coding other than `chunked`, which nothing here decodes. */
  unsupported_transfer_coding: 501,
  /** Something in front of the receiver, such as a body parser, had read of the body already, or ended its stream. */
  body_already_read: 500,
  /** The bank's keys are unavailable, so the SET was neither accepted nor refused. */
  keys_unavailable: 500,
  /** The memory of what was handled failed. */
  seen_store_failed: 500,
  /** `onNotification` threw or rejected. */
  handler_failed: 500,
} as const satisfies Readonly<Record<NotificationErrorCode, 400 | 500>> & Readonly<Record<string, number>>;

/** The closed union of reasons why a notification was not acknowledged. */
export type RefusalCode = keyof typeof REFUSALS;

/** A message for the TPP's own log. Not for the sender, who gets less detail. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly status: number;
  /** One sentence; holds nothing of the token. */
  readonly message: string;
  /** The interaction id that was answered. */
  readonly interactionId: string;
  /** For the 500s: what was thrown. */
  readonly cause?: unknown;
}

/** Stops a request before there is a verified notification; becomes a {@link Refusal} and an answer in one place. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
