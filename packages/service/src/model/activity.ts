import type { AttemptClass, FailureClass, UnreachableClass } from './attempt.ts';
import type { NoNotificationReason } from './event.ts';

/** One thing that happened, as the live stream tells of it. Holds no payload, URL or token. */
export type ActivityEntry = { readonly atMs: number } & (
  | {
      readonly kind: 'accepted';
      readonly jti: string;
      readonly clientId: string;
      readonly eventId: string;
      /** URNs, as the bank published them. */
      readonly eventTypes: readonly string[];
    }
  | {
      readonly kind: 'attempted';
      readonly jti: string;
      readonly clientId: string;
      /** From 1. */
      readonly attempt: number;
      readonly outcome: AttemptClass;
      readonly status?: number;
      readonly errorClass?: UnreachableClass;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'acknowledged';
      readonly jti: string;
      readonly clientId: string;
      readonly by: 'push' | 'poll' | 'offer';
      /** Since it was published. */
      readonly afterMs: number;
    }
  | { readonly kind: 'reported-error'; readonly jti: string; readonly clientId: string; readonly err?: string }
  | { readonly kind: 'unresponsive'; readonly clientId: string }
  /** The first attempt that failed after an acknowledgement. */
  | { readonly kind: 'failing'; readonly clientId: string; readonly outcome: FailureClass; readonly status?: number }
  | {
      /** A failing or unresponsive callback URL is healthy again. */
      readonly kind: 'recovered';
      readonly clientId: string;
      readonly by: 'acknowledgement' | 'operator';
      /** Since it began to fail; undefined when it was unresponsive. */
      readonly afterMs?: number;
    }
  | {
      readonly kind: 'redelivered' | 'withdrawn' | 'expired';
      /** Undefined: of more than one TPP. */
      readonly clientId?: string;
      readonly count: number;
    }
  /** Entries were lost before they were kept: the store was away for too long. */
  | { readonly kind: 'missed'; readonly count: number }
);

/** Entries that an instance appends at once. */
export interface ActivityToStore {
  readonly atMs: number;
  /** Of the process that appends. */
  readonly instance: string;
  readonly entries: readonly ActivityEntry[];
}

/** A row of the activity log. */
export interface StoredActivity extends ActivityToStore {
  readonly id: number;
}

/** How far the activity log goes. */
export interface ActivityBounds {
  /** The oldest row that is kept; 0: there is none. */
  readonly firstId: number;
  /** The newest; 0: there never was one. */
  readonly lastId: number;
  /** The newest row that was appended before the time asked for; 0: there is none, or none was asked for. */
  readonly sinceId: number;
}

/** The counters. */
export type CountName =
  | 'accepted'
  | 'repeated'
  | `none-${NoNotificationReason}`
  | `attempts-${AttemptClass}`
  | 'acknowledged-push'
  | 'acknowledged-poll'
  | 'acknowledged-offer'
  | 'reported-errors'
  | 'became-unresponsive'
  | 'recovered';

/** Counts of a time, and how long acknowledgements took. What is missing is 0. */
export interface Tally {
  readonly counts: Readonly<Partial<Record<CountName, number>>>;
  /** From publishing to acknowledgement: how many, by the number of the bucket, see `telemetry/tally.ts`. */
  readonly latency: Readonly<Record<string, number>>;
}

export type Resolution = 'minute' | 'hour';

/** Counts of one part of a process in a minute or an hour. */
export interface CountedBucket {
  readonly resolution: Resolution;
  readonly beganAtMs: number;
  /** Undefined: of all TPPs. */
  readonly clientId: string | undefined;
  /** Whose count this is: unique to the process and the bucket, so that counts of the same time add up. */
  readonly part: string;
  readonly tally: Tally;
}
