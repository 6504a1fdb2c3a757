import assert from 'node:assert/strict';
import { ApiError, type OBEventPollingResponse1, type Poll, readPoll, writePollResponse } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { OfferedNotification } from '../model/notification.ts';
import type { Tpp } from '../model/tpp.ts';
import type { PolledNotifications } from '../store/delivery.ts';
import type { Store } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import type { LongPolls } from './long-poll.ts';
import { mapBounded } from './map-bounded.ts';
import type { PollSlot } from './poll-limit.ts';

/** Dependencies of `POST /events`. */
export interface EventsContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly longPolls: LongPolls;
  /** Gives the SET of a notification: the very bytes that real-time delivery sends. */
  readonly sign: (offered: OfferedNotification) => Promise<string>;
  readonly limits: PollingLimits;
  /** Optional observer of each poll. */
  readonly observer?: Observer | undefined;
}

/** How the ASPSP answers polls. */
export interface PollingLimits {
  readonly maxEventsDefault: number;
  readonly maxEventsMax: number;
  readonly reofferMs: number;
  readonly reofferAfterErrorMs: number;
  /** False: each SET is offered once, and being offered acknowledges it. */
  readonly isAcknowledgementExpected: boolean;
}

/** The caller that waits for the answer. */
export interface Caller {
  readonly tpp: Tpp;
  /** When its access token expires; undefined: nobody knows when. */
  readonly tokenExpiresAtMs: number | undefined;
  /** Calls back when the caller's connection ends. @returns takes it back */
  readonly onGone: (callback: () => void) => () => void;
  /** The place that the poll has among those of the TPP. */
  readonly slot: PollSlot;
}

// So many SETs of one poll wait to be signed at once; the rest are not begun.
const SIGNATURES_AT_ONCE_MAX = 8;

// A poll may bring ten thousand of each.
const REPORTS_AT_ONCE_MAX = 1000;

const NOTHING_REPORTED = { acknowledged: [], errors: [] };

/**
 * POST /events (rules, section 6): acknowledge and report, then get what is awaiting. Where nothing is and the TPP asks
 * for a long poll, the answer waits for it.
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
    : await look(caller.tpp, { ...poll, maxEvents }, context);
  const sets = await mapBounded(polled.notifications, SIGNATURES_AT_ONCE_MAX, async (offered) => {
    return { jti: offered.jti, set: await context.sign(offered) };
  });
  return writePollResponse(sets, polled.moreAvailable);
}

type Look = Pick<Poll, 'acknowledged' | 'errors'> & { readonly maxEvents: number };

/** Holds the poll before it looks, so that nothing that comes meanwhile is missed. */
async function longPoll(caller: Caller, first: Look, context: EventsContext): Promise<PolledNotifications> {
  const { tpp, tokenExpiresAtMs, onGone, slot } = caller;
  const { clientId } = tpp;
  const held = context.longPolls.hold(clientId, tokenExpiresAtMs);
  if (held === undefined) return look(tpp, first, context);
  const stayed = onGone(held.abort);
  try {
    let polled = await look(tpp, first, context);
    while (polled.notifications.length === 0) {
      const offerAtMs = await context.store.nextOfferAtMs(clientId);
      slot.hold();
      const end = await held.wait(offerAtMs);
      slot.resume();
      if (end === 'give-up') break;
      polled = await look(tpp, { maxEvents: first.maxEvents, ...NOTHING_REPORTED }, context);
    }
    return polled;
  } finally {
    stayed();
    held.release();
  }
}

/** One look at what is awaiting. Whether the TPP may poll is asked each time: a long poll outlives the answer. */
async function look({ clientId }: Tpp, { maxEvents, ...reported }: Look, context: EventsContext) {
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
  // What is withheld now comes back at a time that the held polls of this TPP do not know of yet.
  if (polled.notifications.length > 0 || reported.errors.length > 0) longPolls.wake(clientId);
  return polled;
}

/** Acknowledgements and reports in parts, at least one, each a transaction that others need not wait long for. */
function portionsOf({ acknowledged, errors }: Pick<Look, 'acknowledged' | 'errors'>) {
  const count = Math.max(1, Math.ceil(Math.max(acknowledged.length, errors.length) / REPORTS_AT_ONCE_MAX));
  return Array.from({ length: count }, (_, at) => {
    const part = [at * REPORTS_AT_ONCE_MAX, (at + 1) * REPORTS_AT_ONCE_MAX] as const;
    return { acknowledged: acknowledged.slice(...part), errors: errors.slice(...part) };
  });
}
