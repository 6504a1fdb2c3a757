import type { AlertWithMessages } from '../../model/alert.ts';
import {
  ALERT_COLUMNS,
  type AlertClaim,
  type AlertQuery,
  type AlertReport,
  type AlertSending,
  type AlertStore,
  type ClaimedAlertMessages,
  CONDITION_COLUMNS,
  claimedMessageOf,
  conditionValuesOf,
  MESSAGE_COLUMNS,
  type NewAlertMessage,
  planReport,
  withMessages,
} from '../alerts.ts';
import { text, whole } from '../rows.ts';
import { type Database, storable, type Transaction, type Values } from './database.ts';

/** Alerts: several instances that report at once come one after the other. */
export function createAlertStore(database: Database): AlertStore {
  return {
    leaseAlerts: async (holder, nowMs, untilMs) =>
      (await database.query(LEASE, [storable(holder), untilMs, nowMs])).length > 0,
    reportAlerts: (report, nowMs) => reportAlerts(database, report, nowMs),
    alerts: (query) => database.transaction((transaction) => list(transaction, query)),
    claimAlertMessages: (claim) => claimMessages(database, claim),
    recordAlertSending: (sending) => recordSending(database, sending),
    unsentAlertMessages: async () =>
      new Map((await database.query(UNSENT)).map((row) => [text(row, 'destination'), whole(row, 'unsent')])),
    dropAlerts: (clearedBeforeMs, limit) => dropAlerts(database, clearedBeforeMs, limit),
  };
}

const LEASE = `INSERT INTO alert_lease AS lease VALUES (1, $1, $2::bigint) ON CONFLICT (id) DO UPDATE
  SET holder = excluded.holder, until_ms = excluded.until_ms
  WHERE lease.holder = excluded.holder OR lease.until_ms <= $3::bigint RETURNING id`;
const LOCK = 'LOCK TABLE alert_message, alert IN SHARE ROW EXCLUSIVE MODE';
const RAISE = `INSERT INTO alert (${CONDITION_COLUMNS}, raised_at_ms, seen_at_ms)
  VALUES ($1, $2, $3, $4::bigint, $5, $6, $7::bigint, $7::bigint) RETURNING id`;
const HOLD = `UPDATE alert SET alert_key = $1, kind = $2, subject = $3, since_ms = $4::bigint, why = $5, facts = $6,
  seen_at_ms = $7::bigint WHERE id = $8::bigint`;
const CLEAR = 'UPDATE alert SET cleared_at_ms = $1::bigint WHERE id = $2::bigint';
const CREATE = `INSERT INTO alert_message (alert_id, destination, message_kind, attempts, due_at_ms)
  VALUES ($1::bigint, $2, $3, 0, $4::bigint) ON CONFLICT DO NOTHING`;
const SUPERSEDE = `DELETE FROM alert_message
  WHERE alert_id = $1::bigint AND destination = $2 AND message_kind = $3 AND sent_at_ms IS NULL`;
const UNSENT = `SELECT destination, count(*)::int AS unsent FROM alert_message
  WHERE due_at_ms IS NOT NULL GROUP BY destination`;

function reportAlerts(database: Database, report: AlertReport, nowMs: number): Promise<void> {
  return database.transaction(async (transaction) => {
    await transaction.query(LOCK);
    const plan = planReport(await findAlerts(transaction, 'WHERE cleared_at_ms IS NULL', []), report);
    for (const { condition, messages } of plan.raised) {
      const [row] = await transaction.query(RAISE, [...conditionValuesOf(condition, nowMs).map(storableValue), nowMs]);
      if (row !== undefined) await create(transaction, whole(row, 'id'), messages, nowMs);
    }
    for (const { id, sinceMs, condition, messages, superseded } of plan.held) {
      const values = conditionValuesOf(condition, sinceMs).map(storableValue);
      await transaction.query(HOLD, [...values, nowMs, Number(id)]);
      await supersede(transaction, Number(id), superseded);
      await create(transaction, Number(id), messages, nowMs);
    }
    for (const { id, messages, superseded } of plan.cleared) {
      await transaction.query(CLEAR, [nowMs, Number(id)]);
      await supersede(transaction, Number(id), superseded);
      await create(transaction, Number(id), messages, nowMs);
    }
  });
}

const storableValue = (value: string | number) => (typeof value === 'string' ? storable(value) : value);

