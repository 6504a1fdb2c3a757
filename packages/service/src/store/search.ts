import { RESOURCE_ID, type SetClaims } from '@tidings/protocol';
import type { Outcome } from '../model/attempt.ts';
import type { NotificationState } from '../model/notification.ts';
import { acknowledgedByOf, json, optionalWhole, type Row, stateOf, text, whole } from './rows.ts';
import { fnv1a } from './shared.ts';

/** The filter of a search. All given conditions must hold; without any it selects all notifications. */
export interface SearchFilter {
  readonly jti?: string;
  readonly eventId?: string;
  /** `txn` of the SET: what the bank gave as transaction id, or else the `jti`. */
  readonly transactionId?: string;
  readonly resourceId?: string;
  readonly clientId?: string;
  /** URN of a type that the SET has. */
  readonly eventType?: string;
  /** `failed`: awaiting, and an attempt failed or the TPP reported an error. */
  readonly state?: NotificationState | 'failed';
  /** Published at or after. */
  readonly publishedFromMs?: number;
  /** Published before. */
  readonly publishedBeforeMs?: number;
}

/** A search, page by page. */
export interface Search {
  readonly filter: SearchFilter;
  /** `next` of the page before; undefined: from the newest. */
  readonly after: string | undefined;
  /** Most notifications on the page. */
  readonly limit: number;
}

/** A notification that was found. */
export interface FoundNotification {
  readonly jti: string;
  readonly eventId: string;
  readonly clientId: string;
  /** `txn` of the SET. */
  readonly transactionId: string;
  readonly resourceId: string | undefined;
  /** URNs that the SET has, in its order. */
  readonly eventTypes: readonly string[];
  readonly state: NotificationState;
  readonly publishedAtMs: number;
  /** When it ceased to be awaiting; undefined while it is. */
  readonly settledAtMs: number | undefined;
  readonly acknowledgedBy: 'push' | 'poll' | 'offer' | undefined;
  /** Attempts made, ever. */
  readonly attempts: number;
  /** Of the attempt that was recorded last; undefined: there was none. */
  readonly lastOutcome: Outcome | undefined;
}

/** A page of what was found, the newest first. */
export interface SearchPage {
  /** May be fewer than the limit, even none, though there is a `next`: a page goes through {@link CANDIDATES_MAX} at most. */
  readonly notifications: readonly FoundNotification[];
  /** Where the next page begins; undefined on the last. */
  readonly next: string | undefined;
}

/** Most candidates that one page of a search goes through, however few of them match. */
const CANDIDATES_MAX = 1000;

/** Where a page begins: only what is older in the order of (published_at_ms, seq) is on it. */
export interface SearchPlace {
  readonly publishedAtMs: number;
  readonly seq: number;
}

/** Cursors are only ever made by {@link writePlace}. */
function readPlace(text: string): SearchPlace {
  const [publishedAtMs = 0, seq = 0] = text.split(':').map(Number);
  return { publishedAtMs, seq };
}

function writePlace({ publishedAtMs, seq }: SearchPlace): string {
  return `${publishedAtMs}:${seq}`;
}

/** Where a search begins, by what it is limited to and where the page before ended. */
export function startOf({ filter, after }: Search): SearchPlace {
  const before = { publishedAtMs: filter.publishedBeforeMs ?? Number.MAX_SAFE_INTEGER, seq: -1 };
  if (after === undefined) return before;
  const place = readPlace(after);
  return place.publishedAtMs < before.publishedAtMs ? place : before;
}

/** A number that an index finds text by. Two texts may share it: what is found has to be compared. */
export function searchKey(text: string): number {
  return fnv1a(text);
}

/** The event types of a SET as one text: there are few such combinations, and each gets a number. */
export function typesOf({ events }: SetClaims): string {
  return JSON.stringify(Object.keys(events).sort());
}

/**
 * Pieces of text that the claims of a notification contain exactly when it matches. This service wrote the claims, and a
 * quotation mark within a value is escaped in JSON: nothing else can look like a piece.
 */
export function claimsPieces({ transactionId, resourceId, eventType }: SearchFilter): string[] {
  return [
    ...(transactionId === undefined ? [] : [`"txn":${JSON.stringify(transactionId)}`]),
    ...(resourceId === undefined ? [] : [`${JSON.stringify(RESOURCE_ID)}:${JSON.stringify(resourceId)}`]),
    ...(eventType === undefined ? [] : [`${JSON.stringify(eventType)}:{`]),
  ];
}

/** The part of the claims that a search returns. */
function shownOfClaims({
  txn,
  events,
}: SetClaims): Pick<FoundNotification, 'transactionId' | 'resourceId' | 'eventTypes'> {
  return { transactionId: txn, resourceId: resourceIdOf(events), eventTypes: Object.keys(events) };
}

/** Every event that has a subject has the same one. */
export function resourceIdOf(events: SetClaims['events']): string | undefined {
  for (const { subject } of Object.values(events)) if (subject !== undefined) return subject[RESOURCE_ID];
  return undefined;
}

/** Whether claims match: the pieces of text alone could also be those of a member of another name. */
export function hasClaims({ eventType }: SearchFilter, { events }: SetClaims): boolean {
  return eventType === undefined || Object.hasOwn(events, eventType);
}

/** The result of examining some candidates. */
export interface SearchPortion {
  /** Those that match, in their order. */
  readonly found: readonly { readonly place: SearchPlace; readonly notification: FoundNotification }[];
  /** The last candidate; undefined when there are no more. */
  readonly last: SearchPlace | undefined;
}

// The first portion is small, since nearly all candidates of most searches match; further ones grow.
const GROWTH = 4;

/**
 * Goes through candidates until a page is full, or {@link CANDIDATES_MAX} were examined.
 *
 * @param fetch reads so many candidates after a place
 */
export async function walkPage(
  search: Search,
  fetch: (after: SearchPlace, count: number) => Promise<SearchPortion>,
): Promise<SearchPage> {
  const { limit } = search;
  const all: SearchPortion['found'][number][] = [];
  let after = startOf(search);
  let left = CANDIDATES_MAX;
  let portion = limit + 1;
  for (;;) {
    const count = Math.min(portion, left);
    const { found, last } = await fetch(after, count);
    all.push(...found);
    const page = all.slice(0, limit);
    const notifications = page.map(({ notification }) => notification);
    const lastShown = page.at(-1)?.place;
    if (all.length > limit && lastShown !== undefined) return { notifications, next: writePlace(lastShown) };
    if (last === undefined) return { notifications, next: undefined };
    after = last;
    left -= count;
    // Where none of the first matches, few do: the rest is examined at once.
    portion = all.length === 0 ? CANDIDATES_MAX : portion * GROWTH;
    if (left <= 0) return { notifications, next: writePlace(last) };
  }
}

/** Where a row stands in the order of a search. */
export function placeOf(row: Row): SearchPlace {
  return { publishedAtMs: whole(row, 'published_at_ms'), seq: whole(row, 'seq') };
}

/** A notification that was found. */
export function foundOf(row: Row, lastOutcome: Outcome | undefined): FoundNotification {
  return {
    jti: text(row, 'jti'),
    eventId: text(row, 'event_id'),
    clientId: text(row, 'client_id'),
    ...shownOfClaims(json(row, 'claims')),
    state: stateOf(row),
    publishedAtMs: whole(row, 'published_at_ms'),
    settledAtMs: optionalWhole(row, 'settled_at_ms'),
    acknowledgedBy: acknowledgedByOf(row),
    attempts: whole(row, 'attempts'),
    lastOutcome,
  };
}
