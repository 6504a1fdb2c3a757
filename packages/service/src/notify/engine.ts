import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Attempt } from '../model/attempt.ts';
import type { ClaimedNotification, Target } from '../model/notification.ts';
import type { CallbackClient } from '../net/callback-client.ts';
import type { AttemptRecord, Claim, RecordResult } from '../store/delivery.ts';
import type { Store, StoreError } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import { SignerUnavailableError } from '../trust/provider-signer.ts';
import { Alarm } from './alarm.ts';
import { deliver, logAttempt, logTurn, nextStep } from './attempt.ts';
import { Batcher } from './batcher.ts';
import type { BreakerSettings } from './breaker.ts';
import { type BreakerStatus, type LaneLimits, Lanes, type Queued, type Taken } from './lanes.ts';
import type { Reservation } from './publish.ts';
import type { RetryPolicy, UnresponsiveSettings } from './retry-policy.ts';
import { createSigning, type EnsureSigned, type SignSet } from './sign.ts';

/** A target that a claim asked about, and the capacity that its lane had then. */
interface AskedTarget {
  readonly target: Target;
  readonly capacity: number;
}

export interface EngineOptions extends LaneLimits {
  readonly store: Store;
  readonly signSet: SignSet;
  /** True while nothing can be signed. Absent for a signer that always signs. */
  readonly isSigningPaused?: (() => boolean) | undefined;
  readonly client: CallbackClient;
  readonly policy: RetryPolicy;
  readonly breaker: BreakerSettings;
  readonly unresponsive: UnresponsiveSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Optional observer of each attempt. */
  readonly observer?: Observer | undefined;
  readonly financialId: string | undefined;
  readonly leaseMs: number;
  /** Deadline of an attempt; no attempt begins whose lease could run out before it. */
  readonly timeoutMs: number;
  /** How long a record waits for others to share its commit. Nobody waits for it; a crash repeats what was not recorded. */
  readonly recordLingerMs: number;
  /** How often to claim what other instances left in the store; undefined: this is the only instance. */
  readonly pollMs: number | undefined;
}

// Pause after a claim that the store could not answer.
const STORE_PAUSE_MS = 1000;
// How often to ask whether the signer signs again.
const SIGNER_PAUSE_MS = 500;
// While a callback URL ramps up, its allowance grows all the time; a claim is made this often.
const RAMP_CLAIM_MS = 100;
// Released notifications are due again. They are claimed a moment later, so that releasing and claiming never becomes a busy loop.
const RELEASED_CLAIM_MS = 100;
// Recording happens under the lease as well.
const RECORD_MARGIN_MS = 250;
// The part of the queue that must be free before a claim that was cut short is repeated.
const REFILL_PART = 0.25;

const NEVER_MS = Number.POSITIVE_INFINITY;

