import { acknowledgedByOf, claimsOf, type Row, stateOf, text, whole } from './row.ts';
import { type FoundNotification, type SearchPlace, shownOfClaims } from './search.ts';

/** Where a row stands in the order of a search. */
export function placeOf(row: Row): SearchPlace {
  return { publishedAtMs: whole(row, 'published_at_ms'), seq: whole(row, 'seq') };
}

/** A notification that was found; both databases give the rest of its row in columns of these names. */
export function foundOf(
  row: Row,
  { endedAtMs, lastOutcome }: Pick<FoundNotification, 'endedAtMs' | 'lastOutcome'>,
): FoundNotification {
  return {
    ...{ jti: text(row, 'jti'), eventId: text(row, 'event_id'), clientId: text(row, 'client_id') },
    ...shownOfClaims(claimsOf(row)),
    state: stateOf(row),
    publishedAtMs: whole(row, 'published_at_ms'),
    endedAtMs,
    acknowledgedBy: acknowledgedByOf(row),
    attempts: whole(row, 'attempts'),
    lastOutcome,
  };
}
