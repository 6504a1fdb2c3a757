import { CONSENT_ACCESS_REVOKED, CONSENT_AUTHORIZATION_REVOKED, RESOURCE_UPDATE } from '@tidings/protocol';
import fc from 'fast-check';
import type { FoundNotification, SearchFilter } from '../../src/store/search.ts';
import { START_MS } from '../support/fake-clock.ts';

export const HOUR_MS = 3_600_000;
export const CLIENTS = ['a', 'b', 'c'] as const;
export const TYPES = [RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED, CONSENT_ACCESS_REVOKED] as const;
const TRANSACTIONS = ['t1', 't2', 't"3', 't\\4'] as const;
const RESOURCES = ['r1', 'r2', 'r"3', 't1'] as const;
/** Hours after the start of the test, over some buckets of keys. */
const HOURS = [0, 1, 5, 7, 20, 50] as const;

/** What becomes of a notification. */
export type Fate = 'acknowledged' | 'failed' | 'reported' | 'polled' | 'withdrawn' | 'left';

/** An event to publish, and what is to become of it. */
export interface Planned {
  readonly clientId: string;
  readonly transactionId: string | undefined;
  readonly resourceId: string;
  readonly types: readonly string[];
  readonly fate: Fate;
}

/** Published in one go, that many hours after the start. */
export interface Batch {
  readonly hours: number;
  readonly events: readonly Planned[];
}

const planned = fc.record({
  clientId: fc.constantFrom(...CLIENTS),
  transactionId: fc.option(fc.constantFrom(...TRANSACTIONS), { nil: undefined }),
  resourceId: fc.constantFrom(...RESOURCES),
  types: fc.uniqueArray(fc.constantFrom(...TYPES), { minLength: 1 }),
  fate: fc.constantFrom<Fate>('acknowledged', 'failed', 'reported', 'polled', 'withdrawn', 'left', 'left'),
});

/** Some batches, in no order of time. */
export const batches: fc.Arbitrary<Batch[]> = fc.array(
  fc.record({ hours: fc.constantFrom(...HOURS), events: fc.array(planned, { minLength: 1, maxLength: 12 }) }),
  { minLength: 3, maxLength: 5, size: 'max' },
);

/** A notification as the model sees it. */
export interface ModelFound extends FoundNotification {
  /** In the order of publishing. */
  readonly order: number;
  readonly hasFailed: boolean;
}

/** Some filters, most of which mean something of what there is. */
export function filtersOn(all: readonly ModelFound[]): fc.Arbitrary<SearchFilter> {
  const one = fc.constantFrom(...all);
  const timeMs = fc.constantFrom(...HOURS).map((hours) => START_MS + hours * HOUR_MS);
  return fc
    .record(
      {
        jti: fc.oneof({ weight: 9, arbitrary: one.map(({ jti }) => jti) }, fc.constant('nobody')),
        eventId: one.map(({ eventId }) => eventId),
        transactionId: fc.oneof(
          fc.constantFrom(...TRANSACTIONS),
          one.map(({ transactionId }) => transactionId),
        ),
        resourceId: fc.constantFrom(...RESOURCES, 'nothing'),
        clientId: fc.constantFrom(...CLIENTS, 'nobody'),
        eventType: fc.constantFrom(...TYPES, 'subject'),
        state: fc.constantFrom('awaiting', 'acknowledged', 'withdrawn', 'expired', 'failed'),
        publishedFromMs: timeMs,
        publishedBeforeMs: timeMs,
      },
      { requiredKeys: [] },
    )
    .map(({ jti, eventId, ...filter }) => ({
      ...filter,
      // Rarely: they leave nothing for the others to decide.
      ...(jti !== undefined && jti.length % 5 === 0 && { jti }),
      ...(eventId !== undefined && eventId.length % 5 === 0 && { eventId }),
    }));
}

/** What a search must answer, in its order. */
export function searchModel(all: readonly ModelFound[], filter: SearchFilter): FoundNotification[] {
  const { jti, eventId, transactionId, resourceId, clientId, eventType, state } = filter;
  const { publishedFromMs = 0, publishedBeforeMs = Number.POSITIVE_INFINITY } = filter;
  const is = (wanted: string | undefined, actual: string | undefined) => wanted === undefined || wanted === actual;
  return all
    .filter((one) => is(jti, one.jti) && is(eventId, one.eventId) && is(clientId, one.clientId))
    .filter((one) => is(transactionId, one.transactionId) && is(resourceId, one.resourceId))
    .filter(({ eventTypes }) => eventType === undefined || eventTypes.includes(eventType))
    .filter((one) => (state === 'failed' ? one.state === 'awaiting' && one.hasFailed : is(state, one.state)))
    .filter(({ publishedAtMs }) => publishedAtMs >= publishedFromMs && publishedAtMs < publishedBeforeMs)
    .sort((left, right) => right.publishedAtMs - left.publishedAtMs || right.order - left.order)
    .map(({ order: _, hasFailed: __, ...found }) => found);
}
