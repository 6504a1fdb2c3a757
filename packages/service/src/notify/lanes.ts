import type { Clock } from '../base/clock.ts';
import type { ClaimedNotification, Target } from '../model/notification.ts';
import { Breaker, type BreakerSettings } from './breaker.ts';
import { isRampingUp, rampCapacity, type UnresponsiveSettings } from './retry-policy.ts';

/** Limits on what is claimed and under way in this process. */
export interface LaneLimits {
  readonly concurrencyMax: number;
  readonly concurrencyPerTppMax: number;
  /** Most notifications that are claimed and wait, of all TPPs and of one. */
  readonly queueMax: number;
  readonly queuePerTppMax: number;
}

export interface LanesOptions extends LaneLimits {
  readonly breaker: BreakerSettings;
  readonly unresponsive: UnresponsiveSettings;
  readonly clock: Clock;
}

/** A claimed notification in a lane; it becomes {@link Queued} with its SET. */
export interface Taken {
  readonly claimed: ClaimedNotification;
  /** Latest begin of the attempt, by the monotonic clock, so that its lease does not run out before it ends. */
  readonly beginByMs: number;
  /** The run of its lane that it belongs to; an eviction ends a run. */
  readonly run: number;
}

/** A claimed notification that is signed and waits for its attempt. */
export interface Queued extends Taken {
  readonly set: string;
}

/** The state of one TPP, and so of one callback URL, in this process. */
interface Lane {
  readonly clientId: string;
  /** Being signed, or the SET being stored. */
  signing: number;
  readonly queue: Queued[];
  /** Attempts under way. */
  posting: number;
  /** Attempts that ended and are being recorded. */
  recording: number;
  run: number;
  /**
   * How many notifications may be claimed in all. Additive increase with each acknowledgement, multiplicative decrease
   * with each failure, so that a TPP which does not answer holds little.
   */
  window: number;
  /** More may be due in the store than there was capacity for. */
  hasBacklog: boolean;
  /** The number of the last note of a backlog that concerned this TPP; 0: none did. */
  backlogNote: number;
  readonly breaker: Breaker;
}

/** State of a breaker. */
export interface BreakerStatus {
  readonly state: ReturnType<Breaker['state']>;
  /** Rest of the pause; undefined when attempts do not pause. */
  readonly pauseMs: number | undefined;
}

// The rest is kept for TPPs that have nothing under way, so that slow ones never hold everything.
const SHARED_PART = 0.75;

