import type { ClaimedNotification } from '../store/store.ts';
import type { Breaker } from './breaker.ts';

/** A claimed notification that waits for its attempt. */
export interface Queued {
  readonly claimed: ClaimedNotification;
  /** Until when the attempt must have begun, or its lease might run out under it; by the monotonic clock. */
  readonly beginByMs: number;
}

/** What one TPP, and so one callback URL, has in this process. */
export interface Lane {
  readonly clientId: string;
  readonly queue: Queued[];
  /** Attempts that are being signed for, made or recorded. */
  underWay: number;
  /**
   * How many notifications may be claimed in all: grows with each acknowledgement, shrinks with each failure, so that a
   * TPP which does not answer holds little.
   */
  credit: number;
  /** More may be due in the store than there was room for. */
  mayHaveMore: boolean;
  readonly breaker: Breaker;
}

/** Notifications that are claimed and not finished. */
export function claimedIn(lane: Lane): number {
  return lane.queue.length + lane.underWay;
}
