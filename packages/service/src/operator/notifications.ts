import { decodeBase64url, isJsonObject, parseStrictJson } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import type { Attempt, NotificationRecord, ReportedError } from '../store/store.ts';
import { isoTime } from './iso-time.ts';

const closed = { additionalProperties: false };
const time = (description: string) => Type.String({ format: 'date-time', description });

// In the order in which an attempt goes.
const ERROR_CLASSES = [
  ...(['forbidden-address', 'dns', 'connect', 'tls', 'timeout'] as const),
  ...(['reset', 'malformed', 'oversized'] as const),
] as const;

/** One attempt as the operator reads it. */
export const ShownAttempt = Type.Object(
  {
    startedAt: time('When it began'),
    durationMs: Type.Number({ minimum: 0 }),
    interactionId: Type.String({ description: 'x-fapi-interaction-id of this one exchange' }),
    callbackUrl: Type.String(),
    outcome: Type.Enum(['acknowledged', 'refused', 'unreachable']),
    status: Type.Optional(Type.Integer({ description: 'What the TPP answered' })),
    interactionIdEchoed: Type.Optional(
      Type.Boolean({ description: 'false: it acknowledged without the echo it owes' }),
    ),
    interactionIdReturned: Type.Optional(
      Type.String({ description: 'What came back in place of the echo, where something did' }),
    ),
    retryAfterMs: Type.Optional(Type.Number({ description: 'What a 429 or 503 asked for' })),
    errorClass: Type.Optional(Type.Enum([...ERROR_CLASSES], { description: 'Why no answer came' })),
    detail: Type.Optional(Type.String()),
  },
  closed,
);

/** What a notification can be. */
export const NotificationStates = Type.Enum(['awaiting', 'acknowledged', 'withdrawn', 'expired'], {
  description: 'withdrawn: its registration was deleted. expired: too old by "retention.awaitingMs"',
});

/** How a notification was acknowledged. */
export const AcknowledgedBy = Type.Enum(['push', 'poll', 'offer'], {
  description: '202 on push, ack in a poll, or being offered where no acknowledgement is expected',
});

/** An error that a TPP reported. */
export const ShownError = Type.Object(
  { reportedAt: time('When'), err: Type.String(), description: Type.String() },
  closed,
);

/** A notification with its attempts, as the operator reads it. */
export const ShownNotification = Type.Object(
  {
    jti: Type.String(),
    eventId: Type.String({ description: 'id under which the bank published the event' }),
    clientId: Type.String(),
    state: NotificationStates,
    publishedAt: time('When the event was published'),
    acknowledgedAt: Type.Optional(time('When the TPP acknowledged it')),
    acknowledgedBy: Type.Optional(AcknowledgedBy),
    nextAttemptAt: Type.Optional(time('When the next attempt is due; absent when none is')),
    transactionId: Type.String({ description: 'txn of the SET' }),
    header: Type.Optional(Type.Object({}, { description: 'The header of the SET, decoded' })),
    claims: Type.Object({}, { description: 'The claims of the SET' }),
    set: Type.Optional(
      Type.String({
        description: 'The SET, compact JWS: the very bytes that are sent. Absent until it is first needed',
      }),
    ),
    attempts: Type.Array(ShownAttempt),
    errors: Type.Array(ShownError, { description: 'What the TPP reported in polls (setErrs), in its order' }),
  },
  closed,
);
export type ShownNotification = Static<typeof ShownNotification>;

/** Writes a notification with its attempts as the operator reads it; times are ISO 8601 in UTC. */
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

/** Writes an attempt as the operator reads it. */
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

/** Writes a reported error as the operator reads it. */
export function writeError({ reportedAtMs, err, description }: ReportedError): ShownNotification['errors'][number] {
  return { reportedAt: isoTime(reportedAtMs), err, description };
}
