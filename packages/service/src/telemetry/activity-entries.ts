import type { ActivityEntry } from '../model/activity.ts';
import { attemptClassOf } from './attempt-class.ts';
import type { Occurrence } from './observer.ts';

// A code of a TPP's own may be anything; one that is no word is left out.
const WORD = /^[A-Za-z][A-Za-z0-9_.-]*$/;

/** The entries of the live stream for an occurrence; nothing of payloads, URLs or tokens. Pure. */
export function entriesOf(occurrence: Occurrence): ActivityEntry[] {
  switch (occurrence.kind) {
    case 'published':
      return ofPublished(occurrence);
    case 'attempted':
      return ofAttempted(occurrence);
    case 'polled':
      return ofPolled(occurrence);
    case 'recovered':
      return [{ atMs: occurrence.atMs, kind: 'recovered', clientId: occurrence.clientId, by: 'operator' }];
    case 'redelivered':
    case 'withdrawn':
    case 'expired':
      return occurrence.count === 0 ? [] : [occurrence];
    default:
      return [];
  }
}

function ofPublished({ atMs, events, result }: Occurrence & { kind: 'published' }): ActivityEntry[] {
  if (result.kind === 'conflict') return [];
  const entries: ActivityEntry[] = [];
  for (const [at, outcome] of result.outcomes.entries()) {
    const event = events[at];
    if (event === undefined || outcome.kind !== 'notification' || outcome.repeated) continue;
    const { jti, eventId } = outcome;
    const eventTypes = event.events.map(({ type }) => type.urn);
    entries.push({ atMs, kind: 'accepted', jti, clientId: event.clientId, eventId, eventTypes });
  }
  return entries;
}

function ofAttempted({ atMs, record, result }: Occurrence & { kind: 'attempted' }): ActivityEntry[] {
  const { claimed, attempt } = record;
  const { jti, clientId, publishedAtMs } = claimed;
  const { outcome } = attempt;
  const entries: ActivityEntry[] = [
    {
      ...{ atMs, kind: 'attempted', jti, clientId, attempt: claimed.attempts + 1, outcome: attemptClassOf(outcome) },
      ...(outcome.kind === 'unreachable' ? { errorClass: outcome.errorClass } : { status: outcome.status }),
      durationMs: Math.round(attempt.durationMs),
    },
  ];
  if (outcome.kind === 'acknowledged' && result !== 'overtaken') {
    entries.push({ atMs, kind: 'acknowledged', jti, clientId, by: 'push', afterMs: atMs - publishedAtMs });
  }
  if (result === 'became-unresponsive') entries.push({ atMs, kind: 'unresponsive', clientId });
  if (result === 'recovered') entries.push({ atMs, kind: 'recovered', clientId, by: 'acknowledgement' });
  return entries;
}

function ofPolled({ atMs, clientId, acknowledged, errors }: Occurrence & { kind: 'polled' }): ActivityEntry[] {
  return [
    ...acknowledged.map(({ jti, publishedAtMs, by }): ActivityEntry => {
      return { atMs, kind: 'acknowledged', jti, clientId, by, afterMs: atMs - publishedAtMs };
    }),
    ...errors.map(({ jti, err }): ActivityEntry => {
      return { atMs, kind: 'reported-error', jti, clientId, ...(WORD.test(err) && { err }) };
    }),
  ];
}
