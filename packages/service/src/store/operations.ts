import type { ActivityBounds, ActivityToStore, CountedBucket, Resolution, StoredActivity } from '../model/activity.ts';
import type { RecentAttempts } from '../model/attempt.ts';
import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../model/audit.ts';
import type { CallbackUrlState, DeliveryState } from '../model/callback-url.ts';
import type { Instance } from '../model/instance.ts';
import type { Target } from '../model/notification.ts';
import type { RegistrationsOfTpp } from '../model/registration.ts';
import type { SigningKeyJwk, SigningKeyUses, StoredSigningKey } from '../model/signing-key.ts';

/**
 * Which notifications the operator selects. All given conditions must hold. Notifications that are withdrawn, expired or under
 * way are never selected, nor are those of a TPP that has no registration any more.
 */
export interface NotificationFilter {
  readonly jtis?: readonly string[];
  readonly clientId?: string;
  /** Published at or after. */
  readonly publishedFromMs?: number;
  /** Published before. */
  readonly publishedBeforeMs?: number;
  /**
   * `failed`: awaiting, and an attempt failed or the TPP reported an error. `awaiting`: not acknowledged. Undefined:
   * acknowledged notifications too. They become awaiting again under the same jti, with the same SET.
   */
  readonly only?: 'failed' | 'awaiting';
}

/** A portion of an operation in bulk: a withdrawal, or what a redelivery has in common with it. */
export interface BulkPortion {
  /**
   * A withdrawal selects only what is awaiting: `only` can narrow it to `failed`, and whether the TPP has a registration does
   * not matter.
   */
  readonly filter: NotificationFilter;
  /** `next` of the portion before; undefined: from the oldest. */
  readonly after: string | undefined;
  /** Most notifications of this portion. */
  readonly limit: number;
  /** True: nothing is changed, only counted. */
  readonly isDryRun: boolean;
  /** `atMs` is the time of the operation: what is leased then is under way, and left alone. */
  readonly audit: AuditEntry;
}

/** A portion of a redelivery. */
export interface Redelivery extends BulkPortion {
  /** When the first is due; each further one `spacingMs` later, so that a TPP is not flooded. */
  readonly firstDueAtMs: number;
  readonly spacingMs: number;
}

/** The result of a portion of an operation in bulk. */
export interface BulkResult {
  /** Notifications changed (dry run: that would be); may be fewer than the limit, even 0, though there is a `next`. */
  readonly count: number;
  /** Where the next portion begins; undefined when this was the last. */
  readonly next: string | undefined;
}

/** Ages at which settled notifications and events are dropped. Awaiting notifications never are. */
export interface Retention {
  /** Notifications that were settled (acknowledged, withdrawn or expired) before, with their attempts and reported errors. */
  readonly notificationsBeforeMs: number;
  /** Events that were published before and whose notification, if any, was dropped. Their id may be published again then. */
  readonly eventsBeforeMs: number;
  /** Most rows of this portion. */
  readonly limit: number;
}

/** Counts of what the store holds. Cheap; they may lag by a few seconds where several processes share the store. */
export interface StoreCounts {
  readonly awaiting: number;
}

/** A callback URL that is failing or unresponsive, with its backlog. */
export type TroubledTarget = Target & Backlog;

/** How many TPPs that registered something have deliveries in each state. */
export type DeliveryStates = Readonly<Record<Exclude<DeliveryState, 'no-registration'>, number>>;

/** Awaiting notifications of one TPP. */
export interface Backlog {
  readonly awaiting: number;
  /** When the oldest of them was published; undefined: there is none. */
  readonly oldestAwaitingAtMs: number | undefined;
  /**
   * When the first attempt is due, whether or not it may be made then: while the callback URL is unresponsive, or a breaker is
   * open, none is. While an attempt is under way it may be when its lease runs out. Undefined: nothing is awaiting.
   */
  readonly dueAtMs: number | undefined;
}

/** A query of the statistics. */
export interface StatisticsQuery {
  readonly resolution: Resolution;
  /** Undefined: of all TPPs together. */
  readonly clientId: string | undefined;
  readonly fromMs: number;
  readonly beforeMs: number;
}

/** Ages at which activity and statistics are dropped. */
export interface WatchRetention {
  /** Rows of the activity log that were appended before; the newest row stays, whatever its age. */
  readonly activityBeforeMs: number;
  /** Minutes that began before. */
  readonly minutesBeforeMs: number;
  readonly hoursBeforeMs: number;
  /** Most rows of this portion, of each of the two. */
  readonly limit: number;
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
  targets(after: string, limit: number, only?: CallbackUrlState): Promise<readonly Target[]>;
  /**
   * Makes an unresponsive callback URL responsive again, or due for a probe, at the operator's request.
   *
   * @returns false when the TPP has no target, or its target is responsive
   */
  recover(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): Promise<boolean>;
  /** Makes notifications due again, each in a new round, and stores the audit entry, in one transaction. */
  redeliver(redelivery: Redelivery): Promise<BulkResult>;
  /**
   * Expires awaiting notifications that were published before and are not under way, the oldest first. It is audited with
   * the count, unless that is 0.
   *
   * @returns how many notifications expired
   */
  expireAwaiting(publishedBeforeMs: number, limit: number, nowMs: number): Promise<number>;
  /** Drops settled notifications and events by age. @returns how many rows were dropped; 0: there are no more */
  dropHistory(retention: Retention): Promise<number>;
  counts(): Promise<StoreCounts>;
  audit(entry: AuditEntry): Promise<void>;
  /** The newest first. @param before id to begin before; undefined for the newest */
  auditEntries(before: string | undefined, limit: number, filter?: AuditFilter): Promise<readonly StoredAuditEntry[]>;
  /** Entries that TPPs made themselves before a time, the oldest first. @param after `ATMS:ID` of the last entry of the page before */
  archivableAudit(beforeMs: number, after: string | undefined, limit: number): Promise<readonly StoredAuditEntry[]>;
  /** Drops entries of TPPs by their ids, and audits that, in one transaction. @returns how many entries were dropped */
  dropAudit(drop: AuditDrop): Promise<number>;
}

