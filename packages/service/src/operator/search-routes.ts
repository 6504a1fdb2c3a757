import { type EventTypeCatalogue, isLongerThan } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { FoundNotification, SearchFilter } from '../store/store.ts';
import { isoTime } from './iso-time.ts';
import { AcknowledgedBy, NotificationStates } from './notifications.ts';
import type { OperatorOptions } from './options.ts';
import { fieldProblem } from './read-body.ts';
import { readPage } from './read-page.ts';
import { readTime } from './read-time.ts';
import { forOperation } from './roles.ts';

/** Notifications on one page of a search unless the caller asks for another number. */
export const FOUND_PER_PAGE = 50;
/** Most notifications on one page of a search. */
export const FOUND_PER_PAGE_MAX = 200;
/** What a search can ask for by state. */
export const SEARCH_STATES = ['awaiting', 'acknowledged', 'withdrawn', 'expired', 'failed'] as const;

const closed = { additionalProperties: false };
const time = (description: string) => Type.String({ format: 'date-time', description });

const ShownFound = Type.Object(
  {
    jti: Type.String(),
    eventId: Type.String({ description: 'id under which the bank published the event' }),
    clientId: Type.String(),
    transactionId: Type.String({ description: 'txn of the SET' }),
    resourceId: Type.Optional(Type.String({ description: 'Resource that the SET is about' })),
    eventTypes: Type.Array(Type.String(), { description: 'URNs that the SET has' }),
    state: NotificationStates,
    publishedAt: time('When the event was published'),
    endedAt: Type.Optional(time('When it was acknowledged, withdrawn or expired')),
    acknowledgedBy: Type.Optional(AcknowledgedBy),
    attempts: Type.Integer({ minimum: 0 }),
    lastOutcome: Type.Optional(Type.Enum(['acknowledged', 'refused', 'unreachable'])),
    lastStatus: Type.Optional(Type.Integer({ description: 'What the TPP answered to the last attempt' })),
    lastErrorClass: Type.Optional(Type.String({ description: 'Why no answer came to the last attempt' })),
  },
  closed,
);
export type ShownFound = Static<typeof ShownFound>;

/** One page of a search, the newest first. */
export const NotificationPage = Type.Object(
  {
    notifications: Type.Array(ShownFound, { maxItems: FOUND_PER_PAGE_MAX }),
    next: Type.Optional(
      Type.String({
        description: 'There may be more, even on a page with few or none: give it as "after". Absent on the last page',
      }),
    ),
  },
  closed,
);
export type NotificationPage = Static<typeof NotificationPage>;

const TEXTS = ['jti', 'eventId', 'transactionId', 'resourceId', 'clientId'] as const;
const TEXT_LENGTH_MAX = 512;

interface WithQuery {
  Querystring: Readonly<Record<string, unknown>>;
}

/** GET /operator/v1/notifications */
export function registerSearchRoute(app: FastifyInstance, { store, catalogue }: OperatorOptions): void {
  app.get<WithQuery>(
    '/operator/v1/notifications',
    forOperation('searchNotifications'),
    async ({ query }): Promise<NotificationPage> => {
      const { filter, others } = readFilter(query, catalogue);
      const { cursor: after, limit } = readPage(others, {
        ...{ cursor: 'after', cursorPattern: /^\d{1,16}:\d{1,16}$/ },
        ...{ limitDefault: FOUND_PER_PAGE, limitMax: FOUND_PER_PAGE_MAX },
      });
      const { notifications, next } = await store.search({ filter, after, limit });
      return { notifications: notifications.map(writeFound), ...(next !== undefined && { next }) };
    },
  );
}

function readFilter(query: WithQuery['Querystring'], catalogue: EventTypeCatalogue) {
  const { jti, eventId, transactionId, resourceId, clientId, eventType, state, ...rest } = query;
  const { publishedFrom, publishedBefore, ...others } = rest;
  const values = { jti, eventId, transactionId, resourceId, clientId };
  const texts = TEXTS.flatMap((name) => {
    const value = readText(name, values[name]);
    return value === undefined ? [] : [[name, value]];
  });
  const urn = readText('eventType', eventType);
  const publishedFromMs = readTime('publishedFrom', readText('publishedFrom', publishedFrom));
  const publishedBeforeMs = readTime('publishedBefore', readText('publishedBefore', publishedBefore));
  const filter: SearchFilter = {
    ...Object.fromEntries(texts),
    // A type that is no longer supported is found by its URN.
    ...(urn !== undefined && { eventType: catalogue.find(urn)?.urn ?? urn }),
    ...readState(readText('state', state)),
    ...(publishedFromMs !== undefined && { publishedFromMs }),
    ...(publishedBeforeMs !== undefined && { publishedBeforeMs }),
  };
  return { filter, others };
}

function readText(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw fieldProblem(name, 'must be given once');
  if (value === '' || isLongerThan(value, TEXT_LENGTH_MAX)) {
    throw fieldProblem(name, `must have 1 to ${TEXT_LENGTH_MAX} characters`);
  }
  return value;
}

function readState(text: string | undefined): Pick<SearchFilter, 'state'> {
  if (text === undefined) return {};
  const state = SEARCH_STATES.find((known) => known === text);
  if (state === undefined) throw fieldProblem('state', `must be one of ${SEARCH_STATES.join(', ')}`);
  return { state };
}

function writeFound(found: FoundNotification): ShownFound {
  const { publishedAtMs, endedAtMs, resourceId, acknowledgedBy, lastOutcome, ...same } = found;
  return {
    ...{ ...same, eventTypes: [...same.eventTypes] },
    publishedAt: isoTime(publishedAtMs),
    ...(resourceId !== undefined && { resourceId }),
    ...(endedAtMs !== undefined && { endedAt: isoTime(endedAtMs) }),
    ...(acknowledgedBy !== undefined && { acknowledgedBy }),
    ...(lastOutcome !== undefined && { lastOutcome: lastOutcome.kind }),
    ...(lastOutcome !== undefined && lastOutcome.kind !== 'unreachable' && { lastStatus: lastOutcome.status }),
    ...(lastOutcome?.kind === 'unreachable' && { lastErrorClass: lastOutcome.errorClass }),
  };
}
