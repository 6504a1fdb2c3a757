import { isDeepStrictEqual } from 'node:util';
import type { EventTypeCatalogue, SetClaims } from '@tidings/protocol';
import { withTimeout } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import type { Random } from '../base/random.ts';
import { orderedUuid } from '../base/random.ts';
import type { BankEvent } from '../model/event.ts';
import type { ClaimedNotification } from '../model/notification.ts';
import type { Registration } from '../model/registration.ts';
import type { DecideFanOut, PublishResult, ReserveOptions } from '../store/delivery.ts';
import type { Store } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import { type FanOutContext, fanOut, fanOutTo, type Subscribed } from './fan-out.ts';
import type { SetSigner } from './sign.ts';

/** Publishes events of the bank; see {@link createPublisher}. */
export type Publish = (events: readonly BankEvent[]) => Promise<PublishResult>;

/** Capacity that a dispatcher keeps free for the notifications of one publication. */
export interface Reservation extends ReserveOptions {
  /** The earliest begin of the leases of what is handed over, by the monotonic clock. */
  readonly leasedFromMs: number;
}

/** Delivers published notifications: the engine of this process. */
export interface Dispatcher {
  /**
   * Reserves capacity for so many notifications, as far as it is free; must be committed or cancelled.
   *
   * @param leasedFromMs the earliest begin of their leases, by the monotonic clock
   */
  reserve(notifications: number, leasedFromMs: number): Reservation;
  commit(reservation: Reservation, claimed: readonly ClaimedNotification[], left: ReadonlySet<string>): void;
  /** In place of {@link Dispatcher.commit}, when it is unknown whether anything was published and leased. */
  cancel(reservation: Reservation): void;
}

/**
 * Makes the function that publishes events. Events, notifications and the SETs that could be signed in time are committed in
 * one transaction before its promise resolves. All or nothing, and idempotent by the event's `id`.
 *
 * @param options.dispatcher is handed the new notifications, as many as it can take; undefined where nothing is pushed
 */
export function createPublisher(options: {
  store: Store;
  issuer: string;
  catalogue: EventTypeCatalogue;
  setSigner: SetSigner;
  clock: Clock;
  random: Random;
  dispatcher: Dispatcher | undefined;
  /** Optional observer of each publication. */
  observer?: Observer | undefined;
}): Publish {
  const { clock, observer } = options;
  const publish = createUnobserved(options);
  if (observer === undefined) return publish;
  return async (events) => {
    const beganMs = clock.monotonicMs();
    try {
      const result = await publish(events);
      const durationMs = clock.monotonicMs() - beganMs;
      observer.record({ kind: 'published', atMs: clock.nowMs(), events, result, durationMs });
      return result;
    } catch (error) {
      observer.record({ kind: 'publishing-failed', atMs: clock.nowMs(), events });
      throw error;
    }
  };
}

function createUnobserved(options: Parameters<typeof createPublisher>[0]): Publish {
  const { store, issuer, catalogue, clock, random, dispatcher } = options;
  const earlySigning = new EarlySigning(options);
  return async (events) => {
    const nowMs = clock.nowMs();
    const beganMs = clock.monotonicMs();
    const context = { issuer, catalogue, nowMs, newJti: () => orderedUuid(nowMs, random.uuid()) };
    const decide = await earlySigning.prepare(events, context);
    if (dispatcher === undefined) return store.publish(events, decide, nowMs);
    // Only now, because it holds capacity that other publications could use.
    const reservation = dispatcher.reserve(events.length, beganMs);
    let result: PublishResult;
    try {
      result = await store.publish(events, decide, nowMs, reservation);
    } catch (error) {
      dispatcher.cancel(reservation);
      throw error;
    }
    if (result.kind === 'published') dispatcher.commit(reservation, result.claimed, leftOf(events, result));
    else dispatcher.commit(reservation, [], new Set());
    return result;
  };
}

/** The TPPs with a new notification that was not handed over. */
function leftOf(events: readonly BankEvent[], result: PublishResult & { kind: 'published' }): ReadonlySet<string> {
  const handedOver = new Set(result.claimed.map(({ jti }) => jti));
  const left = new Set<string>();
  for (const [at, outcome] of result.outcomes.entries()) {
    const clientId = events[at]?.clientId;
    const isNew = outcome.kind === 'notification' && !outcome.repeated;
    if (isNew && clientId !== undefined && !handedOver.has(outcome.jti)) left.add(clientId);
  }
  return left;
}

// How long a publication waits for its signatures at most. A signature takes a fraction of a millisecond, more where many
// publications wait for theirs.
const BUDGET_MS = 50;
const BUDGET_PER_NOTIFICATION_MS = 2;
// Signatures of one publication at once. With fewer the thread pool runs dry between two of them, and waking its threads
// costs more than the queueing does; with more, other publications would wait for long.
const AT_ONCE_MAX = 100;
// A signer that failed, or made no signature for so long, is left to the engine for a while.
const STALLED_MS = 50;
const PAUSE_MS = 1000;
// A timer that fires so much too late tells of a busy main thread.
const BUSY_MS = 10;
// TPPs whose registration is remembered, and those of one publication that are read because they are not.
const REGISTRATIONS_MAX = 10_000;
const READ_MAX = 100;

