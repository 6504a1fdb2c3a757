import type { SetErrorReport } from '@tidings/protocol';
import type { Attempt, NextStep } from '../model/attempt.ts';
import type { HealthTurn } from '../model/attempt-health.ts';
import type { BankEvent, FanOut, NoNotificationReason } from '../model/event.ts';
import type { ClaimedNotification, OfferedNotification, Target } from '../model/notification.ts';
import type { Registration } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';

/** The outcome of publishing one event. `repeated`: the event was published before; this is the outcome of that time. */
export type PublishOutcome = { readonly eventId: string; readonly repeated: boolean } & (
  | { readonly kind: 'notification'; readonly jti: string }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason }
);

/** Publishing is all or nothing. One event whose id was used before with other content is a conflict, and nothing is published. */
export type PublishResult =
  | {
      readonly kind: 'published';
      readonly outcomes: readonly PublishOutcome[];
      /** Notifications that were claimed for the reservation, in the order of publishing. */
      readonly claimed: readonly ClaimedNotification[];
    }
  | { readonly kind: 'conflict'; readonly eventIds: readonly string[] };

/**
 * Decides what an event becomes. A pure function: it may be called more than once for an event, with a registration that has
 * just been replaced, and for an event that was published before. What counts is what is committed.
 */
export type DecideFanOut = (event: BankEvent, tpp: Tpp | undefined, registration: Registration | undefined) => FanOut;

/** A retry that has been due for so long may be claimed before first attempts. */
export const OVERDUE_MS = 60_000;

/** The part of the capacity of a target that such retries may take. */
export const OVERDUE_PART = 0.25;

/** How many notifications of a target may be claimed now. A pure function: it is called within the transaction. */
export type CapacityFor = (target: Target) => number;

export interface ClaimOptions {
  readonly nowMs: number;
  readonly leaseMs: number;
  /** Most notifications to claim. */
  readonly limit: number;
  /**
   * For an unresponsive target it is called only once `probeAtMs` has come; a result above 0 then claims one probe. The probe
   * is the first notification in the order of claiming that is not leased, whether or not it is due.
   */
  readonly capacityFor: CapacityFor;
  /**
   * Whether a target is on trial: then the first of it that is claimed is its oldest notification that is due, be it a first
   * attempt or a retry. Of the {@link TRIAL_EXAMINED_MAX} oldest, that is: when none of them is due, the usual order decides.
   * Default: none is.
   */
  readonly isOnTrial?: (target: Target) => boolean;
}

/** Most notifications that are examined to find the oldest one that is due. */
export const TRIAL_EXAMINED_MAX = 1000;

/** The result of a claim. */
export interface Claim {
  /**
   * Round robin across TPPs; within a TPP first attempts before retries, each oldest first. Retries that have been due for
   * {@link OVERDUE_MS} may take {@link OVERDUE_PART} of the capacity, rounded up, before first attempts: under a load that never
   * ends, or with capacity for one attempt at a time, they would never be made, and no limit of the retry policy be reached.
   */
  readonly claimed: readonly ClaimedNotification[];
  /** How many of them were claimed before, under a lease that ran out. */
  readonly takenOver: number;
  /**
   * When something that is not due now falls due: an attempt, a lease to take over, a probe. Undefined: nothing does.
   * What is due already but exceeded the capacity is left out, and what falls due later of a TPP that has something due
   * already may be: claim again when there is capacity. With a `limit` of 0 nothing is claimed and only this is found out.
   */
  readonly nextDueAtMs: number | undefined;
}

/** Claims freshly published notifications in the transaction that publishes them, which saves the round trip of a claim. */
export interface ReserveOptions {
  readonly leaseMs: number;
  /** Most notifications to claim. */
  readonly limit: number;
  /** Queryable once for each TPP, not for an unresponsive target. */
  readonly capacityFor: CapacityFor;
}

/** An attempt that ended, with what follows. */
export interface AttemptRecord {
  readonly claimed: ClaimedNotification;
  readonly attempt: Attempt;
  readonly next: NextStep;
}