async function create(transaction: Transaction, alertId: number, messages: readonly NewAlertMessage[], nowMs: number) {
  for (const { destination, kind } of messages) {
    await transaction.query(CREATE, [alertId, storable(destination), kind, nowMs]);
  }
}

async function supersede(transaction: Transaction, alertId: number, messages: readonly NewAlertMessage[]) {
  for (const { destination, kind } of messages) {
    await transaction.query(SUPERSEDE, [alertId, storable(destination), kind]);
  }
}

async function findAlerts(transaction: Transaction, where: string, values: Values): Promise<AlertWithMessages[]> {
  const alerts = await transaction.query(`SELECT ${ALERT_COLUMNS} FROM alert ${where}`, values);
  const messages = await transaction.query(
    `SELECT alert_id, ${MESSAGE_COLUMNS} FROM alert_message WHERE alert_id = ANY($1::bigint[])
     ORDER BY destination, message_kind`,
    [alerts.map((row) => whole(row, 'id'))],
  );
  return withMessages(alerts, messages);
}

function list(transaction: Transaction, { isOpen, before, limit }: AlertQuery): Promise<AlertWithMessages[]> {
  const open = isOpen === undefined ? '' : ` AND cleared_at_ms IS ${isOpen ? '' : 'NOT '}NULL`;
  const first = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
  return findAlerts(transaction, `WHERE id < $1::bigint${open} ORDER BY id DESC LIMIT $2::int`, [first, limit]);
}

const SENDINGS = `SELECT count(DISTINCT sending_id)::int AS sendings FROM alert_message
  WHERE destination = $1 AND sent_at_ms >= $2::bigint`;
const CLAIM = `
  WITH due AS (
    SELECT alert_id, message_kind FROM alert_message
    WHERE destination = $1 AND due_at_ms <= $2::bigint ORDER BY alert_id, message_kind LIMIT $3::int
  ), claimed AS (
    UPDATE alert_message AS message SET due_at_ms = $4::bigint, attempts = attempts + 1 FROM due
    WHERE message.alert_id = due.alert_id AND message.message_kind = due.message_kind AND message.destination = $1
    RETURNING message.*
  )
  SELECT * FROM claimed JOIN alert ON alert_id = id ORDER BY alert_id, message_kind`;

function claimMessages(database: Database, claim: AlertClaim): Promise<ClaimedAlertMessages> {
  const { destination, nowMs, leaseUntilMs, limit, countedFromMs, sendingsMax } = claim;
  return database.transaction(async (transaction) => {
    await transaction.query(LOCK);
    const [counted] = await transaction.query(SENDINGS, [storable(destination), countedFromMs]);
    const sendingsLeft = sendingsMax - (counted === undefined ? 0 : whole(counted, 'sendings'));
    if (sendingsLeft <= 0) return { messages: [], sendingsLeft: 0 };
    const rows = await transaction.query(CLAIM, [storable(destination), nowMs, limit, leaseUntilMs]);
    return { messages: rows.map(claimedMessageOf), sendingsLeft };
  });
}

const OF_MESSAGE = 'WHERE alert_id = $1::bigint AND destination = $2 AND message_kind = $3';
const SENT = `UPDATE alert_message SET due_at_ms = NULL, error = NULL, sent_at_ms = $4::bigint, sending_id = $5 ${OF_MESSAGE}`;
const FAILED = `UPDATE alert_message SET due_at_ms = $4::bigint, error = $5 ${OF_MESSAGE}`;

function recordSending(database: Database, { destination, messages, outcome }: AlertSending): Promise<void> {
  const [statement, values]: [string, Values] =
    outcome.kind === 'sent'
      ? [SENT, [outcome.atMs, outcome.sendingId]]
      : [FAILED, [outcome.dueAtMs ?? null, storable(outcome.error)]];
  return database.transaction(async (transaction) => {
    for (const { alertId, kind } of messages) {
      await transaction.query(statement, [Number(alertId), storable(destination), kind, ...values]);
    }
  });
}

const DROP = `DELETE FROM alert WHERE id IN
  (SELECT id FROM alert WHERE cleared_at_ms < $1::bigint LIMIT $2::int) RETURNING id`;

function dropAlerts(database: Database, clearedBeforeMs: number, limit: number): Promise<number> {
  return database.transaction(async (transaction) => {
    const ids = (await transaction.query(DROP, [clearedBeforeMs, limit])).map((row) => whole(row, 'id'));
    await transaction.query('DELETE FROM alert_message WHERE alert_id = ANY($1::bigint[])', [ids]);
    return ids.length;
  });
}
