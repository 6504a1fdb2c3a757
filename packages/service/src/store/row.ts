import assert from 'node:assert/strict';
import { API_VERSIONS, type ApiVersion, type SetClaims } from '@tidings/protocol';
import type { ActivityEntry, Tally } from '../model/activity.ts';
import type { RecentAttempts } from '../model/attempt.ts';
import type { TraceContext } from '../model/event.ts';
import type { NotificationRecord } from '../model/notification.ts';

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

/** A column that holds JSON which this store wrote. */
export function parseText(row: Row, column: string): unknown {
  return JSON.parse(text(row, column));
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
