import type { ClaimedNotification, RetryOverrides } from '../../packages/service/test/support/parts.ts';
import type { Plan } from './behaviour.ts';
import type { InstanceClock } from './instance-clock.ts';

/** An instance from its start to its end, as the oracle sees it. */
export interface Life {
  readonly name: string;
  readonly clock: InstanceClock;
  isAlive: boolean;
  /** When its time of day was last set, in simulated time. */
  jumpedAtMs: number;
  /** What was handed to it and is not finished. */
  readonly held: Set<Grant>;
  readonly heldOf: Map<string, number>;
  /** POSTs under way. */
  underWay: number;
  readonly underWayOf: Map<string, number>;
}

/** A claim that a store granted. Times without another word are simulated time, which is true. */
export interface Grant {
  readonly claimed: ClaimedNotification;
  readonly life: Life;
  readonly note: Note;
  readonly grantedAtMs: number;
  /** When its lease runs out, counted from when it was asked for. */
  readonly untilMs: number;
  /** That of its TPP when it was granted. */
  readonly round: number;
  post: Post | undefined;
  /** Since when the instance knows that its TPP changed and the claim no longer stands. */
  revokedAtMs: number | undefined;
}

/** A notification, as it should be. */
export interface Note {
  readonly jti: string;
  readonly eventId: string;
  readonly clientId: string;
  /** JSON of its claims as fan-out made them. */
  readonly claims: string;
  readonly publishedAtMs: number;
  /** When it was published as the store has it, which decides its turn: publishing was asked for then. */
  readonly stampMs: number;
  /** How many of its TPP were awaiting when it was published, or are older though they were committed later. */
  ahead: number;
  state: 'awaiting' | 'acknowledged' | 'withdrawn';
  /** The one SET that may be sent. */
  set: string | undefined;
  /** The claim that stands. */
  current: Grant | undefined;
  /** It must not be claimed before this, by the clock of who claims. */
  dueAtMs: number;
  /** Attempts that were recorded as failed since the retry policy last began again. */
  failures: number;
  /** Of these, those of claims of this round: one of an older claim is counted, but decides nothing. */
  failuresOfRound: number;
  acknowledgedAtMs: number | undefined;
  acknowledgedThrough: Grant | undefined;
  /** When the first POST began. */
  firstPostAtMs: number | undefined;
  /** A receiver has it, or a poll offered it. */
  isTaken: boolean;
}

/** A TPP, as it should be. */
export interface PartyNote {
  readonly clientId: string;
  readonly retry: RetryOverrides | undefined;
  readonly isSteady: boolean;
  url: string;
  isSuspended: boolean;
  isUnresponsive: boolean;
  probeAtMs: number;
  /** Probes of this round that failed since it turned unresponsive. */
  probes: number;
  /** When it recovered, by the clock of who recorded it. */
  recoveredAtMs: number | undefined;
  claimedSinceRecovery: number;
  /** How often the retry policy began again for all that is awaiting. */
  round: number;
  readonly awaiting: Set<Note>;
}

/** One POST. */
export interface Post {
  grant: Grant;
  readonly startedAtMs: number;
  endedAtMs: number | undefined;
  plan: Plan | undefined;
  /** What the instance was told. */
  told: 'acknowledged' | 'unreachable' | number | undefined;
}

export function newLife(name: string, clock: InstanceClock): Life {
  return {
    ...{ name, clock, isAlive: true, jumpedAtMs: Number.NEGATIVE_INFINITY },
    ...{ held: new Set<Grant>(), heldOf: new Map<string, number>() },
    ...{ underWay: 0, underWayOf: new Map<string, number>() },
  };
}

export function add(counts: Map<string, number>, key: string, by: number): number {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
  return count;
}
