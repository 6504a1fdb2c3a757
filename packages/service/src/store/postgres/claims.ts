import assert from 'node:assert/strict';
import type { ClaimedNotification, Target } from '../../model/notification.ts';
import { type Claim, type ClaimOptions, OVERDUE_MS, OVERDUE_PART, TRIAL_EXAMINED_MAX } from '../delivery.ts';
import { claimedOf, isTrue, optionalWhole, type Row, text, whole } from '../rows.ts';
import { isCounted } from '../shared.ts';
import { endWithContent } from './content.ts';
import type { Database, Transaction } from './database.ts';
import { countClaimed, TARGET_COLUMNS, targetOf } from './targets.ts';

/** A TPP that has something awaiting and somewhere to push it to. */
interface Candidate {
  readonly target: Target;
  readonly hasFirst: boolean;
  readonly hasRetry: boolean;
  /** The first of its retries has been due for so long that it goes before first attempts. */
  readonly hasOverdue: boolean;
  /** When something that is not due now falls due. */
  readonly nextAtMs: number | undefined;
}

/** The claimable notifications of one TPP. */
interface Share {
  readonly candidate: Candidate;
  readonly target: Target;
  /** How many at most. */
  readonly capacity: number;
  readonly isOnTrial: boolean;
}

// Until the backlog of a deletion is withdrawn, nothing of the TPP is claimed.
const NOT_WITHDRAWING = 'NOT EXISTS (SELECT 1 FROM withdrawing w WHERE w.client_id = t.client_id)';

// Goes from TPP to TPP: the first row of each is found by the index, however many are awaiting. For first attempts and for
// retries it finds whether the first is due, and when the first that is not due falls due.
const CANDIDATES = `
  WITH RECURSIVE c AS (
    (SELECT client_id FROM notification ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.client_id FROM notification n WHERE n.client_id > c.client_id ORDER BY n.client_id LIMIT 1)
    FROM c WHERE c.client_id IS NOT NULL)
  SELECT ${TARGET_COLUMNS}, first.due_at_ms <= $1::bigint AS has_first, retry.due_at_ms <= $1::bigint AS has_retry,
    retry.due_at_ms <= $1::bigint - ${OVERDUE_MS} AS has_overdue,
    least(
      (SELECT n.due_at_ms FROM notification n WHERE n.client_id = c.client_id AND NOT n.is_retry
        AND n.due_at_ms > $1::bigint ORDER BY n.due_at_ms LIMIT 1),
      (SELECT n.due_at_ms FROM notification n WHERE n.client_id = c.client_id AND n.is_retry
        AND n.due_at_ms > $1::bigint ORDER BY n.due_at_ms LIMIT 1)) AS next_at_ms
  FROM c JOIN target t ON t.client_id = c.client_id LEFT JOIN tpp p ON p.client_id = c.client_id
    LEFT JOIN LATERAL (SELECT n.due_at_ms FROM notification n WHERE n.client_id = c.client_id AND NOT n.is_retry
      ORDER BY n.due_at_ms LIMIT 1) AS first ON true
    LEFT JOIN LATERAL (SELECT n.due_at_ms FROM notification n WHERE n.client_id = c.client_id AND n.is_retry
      ORDER BY n.due_at_ms LIMIT 1) AS retry ON true
  WHERE t.callback_url IS NOT NULL AND ${NOT_WITHDRAWING}`;

const LEASE = `
  UPDATE notification n SET is_leased = true, lease_token = n.lease_token + 1, due_at_ms = $1::bigint + $2::bigint
  FROM picked JOIN target t ON t.client_id = picked.client_id WHERE n.jti = picked.jti
  RETURNING n.jti, n.client_id, n.seq, n.content_day, n.published_at_ms, n.attempts, n.round, n.round_attempts,
    n.round_began_at_ms, n.lease_token, picked.due_at_ms, picked.was_leased, t.callback_url, t.round AS target_round`;

