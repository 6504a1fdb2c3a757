import type { ClaimedNotification } from '../store/store.ts';
import type { Breaker } from './breaker.ts';

/** A claimed notification that was taken in; it becomes {@link Queued} with its SET. */
export interface Taken {
  readonly claimed: ClaimedNotification;
  /** Until when the attempt must have begun, or its lease might run out under it; by the monotonic clock. */
  readonly beginByMs: number;
  /** Which run of its lane it belongs to: an eviction ends one. */
  readonly run: number;
}

/** A claimed notification that is signed and waits for its attempt. */
export interface Queued extends Taken {
  readonly set: string;
}

/** What one TPP, and so one callback URL, has in this process. Counts of what is claimed, by stage, beside the queue. */
export interface Lane {
  readonly clientId: string;
  /** Being signed, or its SET being kept. */
  signing: number;
  readonly queue: Queued[];
  /** Attempts under way. */
  posting: number;
  /** Attempts that ended and are being recorded. */
  recording: number;
  run: number;
  /**
   * How many notifications may be claimed in all: grows with each acknowledgement, shrinks with each failure, so that a
   * TPP which does not answer holds little.
   */
  credit: number;
  /** More may be due in the store than there was capacity for. */
  hasBacklog: boolean;
  /** Which of all notes of a backlog was the last one about this TPP; 0: none was. */
  backlogNote: number;
  readonly breaker: Breaker;
}

/** Notifications that are claimed and not finished. */
export function claimedIn(lane: Lane): number {
  return lane.signing + lane.queue.length + lane.posting + lane.recording;
}
