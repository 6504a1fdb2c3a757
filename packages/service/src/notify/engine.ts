import type { JwsSigner } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Attempt } from '../model/attempt.ts';
import type { ClaimedNotification, Target } from '../model/notification.ts';
import type { CallbackClient } from '../net/callback-client.ts';
import type { AttemptRecord, Claim, RecordResult } from '../store/delivery.ts';
import type { Store, StoreError } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { SigningQueue } from '../trust/signing-queue.ts';
import { Alarm } from './alarm.ts';
import { deliver, logAttempt, nextStep } from './attempt.ts';
import { Batcher } from './batcher.ts';
import type { BreakerSettings } from './breaker.ts';
import { type BreakerNow, type LaneLimits, Lanes, type Queued, type Taken } from './lanes.ts';
import type { Reservation } from './publish.ts';
import type { RetryPolicy, UnresponsiveSettings } from './retry-policy.ts';
import { createSigning, type EnsureSigned } from './sign.ts';

/** A target that a claim asked about, and the capacity of its lane then. */
interface AskedTarget {
  readonly target: Target;
  readonly capacity: number;
}

export interface EngineOptions extends LaneLimits {
  readonly store: Store;
  readonly signer: JwsSigner;
  readonly signingQueue: SigningQueue;
  readonly client: CallbackClient;
  readonly policy: RetryPolicy;
  readonly breaker: BreakerSettings;
  readonly unresponsive: UnresponsiveSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Optional observer of each attempt and each signature. */
  readonly observer?: Observer | undefined;
  readonly financialId: string | undefined;
  readonly leaseMs: number;
  /** Deadline of an attempt; no attempt begins whose lease could run out before it. */
  readonly timeoutMs: number;
  /** How long a record waits for others to share its commit: nobody waits for it. A crash repeats what was not recorded. */
  readonly recordLingerMs: number;
  /** How often the store is looked at for what other instances left; undefined: this is the only one. */
  readonly lookMs: number | undefined;
}

// How long the engine leaves a store alone that could not answer a claim.
const STORE_PAUSE_MS = 1000;
// While a callback URL ramps up its allowance grows all the time; it is looked at this often.
const RAMP_LOOK_MS = 100;
// What was handed back is due again; it is looked for a moment later, so that giving and taking never becomes a loop.
const HANDED_BACK_LOOK_MS = 100;
// Recording happens under the lease as well.
const RECORD_MARGIN_MS = 250;
// Of the places for what is claimed, how many must be free before a claim that was cut short is made again.
const REFILL_PART = 0.25;

