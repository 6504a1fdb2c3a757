import type { PolledNotifications, PollToStore, Redelivered, Redelivery, Retention } from './asked.ts';
import type { AuditDrop, AuditEntry, AuditFilter, AuditOf, StoredAuditEntry } from './audit.ts';
import type { CallbackHealthStore, SigningKeyStore } from './kept-beside.ts';
import type { AttemptRecord, ClaimedNotification, NotificationRecord, RecordResult, Target } from './notification.ts';
import type {
  BankEvent,
  ChangeResult,
  DecideFanOut,
  NoNotificationReason,
  Registration,
  RegistrationToDelete,
  RegistrationToStore,
  Tpp,
} from './registered.ts';
import type { Search, SearchPage, Withdrawal, Withdrawn } from './search.ts';
import type {
  ActivityBounds,
  ActivityToStore,
  CountedBucket,
  StatisticsQuery,
  StoredActivity,
  WatchRetention,
} from './watched.ts';

export type * from './asked.ts';
export type * from './audit.ts';
export type * from './kept-beside.ts';
export type * from './notification.ts';
export type * from './registered.ts';
export type * from './search.ts';
export type * from './watched.ts';

/** The outcome of publishing one event. `repeated`: it was published before, and this was its outcome then. */
export type PublishOutcome = { readonly eventId: string; readonly repeated: boolean } & (
  | { readonly kind: 'notification'; readonly jti: string }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason }
);

/** Publishing is all or nothing: one event whose id was used for other content refuses the batch. */
export type PublishResult =
  | {
      readonly kind: 'published';
      readonly outcomes: readonly PublishOutcome[];
      /** Notifications handed over to the publisher's reservation: claimed already, in the order of publishing. */
      readonly claimed: readonly ClaimedNotification[];
    }
  | { readonly kind: 'conflict'; readonly eventIds: readonly string[] };

/** Since when a retry must have been due to go before first attempts. */
export const OVERDUE_MS = 60_000;
/** Of the room of a target, what such retries may take. */
export const OVERDUE_PART = 0.25;

/** How many notifications of a target may be claimed now; pure, and asked within the transaction. */
export type CapacityFor = (target: Target) => number;

export interface ClaimOptions {
  readonly nowMs: number;
  readonly leaseMs: number;
  /** Most notifications to claim. */
  readonly limit: number;
  /**
   * For an unresponsive target whose `probeAtMs` has come, anything above 0 claims one probe: the first in the order of
   * claiming that nobody has leased, due or not, as a retry wait holds no probe. Before that it is not asked.
   */
  readonly capacityFor: CapacityFor;
}

/** The result of a claim. */
export interface Claim {
  /**
   * Fairly across TPPs; within a TPP first attempts before retries, each oldest first. Retries that have been due for
   * {@link OVERDUE_MS} may take {@link OVERDUE_PART} of the room, rounded up, before them: under a load that never ends, or
   * with room for one trial at a time, they would never be made, and no limit of the retry policy be reached.
   */
  readonly claimed: readonly ClaimedNotification[];
  /** How many of them were leased to somebody whose lease ran out. */
  readonly takenOver: number;
  /**
   * When something that is not due now falls due: an attempt, a lease to take over, a probe; undefined when nothing
   * does. Leaves out what is due already but had no room, and may leave out what falls due later of a TPP that has
   * something due already: claim again when it has room. With a `limit` of 0 it only asks.
   */
  readonly nextDueAtMs: number | undefined;
}

/** Asks to have freshly published notifications handed over already claimed, so that real time needs no further trip. */
export interface HandOver {
  readonly leaseMs: number;
  /** Most notifications to hand over. */
  readonly limit: number;
  /** Asked once for each TPP, not for an unresponsive target. */
  readonly capacityFor: CapacityFor;
}

/** How much there is. Counted often: cheap, and may lag by a few seconds where several processes share the store. */
export interface StoreCounts {
  readonly awaiting: number;
  readonly unresponsive: number;
}

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

/** TPPs and their registrations. */
export interface Registry {
  /**
   * Adds or changes a TPP. Suspending it ends its deliveries: what is claimed is fenced. Taking that back makes what is
   * awaiting due, in a new round; a callback URL that was unresponsive is so still, and is probed.
   *
   * @param audit kept in the same transaction, as of every change below; undefined: nothing is. When it throws, nothing is
   *   changed, and the error is passed on: so a caller makes sure that what it read is still so
   */
  putTpp(tpp: Tpp, nowMs: number, audit?: AuditOf<Tpp>): Promise<void>;
  tpp(clientId: string): Promise<Tpp | undefined>;
  /** TPPs in the order of their client_id. @param after client_id to begin after; empty for the first */
  tpps(after: string, limit: number): Promise<readonly Tpp[]>;
  /** Removes a TPP and its registrations; what is awaiting is withdrawn. @returns false when it is not known */
  removeTpp(clientId: string, nowMs: number, audit?: AuditOf<Tpp>): Promise<boolean>;

