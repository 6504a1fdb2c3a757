/** A verified notification, as an inbox stores it. */
export interface NotificationToStore {
  /** Unique for `issuer` and `jti`: their SHA-256 in base64url, 43 characters. */
  readonly key: string;
  /** `iss` claim. */
  readonly issuer: string;
  readonly jti: string;
  /** The same for the same resource, for `order: 'resource'`: its SHA-256 in base64url, 43 characters. */
  readonly resource: string;
  /** `toe` claim: when the event happened, in seconds since the epoch. */
  readonly toeSeconds: number;
  /** The claims as JSON. */
  readonly claims: string;
  /** The exact token. */
  readonly set: string;
  readonly interactionId: string;
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  /** Earliest time of the first attempt, in milliseconds since the epoch. */
  readonly dueAtMs: number;
}

/** A stored notification, leased to one attempt. */
export interface ClaimedNotification extends Omit<NotificationToStore, 'key' | 'dueAtMs'> {
  /** Identifies the notification in the store: up to 19 digits, which grow in the order of arrival. */
  readonly id: string;
  /** The lease that this claim holds. */
  readonly lease: string;
  /** Number of this attempt, from 1. Attempts that ended with their process count. */
  readonly attempt: number;
  /** Whether a notification of the same resource with a later `toe` has been handled before. */
  readonly isLate: boolean;
}

/** Which notification is next; see `order` of an inbox. */
export type InboxOrder = 'none' | 'resource' | 'all';

/** A request for work. */
export interface ClaimRequest {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** When the lease ends unless it is renewed, in milliseconds since the epoch. */
  readonly leaseUntilMs: number;
  /** A fresh name for the lease. */
  readonly lease: string;
  /** Maximum number of notifications. */
  readonly limit: number;
  readonly order: InboxOrder;
}

/** One attempt, as far as the store has to know it. */
export type Claim = Pick<ClaimedNotification, 'id' | 'lease'>;

/** The outcome of a failed attempt. Times in milliseconds since the epoch. */
export type AttemptOutcome =
  | { readonly kind: 'retry'; readonly dueAtMs: number; readonly reason: string }
  | { readonly kind: 'dead'; readonly nowMs: number; readonly reason: string }
  /** The handler was not called: the attempt does not count. */
  | { readonly kind: 'released'; readonly dueAtMs: number };

/** A notification that is not attempted any more. */
export interface StoredDeadLetter extends Omit<NotificationToStore, 'key' | 'dueAtMs'> {
  readonly id: string;
  readonly attempts: number;
  /** Why the last attempt failed: name and message of the error, at most 500 characters. */
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly diedAtMs: number;
}

/** A page of the dead-letter list. */
export interface DeadLetterPage {
  readonly limit: number;
  /** The last `id` of the page before; undefined for the first page. */
  readonly after: string | undefined;
}

/** The state of an inbox. */
export interface InboxCounts {
  /** Notifications that are not handled yet, in progress or not; counted up to the limit that was given. */
  readonly waiting: number;
  /** Dead letters, counted up to the limit that was given. */
  readonly dead: number;
  /** Earliest `toe` of those that wait, in seconds since the epoch; undefined when none does. */
  readonly oldestWaitingToeSeconds: number | undefined;
}

/**
 * Where an inbox keeps its notifications: `openSqliteInboxStore`, `openPostgresInboxStore`, or one's own. Each operation is
 * atomic and durable: when its promise resolves, its effect survives a crash of the process and of the machine. It
 * rejects when it cannot know that. Several processes may use the same database at once.
 *
 * `Transaction` is what the handler writes with.
 */
export interface InboxStore<Transaction> {
  /** Whether the handler must not return a promise, as with SQLite. Default false. */
  readonly isSynchronous?: boolean;
  /**
   * Stores a notification, which waits from then on.
   *
   * @returns `duplicate` when one with the same `key` is stored already, in whatever state. That one is
   *   committed; it is not changed
   */
  add(notification: NotificationToStore): Promise<'stored' | 'duplicate'>;
  /**
   * Leases notifications that wait and are due, and counts the attempt of each. While a lease lasts, nobody else gets
   * the notification. A notification whose lease has ended without an outcome is due again.
   *
   * Those that are due first, in any order. With `resource`, one is only returned while no other of its resource is leased, and
   * none of its resource with an earlier `toe` (or an equal one, stored earlier) waits. With `all`, the same holds for
   * all notifications as one. Dead letters do not hold up others.
   */
  claim(request: ClaimRequest): Promise<readonly ClaimedNotification[]>;
  /** Prolongs leases that are still held; others are ignored. Does not wait for transactions of `handle`. */
  renew(claims: readonly Claim[], leaseUntilMs: number): Promise<void>;
  /**
   * Runs the handler in a transaction, and marks the notification as handled in the same transaction.
   *
   * @param work the handler. When it throws or rejects, the transaction is rolled back, and the error is passed on
   * @param signal gives up waiting for the handler; the transaction is rolled back
   * @returns `lost`, without calling the handler, when the lease is not held any more
   * @throws {InboxError} transaction_ended, handler_not_synchronous, timeout
   */
  handle(
    claim: Claim,
    nowMs: number,
    work: (transaction: Transaction) => unknown,
    signal: AbortSignal,
  ): Promise<'handled' | 'lost'>;
  /** Records the outcome of a failed attempt and ends its lease. A no-op when the lease is not held any more. */
  fail(claim: Claim, outcome: AttemptOutcome): Promise<void>;
  /** The dead letters in the order of arrival. */
  deadLetters(page: DeadLetterPage): Promise<readonly StoredDeadLetter[]>;
  /** Lets a dead letter wait again, with its attempts counted from 0. @returns whether there is such a dead letter */
  redeliver(id: string, nowMs: number): Promise<boolean>;
  /** Counts a dead letter as handled. Its duplicates stay recognised. @returns whether there is such a dead letter */
  discard(id: string, nowMs: number): Promise<boolean>;
  /** @param limit how far to count */
  counts(limit: number): Promise<InboxCounts>;
  /** Deletes notifications handled or discarded before a time, `limit` at most. @returns how many */
  purge(settledBeforeMs: number, limit: number): Promise<number>;
  /** Closes what the store itself has opened. Idempotent. */
  close(): Promise<void>;
}
