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
  conditionRowOf,
  MESSAGE_COLUMNS,
  type NewAlertMessage,
  planReport,
  withMessages,
} from '../alerts.ts';
import { text, whole } from '../rows.ts';
import { type Database, insertInto, jsonOf, storable, type Transaction, type Values } from './database.ts';

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
const INSERTED = `${CONDITION_COLUMNS}, raised_at_ms, seen_at_ms`;
const RAISE = `${insertInto('alert', INSERTED)} RETURNING id, alert_key`;
const HOLD = `UPDATE alert SET kind = held.kind, subject = held.subject, since_ms = held.since_ms, why = held.why,
    facts = held.facts, seen_at_ms = held.seen_at_ms
  FROM json_populate_recordset(NULL::alert, $1::json) AS held WHERE alert.id = held.id`;
const CLEAR = 'UPDATE alert SET cleared_at_ms = $1::bigint WHERE id = ANY($2::bigint[])';
const SUPERSEDE = `DELETE FROM alert_message AS message USING json_populate_recordset(NULL::alert_message, $1::json) AS old
  WHERE message.alert_id = old.alert_id AND message.destination = old.destination
    AND message.message_kind = old.message_kind AND message.sent_at_ms IS NULL`;
const CREATE = `${insertInto('alert_message', 'alert_id, destination, message_kind, attempts, due_at_ms')}
  ON CONFLICT DO NOTHING`;
const UNSENT = `SELECT destination, count(*)::int AS unsent FROM alert_message
  WHERE due_at_ms IS NOT NULL GROUP BY destination`;

/** The same number of statements, however much is wrong. */
function reportAlerts(database: Database, report: AlertReport, nowMs: number): Promise<void> {
  const conditions = report.conditions.map((each) => ({ ...each, key: storable(each.key) }));
  return database.transaction(async (transaction) => {
    await transaction.query(LOCK);
    const open = await findAlerts(transaction, 'WHERE cleared_at_ms IS NULL', []);
    const { raised, held, cleared } = planReport(open, { ...report, conditions }, nowMs);
    const rows = raised.map(({ condition }) => ({
      ...conditionRowOf(condition, nowMs),
      raised_at_ms: nowMs,
      seen_at_ms: nowMs,
    }));
    const inserted = raised.length === 0 ? [] : await transaction.query(RAISE, [jsonOf(rows)]);
    const idOf = new Map(inserted.map((row) => [text(row, 'alert_key'), whole(row, 'id')]));
    const changed = held.map(({ id, sinceMs, condition }) => {
      return { ...conditionRowOf(condition, sinceMs), id: Number(id), seen_at_ms: nowMs };
    });
    if (held.length > 0) await transaction.query(HOLD, [jsonOf(changed)]);
    if (cleared.length > 0) await transaction.query(CLEAR, [nowMs, cleared.map(({ id }) => Number(id))]);
    const superseded = [...held, ...cleared].flatMap((each) => messageRowsOf(Number(each.id), each.superseded, nowMs));
    if (superseded.length > 0) await transaction.query(SUPERSEDE, [jsonOf(superseded)]);
    const created = [
      ...raised.flatMap(({ condition, messages }) => messageRowsOf(idOf.get(condition.key) ?? 0, messages, nowMs)),
      ...[...held, ...cleared].flatMap((each) => messageRowsOf(Number(each.id), each.messages, nowMs)),
    ];
    if (created.length > 0) await transaction.query(CREATE, [jsonOf(created)]);
  });
}

function messageRowsOf(alertId: number, messages: readonly NewAlertMessage[], nowMs: number) {
  return messages.map(({ destination, kind }) => {
    return { alert_id: alertId, destination, message_kind: kind, attempts: 0, due_at_ms: nowMs };
  });
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

const OF_MESSAGES = `FROM json_populate_recordset(NULL::alert_message, $1::json) AS tried
  WHERE message.alert_id = tried.alert_id AND message.destination = tried.destination
    AND message.message_kind = tried.message_kind`;
const SENT = `UPDATE alert_message AS message
  SET due_at_ms = NULL, error = NULL, sent_at_ms = $2::bigint, sending_id = $3 ${OF_MESSAGES}`;
const FAILED = `UPDATE alert_message AS message SET due_at_ms = $2::bigint, error = $3 ${OF_MESSAGES}`;

async function recordSending(database: Database, { destination, messages, outcome }: AlertSending): Promise<void> {
  const rows = messages.map(({ alertId, kind }) => ({ alert_id: Number(alertId), destination, message_kind: kind }));
  if (outcome.kind === 'sent') await database.query(SENT, [jsonOf(rows), outcome.atMs, outcome.sendingId]);
  else await database.query(FAILED, [jsonOf(rows), outcome.dueAtMs ?? null, storable(outcome.error)]);
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
