/**
 * Why an inbox cannot work.
 *
 * - `sqlite_unavailable`: this Node.js has no `node:sqlite`.
 * - `unsuitable_database`: the database cannot keep the promises of the inbox, such as one in memory.
 * - `newer_schema`: a newer version of this package has written the tables.
 * - `invalid_row`: a row of the inbox was changed by others and is not understood.
 * - `handler_not_synchronous`: on SQLite, `onNotification` returned a promise.
 * - `transaction_ended`: `onNotification` has committed or rolled back the transaction of the inbox.
 * - `timeout`: `prepare` and `onNotification` took longer than `timeoutMs`.
 * - `closed`: the store was closed.
 */
export type InboxErrorCode =
  | 'sqlite_unavailable'
  | 'unsuitable_database'
  | 'newer_schema'
  | 'invalid_row'
  | 'handler_not_synchronous'
  | 'transaction_ended'
  | 'timeout'
  | 'closed';

/** An error of an inbox or its store. `message` names the remedy. Errors of the database itself are thrown as they are. */
export class InboxError extends Error {
  override readonly name = 'InboxError';
  readonly code: InboxErrorCode;

  constructor(code: InboxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Thrown by `prepare` or `onNotification` for a notification that can never be handled: it goes to the dead-letter list
 * at once, without further attempts. The transaction is rolled back.
 */
export class DeadLetterError extends Error {
  override readonly name = 'DeadLetterError';
}

/** The error of tables that a newer version of this package has written. */
export function newerSchema(version: number): InboxError {
  const why = `The tables of the inbox have version ${version}, which this version of @tidings/tpp does not know: upgrade it.`;
  return new InboxError('newer_schema', why);
}

/** The error of a handler that has committed or rolled back by itself. */
export function transactionEnded(cause?: unknown): InboxError {
  const why =
    'onNotification has ended the transaction of the inbox, so the notification was not marked as handled with it. ' +
    'Leave COMMIT and ROLLBACK to the inbox; throw to roll back.';
  return new InboxError('transaction_ended', why, { cause });
}