/** SQL that claims first attempts or retries of each TPP, oldest first. Rows that another transaction has locked are skipped. */
function claimLane(isRetry: boolean): string {
  return `
  WITH wanted AS MATERIALIZED (
    SELECT w.client_id, w.capacity, w.position FROM unnest($3::text[], $4::int[]) WITH ORDINALITY AS w(client_id, capacity, position)
      JOIN target t ON t.client_id = w.client_id
    WHERE t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NULL AND ${NOT_WITHDRAWING}),
  picked AS MATERIALIZED (
    SELECT due.jti, w.client_id, w.position, due.due_at_ms, due.is_leased AS was_leased FROM (SELECT * FROM wanted ORDER BY position) AS w
      CROSS JOIN LATERAL (
        SELECT jti, due_at_ms, is_leased FROM notification
        WHERE client_id = w.client_id AND is_retry = ${isRetry} AND due_at_ms <= $6::bigint
        ORDER BY due_at_ms, seq LIMIT w.capacity FOR UPDATE SKIP LOCKED) AS due
    LIMIT $5::int) ${LEASE}`;
}

const CLAIM_FIRSTS = claimLane(false);
const CLAIM_RETRIES = claimLane(true);

/** SQL of the oldest notifications of a TPP, of those that may be offered in a poll or of those that are withheld. */
function oldestThat(offered: 'IS NULL' | 'IS NOT NULL'): string {
  return `(SELECT jti, published_at_ms, seq, due_at_ms FROM notification
    WHERE client_id = w.client_id AND offer_at_ms ${offered} ORDER BY published_at_ms, seq LIMIT ${TRIAL_EXAMINED_MAX})`;
}

// The oldest of each TPP that is due. Under a lease a notification is due when that runs out.
const CLAIM_OLDEST = `
  WITH wanted AS MATERIALIZED (
    SELECT w.client_id, w.position FROM unnest($3::text[]) WITH ORDINALITY AS w(client_id, position)
      JOIN target t ON t.client_id = w.client_id
    WHERE t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NULL AND ${NOT_WITHDRAWING}),
  picked AS MATERIALIZED (
    SELECT due.jti, w.client_id, w.position, due.due_at_ms, due.is_leased AS was_leased
    FROM (SELECT * FROM wanted ORDER BY position) AS w CROSS JOIN LATERAL (
      SELECT n.jti, n.due_at_ms, n.is_leased FROM notification n WHERE n.due_at_ms <= $1::bigint AND n.jti = (
        SELECT o.jti FROM (${oldestThat('IS NULL')} UNION ALL ${oldestThat('IS NOT NULL')}) AS o
        WHERE o.due_at_ms <= $1::bigint ORDER BY o.published_at_ms, o.seq LIMIT 1)
      FOR UPDATE SKIP LOCKED) AS due
    LIMIT $4::int) ${LEASE}`;

// The target is locked, so that no two instances probe at once.
const CLAIM_PROBES = `
  WITH probed AS MATERIALIZED (
    SELECT t.client_id, 0 AS position FROM target t
    WHERE t.client_id = ANY($3::text[]) AND t.callback_url IS NOT NULL AND t.probe_at_ms <= $1::bigint AND ${NOT_WITHDRAWING}
    ORDER BY t.client_id FOR UPDATE OF t SKIP LOCKED),
  picked AS MATERIALIZED (
    SELECT free.jti, probed.client_id, free.due_at_ms, free.is_leased AS was_leased FROM probed CROSS JOIN LATERAL (
      SELECT jti, due_at_ms, is_leased FROM notification
      WHERE client_id = probed.client_id AND (NOT is_leased OR due_at_ms <= $1::bigint)
      ORDER BY is_retry, due_at_ms, seq LIMIT 1 FOR UPDATE SKIP LOCKED) AS free LIMIT $4::int),
  claimed AS (${LEASE}),
  held AS (UPDATE target SET probe_at_ms = $1::bigint + $2::bigint FROM claimed WHERE target.client_id = claimed.client_id)
  SELECT * FROM claimed`;

/** A row that was claimed, and the TPP that it is of. */
interface Claimed {
  readonly row: Row;
  readonly target: Target;
}

/** Claiming: one round trip when nothing is due, else four. Round robin: each claim begins with another TPP. */
export class Claims {
  readonly #database: Database;
  /** The TPP that was served last. */
  #lastClientId = '';

  constructor(database: Database) {
    this.#database = database;
  }

