import type { SetErrorCode } from '@tidings/protocol';

/**
 * Why a notification was not acknowledged. A code of RFC 8935 means that the SET was rejected. With the other codes the
 * bank must deliver it again: `keys_unavailable` (the SET could not be verified), `seen_store_failed` or
 * `handler_failed`.
 */
export type NotificationErrorCode = SetErrorCode | 'keys_unavailable' | 'seen_store_failed' | 'handler_failed';

/** A notification was not acknowledged. `message` reveals nothing of the errors of the handler and the seen store. */
export class NotificationError extends Error {
  override readonly name = 'NotificationError';
  readonly code: NotificationErrorCode;

  constructor(code: NotificationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
