import type { EventTypeCatalogue } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { orderedUuid } from '../base/random.ts';
import type { BankEvent } from '../model/event.ts';
import type { ClaimedNotification } from '../model/notification.ts';
import type { PublishResult, ReserveOptions } from '../store/delivery.ts';
import type { Store } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import { fanOut } from './fan-out.ts';

/** Publishes events of the bank; see {@link createPublisher}. */
export type Publish = (events: readonly BankEvent[]) => Promise<PublishResult>;

/** Capacity that a dispatcher keeps free for the notifications of one publication. */
export interface Reservation extends ReserveOptions {
  /** When it was made, by the monotonic clock: the earliest begin of the leases of what is handed over. */
  readonly reservedAtMs: number;
}

/** Delivers published notifications: the engine of this process. */
export interface Dispatcher {
  /** Reserves capacity for so many notifications, as far as it is free; must be committed or cancelled. */
  reserve(notifications: number): Reservation;
  commit(reservation: Reservation, claimed: readonly ClaimedNotification[], left: ReadonlySet<string>): void;
  /** In place of {@link Dispatcher.commit}, when it is unknown whether anything was published and leased. */
  cancel(reservation: Reservation): void;
}

/**
 * Makes the function that publishes events. Events and notifications are committed in one transaction before its promise
 * resolves. All or nothing, and idempotent by the event's `id`.
 *
 * @param options.dispatcher is handed the new notifications, as many as it can take; undefined where nothing is pushed
 */
export function createPublisher(options: {
  store: Store;
  issuer: string;
  catalogue: EventTypeCatalogue;
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
  return async (events) => {
    const nowMs = clock.nowMs();
    const context = { issuer, catalogue, nowMs, newJti: () => orderedUuid(nowMs, random.uuid()) };
    const decide = fanOut.bind(undefined, context);
    if (dispatcher === undefined) return store.publish(events, decide, nowMs);
    const reservation = dispatcher.reserve(events.length);
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
