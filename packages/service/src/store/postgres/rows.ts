import type { Attempt } from '../../model/attempt.ts';
import type { ClaimedNotification, NotificationRecord, ReportedError, Target } from '../../model/notification.ts';
import {
  acknowledgedByOf,
  claimsOf,
  optionalText,
  optionalWhole,
  type Row,
  stateOf,
  text,
  traceContextOf,
  whole,
} from '../row.ts';

/** A column that is boolean. */
export function isTrue(row: Row, column: string): boolean {
  return row[column] === true;
}

function texts(row: Row, column: string): readonly string[] {
  const value = row[column];
  return Array.isArray(value) ? value : [];
}

// PostgreSQL keeps any character but this one.
const NUL = '\0';

/** Text as PostgreSQL can keep it. */
export function storable(value: string): string {
  return value.includes(NUL) ? value.replaceAll(NUL, '\ufffd') : value;
}

/** Rows as one parameter, for `json_to_recordset`. */
export function jsonOf(rows: readonly object[]): string {
  const json = JSON.stringify(rows);
  // Escaped once it is a NUL of a value, escaped twice it is within JSON that is itself a value, and harmless.
  if (!/(?<!\\)(?:\\\\)*\\u0000/.test(json)) return json;
  return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'string' ? storable(value) : value));
}

/** Columns of {@link targetOf}, of `target t` joined with `tpp p`. */
export const TARGET_COLUMNS = `t.client_id, t.callback_url, t.unresponsive_since_ms, t.probe_at_ms, t.probes,
  t.recovered_at_ms, t.claimed_since_recovery, p.retry`;

/** A target; the row must have a callback URL. */
export function targetOf(row: Row): Target {
  const retry = optionalText(row, 'retry');
  return {
    clientId: text(row, 'client_id'),
    callbackUrl: text(row, 'callback_url'),
    retry: retry === undefined ? undefined : JSON.parse(retry),
    unresponsiveSinceMs: optionalWhole(row, 'unresponsive_since_ms'),
    probeAtMs: optionalWhole(row, 'probe_at_ms'),
    probes: whole(row, 'probes'),
    recoveredAtMs: optionalWhole(row, 'recovered_at_ms'),
    claimedSinceRecovery: whole(row, 'claimed_since_recovery'),
  };
}

/** A claimed row, for the target that it was claimed for. @param probe how many failed before it, if it is one */
export function claimedOf(row: Row, target: Target, probe: number | undefined): ClaimedNotification {
  return {
    jti: text(row, 'jti'),
    clientId: target.clientId,
    callbackUrl: text(row, 'callback_url'),
    claims: claimsOf(row),
    set: optionalText(row, 'set_jws'),
    publishedAtMs: whole(row, 'published_at_ms'),
    attempts: whole(row, 'attempts'),
    round: whole(row, 'round'),
    roundAttempts: whole(row, 'round_attempts'),
    roundBeganAtMs: optionalWhole(row, 'round_began_at_ms'),
    traceContext: traceContextOf(row),
    retry: target.retry,
    probe,
    leaseToken: whole(row, 'lease_token'),
  };
}

/** A row of what is awaiting, or of history. */
export function notificationOf(row: Row): NotificationRecord {
  const state = stateOf(row);
  return {
    jti: text(row, 'jti'),
    eventId: text(row, 'event_id'),
    clientId: text(row, 'client_id'),
    state,
    claims: claimsOf(row),
    set: optionalText(row, 'set_jws'),
    publishedAtMs: whole(row, 'published_at_ms'),
    acknowledgedAtMs: state === 'acknowledged' ? whole(row, 'ended_at_ms') : undefined,
    acknowledgedBy: acknowledgedByOf(row),
    errors: texts(row, 'error_log').map((entry): ReportedError => JSON.parse(entry)),
    nextAttemptAtMs: optionalWhole(row, 'next_attempt_at_ms'),
    attempts: texts(row, 'attempt_log').map((entry): Attempt => JSON.parse(entry)),
  };
}

/** The attempt in a column of its own, `last_attempt`, if there was one. */
export function lastAttemptOf(row: Row): Attempt | undefined {
  const entry = optionalText(row, 'last_attempt');
  return entry === undefined ? undefined : JSON.parse(entry);
}
