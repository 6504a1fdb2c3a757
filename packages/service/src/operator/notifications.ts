import { decodeBase64url, isJsonObject, parseStrictJson } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { defined } from '../base/defined.ts';
import type { Attempt } from '../model/attempt.ts';
import type { NotificationRecord, ReportedError } from '../model/notification.ts';
import type { FoundNotification, SearchFilter } from '../store/search.ts';
import { Problem } from './problem.ts';
import { choice, cursor, isoTime, limit, text, time } from './request.ts';
import { ok, route } from './route.ts';

const closed = { additionalProperties: false };
const timeOf = (description: string) => Type.String({ format: 'date-time', description });

// In the order in which an attempt goes.
const ERROR_CLASSES = [
  ...(['forbidden-address', 'dns', 'connect', 'tls', 'timeout'] as const),
  ...(['reset', 'malformed', 'oversized'] as const),
] as const;

/** An attempt, as the operator sees it. */
export const ShownAttempt = Type.Object(
  {
    startedAt: timeOf('When it began'),
    durationMs: Type.Number({ minimum: 0 }),
    interactionId: Type.String({ description: 'x-fapi-interaction-id of this one exchange' }),
    callbackUrl: Type.String(),
    outcome: Type.Enum(['acknowledged', 'refused', 'unreachable']),
    status: Type.Optional(Type.Integer({ description: 'Status of the response of the TPP' })),
    interactionIdEchoed: Type.Optional(
      Type.Boolean({
        description: 'false if the TPP acknowledged without echoing the interaction id, which the standard requires',
      }),
    ),
    interactionIdReturned: Type.Optional(
      Type.String({ description: 'Different value that the TPP returned instead of the echo' }),
    ),
    retryAfterMs: Type.Optional(Type.Number({ description: 'Retry-After of a 429 or 503, in milliseconds' })),
    err: Type.Optional(Type.String({ description: 'Error code in the body of a 400 (RFC 8935), chosen by the TPP' })),
    description: Type.Optional(Type.String({ description: 'Description of that error, chosen by the TPP' })),
    errorClass: Type.Optional(Type.Enum([...ERROR_CLASSES], { description: 'Why there was no response' })),
    detail: Type.Optional(Type.String()),
  },
  closed,
);

/** States of a notification. */
export const NotificationStates = Type.Enum(['awaiting', 'acknowledged', 'withdrawn', 'expired'], {
  description:
    'withdrawn: the registration was deleted, or an operator withdrew it. expired: older than "retention.awaitingMs"',
});

/** How a notification was acknowledged. */
export const AcknowledgedBy = Type.Enum(['push', 'poll', 'offer'], {
  description: 'push: 202 to a push. poll: ack in a poll. offer: offered in a poll, if no acknowledgement is expected',
});

/** An error that a TPP reported. */
export const ShownError = Type.Object(
  { reportedAt: timeOf('When'), err: Type.String(), description: Type.String() },
  closed,
);

/** A notification with its attempts, as the operator sees it. */
export const ShownNotification = Type.Object(
  {
    jti: Type.String(),
    eventId: Type.String({ description: 'id under which the bank published the event' }),
    clientId: Type.String(),
    state: NotificationStates,
    publishedAt: timeOf('When the event was published'),
    acknowledgedAt: Type.Optional(timeOf('When the TPP acknowledged it')),
    acknowledgedBy: Type.Optional(AcknowledgedBy),
    nextAttemptAt: Type.Optional(timeOf('When the next attempt is due; absent if none is')),
    transactionId: Type.String({ description: 'txn of the SET' }),
    header: Type.Optional(Type.Object({}, { description: 'The header of the SET, decoded' })),
    claims: Type.Object({}, { description: 'The claims of the SET' }),
    set: Type.Optional(
      Type.String({
        description: 'The SET as a compact JWS, exactly as sent. Absent until it is first signed',
      }),
    ),
    attempts: Type.Array(ShownAttempt),
    errors: Type.Array(ShownError, { description: 'What the TPP reported in polls (setErrs), in its order' }),
  },
  closed,
);
export type ShownNotification = Static<typeof ShownNotification>;

/** Writes a notification with its attempts; times are ISO 8601 in UTC. */
export function writeNotification(notification: NotificationRecord): ShownNotification {
  const { jti, eventId, clientId, state, claims, set, attempts, acknowledgedBy, errors } = notification;
  return {
    ...{ jti, eventId, clientId, state },
    publishedAt: isoTime(notification.publishedAtMs),
    ...(notification.acknowledgedAtMs !== undefined && { acknowledgedAt: isoTime(notification.acknowledgedAtMs) }),
    ...(acknowledgedBy !== undefined && { acknowledgedBy }),
    ...(notification.nextAttemptAtMs !== undefined && { nextAttemptAt: isoTime(notification.nextAttemptAtMs) }),
    transactionId: claims.txn,
    ...(set !== undefined && { header: headerOf(set) }),
    claims,
    ...(set !== undefined && { set }),
    attempts: attempts.map(writeAttempt),
    errors: errors.map(writeError),
  };
}

/** Decodes the header of a SET that this service signed itself. */
export function headerOf(set: string): Readonly<Record<string, unknown>> {
  const bytes = decodeBase64url(set.split('.')[0] ?? '');
  const header: unknown = bytes === undefined ? undefined : parseStrictJson(bytes);
  return isJsonObject(header) ? header : {};
}

/** Writes an attempt for the operator. */
export function writeAttempt(attempt: Attempt): ShownNotification['attempts'][number] {
  const { kind, ...details } = attempt.outcome;
  return {
    startedAt: isoTime(attempt.startedAtMs),
    durationMs: attempt.durationMs,
    interactionId: attempt.interactionId,
    callbackUrl: attempt.callbackUrl,
    outcome: kind,
    ...details,
  };
}