/**
 * Isolates TPPs from each other. Each has a lane of its own: a short queue, a number of concurrent attempts, a breaker.
 * Notifications pass through it: taken → signed → begun → ended → finished. Lanes with something to send take turns. The last
 * quarter of the process's limits is kept for lanes with nothing under way, so that slow TPPs do not delay the others.
 */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes that have something signed and a free place, in the order of their turns. */
  readonly #ready = new Set<Lane>();
  /** Lanes whose breaker is not closed. */
  readonly #broken = new Set<Lane>();
  /** Notifications that are taken, without an attempt under way. */
  #queued = 0;
  #posting = 0;
  #recording = 0;
  #backlogNotes = 0;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Notifications that wait for their attempt. */
  get queued(): number {
    return this.#queued;
  }

  /** How many more may be claimed in all. */
  get capacity(): number {
    const { queueMax, concurrencyMax } = this.#options;
    // Attempts that wait to be recorded, as while the store stalls, count too, beyond the number of concurrent attempts.
    const excess = Math.max(this.#posting + this.#recording - concurrencyMax, 0);
    return Math.max(queueMax - this.#queued - excess, 0);
  }

  /** How many of a target may be claimed now. */
  capacityFor(target: Target): number {
    const lane = this.#laneOf(target.clientId);
    const { unresponsive, clock } = this.#options;
    // A probe is one attempt, whatever the breaker says; what was under way before it ends first.
    if (target.unresponsiveSinceMs !== undefined) return claimedIn(lane) === 0 ? 1 : 0;
    const capacity = this.#capacityIn(lane);
    return this.isRampingUp(target) ? Math.min(capacity, rampCapacity(target, unresponsive, clock.nowMs())) : capacity;
  }

  /** As {@link capacityFor}, for notifications handed over, which must not overtake older ones in the store. */
  capacityToReserve(target: Target): number {
    const lane = this.#lanes.get(target.clientId);
    // A trial is for the oldest that is due, which is in the store.
    if (lane?.hasBacklog === true || lane?.breaker.pauseEndsAtMs !== undefined) return 0;
    return this.isRampingUp(target) ? 0 : this.capacityFor(target);
  }

  /** Whether the breaker of a target allows one attempt, to find out how the callback URL is. */
  isOnTrial({ clientId }: Target): boolean {
    return this.#lanes.get(clientId)?.breaker.state(this.#nowMs()) === 'trial';
  }

  isRampingUp(target: Target): boolean {
    return isRampingUp(target, this.#options.unresponsive, this.#options.clock.nowMs());
  }

  /** How often a backlog of any TPP was noted; to be read before a claim, for {@link noteNoBacklog}. */
  get backlogNotes(): number {
    return this.#backlogNotes;
  }

  /** A claim or a hand-over left notifications of a TPP in the store for want of capacity. */
  noteBacklog(clientId: string): void {
    this.#noteBacklog(this.#laneOf(clientId));
  }

  /**
   * A claim took everything of a TPP that was due. A backlog that was noted after the claim began stays.
   *
   * @param notesBefore {@link backlogNotes} when the claim began
   */
  noteNoBacklog(clientId: string, notesBefore: number): void {
    const lane = this.#laneOf(clientId);
    if (lane.backlogNote <= notesBefore) lane.hasBacklog = false;
  }

  /**
   * True when a lane with a backlog can take a good deal of it now, or has nothing else under way: then no end of an attempt
   * would ask again.
   */
  wantsMore(clientId: string): boolean {
    const lane = this.#lanes.get(clientId);
    if (lane?.hasBacklog !== true) return false;
    const capacity = this.#capacityIn(lane);
    return capacity * 2 >= lane.window || (capacity > 0 && claimedIn(lane) === 0);
  }

  /**
   * When the next breaker with a backlog behind it ends its pause, by the monotonic clock; infinite where none does.
   *
   * @param sinceMs pauses that ended by then are left out: a claim has been made since
   */
  nextTrialAtMs(sinceMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const { breaker, hasBacklog } of this.#broken) {
      const atMs = breaker.pauseEndsAtMs ?? sinceMs;
      if (hasBacklog && atMs > sinceMs) earliestMs = Math.min(atMs, earliestMs);
    }
    return earliestMs;
  }

  /** State of a TPP's breaker. */
  breakerOf(clientId: string): BreakerStatus {
    const breaker = this.#lanes.get(clientId)?.breaker;
    const nowMs = this.#nowMs();
    const state = breaker?.state(nowMs) ?? 'closed';
    return { state, pauseMs: state === 'open' ? (breaker?.pauseEndsAtMs ?? nowMs) - nowMs : undefined };
  }

  /** Takes claimed notifications. Those in `tooMuch` must be released, as their capacity was promised twice. */
  take(claimed: readonly ClaimedNotification[], beginByMs: number): { taken: Taken[]; tooMuch: ClaimedNotification[] } {
    const { queuePerTppMax, concurrencyPerTppMax } = this.#options;
    const taken: Taken[] = [];
    const tooMuch: ClaimedNotification[] = [];
    for (const notification of claimed) {
      const lane = this.#laneOf(notification.clientId);
      if (this.capacity === 0 || claimedIn(lane) >= queuePerTppMax + concurrencyPerTppMax) {
        this.#noteBacklog(lane);
        tooMuch.push(notification);
        continue;
      }
      lane.signing += 1;
      this.#queued += 1;
      taken.push({ claimed: notification, beginByMs, run: lane.run });
    }
    return { taken, tooMuch };
  }

  /** @returns false when it was evicted meanwhile, and must be released */
  signed(queued: Queued): boolean {
    const lane = this.#laneOf(queued.claimed.clientId);
    lane.signing -= 1;
    if (queued.run === lane.run) {
      lane.queue.push(queued);
      this.#markReady(lane);
      return true;
    }
    this.#queued -= 1;
    this.#forgetIdle(lane);
    return false;
  }

  /** Signing it, or storing its SET, failed. */
  unsigned({ claimed }: Taken): void {
    const lane = this.#laneOf(claimed.clientId);
    lane.signing -= 1;
    this.#queued -= 1;
    this.#forgetIdle(lane);
  }

  /** Takes the next notification whose attempt may begin; undefined when none may. */
  begin(): Queued | undefined {
    for (const lane of this.#ready) {
      if (!this.#mayBegin(lane)) continue;
      this.#ready.delete(lane);
      const queued = lane.queue.shift();
      if (queued === undefined) continue;
      this.#queued -= 1;
      this.#posting += 1;
      lane.posting += 1;
      this.#markReady(lane);
      return queued;
    }
    return undefined;
  }

  /** Its attempt ended, which frees its place; the record follows. */
  ended({ clientId }: ClaimedNotification): void {
    const lane = this.#laneOf(clientId);
    lane.posting -= 1;
    lane.recording += 1;
    this.#recording += 1;
    this.#posting -= 1;
    this.#markReady(lane);
  }

  /** Takes the outcome of an attempt into account. @returns true when it opened the breaker */
  note(clientId: string, hasFailed: boolean): boolean {
    const lane = this.#laneOf(clientId);
    const { queuePerTppMax, concurrencyPerTppMax } = this.#options;
    lane.window = hasFailed
      ? Math.max(Math.floor(lane.window / 2), 1)
      : Math.min(lane.window + 1, queuePerTppMax + concurrencyPerTppMax);
    const hasOpened = lane.breaker.note(hasFailed, this.#nowMs());
    if (lane.breaker.pauseEndsAtMs === undefined) this.#broken.delete(lane);
    else this.#broken.add(lane);
    return hasOpened;
  }

  /** Its outcome is recorded, or it was released. */
  finished({ clientId }: ClaimedNotification): void {
    const lane = this.#laneOf(clientId);
    lane.recording -= 1;
    this.#recording -= 1;
    this.#forgetIdle(lane);
  }

  /**
   * Empties the queue of a TPP; notifications that are being signed follow once they are.
   *
   * @param isReset the callback URL was replaced, or recovered: breaker and window begin again
   */
  evict(clientId: string, isReset: boolean): ClaimedNotification[] {
    const lane = this.#lanes.get(clientId);
    if (lane === undefined) return [];
    if (isReset) {
      lane.breaker.reset();
      this.#broken.delete(lane);
      lane.window = this.#options.concurrencyPerTppMax;
    }
    this.#ready.delete(lane);
    this.#queued -= lane.queue.length;
    lane.run += 1;
    const evicted = lane.queue.splice(0).map(({ claimed }) => claimed);
    if (evicted.length > 0) this.#noteBacklog(lane);
    this.#forgetIdle(lane);
    return evicted;
  }

  evictAll(): ClaimedNotification[] {
    return [...this.#lanes.keys()].flatMap((clientId) => this.evict(clientId, false));
  }

  #capacityIn(lane: Lane): number {
    const { queueMax, queuePerTppMax, concurrencyPerTppMax } = this.#options;
    const state = lane.breaker.state(this.#nowMs());
    if (state === 'open') return 0;
    if (state === 'trial') return Math.max(1 - claimedIn(lane), 0);
    const isShort = this.#queued >= queueMax * SHARED_PART;
    const allowed = isShort ? concurrencyPerTppMax : queuePerTppMax + concurrencyPerTppMax;
    return Math.max(Math.min(lane.window, allowed) - claimedIn(lane), 0);
  }

  #noteBacklog(lane: Lane): void {
    this.#backlogNotes += 1;
    Object.assign(lane, { hasBacklog: true, backlogNote: this.#backlogNotes });
  }

  #mayBegin(lane: Lane): boolean {
    const { concurrencyMax } = this.#options;
    return this.#posting < (lane.posting === 0 ? concurrencyMax : concurrencyMax * SHARED_PART);
  }

  #markReady(lane: Lane): void {
    if (lane.queue.length > 0 && lane.posting < this.#options.concurrencyPerTppMax) this.#ready.add(lane);
  }

  #laneOf(clientId: string): Lane {
    const known = this.#lanes.get(clientId);
    if (known !== undefined) return known;
    const breaker = new Breaker(this.#options.breaker);
    const window = this.#options.concurrencyPerTppMax;
    const nothing = { signing: 0, queue: [], posting: 0, recording: 0 };
    const lane: Lane = { clientId, ...nothing, run: 0, window, hasBacklog: false, backlogNote: 0, breaker };
    this.#lanes.set(clientId, lane);
    return lane;
  }

  #forgetIdle(lane: Lane): void {
    if (claimedIn(lane) === 0 && !lane.hasBacklog && lane.breaker.isFresh) this.#lanes.delete(lane.clientId);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}

/** Notifications that are claimed and not finished. */
function claimedIn(lane: Lane): number {
  return lane.signing + lane.queue.length + lane.posting + lane.recording;
}
