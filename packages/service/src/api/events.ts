import assert from 'node:assert/strict';
import { ApiError, type OBEventPollingResponse1, type Poll, readPoll, writePollResponse } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { OfferedNotification } from '../model/notification.ts';
import type { Tpp } from '../model/tpp.ts';
import type { PolledNotifications } from '../store/delivery.ts';
import type { Store } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { LongPolls } from './long-poll.ts';
import type { PollSlot } from './poll-limit.ts';

/** Dependencies of `POST /events`. */
export interface EventsContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly longPolls: LongPolls;
  /** Returns the SET of a notification: the same bytes that real-time delivery sends. */
  readonly sign: (offered: OfferedNotification) => Promise<string>;
  readonly limits: PollingLimits;
  /** Optional observer of each poll. */
  readonly observer?: Observer | undefined;
}

/** Settings of aggregated polling. */
export interface PollingLimits {
  readonly maxEventsDefault: number;
  readonly maxEventsMax: number;
  readonly reofferMs: number;
  readonly reofferAfterErrorMs: number;
  /** If false, each SET is offered once and counts as acknowledged when it is offered. */
  readonly isAcknowledgementExpected: boolean;
}

/** The caller of a poll. */
export interface Caller {
  readonly tpp: Tpp;
  /** When its access token expires; undefined if unknown. */
  readonly tokenExpiresAtMs: number | undefined;
  /** Calls back when the connection of the caller ends. @returns cancels that */
  readonly onGone: (callback: () => void) => () => void;
  /** The slot of this poll within the limit of the TPP. */
  readonly slot: PollSlot;
}

// SETs of one poll that are queued for signing at once.
const SIGNATURES_AT_ONCE_MAX = 8;

// Acknowledgements and reports that go into one transaction; a poll may carry ten thousand of each.
const REPORTS_AT_ONCE_MAX = 1000;

const NOTHING_REPORTED = { acknowledged: [], errors: [] };

/**
 * POST /events (rules, section 6): records acknowledgements and reports, then returns awaiting notifications. If there are
 * none and the TPP asks for a long poll, the response waits for one.
 *
 * @throws {ApiError}
 */
export async function pollEvents(
  caller: Caller,
  body: Uint8Array,
  context: EventsContext,
): Promise<OBEventPollingResponse1> {
  const poll = readPoll(body);
  const maxEvents = Math.min(poll.maxEvents ?? context.limits.maxEventsDefault, context.limits.maxEventsMax);
  const isLong = !poll.returnImmediately && maxEvents > 0;
  const polled = isLong
    ? await longPoll(caller, { ...poll, maxEvents }, context)
    : await pollOnce(caller.tpp, { ...poll, maxEvents }, context);
  const sets = await mapBounded(polled.notifications, SIGNATURES_AT_ONCE_MAX, async (offered) => {
    return { jti: offered.jti, set: await context.sign(offered) };
  });
  return writePollResponse(sets, polled.moreAvailable);
}

type PollRequest = Pick<Poll, 'acknowledged' | 'errors'> & { readonly maxEvents: number };

/** Registers the poll before it queries the store, so that it misses nothing that is published meanwhile. */
async function longPoll(caller: Caller, first: PollRequest, context: EventsContext): Promise<PolledNotifications> {
  const { tpp, tokenExpiresAtMs, onGone, slot } = caller;
  const { clientId } = tpp;
  const held = context.longPolls.hold(clientId, tokenExpiresAtMs);
  if (held === undefined) return pollOnce(tpp, first, context);
  const cancel = onGone(held.abort);
  try {
    let polled = await pollOnce(tpp, first, context);
    while (polled.notifications.length === 0) {
      const offerAtMs = await context.store.nextOfferAtMs(clientId);
      slot.hold();
      const end = await held.wait(offerAtMs);
      slot.resume();
      if (end === 'give-up') break;
      polled = await pollOnce(tpp, { maxEvents: first.maxEvents, ...NOTHING_REPORTED }, context);
    }
    return polled;
  } finally {
    cancel();
    held.release();
  }
}

/** Queries awaiting notifications once. It checks each time whether the TPP may poll: that can change during a long poll. */
async function pollOnce({ clientId }: Tpp, { maxEvents, ...reported }: PollRequest, context: EventsContext) {
  const { store, clock, longPolls, limits, observer } = context;
  const [tpp, registrations] = await Promise.all([store.tpp(clientId), store.registrationsOf(clientId)]);
  if (tpp === undefined || tpp.isSuspended === true) {
    throw new ApiError('Forbidden', { message: 'the TPP is suspended, or no longer registered' });
  }
  if (!registrations.some(({ kind }) => kind === 'event-subscription')) {
    throw new ApiError('Forbidden', { message: 'polling needs an event subscription' });
  }
  const reofferMs = limits.isAcknowledgementExpected ? limits.reofferMs : undefined;
  const of = { clientId, reofferMs, reofferAfterErrorMs: limits.reofferAfterErrorMs };
  const portions = portionsOf(reported);
  const polls: PolledNotifications[] = [];
  for (const [at, portion] of portions.entries()) {
    const isLast = at === portions.length - 1;
    polls.push(await store.poll({ ...of, ...portion, maxEvents: isLast ? maxEvents : 0, nowMs: clock.nowMs() }));
  }
  const polled = polls.at(-1);
  assert(polled !== undefined, 'there is at least one portion');
  const acknowledged = polls.flatMap((each) => each.acknowledged);
  const kept = new Set(polls.flatMap((each) => each.reported));
  const errors = reported.errors.filter(({ jti }) => kept.has(jti));
  const offered = polled.notifications.length;
  observer?.record({ kind: 'polled', atMs: clock.nowMs(), clientId, acknowledged, errors, offered });
  // Offered notifications become available again at a time that the held polls of this TPP do not know yet.
  if (polled.notifications.length > 0 || reported.errors.length > 0) longPolls.wake(clientId);
  return polled;
}

/** Splits acknowledgements and reports into at least one portion, each a short transaction. */
function portionsOf({ acknowledged, errors }: Pick<PollRequest, 'acknowledged' | 'errors'>) {
  const count = Math.max(1, Math.ceil(Math.max(acknowledged.length, errors.length) / REPORTS_AT_ONCE_MAX));
  return Array.from({ length: count }, (_, at) => {
    const part = [at * REPORTS_AT_ONCE_MAX, (at + 1) * REPORTS_AT_ONCE_MAX] as const;
    return { acknowledged: acknowledged.slice(...part), errors: errors.slice(...part) };
  });
}

/** Maps in parallel, at most `atOnceMax` at a time, in order. The first failure rejects and starts no further work. */
async function mapBounded<From, To>(
  items: readonly From[],
  atOnceMax: number,
  map: (item: From) => Promise<To>,
): Promise<To[]> {
  const results: To[] = [];
  let next = 0;
  let hasFailed = false;
  const work = async (): Promise<void> => {
    while (next < items.length && !hasFailed) {
      const at = next;
      next += 1;
      try {
        results[at] = await map(items[at] as From);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, work));
  return results;
}
