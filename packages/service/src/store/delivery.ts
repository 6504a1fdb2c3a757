import type { SetErrorReport } from '@tidings/protocol';
import type { Attempt, NextStep } from '../model/attempt.ts';
import type { BankEvent, FanOut, NoNotificationReason } from '../model/event.ts';
import type { ClaimedNotification, OfferedNotification, Target } from '../model/notification.ts';
import type { Registration } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';

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

/** Decides, within the transaction, what an event becomes; pure. */
export type DecideFanOut = (event: BankEvent, tpp: Tpp | undefined, registration: Registration | undefined) => FanOut;

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
export interface ReserveOptions {
  readonly leaseMs: number;
  /** Most notifications to hand over. */
  readonly limit: number;
  /** Asked once for each TPP, not for an unresponsive target. */
  readonly capacityFor: CapacityFor;
}

/** An attempt that ended, with what follows. */
export interface AttemptRecord {
  readonly claimed: ClaimedNotification;
  readonly attempt: Attempt;
  readonly next: NextStep;
}

/**
 * The result of a record. `applied`: as asked. `overtaken`: the notification had been taken over, acknowledged or
 * withdrawn meanwhile, or its TPP registered anew, and only the attempt was kept; not even that when it was
 * dropped. `recovered`: this acknowledgement made an unresponsive callback URL responsive again, whether or not the
 * notification was still awaiting. `became-unresponsive`: applied, and it made a responsive one unresponsive.
 */
export type RecordResult = 'applied' | 'overtaken' | 'recovered' | 'became-unresponsive';

/** Publishing, claiming and recording. */
export interface Delivery {
  /** Commits events and their notifications in one transaction. @param reservation undefined: nothing is claimed */
  publish(
    events: readonly BankEvent[],
    decide: DecideFanOut,
    nowMs: number,
    reservation?: ReserveOptions,
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

/** A poll of one TPP, resolved: what it acknowledges and reports, and how much it is to get. */
export interface PollToStore {
  readonly clientId: string;
  readonly acknowledged: readonly string[];
  readonly errors: readonly SetErrorReport[];
  /** 0: nothing is offered. */
  readonly maxEvents: number;
  readonly nowMs: number;
  /** How long an offered notification is not offered again; undefined: offering it acknowledges it. */
  readonly reofferMs: number | undefined;
  /** How long one that was reported as an error is not offered again. */
  readonly reofferAfterErrorMs: number;
}

/** The result of a poll. */
export interface PolledNotifications {
  /** Oldest first. */
  readonly notifications: readonly OfferedNotification[];
  /** True exactly when more could be offered now. */
  readonly moreAvailable: boolean;
  /** Notifications that were awaiting until this poll acknowledged them, or until they were offered where that acknowledges them. */
  readonly acknowledged: readonly AcknowledgedInPoll[];
  /** The notifications whose errors were kept: those of this TPP, each once. */
  readonly reported: readonly string[];
}

/** A notification that a poll acknowledged. */
export interface AcknowledgedInPoll {
  readonly jti: string;
  readonly publishedAtMs: number;
  readonly by: 'poll' | 'offer';
}
