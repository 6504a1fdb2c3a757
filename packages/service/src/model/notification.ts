import type { SetClaims, SetErrorReport } from '@tidings/protocol';
import type { Attempt } from './attempt.ts';
import type { AttemptHealth } from './attempt-health.ts';
import type { TraceContext } from './event.ts';
import type { RetryOverrides } from './tpp.ts';

/**
 * Where the notifications of a TPP are pushed now, and how that callback URL has fared. There is none for a TPP that is
 * suspended, has no registration, or only polls: nothing of it is claimed, whatever is awaiting.
 */
export interface Target extends AttemptHealth {
  readonly clientId: string;
  readonly callbackUrl: string;
  readonly retry: RetryOverrides | undefined;
  /** Since when it is past a limit of the retry policy: no attempts but probes; undefined while it is responsive. */
  readonly unresponsiveSinceMs: number | undefined;
  /** When it may be probed; undefined while it is responsive. */
  readonly probeAtMs: number | undefined;
  /** Probes that failed since it became unresponsive. */
  readonly probes: number;
  /** When it last recovered from being unresponsive; undefined when it never was. */
  readonly recoveredAtMs: number | undefined;
  /** Notifications claimed or handed over since it recovered; a store need not count for longer than an hour. */
  readonly claimedSinceRecovery: number;
}

/** A notification that is this process's to deliver until its lease runs out. */
export interface ClaimedNotification {
  readonly jti: string;
  readonly clientId: string;
  readonly callbackUrl: string;
  readonly claims: SetClaims;
  /** The signed token; undefined until it is first needed. */
  readonly set: string | undefined;
  readonly publishedAtMs: number;
  /** Attempts made so far, ever. */
  readonly attempts: number;
  /**
   * The round of the target when it was claimed: the retry policy restarts, and the number changes, when a callback
   * URL recovers, is registered again or resumed. That an attempt ceases counts only in the round that it was claimed in.
   */
  readonly round: number;
  /** Attempts made in that round. */
  readonly roundAttempts: number;
  /** When the first attempt of that round began; undefined before it. */
  readonly roundBeganAtMs: number | undefined;
  /** Of its event; undefined where there is none, and after a redelivery of what was acknowledged. */
  readonly traceContext: TraceContext | undefined;
  /** As the target was when it was claimed. */
  readonly retry: RetryOverrides | undefined;
  /** Defined when this is a probe of an unresponsive callback URL: how many failed before it. */
  readonly probe: number | undefined;
  /**
   * Fences the claim: a record under an older token has no say. Never the same for two claims of a notification, even if
   * it was acknowledged and redelivered, or the store opened again, in between.
   */
  readonly leaseToken: number;
}

/** An error that a TPP reported for a notification (`setErrs`). */
export interface ReportedError extends Omit<SetErrorReport, 'jti'> {
  readonly reportedAtMs: number;
}

/** `expired`: older than the operator allows an awaiting notification to be; it is neither pushed nor offered any more. */
export type NotificationState = 'awaiting' | 'acknowledged' | 'withdrawn' | 'expired';

/** A notification as the operator sees it. */
export interface NotificationRecord {
  readonly jti: string;
  readonly eventId: string;
  readonly clientId: string;
  readonly state: NotificationState;
  readonly claims: SetClaims;
  readonly set: string | undefined;
  readonly publishedAtMs: number;
  readonly acknowledgedAtMs: number | undefined;
  /** How it was acknowledged: 202 on push, `ack` in a poll, or by being offered where no acknowledgement is expected. */
  readonly acknowledgedBy: 'push' | 'poll' | 'offer' | undefined;
  /** Errors that the TPP reported in polls, in their order. */
  readonly errors: readonly ReportedError[];
  /**
   * When the next attempt is due, or the lease of one under way runs out; undefined when none is: it is not awaiting, has
   * no target, or that is unresponsive.
   */
  readonly nextAttemptAtMs: number | undefined;
  readonly attempts: readonly Attempt[];
}

/** A notification that is offered in a poll. */
export type OfferedNotification = Pick<ClaimedNotification, 'jti' | 'claims' | 'set'>;
