import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import {
  type Alert,
  type AlertCondition,
  type AlertKind,
  type AlertMessage,
  type AlertWithMessages,
  isAlertKind,
  isMessageKind,
  type MessageKind,
} from '../model/alert.ts';
import { json, optionalText, optionalWhole, type Row, text, whole } from './rows.ts';

/** Which kinds of messages a destination gets. */
export interface AlertDestination {
  readonly name: string;
  readonly kinds: readonly MessageKind[];
}

/** The findings of an instance. */
export interface AlertReport {
  /** All conditions that it found to hold. */
  readonly conditions: readonly AlertCondition[];
  /** Kinds that it examined for all instances: an open alert of them that is not among `conditions` is over. */
  readonly examined: readonly AlertKind[];
  /** Open alerts of the other kinds that no instance found since are over; undefined: none is. */
  readonly unseenSinceMs: number | undefined;
  readonly destinations: readonly AlertDestination[];
}

/** A message that this process is to send until the lease runs out. */
export interface ClaimedAlertMessage {
  readonly alert: Alert;
  readonly kind: MessageKind;
  /** Attempts before this one. */
  readonly attempts: number;
}

/** How messages are claimed. */
export interface AlertClaim {
  readonly destination: string;
  readonly nowMs: number;
  /** Until then nobody else gets them. */
  readonly leaseUntilMs: number;
  /** Most messages. */
  readonly limit: number;
  /** Start of the period over which sendings are counted, and how many it may hold. */
  readonly countedFromMs: number;
  readonly sendingsMax: number;
}

/** The messages of a claim. */
export interface ClaimedAlertMessages {
  readonly messages: readonly ClaimedAlertMessage[];
  /** How many further sendings the limit allows. */
  readonly sendingsLeft: number;
}

/** The outcome of an attempt to send messages together. */
export interface AlertSending {
  readonly destination: string;
  readonly messages: readonly { readonly alertId: string; readonly kind: MessageKind }[];
  readonly outcome:
    | { readonly kind: 'sent'; readonly sendingId: string; readonly atMs: number }
    /** `dueAtMs` undefined: it is not attempted again. */
    | { readonly kind: 'failed'; readonly error: string; readonly dueAtMs: number | undefined };
}

/** Which alerts are listed. */
export interface AlertQuery {
  readonly isOpen: boolean | undefined;
  /** Id of the last alert of the page before. */
  readonly before: string | undefined;
  readonly limit: number;
}

/** Alerts, and the messages about them. */
export interface AlertStore {
  /**
   * Takes or keeps the right to examine what concerns all instances.
   *
   * @returns false while another holder has it
   */
  leaseAlerts(holder: string, nowMs: number, untilMs: number): Promise<boolean>;
  /**
   * Raises, changes and clears alerts, with the messages about that, in one transaction. A message is made for each
   * destination that wants its kind, once for each alert and kind. Of an alert that is over before it was sent, a destination
   * that wants to know of recoveries is told once, at its end.
   */
  reportAlerts(report: AlertReport, nowMs: number): Promise<void>;
  /** Open ones and cleared ones, those raised last first. */
  alerts(query: AlertQuery): Promise<readonly AlertWithMessages[]>;
  /** Messages that are due, the oldest alert first; none beyond the limit of sendings. */
  claimAlertMessages(claim: AlertClaim): Promise<ClaimedAlertMessages>;
  /** Stores the outcome of a sending. */
  recordAlertSending(sending: AlertSending): Promise<void>;
  /** Messages that are neither sent nor given up, by destination. */
  unsentAlertMessages(): Promise<ReadonlyMap<string, number>>;
  /** Drops alerts that were cleared before, with their messages. @returns how many alerts were dropped; 0: there are no more */
  dropAlerts(clearedBeforeMs: number, limit: number): Promise<number>;
}

/** A message to create. */
export interface NewAlertMessage {
  readonly destination: string;
  readonly kind: MessageKind;
}

/** The changes that a report makes. */
export interface AlertPlan {
  readonly raised: readonly { readonly condition: AlertCondition; readonly messages: readonly NewAlertMessage[] }[];
  /** Alerts that still hold and are to be written, as they are now. The messages are new ones; `superseded`: unsent ones that go. */
  readonly held: readonly {
    readonly id: string;
    /** When the condition was first found. */
    readonly sinceMs: number;
    readonly condition: AlertCondition;
    readonly messages: readonly NewAlertMessage[];
    readonly superseded: readonly NewAlertMessage[];
  }[];
  readonly cleared: readonly {
    readonly id: string;
    readonly messages: readonly NewAlertMessage[];
    readonly superseded: readonly NewAlertMessage[];
  }[];
}

// That an alert still holds is written this often, unless something else about it changed: well within the time after which
// others take it for over.
const SEEN_RESOLUTION_MS = 20_000;

