import type { Attempt } from '../../model/attempt.ts';
import type { NotificationRecord, ReportedError } from '../../model/notification.ts';
import { acknowledgedByOf, claimsOf, optionalText, type Row, stateOf, text, whole } from '../row.ts';

/** A notification of which all is known but when its next attempt is due. */
export function notificationOf(
  row: Row,
  attempts: readonly Row[],
  errors: readonly Row[],
): Omit<NotificationRecord, 'nextAttemptAtMs'> {
  const state = stateOf(row);
  return {
    jti: text(row, 'jti'),
    eventId: text(row, 'event_id'),
    clientId: text(row, 'client_id'),
    state,
    claims: claimsOf(row),
    set: optionalText(row, 'set_jws'),
    publishedAtMs: whole(row, 'published_at_ms'),
    acknowledgedAtMs: state === 'acknowledged' ? whole(row, 'at_ms') : undefined,
    acknowledgedBy: acknowledgedByOf(row),
    attempts: attempts.map(attemptOf),
    errors: errors.map(errorOf),
  };
}

/** The outcome in the column `last_outcome`, if there was an attempt. */
export function lastOutcomeOf(row: Row): Attempt['outcome'] | undefined {
  const outcome = optionalText(row, 'last_outcome');
  return outcome === undefined ? undefined : JSON.parse(outcome);
}

function errorOf(row: Row): ReportedError {
  return {
    err: text(row, 'err'),
    description: text(row, 'description'),
    reportedAtMs: whole(row, 'reported_at_ms'),
  };
}

function attemptOf(row: Row): Attempt {
  return {
    startedAtMs: whole(row, 'started_at_ms'),
    durationMs: whole(row, 'duration_ms'),
    interactionId: text(row, 'interaction_id'),
    callbackUrl: text(row, 'callback_url'),
    outcome: JSON.parse(text(row, 'outcome')),
  };
}
