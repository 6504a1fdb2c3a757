import type { DatabaseSync } from 'node:sqlite';
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
  conditionValuesOf,
  MESSAGE_COLUMNS,
  type NewAlertMessage,
  planReport,
  withMessages,
} from '../alerts.ts';
import { type Row, text, whole } from '../rows.ts';

type Value = string | number | null;

/** SQL about alerts. Writes must run inside a transaction. */
export class AlertTables {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  lease(holder: string, nowMs: number, untilMs: number): boolean {
    return this.#run(
      `INSERT INTO alert_lease VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE
       SET holder = excluded.holder, until_ms = excluded.until_ms WHERE holder = excluded.holder OR until_ms <= ?`,
      [holder, untilMs, nowMs],
    );
  }

  report(report: AlertReport, nowMs: number): void {
    const plan = planReport(this.#withMessages('WHERE cleared_at_ms IS NULL', []), report);
    for (const { condition, messages } of plan.raised) {
      const [row] = this.#all(
        `INSERT INTO alert (${CONDITION_COLUMNS}, raised_at_ms, seen_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
        [...conditionValuesOf(condition, nowMs), nowMs, nowMs],
      );
      if (row !== undefined) this.#create(whole(row, 'id'), messages, nowMs);
    }
    for (const { id, sinceMs, condition, messages, superseded } of plan.held) {
      this.#hold(Number(id), conditionValuesOf(condition, sinceMs), nowMs);
      this.#supersede(Number(id), superseded);
      this.#create(Number(id), messages, nowMs);
    }
    for (const { id, messages, superseded } of plan.cleared) {
      this.#run('UPDATE alert SET cleared_at_ms = ? WHERE id = ?', [nowMs, Number(id)]);
      this.#supersede(Number(id), superseded);
      this.#create(Number(id), messages, nowMs);
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
      this.#run(
        `UPDATE alert_message SET due_at_ms = ?, attempts = attempts + 1
         WHERE alert_id = ? AND destination = ? AND message_kind = ?`,
        [leaseUntilMs, whole(row, 'alert_id'), destination, text(row, 'message_kind')],
      );
    }
    return { messages: due.map(claimedMessageOf), sendingsLeft };
  }

  record({ destination, messages, outcome }: AlertSending): void {
    const [set, values]: [string, Value[]] =
      outcome.kind === 'sent'
        ? ['due_at_ms = NULL, error = NULL, sent_at_ms = ?, sending_id = ?', [outcome.atMs, outcome.sendingId]]
        : ['due_at_ms = ?, error = ?', [outcome.dueAtMs ?? null, outcome.error]];
    for (const { alertId, kind } of messages) {
      this.#run(`UPDATE alert_message SET ${set} WHERE alert_id = ? AND destination = ? AND message_kind = ?`, [
        ...values,
        Number(alertId),
        destination,
        kind,
      ]);
    }
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

  #hold(id: number, values: readonly Value[], nowMs: number): void {
    const columns = CONDITION_COLUMNS.replaceAll(/\w+/g, '$& = ?');
    this.#run(`UPDATE alert SET ${columns}, seen_at_ms = ? WHERE id = ?`, [...values, nowMs, id]);
  }

  #create(alertId: number, messages: readonly NewAlertMessage[], nowMs: number): void {
    for (const { destination, kind } of messages) {
      this.#run(
        `INSERT INTO alert_message (alert_id, destination, message_kind, attempts, due_at_ms) VALUES (?, ?, ?, 0, ?)
         ON CONFLICT DO NOTHING`,
        [alertId, destination, kind, nowMs],
      );
    }
  }

  #supersede(alertId: number, messages: readonly NewAlertMessage[]): void {
    for (const { destination, kind } of messages) {
      this.#run(
        `DELETE FROM alert_message
         WHERE alert_id = ? AND destination = ? AND message_kind = ? AND sent_at_ms IS NULL`,
        [alertId, destination, kind],
      );
    }
  }

  #all(sql: string, values: readonly Value[]): Row[] {
    return this.#database.prepare(sql).all(...values);
  }

  /** @returns whether a row was changed */
  #run(sql: string, values: readonly Value[]): boolean {
    return this.#database.prepare(sql).run(...values).changes !== 0;
  }
}
