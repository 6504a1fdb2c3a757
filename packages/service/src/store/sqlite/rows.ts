import assert from 'node:assert/strict';
import type { SQLOutputValue } from 'node:sqlite';
import { API_VERSIONS, type ApiVersion, type SetClaims } from '@tidings/protocol';
import type {
  ActivityEntry,
  Attempt,
  NotificationRecord,
  RecentAttempts,
  ReportedError,
  StoredCallbackUrl,
  StoredSubscription,
  Tally,
  Tpp,
  TraceContext,
} from '../store.ts';

/** A row as node:sqlite gives it. */
export type Row = Record<string, SQLOutputValue>;

/** A column that the schema says is TEXT NOT NULL. */
export function text(row: Row, column: string): string {
  const value = row[column];
  assert(typeof value === 'string', `column ${column} must be text`);
  return value;
}

/** A column that the schema says is TEXT. */
export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** A column that the schema says is INTEGER NOT NULL. */
export function whole(row: Row, column: string): number {
  const value = row[column];
  assert(typeof value === 'number', `column ${column} must be a number`);
  return value;
}

/** A column that the schema says is INTEGER. */
export function optionalWhole(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : whole(row, column);
}

/** A column that holds JSON which this store wrote. */
export function parseText(row: Row, column: string): unknown {
  return JSON.parse(text(row, column));
}

export function tppOf(row: Row): Tpp {
  const jwks: unknown = JSON.parse(text(row, 'jwks'));
  const jwksUrl = optionalText(row, 'jwks_url');
  const certificateSubject = optionalText(row, 'certificate_subject');
  const scopes = optionalText(row, 'scopes');
  const retry = optionalText(row, 'retry');
  return {
    clientId: text(row, 'client_id'),
    organisationId: text(row, 'organisation_id'),
    softwareStatementId: text(row, 'software_statement_id'),
    ...(jwks !== null && { jwks }),
    ...(jwksUrl !== undefined && { jwksUrl }),
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

/** A version of the API as the store keeps it. */
export function apiVersionOf(value: string): ApiVersion {
  const version = API_VERSIONS.find((known) => known === value);
  assert(version !== undefined, `unknown API version ${value} in the store`);
  return version;
}

/** The column `trace`, as it was written. */
export function traceContextOf(row: Row): TraceContext | undefined {
  const trace = optionalText(row, 'trace');
  return trace === undefined ? undefined : JSON.parse(trace);
}

/** The column `attempts` of a process for a TPP, as it was written. */
export function recentAttemptsOf(row: Row): RecentAttempts {
  const attempts: RecentAttempts['attempts'] = JSON.parse(text(row, 'attempts'));
  return { clientId: text(row, 'client_id'), instance: text(row, 'instance'), attempts };
}

/** Entries of the activity log, as they were written; those of a newer version may be of kinds that this one does not know. */
export function entriesOf(row: Row): readonly ActivityEntry[] {
  return JSON.parse(text(row, 'entries'));
}

export function tallyOf(row: Row): Tally {
  return JSON.parse(text(row, 'tally'));
}

/** Claims were written by this store and no one else: they are as they were made. */
export function claimsOf(row: Row): SetClaims {
  return JSON.parse(text(row, 'claims'));
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

const STATES = ['awaiting', 'acknowledged', 'withdrawn', 'expired'] as const;

/** The state of a row; NULL: it is awaiting. */
export function stateOf(row: Row): NotificationRecord['state'] {
  const state = optionalText(row, 'state') ?? 'awaiting';
  assert(isState(state), `unknown state ${state}`);
  return state;
}

/** How a row was acknowledged, if it was. */
export function acknowledgedByOf(row: Row): NotificationRecord['acknowledgedBy'] {
  const acknowledgedBy = optionalText(row, 'acknowledged_by');
  assert(acknowledgedBy === undefined || isAcknowledgedBy(acknowledgedBy), `unknown ${acknowledgedBy}`);
  return acknowledgedBy;
}

function isState(value: string): value is NotificationRecord['state'] {
  return STATES.some((state) => state === value);
}

function isAcknowledgedBy(value: string): value is 'push' | 'poll' | 'offer' {
  return value === 'push' || value === 'poll' || value === 'offer';
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
