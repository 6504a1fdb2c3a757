import type { ActivityBounds, ActivityToStore, CountedBucket, StoredActivity } from '../model/activity.ts';
import type { NotificationRecord } from '../model/notification.ts';
import type { Delivery, PolledNotifications, PollToStore } from './delivery.ts';
import type {
  BulkPortion,
  BulkResult,
  CallbackHealthStore,
  Operations,
  SigningKeyStore,
  StatisticsQuery,
  WatchRetention,
} from './operations.ts';
import type { Registry } from './registry.ts';
import type { Search, SearchPage } from './search.ts';

/** How the connections of this process to the database are used now. */
export interface StoreConnections {
  readonly open: number;
  /** Of them, those that nobody uses. */
  readonly idle: number;
  /** Operations that wait for one. */
  readonly waiting: number;
}

/** A change by another part of this process, or by another process on the same store. */
export interface StoreChange {
  /** TPPs for which something new may be offered in a poll, or is due. */
  readonly offered: ReadonlySet<string>;
  /** TPPs whose registration, suspension or responsiveness changed: what was claimed for them may be stale. */
  readonly retargeted: ReadonlySet<string>;
}

/**
 * The store, offered as whole operations, each atomic and durable when its promise resolves: after a crash at any
 * moment everything that was promised is there. What a change means for a large backlog, that it is withdrawn or that its
 * retries wait no longer, is done in portions after it, and after a crash by whoever opens the store next. Times are milliseconds since the epoch and are given by the caller.
 * Every method rejects with {@link StoreError} when the store cannot be read or written.
 */
export interface Store extends Registry, Delivery, Operations, SigningKeyStore, CallbackHealthStore {
  /** Acknowledges, records errors, then offers: in this order, in one transaction. Touches no other TPP's. */
  poll(poll: PollToStore): Promise<PolledNotifications>;
  /** When a notification of the TPP that is withheld now may be offered again; undefined when none is. */
  nextOfferAtMs(clientId: string): Promise<number | undefined>;
  /**
   * Tells of changes after their commit, those of other processes on the same store too, a moment later.
   *
   * @returns ends it
   */
  onChange(listener: (change: StoreChange) => void): () => void;

  /** When the oldest awaiting notification was published: a key retired before it is needed by none. */
  oldestAwaitingAtMs(): Promise<number | undefined>;

  notification(jti: string): Promise<NotificationRecord | undefined>;
  /**
   * Looks for notifications, the newest first: by when they were published, then in the order of publishing. Goes through
   * a bounded number of candidates by an index, so that a page may hold fewer than its limit though there is a next one.
   * A notification that changes meanwhile may be on the pages still to come in its old or its new state.
   */
  search(search: Search): Promise<SearchPage>;
  /**
   * Withdraws notifications that are awaiting and not under way, the oldest first, and keeps the audit entry with the
   * count unless that is 0, in one transaction: they are neither pushed nor offered any more.
   */
  withdraw(withdrawal: BulkPortion): Promise<BulkResult>;

  /** Writes next to nothing, durably. @throws {StoreError} when nothing can be written now */
  check(): Promise<void>;
  /** Connections to the database; undefined where there are none. */
  connections(): StoreConnections | undefined;
  /**
   * Appends to the activity log. Ids rise, also among processes, and become visible in their order: whoever has read a row
   * never misses one with a smaller id. What was appended in the last moment before the database server (not this
   * process) crashed may be gone: nothing depends on this log.
   */
  appendActivity(activity: ActivityToStore): Promise<void>;
  /** Rows of the activity log after this one, in the order of their ids. */
  activityAfter(id: number, limit: number): Promise<readonly StoredActivity[]>;
  /** How far the activity log goes. @param sinceMs undefined: `sinceId` is not asked for */
  activityBounds(sinceMs: number | undefined): Promise<ActivityBounds>;
  /** Keeps counts, each in place of what was kept of the same resolution, time, TPP and part. */
  putStatistics(buckets: readonly CountedBucket[]): Promise<void>;
  /** Counts of all processes in buckets that began in that time, in no particular order. */
  statistics(query: StatisticsQuery): Promise<readonly CountedBucket[]>;
  /** Drops old activity and statistics. @returns how many rows went; 0: there is no more */
  dropWatched(retention: WatchRetention): Promise<number>;

  close(): Promise<void>;
}

/** The store cannot do its work: full, locked, broken. Nothing of the operation was kept. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** True: it cannot hold what it was given, so that the same operation fails at every repetition. */
  readonly isLasting: boolean;

  constructor(
    message: string,
    { isLasting = false, ...options }: ErrorOptions & { readonly isLasting?: boolean } = {},
  ) {
    super(message, options);
    this.isLasting = isLasting;
  }
}
