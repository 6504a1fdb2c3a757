import type { RetryDelays } from '../backoff.ts';
import { freshUuid, randomFraction, systemNowMs, waitFor } from '../clock.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import { TIMER_MS_MAX, wholeNumber } from '../whole-number.ts';
import type { InboxOrder, InboxStore } from './inbox-store.ts';

/** The second argument of `prepare`. */
export interface PrepareContext {
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** Aborted when `timeoutMs` is over. */
  readonly signal: AbortSignal;
}

/** The second argument of the handler. */
export interface HandlerContext<Transaction, Prepared> {
  /**
   * The open transaction in the database of the inbox. What the handler writes with it is committed together with the mark
   * that the notification is handled, or not at all. With PostgreSQL the client, with SQLite the connection.
   */
  readonly transaction: Transaction;
  /** The value that `prepare` returned. */
  readonly prepared: Prepared;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** Whether a notification of the same resource with a later `toe` has been handled before. */
  readonly isLate: boolean;
}

/** An attempt that failed, or an operation of the inbox. */
export interface InboxFailure {
  /** `retry`: it is attempted again; `dead`: it is a dead letter now; `inbox`: the database of the inbox failed. */
  readonly kind: 'retry' | 'dead' | 'inbox';
  /** The notification; undefined for an operation that is not about one, or one that cannot be read. */
  readonly notification: EventNotification | undefined;
  /** Number of the attempt, from 1; 0 for an operation that is not about a notification. */
  readonly attempt: number;
  /** When it is attempted again, in milliseconds since the epoch; undefined for a dead letter. */
  readonly retryAtMs: number | undefined;
  readonly cause: unknown;
}

/** Options of {@link createInbox}. */
export interface InboxOptions<Transaction, Prepared> {
  /** `openSqliteInboxStore`, `openPostgresInboxStore`, or one's own. */
  readonly store: InboxStore<Transaction>;
  /**
   * Does what takes time before the transaction, such as fetching the resource. Its effects are not part of the transaction: it
   * runs at least once, and again for every attempt.
   */
  prepare?(notification: EventNotification, context: PrepareContext): Promise<Prepared> | Prepared;
  /**
   * Handles one notification in a transaction of the inbox's database. When it throws or rejects, the transaction is rolled
   * back and the notification is attempted again, unless it throws {@link DeadLetterError}. Must not commit or roll back
   * itself. With SQLite it must be synchronous.
   */
  onNotification(notification: EventNotification, context: HandlerContext<Transaction, Prepared>): Promise<void> | void;
  /**
   * Which notification is next, of those that wait in the inbox. `none` (default): those that are due first. `resource`: of one
   * resource, the one with the earliest `toe`, one at a time; while it is retried, the later ones of its resource wait.
   * `all`: the same for all notifications, so that one is in progress at a time. Those with equal `toe`, which has seconds,
   * are in the order of arrival. Dead letters hold up nobody. What the bank delivers late is handled late: `isLate` tells.
   */
  readonly order?: InboxOrder;
  /** How long each notification waits at first, so that earlier ones may arrive before it is handled. Default 0. */
  readonly orderWindowMs?: number;
  /** Maximum number of notifications in progress at once in this process. Default 1. */
  readonly concurrency?: number;
  /** Attempts after which a notification becomes a dead letter, 1 to 1000. Default 20: four to eight hours. */
  readonly attemptsMax?: number;
  /** First delay before a failed notification is attempted again; doubles each time. Default 1000. */
  readonly retryDelayMsMin?: number;
  /** Longest delay. Default 3 600 000 (1 hour). */
  readonly retryDelayMsMax?: number;
  /** Time that one attempt may take. A handler that is over it fails; it cannot be stopped. Default 60 000. */
  readonly timeoutMs?: number;
  /** How long a notification stays leased to a process that was killed. Renewed while it is in progress. Default 15 000. */
  readonly leaseMs?: number;
  /** How often the database is asked for work; this process's own arrivals do not wait for it. Default 1000. */
  readonly pollMs?: number;
  /**
   * Waiting notifications from which the bank is answered 503 with `Retry-After`; evaluated every five seconds. Default 100 000.
   */
  readonly waitingMax?: number;
  /**
   * How long handled and discarded notifications are kept, so that duplicates are recognised. The standard leaves to the bank
   * for how long it retries (rules, section 4) and offers by polling (section 6): set it longer than both. Default
   * 2 592 000 000 (30 days).
   */
  readonly retentionMs?: number;
  /** Observer of failures, for the TPP's own log. Its errors are ignored. Left out, they are printed, once for each cause. */
  onFailure?(failure: InboxFailure): void;
  /** Prints one line when there is no `onFailure`. Default: `console.warn`. */
  warn?(line: string): void;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
  /** Random number in [0, 1), for the jitter of the backoff. Default: the system's. */
  random?(): number;
  /** Resolves after the delay, or when the signal is aborted. Default: a system timer. */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>;
  /** Default: `crypto.randomUUID`. */
  randomUuid?(): string;
}

/** The options with their defaults. */
export interface InboxLimits extends RetryDelays {
  readonly order: InboxOrder;
  readonly orderWindowMs: number;
  readonly concurrency: number;
  readonly attemptsMax: number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly waitingMax: number;
  readonly retentionMs: number;
  now(): number;
  wait(delayMs: number, signal: AbortSignal): Promise<void>;
  randomUuid(): string;
}

const YEARS_10_MS = 315_360_000_000;
const HOUR_MS = 3_600_000;
const ORDERS: readonly InboxOrder[] = ['none', 'resource', 'all'];

/** Applies the defaults. @throws {RangeError} for a number out of range. @throws {TypeError} for another order */
export function inboxLimits(
  options: Omit<InboxOptions<never, never>, 'store' | 'prepare' | 'onNotification'>,
): InboxLimits {
  const {
    order = 'none',
    now = systemNowMs,
    random = randomFraction,
    wait = waitFor,
    randomUuid = freshUuid,
  } = options;
  if (!ORDERS.includes(order)) throw new TypeError(`order must be one of ${ORDERS.join(', ')}`);
  const whole = (name: WholeOption, byDefault: number, min: number, max: number) =>
    wholeNumber(name, options[name] ?? byDefault, min, max);
  const retryDelayMsMin = whole('retryDelayMsMin', 1000, 1, TIMER_MS_MAX);
  return {
    order,
    orderWindowMs: whole('orderWindowMs', 0, 0, TIMER_MS_MAX),
    concurrency: whole('concurrency', 1, 1, 1000),
    attemptsMax: whole('attemptsMax', 20, 1, 1000),
    retryDelayMsMin,
    retryDelayMsMax: whole('retryDelayMsMax', Math.max(HOUR_MS, retryDelayMsMin), retryDelayMsMin, TIMER_MS_MAX),
    timeoutMs: whole('timeoutMs', 60_000, 1, TIMER_MS_MAX),
    leaseMs: whole('leaseMs', 15_000, 3, TIMER_MS_MAX),
    pollMs: whole('pollMs', 1000, 1, TIMER_MS_MAX),
    waitingMax: whole('waitingMax', 100_000, 1, 100_000_000),
    retentionMs: whole('retentionMs', 30 * 24 * HOUR_MS, 1, YEARS_10_MS),
    now,
    random,
    wait,
    randomUuid,
  };
}

type WholeOption =
  | 'orderWindowMs'
  | 'concurrency'
  | 'attemptsMax'
  | 'retryDelayMsMin'
  | 'retryDelayMsMax'
  | 'timeoutMs'
  | 'leaseMs'
  | 'pollMs'
  | 'waitingMax'
  | 'retentionMs';
