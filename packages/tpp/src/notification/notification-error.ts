import type { SetErrorCode } from '@tidings/protocol';

/**
 * Why a notification was not taken, whichever way it came: a code of RFC 8935 for a SET that is no good; or, for one
 * that the bank must offer again, `keys_unavailable` (it was neither believed nor refused), `seen_store_failed` or
 * `handler_failed`.
 */
export type NotificationErrorCode = SetErrorCode | 'keys_unavailable' | 'seen_store_failed' | 'handler_failed';

/** Stops a notification on its way. `message` is one sentence, and holds nothing of the TPP's own errors. */
export class NotificationError extends Error {
  override readonly name = 'NotificationError';
  readonly code: NotificationErrorCode;

  constructor(code: NotificationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