/**
 * Delivers what is due: claim → sign → deliver → record, each notification on its own, so that nobody waits for a slow
 * TPP. What this process publishes is handed over to it already claimed; the rest it claims when it falls due. It sleeps
 * until something is due or until it is woken.
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
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #isStopping = false;
  /** Reserved for publishers that have not committed or cancelled yet. */
  #reserved = 0;
  /** A claim was cut short because too much is claimed already. */
  #isFull = false;
  #isStoreAway = false;

  constructor(options: EngineOptions) {
    const { store, clock } = options;
    this.#options = options;
    this.#lanes = new Lanes(options);
    this.#alarm = new Alarm(clock, () => this.wake());
    const common = { clock, giveUp: this.#abort.signal, onStoreError: (error: StoreError) => this.#storeIsAway(error) };
    const { signer, signingQueue, observer } = options;
    this.#sign = createSigning({ ...common, store, signer, queueOf: () => signingQueue.forDelivery, observer });
    const write = (records: readonly AttemptRecord[]) => this.#recordAll(records);
    this.#recording = new Batcher({ ...common, write, lingerMs: options.recordLingerMs });
    this.#stopListening = store.onChange(({ retargeted }) => {
      for (const clientId of retargeted) this.#retarget(clientId);
    });
  }

  /** How the breaker of a TPP stands in this process. */
  breakerOf(clientId: string): BreakerNow {
    return this.#lanes.breakerOf(clientId);
  }

  /** Looks for work now: at start, when a registration changed, when the operator redelivers. */
  wake(): void {
    if (this.#isStopping) return;
    this.#lookAgain = true;
    if (this.#looking !== undefined) return;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      // Woken between the last look and here.
      if (this.#lookAgain) this.wake();
    });
  }

  /** Whether it delivers: not while it stops, nor while the store does not answer. */
  get isDelivering(): boolean {
    return !this.#isStopping && !this.#isStoreAway;
  }

  /** Reserves what publishing may hand over at once; whoever reserves must call {@link commit} or {@link cancel} then. */
  reserve(): Reservation {
    const limit = this.#isStopping ? 0 : Math.max(this.#lanes.capacity - this.#reserved, 0);
    this.#reserved += limit;
    const { leaseMs, clock } = this.#options;
    const capacityFor = (target: Target) => this.#lanes.capacityToReserve(target);
    return { leaseMs, limit, capacityFor, reservedAtMs: clock.monotonicMs() };
  }

  /**
   * Takes what publishing handed over.
   *
   * @param left TPPs that have more, which was not handed over
   */
  commit(reservation: Reservation, claimed: readonly ClaimedNotification[], left: ReadonlySet<string>): void {
    this.#reserved -= reservation.limit;
    this.#take(claimed, reservation.reservedAtMs);
    for (const clientId of left) this.#lanes.noteBacklog(clientId);
    this.#lookAtTrial();
    if ([...left].some((clientId) => this.#lanes.wantsMore(clientId))) this.wake();
  }

  /** Publishing failed, but may have been kept, and leased to this engine, which then never learns of it. */
  cancel(reservation: Reservation): void {
    this.#reserved -= reservation.limit;
    this.#alarm.in(reservation.leaseMs);
  }

  /**
   * Takes no more work and lets what is under way finish; after `graceMs` it is cut off and handed back, without
   * counting as an attempt.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#alarm.end();
    this.#stopListening();
    const cancelGrace = this.#options.clock.after(graceMs, () => this.#abort.abort());
    this.#handBack(this.#lanes.evictAll());
    await this.#looking;
    while (this.#working.size > 0) await Promise.all(this.#working);
    cancelGrace();
  }

  async #look(): Promise<void> {
    while (this.#lookAgain && !this.#isStopping) {
      this.#lookAgain = false;
      try {
        const nextDueAtMs = await this.#claim();
        this.#isStoreAway = false;
        if (nextDueAtMs !== undefined) this.#alarm.at(nextDueAtMs);
        this.#lookAtTrial();
        if (this.#options.lookMs !== undefined) this.#alarm.in(this.#options.lookMs);
      } catch (error) {
        this.#storeIsAway(error);
        this.#lookAgain = false;
        this.#alarm.in(STORE_PAUSE_MS);
      }
    }
  }

  /** @returns when something falls due */
  async #claim(): Promise<number | undefined> {
    const { store, clock, leaseMs, observer } = this.#options;
    const limit = this.#lanes.capacity;
    this.#isFull = limit === 0;
    if (this.#isFull) return undefined;
    const asked = new Map<string, AskedTarget>();
    const notesBefore = this.#lanes.backlogNotes;
    const askedAtMs = clock.monotonicMs();
    const claim = await store.claimDue({
      nowMs: clock.nowMs(),
      leaseMs,
      limit,
      capacityFor: (target) => {
        const capacity = this.#lanes.capacityFor(target);
        asked.set(target.clientId, { target, capacity });
        return capacity;
      },
    });
    this.#isFull = claim.claimed.length >= limit;
    if (claim.takenOver > 0) observer?.record({ kind: 'taken-over', atMs: clock.nowMs(), count: claim.takenOver });
    this.#noteBacklogs(asked, claim, notesBefore);
    this.#take(claim.claimed, askedAtMs);
    return claim.nextDueAtMs;
  }

  /** Notes which TPPs have more in the store than they had capacity for, and when to look for it. */
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
      if (this.#lanes.isRampingUp(target)) this.#alarm.in(RAMP_LOOK_MS);
      // The pause of a breaker that left no capacity may have ended while the store answered.
      if (this.#lanes.capacityFor(target) > 0) this.#lookAgain = true;
    }
  }

  /** @param askedAtMs when the store was asked, by the monotonic clock: their leases began then, however late they come */
  #take(claimed: readonly ClaimedNotification[], askedAtMs: number): void {
    const { leaseMs, timeoutMs } = this.#options;
    if (claimed.length === 0) return;
    if (this.#isStopping) {
      this.#handBack(claimed);
      return;
    }
    const beginByMs = askedAtMs + leaseMs - timeoutMs - RECORD_MARGIN_MS;
    const { taken, tooMuch } = this.#lanes.take(claimed, beginByMs);
    this.#handBack(tooMuch);
    for (const one of taken) this.#work(this.#signOne(one));
  }

  /** Signs it before its turn comes, so that the turn is short. */
  async #signOne(taken: Taken): Promise<void> {
    let set: string;
    try {
      set = await this.#sign(taken.claimed);
    } catch (error) {
      this.#lanes.unsigned(taken);
      throw error;
    }
    if (!this.#lanes.signed({ ...taken, set })) this.#handBack([taken.claimed]);
    this.#begin();
  }

  /** Begins what may begin. */
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

  /** deliver → record. What fails here is tried again when the lease has run out. */
  async #attempt(queued: Queued): Promise<void> {
    const { claimed } = queued;
    const attempt = await this.#deliver(queued);
    if (attempt !== undefined) this.#note(claimed, attempt.outcome.kind !== 'acknowledged');
    this.#lanes.ended(claimed);
    this.#begin();
    if (attempt === undefined) this.#handBack([claimed]);
    else await this.#record(claimed, attempt);
  }

  /** @returns undefined when nothing was sent, or what was sent was cut off at shutdown */
  async #deliver({ claimed, set, beginByMs }: Queued): Promise<Attempt | undefined> {
    const { client, clock, random, financialId } = this.#options;
    const abort = this.#abort.signal;
    if (abort.aborted || clock.monotonicMs() > beginByMs) return undefined;
    const { clientId, callbackUrl } = claimed;
    const delivery = { clientId, callbackUrl, set, interactionId: random.uuid(), financialId, abort };
    const attempt = await deliver(delivery, client, clock);
    return abort.aborted && attempt.outcome.kind === 'unreachable' ? undefined : attempt;
  }

  async #record(claimed: ClaimedNotification, attempt: Attempt): Promise<void> {
    const { policy, unresponsive, clock, random, log, observer } = this.#options;
    const context = { policy, unresponsive, fraction: random.fraction(), nowMs: clock.nowMs() };
    const record = { claimed, attempt, next: nextStep(claimed, attempt, context) };
    const result = await this.#recording.run(record);
    logAttempt(log, record, result, context.nowMs);
    observer?.record({ kind: 'attempted', atMs: context.nowMs, record, result });
    if (record.next.kind === 'retry') this.#alarm.at(record.next.atMs);
    // Applied, it may be due again at once: its callback URL recovered meanwhile.
    if (record.next.kind === 'cease') this.#alarm.at(result === 'applied' ? context.nowMs : record.next.probeAtMs);
  }

  #recordAll(records: readonly AttemptRecord[]): Promise<readonly RecordResult[]> {
    return this.#options.store.recordAttempts(records, this.#options.clock.nowMs());
  }

  /** A callback URL at which most attempts fail is left alone for a while. */
  #note({ clientId, callbackUrl }: ClaimedNotification, hasFailed: boolean): void {
    const { log, clock } = this.#options;
    const { hasOpened, trialAtMs } = this.#lanes.note(clientId, hasFailed);
    if (trialAtMs === undefined) return;
    this.#alarm.in(trialAtMs - clock.monotonicMs());
    if (!hasOpened) return;
    log.warn({ clientId, callbackUrl }, 'most attempts to the callback URL fail: they pause');
    this.#handBack(this.#lanes.evict(clientId, false));
  }

  /** When a breaker lets an attempt be tried, what waits behind it is looked for. */
  #lookAtTrial(): void {
    const trialAtMs = this.#lanes.nextTrialAtMs();
    if (trialAtMs !== undefined) this.#alarm.in(trialAtMs - this.#options.clock.monotonicMs());
  }

  /** Notifications that wait for an attempt were claimed for a callback URL that may no longer be the one, or is unresponsive. */
  #retarget(clientId: string): void {
    this.#handBack(this.#lanes.evict(clientId, true));
    this.wake();
  }

  #handBack(claimed: readonly ClaimedNotification[]): void {
    if (claimed.length === 0) return;
    const { store, clock } = this.#options;
    this.#work(store.release(claimed, clock.nowMs()), () => {
      if (!this.#isStopping) this.#alarm.in(HANDED_BACK_LOOK_MS);
    });
    for (const { clientId } of claimed) this.#lanes.noteBacklog(clientId);
  }

  /**
   * Never rejects, so that nothing of it can end the process. What was handed over has no alarm for the end of its lease,
   * so a failure sets one.
   */
  #work(work: Promise<void>, onDone: () => void = () => undefined): void {
    const done = work
      .catch((error) => {
        this.#options.log.error(
          { err: error },
          'work on notifications could not be completed; their leases will run out',
        );
        this.#alarm.in(this.#options.leaseMs);
      })
      .finally(() => {
        this.#working.delete(done);
        onDone();
      });
    this.#working.add(done);
  }

  /** Says it once, not at each attempt to reach it. */
  #storeIsAway(error: unknown): void {
    if (this.#isStoreAway) return;
    this.#isStoreAway = true;
    this.#options.log.error({ err: error }, 'the store did not answer; deliveries pause');
  }
}
