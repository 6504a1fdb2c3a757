import type { SetErrorCode } from '@tidings/protocol';

/**
 * Why a notification was not acknowledged. A code of RFC 8935 means that the SET was rejected. With the other codes the
 * bank must deliver it again: `keys_unavailable` (the SET could not be verified), `seen_store_failed`, `inbox_failed`,
 * `handler_failed` or `handler_behind` (too many notifications wait for the handler).
 */
export type NotificationErrorCode =
  | SetErrorCode
  | 'keys_unavailable'
  | 'seen_store_failed'
  | 'inbox_failed'
  | 'handler_failed'
  | 'handler_behind';

/** Details of a {@link NotificationError}. */
export interface NotificationErrorContext extends ErrorOptions {
  /** For `handler_behind`: when the bank should deliver again, as `Retry-After` of the 503. */
  readonly retryAfterSeconds?: number;
}

/** A notification was not acknowledged. `message` reveals nothing of the errors of the handler and the stores. */
export class NotificationError extends Error {
  override readonly name = 'NotificationError';
  readonly code: NotificationErrorCode;
  /** When the bank should deliver again; undefined leaves it to the bank. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: NotificationErrorCode, message: string, context: NotificationErrorContext = {}) {
    super(message, context);
    this.code = code;
    this.retryAfterSeconds = context.retryAfterSeconds;
  }
}
