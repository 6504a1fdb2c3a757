import type { Claim, ClaimedNotification, ClaimOptions, Target } from '../store.ts';
import type { Database, Transaction } from './database.ts';
import { claimedOf, isTrue, optionalWhole, type Row, TARGET_COLUMNS, targetOf, text } from './rows.ts';
import { countClaimed, isCounted } from './targets.ts';

/** A TPP that has something awaiting and somewhere to push it to. */
interface Candidate {
  readonly target: Target;
  readonly hasFirst: boolean;
  readonly hasRetry: boolean;
  /** When something that is not due now falls due. */
  readonly nextAtMs: number | undefined;
}

/** What may be claimed of one TPP. */
interface Turn {
  readonly target: Target;
  room: number;
}

// Goes from TPP to TPP: the first row of each is found by the index, however many are awaiting. Of each lane it is looked
// whether its first is due, and when the first that is not falls due.
const CANDIDATES = `
  WITH RECURSIVE c AS (
    (SELECT client_id FROM notification ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.client_id FROM notification n WHERE n.client_id > c.client_id ORDER BY n.client_id LIMIT 1)
    FROM c WHERE c.client_id IS NOT NULL)
  SELECT ${TARGET_COLUMNS}, first.due_at_ms <= $1::bigint AS has_first, retry.due_at_ms <= $1::bigint AS has_retry,
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
  WHERE t.callback_url IS NOT NULL`;

const LEASE = `
  UPDATE notification n SET is_leased = true, lease_token = n.lease_token + 1, due_at_ms = $1::bigint + $2::bigint
  FROM picked JOIN target t ON t.client_id = picked.client_id WHERE n.jti = picked.jti
  RETURNING n.jti, n.client_id, n.seq, n.claims, n.set_jws, n.published_at_ms, n.attempts, n.lease_token, picked.turn,
    picked.due_at_ms, n.is_retry, t.callback_url,
    CASE WHEN n.round = t.round THEN n.round_attempts ELSE 0 END AS round_attempts,
    CASE WHEN n.round = t.round THEN n.round_began_at_ms END AS round_began_at_ms`;

/** One lane of each TPP in turn, oldest first; what another transaction is claiming is left to it. */
function claimLane(isRetry: boolean): string {
  return `
  WITH wanted AS MATERIALIZED (
    SELECT w.client_id, w.room, w.turn FROM unnest($3::text[], $4::int[]) WITH ORDINALITY AS w(client_id, room, turn)
      JOIN target t ON t.client_id = w.client_id
    WHERE t.callback_url IS NOT NULL AND t.unresponsive_since_ms IS NULL),
  picked AS MATERIALIZED (
    SELECT due.jti, w.client_id, w.turn, due.due_at_ms FROM (SELECT * FROM wanted ORDER BY turn) AS w
      CROSS JOIN LATERAL (
        SELECT jti, due_at_ms FROM notification
        WHERE client_id = w.client_id AND is_retry = ${isRetry} AND due_at_ms <= $1::bigint
        ORDER BY due_at_ms, seq LIMIT w.room FOR UPDATE SKIP LOCKED) AS due
    LIMIT $5::int) ${LEASE}`;
}

const CLAIM_FIRSTS = claimLane(false);
const CLAIM_RETRIES = claimLane(true);

// The target is locked, so that no two instances probe at once.
const CLAIM_PROBES = `
  WITH probed AS MATERIALIZED (
    SELECT client_id, 0 AS turn FROM target
    WHERE client_id = ANY($3::text[]) AND callback_url IS NOT NULL AND probe_at_ms <= $1::bigint
    ORDER BY client_id FOR UPDATE SKIP LOCKED),
  picked AS MATERIALIZED (
    SELECT free.jti, probed.client_id, probed.turn, free.due_at_ms FROM probed CROSS JOIN LATERAL (
      SELECT jti, due_at_ms FROM notification
      WHERE client_id = probed.client_id AND (NOT is_leased OR due_at_ms <= $1::bigint)
      ORDER BY is_retry, due_at_ms, seq LIMIT 1 FOR UPDATE SKIP LOCKED) AS free LIMIT $4::int),
  claimed AS (${LEASE}),
  held AS (UPDATE target SET probe_at_ms = $1::bigint + $2::bigint FROM claimed WHERE target.client_id = claimed.client_id)
  SELECT * FROM claimed`;

/** Claiming: one round trip when nothing is due, else three. Each TPP is first in turn. */
export class Claims {
  readonly #database: Database;
  /** The TPP that was served last. */
  #lastClientId = '';

  constructor(database: Database) {
    this.#database = database;
  }