/** Writes a reported error for the operator. */
export function writeError({ reportedAtMs, err, description }: ReportedError): ShownNotification['errors'][number] {
  return { reportedAt: isoTime(reportedAtMs), err, description };
}

/** Notifications on one page of a search by default. */
const FOUND_PER_PAGE = 50;
/** Most notifications on one page of a search. */
export const FOUND_PER_PAGE_MAX = 200;
/** States that a search can ask for. */
const SEARCH_STATES = ['awaiting', 'acknowledged', 'withdrawn', 'expired', 'failed'] as const;

const ShownFound = Type.Object(
  {
    jti: Type.String(),
    eventId: Type.String({ description: 'id under which the bank published the event' }),
    clientId: Type.String(),
    transactionId: Type.String({ description: 'txn of the SET' }),
    resourceId: Type.Optional(Type.String({ description: 'Resource that the SET is about' })),
    eventTypes: Type.Array(Type.String(), { description: 'URNs that the SET has' }),
    state: NotificationStates,
    publishedAt: timeOf('When the event was published'),
    endedAt: Type.Optional(timeOf('When it was acknowledged, withdrawn or expired')),
    acknowledgedBy: Type.Optional(AcknowledgedBy),
    attempts: Type.Integer({ minimum: 0 }),
    lastOutcome: Type.Optional(Type.Enum(['acknowledged', 'refused', 'unreachable'])),
    lastStatus: Type.Optional(Type.Integer({ description: 'Status of the response to the last attempt' })),
    lastErrorClass: Type.Optional(Type.String({ description: 'Why there was no response to the last attempt' })),
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
        description:
          'Cursor of the next page, to be given as "after"; a page may have few entries or none although there are more. Absent on the last page',
      }),
    ),
  },
  closed,
);
export type NotificationPage = Static<typeof NotificationPage>;

const TEXT_LENGTH_MAX = 512;

/** GET /operator/v1/notifications, and one of them */
export const notificationRoutes = [
  route({
    operationId: 'searchNotifications',
    method: 'get',
    path: '/operator/v1/notifications',
    role: 'viewer',
    tag: 'Notifications',
    summary: 'Search notifications, newest first; all given criteria must match',
    query: {
      jti: text('The notification with this jti', TEXT_LENGTH_MAX),
      eventId: text('The one of this event', TEXT_LENGTH_MAX),
      transactionId: text('Those with this txn', TEXT_LENGTH_MAX),
      resourceId: text('Those about this resource', TEXT_LENGTH_MAX),
      clientId: text('Those of this TPP', TEXT_LENGTH_MAX),
      eventType: text('Those that have this event type, by URN or subscribe code', TEXT_LENGTH_MAX),
      state: choice('failed: awaiting, with a failed attempt or a reported error', SEARCH_STATES),
      publishedFrom: time('Those published at or after this time'),
      publishedBefore: time('Those published before this time'),
      after: cursor('"next" of the previous page, with the same filter', {
        ...{ pattern: /^\d{1,16}:\d{1,16}$/, minLength: 1, maxLength: TEXT_LENGTH_MAX },
      }),
      limit: limit('Page size', FOUND_PER_PAGE, FOUND_PER_PAGE_MAX),
    },
    response: ok('One page', { NotificationPage }),
    handler:
      ({ store, catalogue }) =>
      async ({ query }) => {
        const { after, limit: most, eventType, publishedFrom, publishedBefore, ...others } = query;
        const filter: SearchFilter = {
          ...defined(others),
          // A type that is no longer supported is found by its URN.
          ...(eventType !== undefined && { eventType: catalogue.find(eventType)?.urn ?? eventType }),
          ...(publishedFrom !== undefined && { publishedFromMs: publishedFrom }),
          ...(publishedBefore !== undefined && { publishedBeforeMs: publishedBefore }),
        };
        const { notifications, next } = await store.search({ filter, after, limit: most });
        return { notifications: notifications.map(writeFound), ...(next !== undefined && { next }) };
      },
  }),
  route({
    operationId: 'getNotification',
    method: 'get',
    path: '/operator/v1/notifications/{jti}',
    role: 'viewer',
    tag: 'Notifications',
    summary: 'Get a notification: state, claims, SET, attempts and reported errors',
    response: ok('The notification', { ShownNotification }),
    refusals: [404, 410],
    handler:
      ({ store }) =>
      async ({ params: { jti } }) => {
        const notification = await store.notification(jti);
        if (notification !== undefined) return writeNotification(notification);
        const erased = await store.erasedNotification(jti);
        if (erased === undefined) throw new Problem(404, 'There is no notification with this jti.');
        const remedy = 'what became of it is in its evidence';
        throw new Problem(
          410,
          `The content of this notification was erased at ${isoTime(erased.erasedAtMs)}; ${remedy}.`,
        );
      },
  }),
];

function writeFound(found: FoundNotification): ShownFound {
  const { publishedAtMs, settledAtMs, resourceId, acknowledgedBy, lastOutcome, ...same } = found;
  return {
    ...{ ...same, eventTypes: [...same.eventTypes] },
    publishedAt: isoTime(publishedAtMs),
    ...(resourceId !== undefined && { resourceId }),
    ...(settledAtMs !== undefined && { endedAt: isoTime(settledAtMs) }),
    ...(acknowledgedBy !== undefined && { acknowledgedBy }),
    ...(lastOutcome !== undefined && { lastOutcome: lastOutcome.kind }),
    ...(lastOutcome !== undefined && lastOutcome.kind !== 'unreachable' && { lastStatus: lastOutcome.status }),
    ...(lastOutcome?.kind === 'unreachable' && { lastErrorClass: lastOutcome.errorClass }),
  };
}