/**
 * Delivers what is due: claim → sign → deliver → record, each notification on its own, so that nobody waits for a slow
 * TPP. Notifications published by this process are handed over already claimed; the others are claimed when they fall due.
 * The engine sleeps until {@link Engine.wake} or the moment that its state demands (`#nextWakeAt`).
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #lanes: Lanes;
  readonly #alarm: Alarm;
  readonly #sign: EnsureSigned;
  readonly #recording: Batcher<AttemptRecord, RecordResult>;
  readonly #working = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  readonly #stopListening: () => void;
  #claiming: Promise<void> | undefined;
  #claimAgain = false;
  #isStopping = false;
  /** Reserved for publishers that have not committed or cancelled yet. */
  #reserved = 0;
  /** The last claim was cut short, or not made, because too much is claimed already. */
  #isFull = false;
  #isStoreDown = false;
  /** When the last claim was made, by the monotonic clock. */
  #claimedAtMs = Number.NEGATIVE_INFINITY;
  /** When something in the store falls due, as far as is known here, in milliseconds since the epoch. */
  #dueAtMs = NEVER_MS;
  /** When to claim whatever is known, by the monotonic clock. */
  #claimAtMs = NEVER_MS;

  constructor(options: EngineOptions) {
    const { store, clock } = options;
    this.#options = options;
    this.#lanes = new Lanes(options);
    this.#alarm = new Alarm(clock, () => this.wake());
    const common = { clock, giveUp: this.#abort.signal, onStoreError: (error: StoreError) => this.#onStoreDown(error) };
    this.#sign = createSigning({ ...common, store, signSet: options.signSet });
    const write = (records: readonly AttemptRecord[]) => this.#recordAll(records);
    this.#recording = new Batcher({ ...common, write, lingerMs: options.recordLingerMs });
    this.#stopListening = store.onChange(({ retargeted }) => {
      for (const clientId of retargeted) this.#retarget(clientId);
    });
  }

  /** The state of a TPP's breaker in this process. */
  breakerOf(clientId: string): BreakerStatus {
    return this.#lanes.breakerOf(clientId);
  }

  /** Claims what is due now: at start, when a registration changed, when the operator redelivers. */
  wake(): void {
    if (this.#isStopping) return;
    this.#claimAgain = true;
    if (this.#claiming !== undefined) return;
    this.#claiming = this.#claimWhileAsked().finally(() => {
      this.#claiming = undefined;
      // Woken between the last claim and here.
      if (this.#claimAgain) this.wake();
    });
  }

  /** Whether notifications are delivered: not while the engine stops, nor while the store is unavailable. */
  get isDelivering(): boolean {
    return !this.#isStopping && !this.#isStoreDown;
  }

  /** While nothing can be signed, nothing is claimed or taken: it stays in the store, where other instances may claim it. */
  get #isSigningPaused(): boolean {
    return this.#options.isSigningPaused?.() === true;
  }

  /** Reserves capacity for a publisher, who must then call {@link commit} or {@link cancel}. */
  reserve(notifications: number, leasedFromMs: number): Reservation {
    const free = this.#isStopping || this.#isSigningPaused ? 0 : Math.max(this.#lanes.capacity - this.#reserved, 0);
    const limit = Math.min(free, notifications);
    this.#reserved += limit;
    const capacityFor = (target: Target) => this.#lanes.capacityToReserve(target);
    return { leaseMs: this.#options.leaseMs, limit, capacityFor, leasedFromMs };
  }

  /**
   * Takes what a publisher hands over.
   *
   * @param left TPPs for which notifications were left in the store
   */
  commit(reservation: Reservation, claimed: readonly ClaimedNotification[], left: ReadonlySet<string>): void {
    this.#reserved -= reservation.limit;
    this.#take(claimed, reservation.leasedFromMs);
    for (const clientId of left) this.#lanes.noteBacklog(clientId);
    if ([...left].some((clientId) => this.#lanes.wantsMore(clientId))) this.wake();
    this.#setAlarm();
  }

  /** Publishing failed. It may have been committed all the same, and leased to this engine, which then never learns of it. */
  cancel(reservation: Reservation): void {
    this.#reserved -= reservation.limit;
    this.#claimIn(reservation.leaseMs);
    this.#setAlarm();
  }

  /**
   * Takes no more work and lets what is under way finish. After `graceMs` the rest is cut off and released, without counting
   * as an attempt.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#alarm.end();
    this.#stopListening();
    const cancelGrace = this.#options.clock.after(graceMs, () => this.#abort.abort());
    this.#release(this.#lanes.evictAll());
    await this.#claiming;
    while (this.#working.size > 0) await Promise.all(this.#working);
    cancelGrace();
  }

  /**
   * When to claim next, unless something wakes the engine earlier; by the monotonic clock, infinite where no moment is known.
   * A moment is kept until a claim follows it. Where there is no capacity for that claim, `#isFull` repeats it once there is.
   */
  #nextWakeAt(): number {
    const { clock } = this.#options;
    const dueAtMs = clock.monotonicMs() + this.#dueAtMs - clock.nowMs();
    return Math.min(dueAtMs, this.#claimAtMs, this.#lanes.nextTrialAtMs(this.#claimedAtMs));
  }

  /** To be called after every change of the state that `#nextWakeAt` reads. */
  #setAlarm(): void {
    this.#alarm.set(this.#nextWakeAt());
  }

  #dueBy(atMs: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
  }

  #claimIn(delayMs: number): void {
    this.#claimAtMs = Math.min(this.#claimAtMs, this.#options.clock.monotonicMs() + delayMs);
  }

  async #claimWhileAsked(): Promise<void> {
    while (this.#claimAgain && !this.#isStopping) {
      this.#claimAgain = false;
      try {
        await this.#claim();
        // Without a signer the store was not asked.
        if (!this.#isSigningPaused) this.#isStoreDown = false;
        if (this.#options.pollMs !== undefined) this.#claimIn(this.#options.pollMs);
      } catch (error) {
        this.#onStoreDown(error);
        this.#claimAgain = false;
        this.#claimIn(STORE_PAUSE_MS);
      }
      this.#setAlarm();
    }
  }

  /** Drops the moments that have come: the claim that follows is made for them. */
  #dropPassedMoments(): void {
    const { clock } = this.#options;
    this.#claimedAtMs = clock.monotonicMs();
    if (this.#dueAtMs <= clock.nowMs()) this.#dueAtMs = NEVER_MS;
    if (this.#claimAtMs <= this.#claimedAtMs) this.#claimAtMs = NEVER_MS;
  }

  async #claim(): Promise<void> {
    const { store, clock, leaseMs, observer } = this.#options;
    this.#dropPassedMoments();
    if (this.#isSigningPaused) {
      this.#claimIn(SIGNER_PAUSE_MS);
      return;
    }
    const limit = this.#lanes.capacity;
    this.#isFull = limit === 0;
    if (this.#isFull) return;
    const asked = new Map<string, AskedTarget>();
    const notesBefore = this.#lanes.backlogNotes;
    const claim = await store.claimDue({
      nowMs: clock.nowMs(),
      leaseMs,
      limit,
      capacityFor: (target) => {
        const capacity = this.#lanes.capacityFor(target);
        asked.set(target.clientId, { target, capacity });
        return capacity;
      },
      isOnTrial: (target) => this.#lanes.isOnTrial(target),
    });
    this.#isFull = claim.claimed.length >= limit;
    if (claim.takenOver > 0) observer?.record({ kind: 'taken-over', atMs: clock.nowMs(), count: claim.takenOver });
    this.#noteBacklogs(asked, claim, notesBefore);
    this.#take(claim.claimed, this.#claimedAtMs);
    this.#dueBy(claim.nextDueAtMs ?? NEVER_MS);
  }

  /** Notes which TPPs have more in the store than they had capacity for. */
  #noteBacklogs(asked: ReadonlyMap<string, AskedTarget>, { claimed }: Claim, notesBefore: number): void {
    const counts = new Map<string, number>();
    for (const { clientId } of claimed) counts.set(clientId, (counts.get(clientId) ?? 0) + 1);
    for (const [clientId, { target, capacity }] of asked) {
      if ((counts.get(clientId) ?? 0) < capacity) {
        this.#lanes.noteNoBacklog(clientId, notesBefore);
        continue;
      }
      this.#lanes.noteBacklog(clientId);
      if (capacity > 0) continue;
      if (this.#lanes.isRampingUp(target)) this.#claimIn(RAMP_CLAIM_MS);
      // The pause of a breaker that left no capacity may have ended while the store answered.
      if (this.#lanes.capacityFor(target) > 0) this.#claimAgain = true;
    }
  }

  /** @param leasedAtMs when the leases began at the earliest, by the monotonic clock: when the store was asked */
  #take(claimed: readonly ClaimedNotification[], leasedAtMs: number): void {
    const { leaseMs, timeoutMs } = this.#options;
    if (claimed.length === 0) return;
    if (this.#isStopping) {
      this.#release(claimed);
      return;
    }
    const beginByMs = leasedAtMs + leaseMs - timeoutMs - RECORD_MARGIN_MS;
    const { taken, tooMuch } = this.#lanes.take(claimed, beginByMs);
    this.#release(tooMuch);
    for (const one of taken) this.#work(this.#signOne(one));
  }

  /** Signs before the attempt may begin, so that an attempt does not wait for its signature. */
  async #signOne(taken: Taken): Promise<void> {
    let set: string;
    try {
      set = await this.#sign(taken.claimed);
    } catch (error) {
      this.#lanes.unsigned(taken);
      if (!(error instanceof SignerUnavailableError)) throw error;
      this.#release([taken.claimed]);
      return;
    }
    if (!this.#lanes.signed({ ...taken, set })) this.#release([taken.claimed]);
    this.#begin();
  }

  /** Begins the attempts that may begin. */
  #begin(): void {
    if (this.#isStopping) return;
    for (let queued = this.#lanes.begin(); queued !== undefined; queued = this.#lanes.begin()) {
      const { claimed } = queued;
      this.#work(this.#attempt(queued), () => {
        this.#lanes.finished(claimed);
        if (this.#lanes.wantsMore(claimed.clientId) || this.#hasCapacityAgain()) this.wake();
      });
    }
  }

  #hasCapacityAgain(): boolean {
    return this.#isFull && this.#lanes.capacity >= this.#options.queueMax * REFILL_PART;
  }

  /** deliver → record. A notification for which this fails is retried when its lease has run out. */
  async #attempt(queued: Queued): Promise<void> {
    const { claimed } = queued;
    const attempt = await this.#deliver(queued);
    if (attempt !== undefined) this.#note(claimed, attempt.outcome.kind !== 'acknowledged');
    this.#lanes.ended(claimed);
    this.#begin();
    if (attempt === undefined) this.#release([claimed]);
    else await this.#record(claimed, attempt);
  }

  /** @returns undefined when nothing was sent, or the exchange was cut off at shutdown */
  async #deliver({ claimed, set, beginByMs }: Queued): Promise<Attempt | undefined> {
    const { client, clock, random, financialId } = this.#options;
    const abort = this.#abort.signal;
    if (abort.aborted || clock.monotonicMs() > beginByMs) return undefined;
    const { clientId, callbackUrl } = claimed;
    const prepared = { clientId, callbackUrl, set, interactionId: random.uuid(), financialId, abort };
    const attempt = await deliver(prepared, client, clock);
    return abort.aborted && attempt.outcome.kind === 'unreachable' ? undefined : attempt;
  }

  async #record(claimed: ClaimedNotification, attempt: Attempt): Promise<void> {
    const { policy, unresponsive, clock, random, log, observer } = this.#options;
    const context = { policy, unresponsive, fraction: random.fraction(), nowMs: clock.nowMs() };
    const record = { claimed, attempt, next: nextStep(claimed, attempt, context) };
    const result = await this.#recording.run(record);
    logAttempt(log, record, result, context.nowMs);
    observer?.record({ kind: 'attempted', atMs: context.nowMs, record, result });
    if (record.next.kind === 'retry') this.#dueBy(record.next.atMs);
    // Once applied, it may be due again at once: its callback URL recovered meanwhile.
    if (record.next.kind === 'cease') this.#dueBy(result === 'applied' ? context.nowMs : record.next.probeAtMs);
  }

  async #recordAll(records: readonly AttemptRecord[]): Promise<readonly RecordResult[]> {
    const { store, clock, log, observer } = this.#options;
    const { results, turns } = await store.recordAttempts(records, clock.nowMs());
    for (const turn of turns) {
      logTurn(log, turn);
      observer?.record({ kind: 'turned', atMs: turn.atMs, turn });
    }
    return results;
  }

  /** Pauses attempts to a callback URL at which most fail. */
  #note({ clientId, callbackUrl }: ClaimedNotification, hasFailed: boolean): void {
    if (!this.#lanes.note(clientId, hasFailed)) return;
    this.#options.log.warn({ clientId, callbackUrl }, 'most attempts to the callback URL fail: attempts pause');
    this.#release(this.#lanes.evict(clientId, false));
  }

  /** Queued notifications were claimed for a callback URL that may have been replaced since, or is unresponsive. */
  #retarget(clientId: string): void {
    this.#release(this.#lanes.evict(clientId, true));
    this.wake();
  }

  #release(claimed: readonly ClaimedNotification[]): void {
    if (claimed.length === 0) return;
    const { store, clock } = this.#options;
    this.#work(store.release(claimed, clock.nowMs()), () => this.#claimIn(RELEASED_CLAIM_MS));
    for (const { clientId } of claimed) this.#lanes.noteBacklog(clientId);
  }

  /**
   * Never rejects, so that no failure ends the process. After a failure a claim is made at the end of the lease: only the
   * answer to a claim tells when leases run out, and there was none for notifications that were handed over.
   */
  #work(work: Promise<void>, onDone: () => void = () => undefined): void {
    const done = work
      .catch((error) => {
        this.#options.log.error(
          { err: error },
          'work on notifications failed; it is repeated when their leases run out',
        );
        this.#claimIn(this.#options.leaseMs);
      })
      .finally(() => {
        this.#working.delete(done);
        onDone();
        this.#setAlarm();
      });
    this.#working.add(done);
  }

  /** Logs once, not for each failed attempt to reach the store. */
  #onStoreDown(error: unknown): void {
    if (this.#isStoreDown) return;
    this.#isStoreDown = true;
    this.#options.log.error({ err: error }, 'the store is unavailable; deliveries pause');
  }
}
