import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AlertWithMessages } from '../../model/alert.ts';
import {
  ALERT_COLUMNS,
  type AlertClaim,
  type AlertQuery,
  type AlertReport,
  type AlertSending,
  type ClaimedAlertMessages,
  CONDITION_COLUMNS,
  claimedMessageOf,
  conditionRowOf,
  MESSAGE_COLUMNS,
  type NewAlertMessage,
  planReport,
  withMessages,
} from '../alerts.ts';
import { type Row, text, whole } from '../rows.ts';
import { insertInto } from './open.ts';

type Value = string | number | null;

const OF_MESSAGE = 'WHERE alert_id = ? AND destination = ? AND message_kind = ?';

/** SQL about alerts. Writes must run inside a transaction. */
export class AlertTables {
  readonly #database: DatabaseSync;
  readonly #raise: StatementSync;
  readonly #hold: StatementSync;
  readonly #clear: StatementSync;
  readonly #create: StatementSync;
  readonly #supersede: StatementSync;
  readonly #lease: StatementSync;
  readonly #record: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#raise = database.prepare(
      `${insertInto('alert', `${CONDITION_COLUMNS}, raised_at_ms, seen_at_ms`)} RETURNING id`,
    );
    this.#hold = database.prepare(
      `UPDATE alert SET ${CONDITION_COLUMNS.replaceAll(/\w+/g, '$& = :$&')}, seen_at_ms = :seen_at_ms WHERE id = :id`,
    );
    this.#clear = database.prepare('UPDATE alert SET cleared_at_ms = ? WHERE id = ?');
    this.#create = database.prepare(
      `INSERT INTO alert_message (alert_id, destination, message_kind, attempts, due_at_ms) VALUES (?, ?, ?, 0, ?)
       ON CONFLICT DO NOTHING`,
    );
    this.#supersede = database.prepare(`DELETE FROM alert_message ${OF_MESSAGE} AND sent_at_ms IS NULL`);
    this.#lease = database.prepare(`UPDATE alert_message SET due_at_ms = ?, attempts = attempts + 1 ${OF_MESSAGE}`);
    this.#record = database.prepare(
      `UPDATE alert_message SET due_at_ms = ?, error = ?, sent_at_ms = ?, sending_id = ? ${OF_MESSAGE}`,
    );
  }

  lease(holder: string, nowMs: number, untilMs: number): boolean {
    return this.#run(
      `INSERT INTO alert_lease VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE
       SET holder = excluded.holder, until_ms = excluded.until_ms WHERE holder = excluded.holder OR until_ms <= ?`,
      [holder, untilMs, nowMs],
    );
  }

  report(report: AlertReport, nowMs: number): void {
    const { raised, held, cleared } = planReport(this.#withMessages('WHERE cleared_at_ms IS NULL', []), report, nowMs);
    for (const { condition, messages } of raised) {
      const row = this.#raise.get({ ...conditionRowOf(condition, nowMs), raised_at_ms: nowMs, seen_at_ms: nowMs });
      if (row !== undefined) this.#createMessages(whole(row, 'id'), messages, nowMs);
    }
    for (const { id, sinceMs, condition } of held) {
      this.#hold.run({ ...conditionRowOf(condition, sinceMs), seen_at_ms: nowMs, id: Number(id) });
    }
    for (const { id } of cleared) this.#clear.run(nowMs, Number(id));
    for (const { id, messages, superseded } of [...held, ...cleared]) {
      for (const { destination, kind } of superseded) this.#supersede.run(Number(id), destination, kind);
      this.#createMessages(Number(id), messages, nowMs);
    }
  }

  list({ isOpen, before, limit }: AlertQuery): AlertWithMessages[] {
    const open = isOpen === undefined ? '' : ` AND cleared_at_ms IS ${isOpen ? '' : 'NOT '}NULL`;
    const first = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
    return this.#withMessages(`WHERE id < ?${open} ORDER BY id DESC LIMIT ?`, [first, limit]);
  }

  claim({ destination, nowMs, leaseUntilMs, limit, countedFromMs, sendingsMax }: AlertClaim): ClaimedAlertMessages {
    const [counted] = this.#all(
      'SELECT count(DISTINCT sending_id) AS sendings FROM alert_message WHERE destination = ? AND sent_at_ms >= ?',
      [destination, countedFromMs],
    );
    const sendingsLeft = sendingsMax - (counted === undefined ? 0 : whole(counted, 'sendings'));
    if (sendingsLeft <= 0) return { messages: [], sendingsLeft: 0 };
    const due = this.#all(
      `SELECT * FROM alert JOIN alert_message ON alert_id = id
       WHERE destination = ? AND due_at_ms <= ? ORDER BY alert_id, message_kind LIMIT ?`,
      [destination, nowMs, limit],
    ).map((row) => ({ ...row, attempts: whole(row, 'attempts') + 1 }));
    for (const row of due) {
      this.#lease.run(leaseUntilMs, whole(row, 'alert_id'), destination, text(row, 'message_kind'));
    }
    return { messages: due.map(claimedMessageOf), sendingsLeft };
  }

  record({ destination, messages, outcome }: AlertSending): void {
    const values: readonly Value[] =
      outcome.kind === 'sent'
        ? [null, null, outcome.atMs, outcome.sendingId]
        : [outcome.dueAtMs ?? null, outcome.error, null, null];
    for (const { alertId, kind } of messages) this.#record.run(...values, Number(alertId), destination, kind);
  }

  unsent(): ReadonlyMap<string, number> {
    const rows = this.#all(
      'SELECT destination, count(*) AS unsent FROM alert_message WHERE due_at_ms IS NOT NULL GROUP BY destination',
      [],
    );
    return new Map(rows.map((row) => [text(row, 'destination'), whole(row, 'unsent')]));
  }

  drop(clearedBeforeMs: number, limit: number): number {
    const rows = this.#all(
      'DELETE FROM alert WHERE id IN (SELECT id FROM alert WHERE cleared_at_ms < ? LIMIT ?) RETURNING id',
      [clearedBeforeMs, limit],
    );
    for (const row of rows) this.#run('DELETE FROM alert_message WHERE alert_id = ?', [whole(row, 'id')]);
    return rows.length;
  }

  #withMessages(where: string, values: readonly Value[]): AlertWithMessages[] {
    const alerts = this.#all(`SELECT ${ALERT_COLUMNS} FROM alert ${where}`, values);
    const ids = JSON.stringify(alerts.map((row) => whole(row, 'id')));
    const messages = this.#all(
      `SELECT alert_id, ${MESSAGE_COLUMNS} FROM alert_message WHERE alert_id IN (SELECT value FROM json_each(?))`,
      [ids],
    );
    return withMessages(alerts, messages);
  }

  #createMessages(alertId: number, messages: readonly NewAlertMessage[], nowMs: number): void {
    for (const { destination, kind } of messages) this.#create.run(alertId, destination, kind, nowMs);
  }

  #all(sql: string, values: readonly Value[]): Row[] {
    return this.#database.prepare(sql).all(...values);
  }

  /** @returns whether a row was changed */
  #run(sql: string, values: readonly Value[]): boolean {
    return this.#database.prepare(sql).run(...values).changes !== 0;
  }
}