  async claimDue(options: ClaimOptions): Promise<Claim> {
    const { nowMs, leaseMs } = options;
    const rows = await this.#database.query(CANDIDATES, [nowMs]);
    const candidates = rows.map(candidateOf);
    const shares = options.limit > 0 ? this.#ready(candidates, nowMs).map((one) => shareOf(one, options)) : [];
    const { claimed, takenOver } = await this.#claim(
      shares.filter(({ capacity }) => capacity > 0),
      options,
    );
    const dues = candidates.map((candidate) => nextDueAtMs(candidate, nowMs));
    if (claimed.length > 0) dues.push(nowMs + leaseMs);
    const earliest = Math.min(...dues.map((dueAtMs) => dueAtMs ?? Number.POSITIVE_INFINITY));
    return { claimed, takenOver, nextDueAtMs: Number.isFinite(earliest) ? earliest : undefined };
  }

  /** Those that have something to claim now, beginning after the TPP that was served last. */
  #ready(candidates: readonly Candidate[], nowMs: number): Candidate[] {
    const after = candidates.filter(({ target }) => target.clientId > this.#lastClientId);
    const upTo = candidates.filter(({ target }) => target.clientId <= this.#lastClientId);
    return [...after, ...upTo].filter(({ target, hasFirst, hasRetry }) =>
      target.unresponsiveSinceMs === undefined ? hasFirst || hasRetry : (target.probeAtMs ?? 0) <= nowMs,
    );
  }

  async #claim(shares: readonly Share[], options: ClaimOptions): Promise<Omit<Claim, 'nextDueAtMs'>> {
    if (shares.length === 0) return { claimed: [], takenOver: 0 };
    const unchanged = shares.map(({ target }) => target.clientId);
    const claimed = await this.#database.transaction(
      async (transaction) => {
        const taken = await new Claiming(transaction, shares, options).claim();
        const rows = await endWithContent(
          transaction,
          taken.map(({ row }) => row),
        );
        return rows.map((row, at): Claimed => ({ row, target: taken[at]?.target ?? assert.fail('as many rows') }));
      },
      { locks: { unchanged } },
    );
    this.#lastClientId = claimed.at(-1)?.target.clientId ?? this.#lastClientId;
    return {
      claimed: claimed.map(({ row, target }) => claimedRowOf(row, target)),
      takenOver: claimed.filter(({ row }) => isTrue(row, 'was_leased')).length,
    };
  }
}

/** One claim, in its transaction. */
class Claiming {
  readonly #transaction: Transaction;
  readonly #shares: readonly Share[];
  readonly #options: ClaimOptions;
  /** How many more of each TPP, and of all. */
  readonly #capacities: Map<string, number>;
  #left: number;
  readonly #rows: Row[] = [];

  constructor(transaction: Transaction, shares: readonly Share[], options: ClaimOptions) {
    this.#transaction = transaction;
    this.#shares = shares;
    this.#options = options;
    this.#capacities = new Map(shares.map(({ target, capacity }) => [target.clientId, capacity]));
    this.#left = options.limit;
  }

  /** @returns TPP by TPP; within one, in the order of claiming */
  async claim(): Promise<readonly Claimed[]> {
    const { nowMs } = this.#options;
    const probed = this.#shares.filter(({ target }) => target.unresponsiveSinceMs !== undefined);
    const pushed = this.#shares.filter(({ target }) => target.unresponsiveSinceMs === undefined);
    if (probed.length > 0) await this.#probe(probed);
    const onTrial = pushed.filter(({ isOnTrial }) => isOnTrial);
    if (onTrial.length > 0) await this.#takeOldest(onTrial);
    const overdue = pushed.filter(({ candidate }) => candidate.hasOverdue);
    await this.#take(CLAIM_RETRIES, overdue, nowMs - OVERDUE_MS, ({ capacity }) => Math.ceil(capacity * OVERDUE_PART));
    await this.#take(CLAIM_FIRSTS, pushed, nowMs);
    const retried = pushed.filter(({ candidate }) => candidate.hasRetry);
    await this.#take(CLAIM_RETRIES, retried, nowMs);
    const claimed = this.#inOrderOfTpps();
    await countClaimed(this.#transaction, this.#countsOf(claimed));
    return claimed;
  }

  async #probe(shares: readonly Share[]): Promise<void> {
    const { nowMs, leaseMs } = this.#options;
    const clientIds = shares.map(({ target }) => target.clientId);
    this.#keep(await this.#transaction.query(CLAIM_PROBES, [nowMs, leaseMs, clientIds, this.#left]));
  }

