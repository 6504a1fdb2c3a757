import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { OfferedNotification, PolledNotifications, PollToStore } from '../store.ts';
import { claimsOf, optionalText, optionalWhole, type Row, text, whole } from './rows.ts';

// Bounds the work of one poll; the next poll goes on. One more than is asked for is needed to tell whether there is more.
const REOFFERS_PER_POLL_MIN = 1000;
// A TPP that reports the same notification over and over must not fill the disk.
const ERRORS_PER_NOTIFICATION_MAX = 20;

/** SQL of aggregated polling. Writes must run inside a transaction. */
export class PollTables {
  readonly #acknowledge: StatementSync;
  readonly #withhold: StatementSync;
  readonly #insertError: StatementSync;
  readonly #dropOldErrors: StatementSync;
  readonly #offerAgain: StatementSync;
  readonly #offerable: StatementSync;
  readonly #offered: StatementSync;
  readonly #acknowledgeOffered: StatementSync;
  readonly #nextOffer: StatementSync;

  constructor(database: DatabaseSync) {
    this.#acknowledge = database.prepare(
      `UPDATE notification SET state = 'acknowledged', acknowledged_by = 'poll', acknowledged_at_ms = ?,
         due_at_ms = NULL, leased = 0, lease_token = lease_token + 1
       WHERE jti = ? AND client_id = ? AND (state = 'awaiting' OR acknowledged_by = 'offer')`,
    );
    this.#withhold = database.prepare(
      `UPDATE notification SET state = 'awaiting', acknowledged_by = NULL, acknowledged_at_ms = NULL, offer_at_ms = ?
       WHERE jti = ? AND client_id = ? AND (state = 'awaiting' OR acknowledged_by = 'offer')`,
    );
    this.#insertError = database.prepare(
      `INSERT INTO reported_error (jti, err, description, reported_at_ms)
       SELECT jti, ?, ?, ? FROM notification WHERE jti = ? AND client_id = ?`,
    );
    this.#dropOldErrors = database.prepare(
      `DELETE FROM reported_error WHERE jti = ? AND seq NOT IN
         (SELECT seq FROM reported_error WHERE jti = ? ORDER BY seq DESC LIMIT ${ERRORS_PER_NOTIFICATION_MAX})`,
    );
    this.#offerAgain = database.prepare(
      `UPDATE notification SET offer_at_ms = NULL WHERE seq IN
         (SELECT seq FROM notification WHERE client_id = ? AND state = 'awaiting' AND offer_at_ms <= ?
          ORDER BY offer_at_ms LIMIT ?)`,
    );
    this.#offerable = database.prepare(
      `SELECT seq, jti, claims, set_jws FROM notification
       WHERE client_id = ? AND state = 'awaiting' AND offer_at_ms IS NULL ORDER BY seq LIMIT ?`,
    );
    this.#offered = database.prepare('UPDATE notification SET offer_at_ms = ? WHERE seq = ?');
    this.#acknowledgeOffered = database.prepare(
      `UPDATE notification SET state = 'acknowledged', acknowledged_by = 'offer', acknowledged_at_ms = ?,
         due_at_ms = NULL, leased = 0, lease_token = lease_token + 1 WHERE seq = ?`,
    );
    this.#nextOffer = database.prepare(
      `SELECT min(offer_at_ms) AS at FROM notification
       WHERE client_id = ? AND state = 'awaiting' AND offer_at_ms IS NOT NULL`,
    );
  }

  poll(poll: PollToStore): PolledNotifications {
    const { clientId, nowMs } = poll;
    for (const jti of poll.acknowledged) this.#acknowledge.run(nowMs, jti, clientId);
    for (const { jti, err, description } of poll.errors) {
      this.#withhold.run(nowMs + poll.reofferAfterErrorMs, jti, clientId);
      this.#insertError.run(err, description, nowMs, jti, clientId);
      this.#dropOldErrors.run(jti, jti);
    }
    this.#offerAgain.run(clientId, nowMs, Math.max(REOFFERS_PER_POLL_MIN, poll.maxEvents + 1));
    // One more than asked for tells whether more is available.
    const rows = this.#offerable.all(clientId, poll.maxEvents + 1);
    const offered = rows.slice(0, poll.maxEvents);
    for (const row of offered) this.#markOffered(row, poll);
    return { notifications: offered.map(offeredOf), moreAvailable: rows.length > offered.length };
  }

  #markOffered(row: Row, { nowMs, reofferMs }: PollToStore): void {
    const seq = whole(row, 'seq');
    if (reofferMs === undefined) this.#acknowledgeOffered.run(nowMs, seq);
    else this.#offered.run(nowMs + reofferMs, seq);
  }

  nextOfferAtMs(clientId: string): number | undefined {
    const row = this.#nextOffer.get(clientId);
    return row && optionalWhole(row, 'at');
  }
}

function offeredOf(row: Row): OfferedNotification {
  return { jti: text(row, 'jti'), claims: claimsOf(row), set: optionalText(row, 'set_jws') };
}