  /**
   * Creates the one registration of its kind that a TPP may have. An event subscription supersedes a callback URL, whose
   * awaiting notifications it takes. A callback URL that is superseded has no effect on deliveries, whatever is done to it.
   */
  createRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<'created' | 'exists'>;
  /** The registrations of a TPP, at most one of each kind; the one that holds is the first. */
  registrationsOf(clientId: string): Promise<readonly Registration[]>;
  /**
   * Replaces a registration; its callback URL counts as responsive again, and what is awaiting goes to the new one, in a
   * new round and with no waits. What is under way to the same URL is left to finish, to another one is fenced.
   * Notifications that are made keep their content whatever the new `EventTypes`. Creating one does the same.
   */
  replaceRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult>;
  /**
   * Deletes a registration; what is awaiting is withdrawn, unless another one supersedes it. A callback URL that it
   * superseded is effective again, for events from then on.
   */
  deleteRegistration(
    registration: RegistrationToDelete,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult>;
}

/** Publishing, claiming and recording. */
export interface Delivery {
  /** Commits events and their notifications in one transaction. @param handOver undefined: nothing is claimed */
  publish(
    events: readonly BankEvent[],
    decide: DecideFanOut,
    nowMs: number,
    handOver?: HandOver,
  ): Promise<PublishResult>;

  /** Claims due notifications for a lease. Each TPP is first in turn. */
  claimDue(options: ClaimOptions): Promise<Claim>;
  /**
   * Keeps each SET unless one is kept already.
   *
   * @returns for each, the one that is kept: the only one that may ever be sent
   */
  keepSets(sets: readonly { readonly jti: string; readonly set: string }[]): Promise<readonly string[]>;
  /**
   * Records attempts and what follows. An acknowledgement counts even when the lease has run out: the TPP has the
   * notification. At the callback URL that the TPP has now, it makes that responsive again: a new round begins for
   * everything that is awaiting, and retry waits end. While a callback URL is unresponsive a failure of what was still
   * under way changes nothing but the attempts, as does that of a probe of an older round; and a probe that fails when it
   * is responsive again is an attempt like any other, to be made again at once. So is one that ceases after a new round has begun: what was decided by the counts of
   * the round in which it was claimed makes nothing unresponsive in another, where it is the first attempt: also when it is
   * the last that the policy allows, and also when it began in the new round, as whoever made it did not know of that. The
   * next, which is claimed in the new round, decides. Records act one after the other, in their order.
   *
   * @returns for each, what became of it
   */
  recordAttempts(records: readonly AttemptRecord[], nowMs: number): Promise<readonly RecordResult[]>;
  /**
   * Hands claimed notifications back at once, without an attempt: at shutdown, or when the claim is no longer wanted.
   * First attempts take their old place; of a probe of the round that is, another one may be made at once.
   */
  release(claimed: readonly ClaimedNotification[], nowMs: number): Promise<void>;
}

/** Operations of operators and of the service's own housekeeping. */
export interface Operations {
  /** Where the notifications of a TPP are pushed; undefined when nowhere. */
  target(clientId: string): Promise<Target | undefined>;
  /**
   * Where the notifications of TPPs are pushed, in the order of their client_id.
   *
   * @param after as in {@link Registry.tpps}
   * @param only undefined: all
   */
  targets(after: string, limit: number, only?: 'responsive' | 'unresponsive'): Promise<readonly Target[]>;
  /**
   * The operator says that a callback URL is responsive again, or is to be probed now. @returns false when the TPP has no
   * target, or one that is responsive
   */
  bringBack(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): Promise<boolean>;
  /** Makes notifications due again, each with a new round, and keeps the audit entry, in one transaction. */
  redeliver(redelivery: Redelivery): Promise<Redelivered>;
  /**
   * Expires awaiting notifications that were published before and are not under way, the oldest first; audited with the
   * count unless that is 0. @returns how many
   */
  expireAwaiting(publishedBeforeMs: number, limit: number, nowMs: number): Promise<number>;
  /** Drops history in bulk. @returns how many rows went; 0: there is no more */
  dropHistory(retention: Retention): Promise<number>;
  counts(): Promise<StoreCounts>;
  audit(entry: AuditEntry): Promise<void>;
  /** The newest first. @param before id to begin before; undefined for the newest */
  auditEntries(before: string | undefined, limit: number, filter?: AuditFilter): Promise<readonly StoredAuditEntry[]>;
  /** TPPs' own entries that were made before, the oldest first. @param after `ATMS:ID` of the last entry of the page before */
  archivableAudit(beforeMs: number, after: string | undefined, limit: number): Promise<readonly StoredAuditEntry[]>;
  /** Drops TPPs' own entries by their ids, and keeps the entry of that, in one transaction. @returns how many */
  dropAudit(drop: AuditDrop): Promise<number>;
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
  withdraw(withdrawal: Withdrawal): Promise<Withdrawn>;

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