  async #takeOldest(shares: readonly Share[]): Promise<void> {
    const { nowMs, leaseMs } = this.#options;
    const clientIds = shares.map(({ target }) => target.clientId);
    this.#keep(await this.#transaction.query(CLAIM_OLDEST, [nowMs, leaseMs, clientIds, this.#left]));
  }

  /** Claims first attempts or retries that are due by a time, up to the capacities. */
  async #take(
    statement: string,
    shares: readonly Share[],
    dueByMs: number,
    most: (share: Share) => number = ({ capacity }) => capacity,
  ): Promise<void> {
    const { nowMs, leaseMs } = this.#options;
    const capacityOf = (share: Share) =>
      Math.min(this.#capacities.get(share.target.clientId) ?? 0, most(share), this.#left);
    const open = shares.filter((share) => capacityOf(share) > 0);
    if (open.length === 0) return;
    const clientIds = open.map(({ target }) => target.clientId);
    this.#keep(
      await this.#transaction.query(statement, [nowMs, leaseMs, clientIds, open.map(capacityOf), this.#left, dueByMs]),
    );
  }

  #keep(rows: readonly Row[]): void {
    this.#rows.push(...rows.toSorted(inOrder));
    this.#left -= rows.length;
    for (const row of rows) {
      const clientId = text(row, 'client_id');
      this.#capacities.set(clientId, (this.#capacities.get(clientId) ?? 0) - 1);
    }
  }

  #inOrderOfTpps(): Claimed[] {
    const byClient = Map.groupBy(this.#rows, (row) => text(row, 'client_id'));
    return this.#shares.flatMap(({ target }) => (byClient.get(target.clientId) ?? []).map((row) => ({ row, target })));
  }

  /** Counts of claims of TPPs that are ramping up. */
  #countsOf(claimed: readonly Claimed[]): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { target } of this.#shares) {
      if (target.unresponsiveSinceMs !== undefined || !isCounted(target, this.#options.nowMs)) continue;
      const count = claimed.filter((one) => one.target === target).length;
      if (count > 0) counts.set(target.clientId, count);
    }
    return counts;
  }
}

/** @param row with its content */
function claimedRowOf(row: Row, target: Target): ClaimedNotification {
  const lease = { round: whole(row, 'target_round'), leaseToken: whole(row, 'lease_token') };
  return claimedOf(row, { ...target, callbackUrl: text(row, 'callback_url') }, lease);
}

function shareOf(candidate: Candidate, { capacityFor, isOnTrial }: ClaimOptions): Share {
  const { target } = candidate;
  const capacity = Math.min(capacityFor(target), CAPACITY_MAX);
  return { candidate, target, capacity, isOnTrial: isOnTrial?.(target) ?? false };
}

// A limit of a statement is a 32-bit number.
const CAPACITY_MAX = 1_000_000;

function inOrder(left: Row, right: Row): number {
  const dueAtMs = (row: Row) => optionalWhole(row, 'due_at_ms') ?? 0;
  const seq = (row: Row) => optionalWhole(row, 'seq') ?? 0;
  return dueAtMs(left) - dueAtMs(right) || seq(left) - seq(right);
}

function candidateOf(row: Row): Candidate {
  return {
    target: targetOf(row),
    hasFirst: isTrue(row, 'has_first'),
    hasRetry: isTrue(row, 'has_retry'),
    hasOverdue: isTrue(row, 'has_overdue'),
    nextAtMs: optionalWhole(row, 'next_at_ms'),
  };
}

function nextDueAtMs({ target, nextAtMs }: Candidate, nowMs: number): number | undefined {
  if (target.probeAtMs !== undefined && target.probeAtMs > nowMs) return target.probeAtMs;
  return nextAtMs;
}
