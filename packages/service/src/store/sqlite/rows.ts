import { acknowledgedByOf, apiVersionOf, claimsOf, optionalText, type Row, stateOf, text, whole } from '../row.ts';
import type {
  Attempt,
  NotificationRecord,
  ReportedError,
  StoredCallbackUrl,
  StoredSubscription,
  Tpp,
} from '../store.ts';

export function tppOf(row: Row): Tpp {
  const jwks: unknown = JSON.parse(text(row, 'jwks'));
  const jwksUrl = optionalText(row, 'jwks_url');
  const revokedJwksUrl = optionalText(row, 'revoked_jwks_url');
  const certificateSubject = optionalText(row, 'certificate_subject');
  const scopes = optionalText(row, 'scopes');
  const retry = optionalText(row, 'retry');
  return {
    clientId: text(row, 'client_id'),
    organisationId: text(row, 'organisation_id'),
    softwareStatementId: text(row, 'software_statement_id'),
    ...(jwks !== null && { jwks }),
    ...(jwksUrl !== undefined && { jwksUrl }),
    ...(revokedJwksUrl !== undefined && { revokedJwksUrl }),
    ...(certificateSubject !== undefined && { certificateSubject }),
    ...(scopes !== undefined && { scopes: JSON.parse(scopes) }),
    ...(whole(row, 'is_suspended') === 1 && { isSuspended: true }),
    ...(retry !== undefined && { retry: JSON.parse(retry) }),
  };
}

export function subscriptionOf(row: Row, unresponsiveSinceMs: number | undefined): StoredSubscription {
  const eventTypes = optionalText(row, 'event_types');
  return {
    clientId: text(row, 'client_id'),
    eventSubscriptionId: text(row, 'event_subscription_id'),
    apiVersion: apiVersionOf(text(row, 'api_version')),
    version: text(row, 'version'),
    callbackUrl: optionalText(row, 'callback_url'),
    eventTypes: eventTypes === undefined ? undefined : JSON.parse(eventTypes),
    unresponsiveSinceMs,
  };
}

export function callbackUrlOf(row: Row, unresponsiveSinceMs: number | undefined): StoredCallbackUrl {
  return {
    clientId: text(row, 'client_id'),
    callbackUrlId: text(row, 'callback_url_id'),
    apiVersion: apiVersionOf(text(row, 'api_version')),
    version: text(row, 'version'),
    url: text(row, 'url'),
    unresponsiveSinceMs,
  };
}

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