/**
 * The result of a record.
 *
 * - `applied`: the next step was applied.
 * - `overtaken`: the notification was taken over, acknowledged or withdrawn meanwhile, or its TPP registered again. Only the
 *   attempt was kept, and not even that if the notification was dropped.
 * - `recovered`: this acknowledgement made an unresponsive callback URL responsive again, whether or not the notification was
 *   still awaiting.
 * - `became-unresponsive`: applied, and it made a responsive callback URL unresponsive.
 */
export type RecordResult = 'applied' | 'overtaken' | 'recovered' | 'became-unresponsive';

/** The result of recording a batch. */
export interface RecordedAttempts {
  /** Of each record, in their order. */
  readonly results: readonly RecordResult[];
  /**
   * Callback URLs that are failing from this batch on, or no longer. One that failed and was acknowledged within the batch is
   * left out, as is one whose result is `recovered`.
   */
  readonly turns: readonly HealthTurn[];
}

/** Publishing, claiming and recording. */
export interface Delivery {
  /** Commits events and their notifications in one transaction. @param reservation undefined: nothing is claimed */
  publish(
    events: readonly BankEvent[],
    decide: DecideFanOut,
    nowMs: number,
    reservation?: ReserveOptions,
  ): Promise<PublishResult>;

  /** Claims due notifications for a lease, round robin: each claim begins with another TPP. */
  claimDue(options: ClaimOptions): Promise<Claim>;
  /**
   * Stores the SET of each notification, unless it has one already.
   *
   * @returns for each, the SET that is stored: the only one that may ever be sent
   */
  keepSets(sets: readonly { readonly jti: string; readonly set: string }[]): Promise<readonly string[]>;
  /**
   * Records attempts and what follows, in their order.
   *
   * An acknowledgement counts even when the lease has run out: the TPP has the notification. If it came from the callback
   * URL that the TPP has now, and that was unresponsive, the URL is responsive again: a new round begins for everything that
   * is awaiting, and retry waits end.
   *
   * While a callback URL is unresponsive, a failure of an attempt that was still under way only adds the attempt. So does a
   * failed probe of an older round. A probe that fails when the callback URL is responsive again is an attempt like any
   * other, and is retried at once.
   *
   * `cease` makes the callback URL unresponsive only in the round in which the notification was claimed, because it was
   * decided by the counts of that round. After a new round has begun the attempt is the first of that round, and the
   * notification is due at once; the next attempt, which is claimed in the new round, decides.
   *
   * Every attempt to the callback URL that the TPP has now counts for its health, whatever its result: failures since the last
   * acknowledgement, the last failure, and, to within 10 seconds, when the last acknowledgement came.
   */
  recordAttempts(records: readonly AttemptRecord[], nowMs: number): Promise<RecordedAttempts>;
  /**
   * Returns claimed notifications without an attempt: at shutdown, or when the claim is no longer wanted. First attempts are
   * requeued at their original position. After a probe of the current round another one may be made at once.
   */
  release(claimed: readonly ClaimedNotification[], nowMs: number): Promise<void>;
}

/** A poll of one TPP: what it acknowledges and reports, and how many notifications it asks for. */
export interface PollToStore {
  readonly clientId: string;
  readonly acknowledged: readonly string[];
  readonly errors: readonly SetErrorReport[];
  /** Most notifications to offer; 0: none. */
  readonly maxEvents: number;
  readonly nowMs: number;
  /** How long an offered notification is not offered again; undefined: offering it acknowledges it. */
  readonly reofferMs: number | undefined;
  /** How long a notification that was reported as an error is not offered again. */
  readonly reofferAfterErrorMs: number;
}

/** The result of a poll. */
export interface PolledNotifications {
  /** Oldest first. */
  readonly notifications: readonly OfferedNotification[];
  /** Whether more could be offered now. */
  readonly moreAvailable: boolean;
  /** Notifications that this poll acknowledged: by its request, or by offering them where that acknowledges them. */
  readonly acknowledged: readonly AcknowledgedInPoll[];
  /** The notifications of this TPP whose errors were stored, each once. */
  readonly reported: readonly string[];
}

/** A notification that a poll acknowledged. */
export interface AcknowledgedInPoll {
  readonly jti: string;
  readonly publishedAtMs: number;
  readonly by: 'poll' | 'offer';
}
