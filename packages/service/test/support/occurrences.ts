import assert from 'node:assert/strict';
import type { Outcome } from '../../src/model/attempt.ts';
import type { NoNotificationReason } from '../../src/model/event.ts';
import type { PublishOutcome, RecordResult } from '../../src/store/delivery.ts';
import type { Occurrence } from '../../src/telemetry/observer.ts';
import { bankEvent, jtiOf, notifyAll, urlOf } from './bank-events.ts';
import { START_MS } from './fake-clock.ts';

type Made = {
  readonly clientId: string;
  readonly id: string;
  readonly repeated?: boolean;
  readonly none?: NoNotificationReason;
};

/** Events of a batch were published. */
export function published(made: readonly Made[], atMs = START_MS): Occurrence {
  const events = made.map(({ clientId, id }) => bankEvent(clientId, id));
  const outcomes = made.map(({ id, repeated = false, none }): PublishOutcome => {
    const common = { eventId: id, repeated };
    return none === undefined
      ? { ...common, kind: 'notification', jti: jtiOf(id) }
      : { ...common, kind: 'none', reason: none };
  });
  return { kind: 'published', atMs, events, result: { kind: 'published', outcomes, claimed: [] }, durationMs: 1 };
}

/** A notification that was published at the start was attempted for the second time. */
export function attempted(
  clientId: string,
  id: string,
  outcome: Outcome,
  { result = 'applied', atMs = START_MS }: { readonly result?: RecordResult; readonly atMs?: number } = {},
): Occurrence {
  const fanOut = notifyAll(bankEvent(clientId, id), undefined, undefined);
  const claims = fanOut.kind === 'notification' ? fanOut.claims : assert.fail('every event is notified');
  const callbackUrl = urlOf(clientId);
  const claimed = {
    ...{
      jti: jtiOf(id),
      clientId,
      callbackUrl,
      claims,
      set: undefined,
      publishedAtMs: START_MS,
      attempts: 1,
      round: 0,
    },
    ...{ roundAttempts: 1, roundBeganAtMs: undefined, retry: undefined, probe: undefined, leaseToken: 1 },
    traceContext: undefined,
  };
  const attempt = { startedAtMs: atMs, durationMs: 12.4, interactionId: 'i', callbackUrl, outcome };
  return { kind: 'attempted', atMs, record: { claimed, attempt, next: { kind: 'acknowledged' } }, result };
}

/** A poll acknowledged these, published at the start, and reported errors of those. */
export function polled(
  clientId: string,
  { acknowledged = [], errors = [], by = 'poll', atMs = START_MS }: PolledParts,
): Occurrence {
  return {
    ...{ kind: 'polled', atMs, clientId, offered: 0 },
    acknowledged: acknowledged.map((id) => ({ jti: jtiOf(id), publishedAtMs: START_MS, by })),
    errors: errors.map(([id, err]) => ({ jti: jtiOf(id), err, description: 'about somebody' })),
  };
}

interface PolledParts {
  readonly acknowledged?: readonly string[];
  readonly errors?: readonly (readonly [string, string])[];
  readonly by?: 'poll' | 'offer';
  readonly atMs?: number;
}
