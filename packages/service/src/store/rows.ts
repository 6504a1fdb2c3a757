import assert from 'node:assert/strict';
import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import { defined } from '../base/defined.ts';
import type { ActivityToStore, CountedBucket, StoredActivity } from '../model/activity.ts';
import type { RecentAttempts } from '../model/attempt.ts';
import { AUDIT_DROPPED_MAX, type AuditAuthentication, type AuditEntry, type StoredAuditEntry } from '../model/audit.ts';
import type { Instance } from '../model/instance.ts';
import type { ClaimedNotification, NotificationRecord, OfferedNotification, Target } from '../model/notification.ts';
import type { ChangeResult, Registration, RegistrationToStore } from '../model/registration.ts';
import type { RetryOverrides, Tpp } from '../model/tpp.ts';
import type { AcknowledgedInPoll } from './delivery.ts';

/** A row as the driver of either database gives it: both schemas keep these columns alike. */
export type Row = Readonly<Record<string, unknown>>;

/** A column that is text NOT NULL. */
export function text(row: Row, column: string): string {
  const value = row[column];
  assert(typeof value === 'string', `column ${column} must be text`);
  return value;
}

/** A column that is text. */
export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** A column that is a whole number NOT NULL. */
export function whole(row: Row, column: string): number {
  const value = row[column];
  assert(typeof value === 'number', `column ${column} must be a number`);
  return value;
}

/** A column that is a whole number. */
export function optionalWhole(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : whole(row, column);
}

/** A column that is boolean; SQLite, which has no booleans, keeps 1 and 0. */
export function isTrue(row: Row, column: string): boolean {
  return row[column] === true || row[column] === 1;
}

/** A column of JSON, NOT NULL. This store wrote it itself: it is as it was written, and of the type of that time. */
export function json<T>(row: Row, column: string): T {
  return JSON.parse(text(row, column));
}

/** As {@link json}, of a column that may be NULL. */
export function optionalJson<T>(row: Row, column: string): T | undefined {
  return row[column] === null ? undefined : json(row, column);
}

/** As {@link json}, of a column that is a list of JSON texts; NULL is an empty one. */
export function jsonList<T>(row: Row, column: string): readonly T[] {
  const value = row[column];
  return Array.isArray(value) ? value.map((entry) => JSON.parse(entry)) : [];
}

/** SQL of what is done when a row with the key is there: all other columns are replaced. */
export function orReplace(columns: string, key: string): string {
  const others = columns.split(/,\s*/).filter((column) => !key.split(', ').includes(column));
  return `ON CONFLICT (${key}) DO UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`;
}