/** Operations on our own signing keys. */
export interface SigningKeyStore {
  /**
   * Stores the key that signs from now on; the previous key is retired. Has no effect when it is the current key already, or
   * was withdrawn.
   */
  useSigningKey(publicJwk: SigningKeyJwk, nowMs: number): Promise<void>;
  /** Stores a key that is to sign later. @returns false when it is known already: nothing is changed then */
  announceSigningKey(publicJwk: SigningKeyJwk, nowMs: number): Promise<boolean>;
  /**
   * Makes a known key the current one; the previous key is retired. Audited when it is done.
   *
   * @returns false when it is the current one already, is unknown, or was withdrawn
   */
  rotateSigningKey(kid: string, nowMs: number, audit: AuditEntry): Promise<boolean>;
  /**
   * Takes a key out of the JWKS for good. Audited when it is done.
   *
   * @returns false when it is the current one, is unknown, or was withdrawn before
   */
  withdrawSigningKey(kid: string, nowMs: number, audit: AuditEntry): Promise<boolean>;
  /** Stores that a former key still signs at an instance. */
  noteSigningKeyUsed(kid: string, nowMs: number): Promise<void>;
  /** The current key first, then announced keys, then retired ones (the last first), then withdrawn ones. */
  signingKeys(): Promise<readonly StoredSigningKey[]>;
  /** Which keys signed awaiting notifications. @param limit most notifications to examine, roughly the oldest first */
  signingKeyUses(limit: number): Promise<SigningKeyUses>;
}

/** Reads about all TPPs: their registrations, and the health of their callback URLs. */
export interface CallbackHealthStore {
  /** TPPs that registered something, in the order of their client_id. @param after as in `Store.tpps` */
  registrations(after: string, limit: number): Promise<readonly RegistrationsOfTpp[]>;
  /** The backlog of each TPP. @param countMax a larger number may be given as one more than this */
  backlogsOf(clientIds: readonly string[], countMax: number): Promise<ReadonlyMap<string, Backlog>>;
  deliveryStates(): Promise<DeliveryStates>;
  /** When the oldest awaiting notification of each TPP was published, the oldest of all first. @param limit most TPPs */
  oldestAwaiting(limit: number): Promise<ReadonlyMap<string, number>>;
  /**
   * Callback URLs that are failing or unresponsive, those with most awaiting first, then by their client_id. Cheap: it costs
   * what is failing, not what is healthy.
   *
   * @param limit most callback URLs
   * @param countMax as in {@link backlogsOf}; the order among those with more is that of their client_id
   */
  troubledTargets(limit: number, countMax: number): Promise<readonly TroubledTarget[]>;
  /**
   * Stores the last attempts of a process for each TPP, in place of those stored before. They may be lost when the database
   * server crashes a moment later.
   */
  keepRecentAttempts(recent: readonly RecentAttempts[], nowMs: number): Promise<void>;
  /** The last attempts that all processes stored, in no particular order. */
  recentAttempts(clientIds: readonly string[]): Promise<readonly RecentAttempts[]>;
}

/** The processes of the service on this store. */
export interface InstanceStore {
  /** Stores that an instance runs, and forgets those that have been gone for long. May be lost as recent attempts may. */
  instanceSeen(instance: Instance): Promise<void>;
  /** Takes an instance out that ends. */
  instanceEnded(id: string): Promise<void>;
  /** The oldest first. */
  instances(): Promise<readonly Instance[]>;
}

/** The activity log and the statistics. */
export interface ActivityStore {
  /**
   * Appends to the activity log. Ids ascend, across processes too, and become visible in their order: a reader that has read
   * a row never misses one with a smaller id. Rows may be lost when the database server (not this process) crashes a moment
   * later: nothing depends on this log.
   */
  appendActivity(activity: ActivityToStore): Promise<void>;
  /** Rows of the activity log after an id, in the order of their ids. */
  activityAfter(id: number, limit: number): Promise<readonly StoredActivity[]>;
  /** The ids between which the activity log lies. @param sinceMs undefined: `sinceId` is not needed */
  activityBounds(sinceMs: number | undefined): Promise<ActivityBounds>;
  /** Stores counts, each in place of that of the same resolution, time, TPP and part. */
  putStatistics(buckets: readonly CountedBucket[]): Promise<void>;
  /** Counts of all processes in buckets that began in that time, in no particular order. */
  statistics(query: StatisticsQuery): Promise<readonly CountedBucket[]>;
  /** Drops old activity and statistics. @returns how many rows were dropped; 0: there are no more */
  dropWatched(retention: WatchRetention): Promise<number>;
}
