import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AcknowledgedInPoll, PolledNotifications, PollToStore } from '../delivery.ts';
import { acknowledgedInPollOf, offeredOf, optionalWhole, type Row, whole } from '../rows.ts';
import { ERRORS_PER_NOTIFICATION_MAX, REOFFERS_PER_POLL_MIN } from '../shared.ts';
import { type Client, type Clients, withdrawnUpTo } from './claim-queue.ts';
import type { AwaitingTable } from './settle.ts';

/** SQL of aggregated polling. Writes must run inside a transaction. */
export class PollTables {
  readonly #clients: Clients;
  readonly #awaiting: AwaitingTable;
  readonly #seqOf: StatementSync;
  readonly #isOnlyOffered: StatementSync;
  readonly #acknowledgeOffered: StatementSync;
  readonly #withhold: StatementSync;
  readonly #withholdFailed: StatementSync;
  readonly #insertError: StatementSync;
  readonly #dropOldErrors: StatementSync;
  readonly #offerAgain: StatementSync;
  readonly #offerable: StatementSync;
  readonly #nextOffer: StatementSync;

  constructor(database: DatabaseSync, clients: Clients, awaiting: AwaitingTable) {
    this.#clients = clients;
    this.#awaiting = awaiting;
    this.#seqOf = database.prepare(
      'SELECT seq, published_at_ms FROM event WHERE jti = ? AND client_id = ? AND claims IS NOT NULL',
    );
    this.#isOnlyOffered = database.prepare("SELECT 1 FROM settled WHERE seq = ? AND acknowledged_by = 'offer'");
    this.#acknowledgeOffered = database.prepare(
      "UPDATE settled SET acknowledged_by = 'poll', settled_at_ms = ? WHERE seq = ? AND acknowledged_by = 'offer'",
    );
    this.#withhold = database.prepare('UPDATE awaiting SET offer_at_ms = ? WHERE seq = ?');
    this.#withholdFailed = database.prepare('UPDATE awaiting SET offer_at_ms = ?, has_failed = 1 WHERE seq = ?');
    this.#insertError = database.prepare(
      `INSERT INTO reported_error (seq, number, err, description, reported_at_ms)
       SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4 FROM reported_error WHERE seq = ?1`,
    );
    this.#dropOldErrors = database.prepare(
      `DELETE FROM reported_error WHERE seq = ?1 AND number <=
         (SELECT max(number) FROM reported_error WHERE seq = ?1) - ${ERRORS_PER_NOTIFICATION_MAX}`,
    );
    this.#offerAgain = database.prepare(
      `UPDATE awaiting SET offer_at_ms = NULL WHERE seq IN
         (SELECT seq FROM awaiting WHERE client_id = ? AND offer_at_ms <= ? ORDER BY offer_at_ms LIMIT ?)`,
    );
    this.#offerable = database.prepare(
      `SELECT event.seq, event.jti, event.claims, event.published_at_ms, signed_set.set_jws
       FROM (SELECT seq FROM awaiting WHERE client_id = ? AND offer_at_ms IS NULL AND seq > ? ORDER BY seq LIMIT ?) AS offerable
       CROSS JOIN event ON event.seq = offerable.seq LEFT JOIN signed_set ON signed_set.seq = event.seq
       ORDER BY offerable.seq`,
    );
    this.#nextOffer = database.prepare(
      'SELECT min(offer_at_ms) AS at FROM awaiting WHERE client_id = ? AND offer_at_ms IS NOT NULL',
    );
  }

  poll(poll: PollToStore): PolledNotifications {
    const { clientId, nowMs } = poll;
    const client = this.#clients.get(clientId);
    const acknowledged = poll.acknowledged.flatMap((jti) => this.#acknowledge(client, jti, nowMs) ?? []);
    const reported = new Set<string>();
    for (const { jti, err, description } of poll.errors) {
      const row = this.#seqOf.get(jti, clientId);
      if (row === undefined) continue;
      const seq = whole(row, 'seq');
      if (this.#isOnlyOffered.get(seq) !== undefined) this.#awaiting.unsettle(client, seq);
      this.#withholdFailed.run(nowMs + poll.reofferAfterErrorMs, seq);
      this.#insertError.run(seq, err, description, nowMs);
      this.#dropOldErrors.run(seq);
      reported.add(jti);
    }
    this.#offerAgain.run(clientId, nowMs, Math.max(REOFFERS_PER_POLL_MIN, poll.maxEvents + 1));
    // One more than requested shows whether more are available.
    const rows = this.#offerable.all(clientId, withdrawnUpTo(client), poll.maxEvents + 1);
    const offered = rows.slice(0, poll.maxEvents);
    for (const row of offered) this.#markOffered(client, row, poll);
    return {
      notifications: offered.map(offeredOf),
      moreAvailable: rows.length > offered.length,
      acknowledged: [
        ...acknowledged,
        ...(poll.reofferMs === undefined ? offered.map((row) => acknowledgedInPollOf(row, 'offer')) : []),
      ],
      reported: [...reported],
    };
  }

  /**
   * A notification that counted as acknowledged when it was offered is so by the TPP's own word now.
   *
   * @returns undefined when it was acknowledged before, or is not the TPP's
   */
  #acknowledge(client: Client, jti: string, nowMs: number): AcknowledgedInPoll | undefined {
    const row = this.#seqOf.get(jti, client.clientId);
    if (row === undefined) return undefined;
    const seq = whole(row, 'seq');
    const settlement = { state: 'acknowledged', atMs: nowMs, acknowledgedBy: 'poll' } as const;
    if (this.#awaiting.settle(client, seq, settlement)) {
      return { jti, publishedAtMs: whole(row, 'published_at_ms'), by: 'poll' };
    }
    this.#acknowledgeOffered.run(nowMs, seq);
    return undefined;
  }

  #markOffered(client: Client, row: Row, { nowMs, reofferMs }: PollToStore): void {
    const seq = whole(row, 'seq');
    if (reofferMs !== undefined) this.#withhold.run(nowMs + reofferMs, seq);
    else this.#awaiting.settle(client, seq, { state: 'acknowledged', atMs: nowMs, acknowledgedBy: 'offer' });
  }

  nextOfferAtMs(clientId: string): number | undefined {
    const row = this.#nextOffer.get(clientId);
    return row && optionalWhole(row, 'at');
  }
}