/** A value as it is kept in a column of JSON that may be NULL. */
export function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** A version of the API as the store keeps it. */
function apiVersionOf(value: string): ApiVersion {
  const version = API_VERSIONS.find((known) => known === value);
  assert(version !== undefined, `unknown API version ${value} in the store`);
  return version;
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

/** A notification that was claimed for a target. @param round of the target: what was counted in another one is left out */
export function claimedOf(
  row: Row,
  target: Target,
  { round, leaseToken }: Pick<ClaimedNotification, 'round' | 'leaseToken'>,
): ClaimedNotification {
  const isSameRound = whole(row, 'round') === round;
  return {
    jti: text(row, 'jti'),
    clientId: target.clientId,
    callbackUrl: target.callbackUrl,
    claims: json(row, 'claims'),
    set: optionalText(row, 'set_jws'),
    publishedAtMs: whole(row, 'published_at_ms'),
    attempts: whole(row, 'attempts'),
    round,
    roundAttempts: isSameRound ? whole(row, 'round_attempts') : 0,
    roundBeganAtMs: isSameRound ? optionalWhole(row, 'round_began_at_ms') : undefined,
    traceContext: optionalJson(row, 'trace'),
    retry: target.retry,
    probe: target.unresponsiveSinceMs === undefined ? undefined : target.probes,
    leaseToken,
  };
}

/** A notification that is offered in a poll. */
export function offeredOf(row: Row): OfferedNotification {
  return { jti: text(row, 'jti'), claims: json(row, 'claims'), set: optionalText(row, 'set_jws') };
}

/** A notification that a poll acknowledged. */
export function acknowledgedInPollOf(row: Row, by: AcknowledgedInPoll['by']): AcknowledgedInPoll {
  return { jti: text(row, 'jti'), publishedAtMs: whole(row, 'published_at_ms'), by };
}

/** A notification as the operator sees it. */
export function notificationOf(
  row: Row,
  more: Pick<NotificationRecord, 'attempts' | 'errors' | 'nextAttemptAtMs'>,
): NotificationRecord {
  const state = stateOf(row);
  return {
    jti: text(row, 'jti'),
    eventId: text(row, 'event_id'),
    clientId: text(row, 'client_id'),
    state,
    claims: json(row, 'claims'),
    set: optionalText(row, 'set_jws'),
    publishedAtMs: whole(row, 'published_at_ms'),
    acknowledgedAtMs: state === 'acknowledged' ? whole(row, 'settled_at_ms') : undefined,
    acknowledgedBy: acknowledgedByOf(row),
    ...more,
  };
}

/** Columns of `recent_attempts`. */
export const RECENT_ATTEMPTS_COLUMNS = 'client_id, instance, at_ms, attempts';
/** Rows of processes that have ended are dropped when another process has written for that long. */
export const RECENT_ATTEMPTS_KEPT_MS = 86_400_000;

/** A row of `recent_attempts` by its columns. */
export function recentAttemptsRowOf({ clientId, instance, attempts }: RecentAttempts, atMs: number) {
  return { client_id: clientId, instance, at_ms: atMs, attempts: JSON.stringify(attempts) };
}

/** The last attempts of a process for a TPP. */
export function recentAttemptsOf(row: Row): RecentAttempts {
  return { clientId: text(row, 'client_id'), instance: text(row, 'instance'), attempts: json(row, 'attempts') };
}

/** Columns of `instance`. */
export const INSTANCE_COLUMNS = 'id, host, process_id, version, node_version, started_at_ms, seen_at_ms';

/** A row of `instance` by its columns. */
export function instanceRowOf({ processId, nodeVersion, startedAtMs, seenAtMs, ...others }: Instance) {
  const times = { started_at_ms: startedAtMs, seen_at_ms: seenAtMs };
  return { ...others, process_id: processId, node_version: nodeVersion, ...times };
}

/** An instance of the service. */
export function instanceOf(row: Row): Instance {
  return {
    ...{ id: text(row, 'id'), host: text(row, 'host'), processId: whole(row, 'process_id') },
    ...{ version: text(row, 'version'), nodeVersion: text(row, 'node_version') },
    ...{ startedAtMs: whole(row, 'started_at_ms'), seenAtMs: whole(row, 'seen_at_ms') },
  };
}

// Columns are named: a newer version may have added others.
/** Columns of `tpp`. */
export const TPP_COLUMNS =
  'client_id, organisation_id, software_statement_id, jwks, jwks_url, revoked_jwks_url, certificate_subject, scopes, is_suspended, retry';
/** Columns of `registration`. */
export const REGISTRATION_COLUMNS = 'client_id, kind, id, api_version, version, callback_url, event_types';
/** The order of the registrations of a TPP: an event subscription supersedes a callback URL. */
export const EFFECTIVE_FIRST = 'kind DESC';

export function tppOf(row: Row): Tpp {
  return {
    clientId: text(row, 'client_id'),
    organisationId: text(row, 'organisation_id'),
    softwareStatementId: text(row, 'software_statement_id'),
    ...defined({
      jwks: json(row, 'jwks') ?? undefined,
      jwksUrl: optionalText(row, 'jwks_url'),
      revokedJwksUrl: optionalText(row, 'revoked_jwks_url'),
      certificateSubject: optionalText(row, 'certificate_subject'),
      scopes: optionalJson<readonly string[]>(row, 'scopes'),
      isSuspended: isTrue(row, 'is_suspended') || undefined,
      retry: optionalJson<RetryOverrides>(row, 'retry'),
    }),
  };
}

/** A row of `tpp` by its columns. */
export function tppRowOf(tpp: Tpp) {
  return {
    client_id: tpp.clientId,
    organisation_id: tpp.organisationId,
    software_statement_id: tpp.softwareStatementId,
    jwks: JSON.stringify(tpp.jwks ?? null),
    jwks_url: tpp.jwksUrl ?? null,
    revoked_jwks_url: tpp.revokedJwksUrl ?? null,
    certificate_subject: tpp.certificateSubject ?? null,
    scopes: jsonOrNull(tpp.scopes),
    is_suspended: tpp.isSuspended === true,
    retry: jsonOrNull(tpp.retry),
  };
}

/** A row of `registration` by its columns. */
export function registrationRowOf(registration: RegistrationToStore) {
  return {
    client_id: registration.clientId,
    kind: registration.kind,
    id: registration.id,
    api_version: registration.apiVersion,
    version: registration.version,
    callback_url: registration.callbackUrl ?? null,
    event_types: jsonOrNull(registration.eventTypes),
  };
}

/**
 * The registrations of one TPP, in the order of their rows.
 *
 * @param unresponsiveSinceMs of the callback URL of the first; of one that is superseded nothing is known
 */
export function registrationsOf(rows: readonly Row[], unresponsiveSinceMs: number | undefined): Registration[] {
  return rows.map((row, at) => ({
    kind: text(row, 'kind') === 'callback-url' ? 'callback-url' : 'event-subscription',
    clientId: text(row, 'client_id'),
    id: text(row, 'id'),
    apiVersion: apiVersionOf(text(row, 'api_version')),
    version: text(row, 'version'),
    callbackUrl: optionalText(row, 'callback_url'),
    eventTypes: optionalJson(row, 'event_types'),
    unresponsiveSinceMs: at === 0 ? unresponsiveSinceMs : undefined,
  }));
}

/**
 * Whether a registration may be changed by a TPP through a version of the API: one of v4.0 must not be changed through v3.1;
 * the other way is allowed (rules, section 2).
 *
 * @param row `client_id` and `api_version` of the registration with the id
 */
export function mayChange(row: Row | undefined, clientId: string, through: ApiVersion): ChangeResult {
  if (row === undefined) return 'unknown';
  if (text(row, 'client_id') !== clientId) return 'of-another-tpp';
  const createdThrough = apiVersionOf(text(row, 'api_version'));
  return API_VERSIONS.indexOf(createdThrough) > API_VERSIONS.indexOf(through) ? 'of-newer-version' : 'changed';
}

const AUTHENTICATIONS: readonly AuditAuthentication[] = ['token', 'oidc', 'access-token', 'service'];

/** Columns of `audit` that an entry gives. */
export const AUDIT_COLUMNS =
  'at_ms, actor, role, authenticated_by, remote_address, action, subject, detail, was, became';

/** Conditions of a filter of the audit: the member, the column and its comparison, the type. */
export const AUDIT_CONDITIONS = [
  ['actor', 'actor =', 'text'],
  ['action', 'action =', 'text'],
  ['subject', 'subject =', 'text'],
  ['fromMs', 'at_ms >=', 'bigint'],
  ['beforeMs', 'at_ms <', 'bigint'],
] as const;

/** An entry of the audit; what an older version wrote lacks the later columns. */
export function auditEntryOf(row: Row): StoredAuditEntry {
  return {
    id: String(whole(row, 'id')),
    atMs: whole(row, 'at_ms'),
    actor: text(row, 'actor'),
    action: text(row, 'action'),
    subject: text(row, 'subject'),
    detail: json(row, 'detail'),
    ...defined({
      role: optionalText(row, 'role'),
      authenticatedBy: AUTHENTICATIONS.find((each) => each === row['authenticated_by']),
      from: optionalText(row, 'remote_address'),
      before: optionalJson<NonNullable<AuditEntry['before']>>(row, 'was'),
      after: optionalJson<NonNullable<AuditEntry['after']>>(row, 'became'),
    }),
  };
}

/** A row of `audit` by its columns. */
export function auditRowOf(entry: AuditEntry) {
  return {
    at_ms: entry.atMs,
    actor: entry.actor,
    role: entry.role ?? null,
    authenticated_by: entry.authenticatedBy ?? null,
    remote_address: entry.from ?? null,
    action: entry.action,
    subject: entry.subject,
    detail: JSON.stringify(entry.detail),
    was: jsonOrNull(entry.before),
    became: jsonOrNull(entry.after),
  };
}

/** The entries that a drop took, in the order of its ids. */
export function droppedEntriesOf(rows: readonly Row[], ids: readonly string[]): StoredAuditEntry[] {
  assert(ids.length <= AUDIT_DROPPED_MAX, 'the audit is dropped in portions');
  const byId = new Map(rows.map(auditEntryOf).map((entry) => [entry.id, entry]));
  return ids.map((id) => byId.get(id)).filter((entry) => entry !== undefined);
}

/** Reads `ATMS:ID`, after which a page of {@link Store.archivableAudit} begins. */
export function auditPlaceOf(after: string | undefined): readonly [atMs: number, id: number] {
  const [atMs = -1, id = -1] = after === undefined ? [] : after.split(':').map(Number);
  return [atMs, id];
}

/** Stands for all TPPs together: no client_id is empty. */
export const ALL = '';

/** A row of the activity log. Entries of a newer version may be of kinds that this one does not know. */
export function activityOf(row: Row): StoredActivity {
  return {
    id: whole(row, 'id'),
    atMs: whole(row, 'at_ms'),
    instance: text(row, 'instance'),
    entries: json(row, 'entries'),
  };
}

/** A row of `activity` by its columns. */
export function activityRowOf({ atMs, instance, entries }: ActivityToStore) {
  return { at_ms: atMs, instance, entries: JSON.stringify(entries) };
}

/** A row of the statistics. */
export function bucketOf(row: Row): CountedBucket {
  const clientId = text(row, 'client_id');
  return {
    resolution: text(row, 'resolution') === 'minute' ? 'minute' : 'hour',
    beganAtMs: whole(row, 'began_at_ms'),
    clientId: clientId === ALL ? undefined : clientId,
    part: text(row, 'part'),
    tally: json(row, 'tally'),
  };
}

/** A row of `statistics` by its columns. */
export function bucketRowOf({ resolution, beganAtMs, clientId = ALL, part, tally }: CountedBucket) {
  return { client_id: clientId, resolution, began_at_ms: beganAtMs, part, tally: JSON.stringify(tally) };
}
