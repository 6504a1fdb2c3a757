import type { EventTypeCatalogue } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { BankEvent, PublishResult, Store } from '../store/store.ts';
import { fanOut } from './fan-out.ts';

/** Hands events of the bank in; see {@link createPublisher}. */
export type Publish = (events: readonly BankEvent[]) => Promise<PublishResult>;

/**
 * Makes the way in for events. What it answers is durable: event and notifications are committed in one transaction
 * before its promise resolves. All or nothing, and idempotent by the event's `id`.
 *
 * @param options.onPublished called after a commit that made notifications, so that the engine looks for them at once
 */
export function createPublisher(options: {
  store: Store;
  issuer: string;
  catalogue: EventTypeCatalogue;
  clock: Clock;
  random: Random;
  onPublished: () => void;
}): Publish {
  const { store, issuer, catalogue, clock, random } = options;
  return async (events) => {
    const nowMs = clock.nowMs();
    const context = { issuer, catalogue, nowMs, newJti: () => random.uuid() };
    const result = await store.publish(events, fanOut.bind(undefined, context), nowMs);
    const madeSome =
      result.kind === 'published' && result.outcomes.some((one) => one.kind === 'notification' && !one.repeated);
    if (madeSome) options.onPublished();
    return result;
  };
}
