import type { SetErrorReport } from '@tidings/protocol';
import type { AuditEntry } from './audit.ts';
import type { OfferedNotification } from './notification.ts';

// What polls, and operators, ask of the store.

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

/**
 * Which notifications the operator means. All that is given must hold; never meant are those that are withdrawn, expired
 * or under way, and those of a TPP that has no registration any more.
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
   * acknowledged ones too, which are then awaiting again under the same jti, with the same SET.
   */
  readonly only?: 'failed' | 'awaiting';
}

/** A redelivery by the operator, in portions. */
export interface Redelivery {
  readonly filter: NotificationFilter;
  /** Goes on after this one; undefined: from the oldest. */
  readonly after: string | undefined;
  /** Most notifications of this portion. */
  readonly limit: number;
  /** When the first is due; each further one `spacingMs` later, so that a TPP is not flooded. */
  readonly firstDueAtMs: number;
  readonly spacingMs: number;
  /** True: nothing is changed, only counted. */
  readonly isDryRun: boolean;
  readonly audit: AuditEntry;
}

/** The result of a portion of a redelivery. */
export interface Redelivered {
  /** Notifications made due (dry run: that would be); may be fewer than the limit, even 0, though there is a `next`. */
  readonly count: number;
  /** Where the next portion goes on; undefined when this was the last. */
  readonly next: string | undefined;
}

/** Ages at which history is dropped. Awaiting notifications never are. */
export interface Retention {
  /** Acknowledged, withdrawn and expired notifications that became so before, with their attempts and reported errors. */
  readonly notificationsBeforeMs: number;
  /** Events published before whose notification, if any, is gone. Their id may be published again then. */
  readonly eventsBeforeMs: number;
  /** Most rows of this portion, so that traffic does not wait. */
  readonly limit: number;
}