/** The registration of a TPP as it was seen last. */
interface Seen {
  /** Undefined: there was none. */
  readonly subscribed: Subscribed | undefined;
  readonly isPushed: boolean;
}

/** The notification that an event becomes if the registration is still the one that was seen last. */
interface Expected {
  readonly seen: Seen;
  readonly claims: SetClaims;
  set: string | undefined;
}

/** Dependencies of early signing. */
interface EarlySigningOptions {
  readonly store: Pick<Store, 'registrationsOf'>;
  readonly setSigner: SetSigner;
  readonly clock: Clock;
}

/**
 * Signs notifications before they are committed, so that event, notification and SET share one transaction. What is
 * signed follows from the registration as it was seen last: by a publication, or else by a read. The transaction decides:
 * where it finds another registration, the signature is dropped, and the notification is signed later, as is one whose
 * signature was not made within the budget. Publishing never fails because of the signer.
 */
export class EarlySigning {
  readonly #options: EarlySigningOptions;
  readonly #registrations = new LruMap<string, Seen>(REGISTRATIONS_MAX);
  /** Until when nothing is signed early, by the monotonic clock. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: EarlySigningOptions) {
    this.#options = options;
  }

  /** Signs what the events are expected to become. @returns how to decide in the transaction */
  async prepare(events: readonly BankEvent[], context: FanOutContext): Promise<DecideFanOut> {
    const expected = new Map<BankEvent, Expected>();
    if (this.#options.clock.monotonicMs() >= this.#pausedUntilMs) {
      await this.#readUnseen(events);
      this.#expect(events, context, expected);
      if (expected.size > 0) await this.#sign([...expected.values()]);
    }
    return (event, tpp, registration) => {
      const known = expected.get(event);
      const seen = this.#remember(event.clientId, registration, known?.seen);
      // The claims follow from event and registration, so the same registration makes the same claims.
      if (tpp === undefined || known === undefined || seen !== known.seen) {
        return fanOut(context, event, tpp, registration);
      }
      return { kind: 'notification', claims: known.claims, set: known.set };
    };
  }

  /** A store that cannot be read says so when it is written to. */
  async #readUnseen(events: readonly BankEvent[]): Promise<void> {
    const clientIds = new Set(events.map(({ clientId }) => clientId));
    const unseen = [...clientIds].filter((clientId) => this.#registrations.get(clientId) === undefined);
    const read = async (clientId: string) => {
      const [effective] = await this.#options.store.registrationsOf(clientId);
      this.#remember(clientId, effective, undefined);
    };
    await Promise.allSettled(unseen.slice(0, READ_MAX).map(read));
  }

  #expect(events: readonly BankEvent[], context: FanOutContext, expected: Map<BankEvent, Expected>): void {
    for (const event of events) {
      const seen = this.#registrations.get(event.clientId);
      if (seen?.subscribed === undefined) continue;
      const outcome = fanOutTo(context, event, seen.subscribed);
      if (outcome.kind === 'notification') expected.set(event, { ...outcome, seen });
    }
  }

  /** @returns `before` where the registration is the same */
  #remember(clientId: string, registration: Registration | undefined, before: Seen | undefined): Seen {
    const seen = {
      subscribed: registration && subscribedOf(registration),
      isPushed: registration?.callbackUrl !== undefined,
    };
    if (before !== undefined && isDeepStrictEqual(seen, before)) return before;
    this.#registrations.set(clientId, seen);
    return seen;
  }

  /** Signs as many as the budget allows. Never rejects: the engine signs what is not signed, and logs why it cannot. */
  async #sign(expected: readonly Expected[]): Promise<void> {
    const { setSigner, clock } = this.#options;
    const endsAtMs = clock.monotonicMs() + BUDGET_MS + BUDGET_PER_NOTIFICATION_MS * expected.length;
    const waiting = expected.values();
    let isOver = false;
    const signSome = async () => {
      for (const one of waiting) {
        if (isOver) return;
        one.set = await (one.seen.isPushed ? setSigner.forDelivery(one.claims) : setSigner.forPoll(one.claims));
      }
    };
    const signing = Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, expected.length) }, signSome));
    const ended = signing.then(
      () => 'signed' as const,
      () => 'failed' as const,
    );
    while (!isOver) {
      const beganMs = clock.monotonicMs();
      const stepMs = Math.min(endsAtMs - beganMs, STALLED_MS);
      const state = await withTimeout(clock, stepMs, ended).catch(() => 'late' as const);
      const nowMs = clock.monotonicMs();
      // A busy main thread notices both late, the time and the signatures, and the time first. The signer is not to blame.
      const wasBusy = nowMs - beganMs - stepMs >= BUSY_MS;
      const isStalled = state === 'late' && !wasBusy && nowMs - setSigner.signedAtMs() >= STALLED_MS;
      const isAway = state === 'failed' || isStalled;
      if (isAway) this.#pausedUntilMs = nowMs + PAUSE_MS;
      isOver = isAway || state === 'signed' || nowMs >= endsAtMs;
    }
  }
}

function subscribedOf({ kind, version, eventTypes }: Registration): Subscribed {
  return { kind, version, eventTypes };
}