  async claimDue(options: ClaimOptions): Promise<Claim> {
    const { nowMs, leaseMs, roomFor } = options;
    const rows = await this.#database.read(CANDIDATES, [nowMs]);
    const candidates = rows.map(candidateOf);
    const turns = options.limit > 0 ? this.#turns(candidates, options) : [];
    const probes = turns.filter(({ target }) => target.unresponsiveSinceMs !== undefined);
    const pushes = turns.filter(({ target }) => target.unresponsiveSinceMs === undefined);
    const withRoom = (turn: Turn) => {
      turn.room = Math.min(roomFor(turn.target), options.limit);
      return turn.room > 0;
    };
    const wanted = { probes: probes.filter(withRoom), pushes: pushes.filter(withRoom) };
    const claimed =
      wanted.probes.length + wanted.pushes.length === 0
        ? []
        : await this.#claim({ ...wanted, hasRetry: candidates.some(({ hasRetry }) => hasRetry) }, options);
    const dues = candidates.map((candidate) => nextDueAtMs(candidate, nowMs));
    if (claimed.length > 0) dues.push(nowMs + leaseMs);
    const earliest = Math.min(...dues.map((dueAtMs) => dueAtMs ?? Number.POSITIVE_INFINITY));
    return { claimed, nextDueAtMs: Number.isFinite(earliest) ? earliest : undefined };
  }

  /** Those that have something to claim now, beginning after the TPP that was served last. */
  #turns(candidates: readonly Candidate[], { nowMs }: ClaimOptions): Turn[] {
    const after = candidates.filter(({ target }) => target.clientId > this.#lastClientId);
    const upTo = candidates.filter(({ target }) => target.clientId <= this.#lastClientId);
    const ready = [...after, ...upTo].filter(({ target, hasFirst, hasRetry }) =>
      target.unresponsiveSinceMs === undefined ? hasFirst || hasRetry : (target.probeAtMs ?? 0) <= nowMs,
    );
    return ready.map(({ target }) => ({ target, room: 0 }));
  }

  async #claim(wanted: Wanted, options: ClaimOptions): Promise<ClaimedNotification[]> {
    const turns = [...wanted.probes, ...wanted.pushes];
    const unchanged = turns.map(({ target }) => target.clientId);
    const claimed = await this.#database.transaction((transaction) => claimIn(transaction, wanted, options), {
      locks: { unchanged },
    });
    this.#lastClientId = claimed.at(-1)?.clientId ?? this.#lastClientId;
    return claimed;
  }
}

interface Wanted {
  readonly probes: readonly Turn[];
  readonly pushes: readonly Turn[];
  readonly hasRetry: boolean;
}

async function claimIn(
  transaction: Transaction,
  { probes, pushes, hasRetry }: Wanted,
  { nowMs, leaseMs, limit }: ClaimOptions,
): Promise<ClaimedNotification[]> {
  const targets = new Map([...probes, ...pushes].map(({ target }) => [target.clientId, target]));
  const probed =
    probes.length === 0
      ? []
      : await transaction.query(CLAIM_PROBES, [nowMs, leaseMs, probes.map(({ target }) => target.clientId), limit]);
  const room = new Map(pushes.map((turn) => [turn.target.clientId, turn.room]));
  const lane = async (statement: string, left: number) => {
    const open = [...room].filter(([, count]) => count > 0);
    if (open.length === 0 || left <= 0) return [];
    const rows = await transaction.query(statement, [
      ...[nowMs, leaseMs, open.map(([clientId]) => clientId), open.map(([, count]) => count)],
      left,
    ]);
    for (const row of rows) room.set(text(row, 'client_id'), (room.get(text(row, 'client_id')) ?? 0) - 1);
    return rows;
  };
  const firsts = await lane(CLAIM_FIRSTS, limit - probed.length);
  const retries = hasRetry ? await lane(CLAIM_RETRIES, limit - probed.length - firsts.length) : [];
  const turnOf = new Map([...targets.keys()].map((clientId, turn) => [clientId, turn]));
  const claimed = [...probed, ...firsts.toSorted(inOrder), ...retries.toSorted(inOrder)].flatMap((row) => {
    const target = targets.get(text(row, 'client_id'));
    if (target === undefined) return [];
    return [claimedOf(row, target, target.unresponsiveSinceMs === undefined ? undefined : target.probes)];
  });
  await countClaimed(transaction, countsOf(claimed, targets, nowMs));
  // Stable: within a TPP the order stays.
  return claimed.toSorted((left, right) => (turnOf.get(left.clientId) ?? 0) - (turnOf.get(right.clientId) ?? 0));
}

function inOrder(left: Row, right: Row): number {
  const dueAtMs = (row: Row) => optionalWhole(row, 'due_at_ms') ?? 0;
  const seq = (row: Row) => optionalWhole(row, 'seq') ?? 0;
  return dueAtMs(left) - dueAtMs(right) || seq(left) - seq(right);
}

/** What was claimed of TPPs that are ramping up. */
function countsOf(
  claimed: readonly ClaimedNotification[],
  targets: ReadonlyMap<string, Target>,
  nowMs: number,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { clientId, probe } of claimed) {
    const target = targets.get(clientId);
    if (probe !== undefined || target === undefined || !isCounted(target, nowMs)) continue;
    counts.set(clientId, (counts.get(clientId) ?? 0) + 1);
  }
  return counts;
}

function candidateOf(row: Row): Candidate {
  return {
    target: targetOf(row),
    hasFirst: isTrue(row, 'has_first'),
    hasRetry: isTrue(row, 'has_retry'),
    nextAtMs: optionalWhole(row, 'next_at_ms'),
  };
}

function nextDueAtMs({ target, nextAtMs }: Candidate, nowMs: number): number | undefined {
  if (target.probeAtMs !== undefined && target.probeAtMs > nowMs) return target.probeAtMs;
  return nextAtMs;
}