/** Decides what a report changes. Pure; the same for both databases. @param open all open alerts, with their messages */
export function planReport(open: readonly AlertWithMessages[], report: AlertReport, nowMs: number): AlertPlan {
  const { conditions, examined, unseenSinceMs, destinations } = report;
  const byKey = new Map(open.map((alert) => [alert.key, alert]));
  const found = new Map(conditions.map((condition) => [condition.key, condition]));
  const wanting = (kind: MessageKind) =>
    destinations.filter(({ kinds }) => kinds.includes(kind)).map(({ name }) => ({ destination: name, kind }));
  const raised = [...found.values()]
    .filter(({ key }) => !byKey.has(key))
    .map((condition) => ({ condition, messages: wanting(condition.kind) }));
  const held = open.flatMap((alert) => {
    const condition = found.get(alert.key);
    if (condition === undefined || (isSame(condition, alert) && nowMs - alert.seenAtMs < SEEN_RESOLUTION_MS)) return [];
    const messages = condition.kind === alert.kind ? [] : notIn(alert, wanting(condition.kind));
    return [{ id: alert.id, sinceMs: alert.sinceMs, condition, messages, superseded: supersededBy(messages, alert) }];
  });
  const isOver = (alert: AlertWithMessages) => {
    if (found.has(alert.key)) return false;
    return examined.includes(alert.kind) || (unseenSinceMs !== undefined && alert.seenAtMs < unseenSinceMs);
  };
  const cleared = open.filter(isOver).map((alert) => {
    const told = new Set(alert.messages.map(({ destination }) => destination));
    const messages = wanting('recovered').filter(({ destination }) => told.has(destination));
    return { id: alert.id, messages, superseded: supersededBy(messages, alert) };
  });
  return { raised, held, cleared };
}

function isSame({ sinceMs, ...condition }: AlertCondition, alert: Alert): boolean {
  if (sinceMs !== undefined && sinceMs !== alert.sinceMs) return false;
  const { key, kind, subject, why, facts } = alert;
  return isDeepStrictEqual(condition, { key, kind, subject, why, facts });
}

function notIn({ messages }: AlertWithMessages, created: readonly NewAlertMessage[]): readonly NewAlertMessage[] {
  const has = new Set(messages.map(({ destination, kind }) => `${destination} ${kind}`));
  return created.filter(({ destination, kind }) => !has.has(`${destination} ${kind}`));
}

/** Unsent messages to a destination that now gets a newer one. */
function supersededBy(newer: readonly NewAlertMessage[], { messages }: AlertWithMessages): readonly NewAlertMessage[] {
  const destinations = new Set(newer.map(({ destination }) => destination));
  return messages.filter(({ destination, sentAtMs }) => sentAtMs === undefined && destinations.has(destination));
}

/** Columns of `alert` that a condition gives. */
export const CONDITION_COLUMNS = 'alert_key, kind, subject, since_ms, why, facts';
/** All columns of `alert`. */
export const ALERT_COLUMNS = `id, ${CONDITION_COLUMNS}, raised_at_ms, seen_at_ms, cleared_at_ms`;
/** Columns of `alert_message`, without the alert. */
export const MESSAGE_COLUMNS = 'destination, message_kind, attempts, due_at_ms, sent_at_ms, error';

/** A condition by its columns. @param foundAtMs when it was first found */
export function conditionRowOf({ key, kind, subject, sinceMs, why, facts }: AlertCondition, foundAtMs: number) {
  const times = { since_ms: sinceMs ?? foundAtMs };
  return { alert_key: key, kind, subject, ...times, why, facts: JSON.stringify(facts) };
}

/** A row of `alert`. */
function alertOf(row: Row): Alert {
  const kind = text(row, 'kind');
  assert(isAlertKind(kind), `unknown kind of alert ${kind} in the store`);
  return {
    id: String(whole(row, 'id')),
    key: text(row, 'alert_key'),
    kind,
    subject: text(row, 'subject'),
    sinceMs: whole(row, 'since_ms'),
    why: text(row, 'why'),
    facts: json<Alert['facts']>(row, 'facts'),
    raisedAtMs: whole(row, 'raised_at_ms'),
    seenAtMs: whole(row, 'seen_at_ms'),
    clearedAtMs: optionalWhole(row, 'cleared_at_ms'),
  };
}

function messageKindOf(row: Row): MessageKind {
  const kind = text(row, 'message_kind');
  assert(isMessageKind(kind), `unknown kind of message ${kind} in the store`);
  return kind;
}

function messageOf(row: Row): AlertMessage {
  return {
    destination: text(row, 'destination'),
    kind: messageKindOf(row),
    attempts: whole(row, 'attempts'),
    sentAtMs: optionalWhole(row, 'sent_at_ms'),
    error: optionalText(row, 'error'),
  };
}

/** A row of both tables joined, of a message that was claimed: `attempts` counts this attempt. */
export function claimedMessageOf(row: Row): ClaimedAlertMessage {
  return { alert: alertOf(row), kind: messageKindOf(row), attempts: whole(row, 'attempts') - 1 };
}

/** Rows of `alert` in their order, with rows of `alert_message` (`alert_id` beside its columns). */
export function withMessages(alerts: readonly Row[], messages: readonly Row[]): AlertWithMessages[] {
  const byAlert = Map.groupBy(messages, (row) => String(whole(row, 'alert_id')));
  return alerts.map(alertOf).map((alert) => ({ ...alert, messages: (byAlert.get(alert.id) ?? []).map(messageOf) }));
}
