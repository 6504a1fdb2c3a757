import assert from 'node:assert/strict';
import type { RecentAttempts } from '../../model/attempt.ts';
import { type AttemptHealth, endOf } from '../../model/attempt-health.ts';
import type { ClaimedNotification } from '../../model/notification.ts';
import type { AttemptRecord, RecordedAttempts, RecordResult } from '../delivery.ts';
import {
  isTrue,
  optionalText,
  optionalWhole,
  orReplace,
  RECENT_ATTEMPTS_COLUMNS,
  RECENT_ATTEMPTS_KEPT_MS,
  type Row,
  recentAttemptsOf,
  recentAttemptsRowOf,
  text,
  whole,
} from '../rows.ts';
import { healthChangesOf } from '../shared.ts';
import { attemptHealthOf } from '../target-rows.ts';
import { beginEndingWaits } from './backlogs.ts';
import { type Database, insertInto, jsonOf, storable, type Transaction } from './database.ts';
import { settleSql } from './settle.ts';
import { becomeUnresponsive, noteAttempts, probeFailed, recover } from './targets.ts';

// A notification that fails for weeks must not grow without end: of its failed attempts the newest are kept.
const ATTEMPTS_KEPT_MAX = 500;

const RECORDS = 'r(jti text, client_id text, token int, at_ms bigint, started_at_ms bigint, entry text)';

function logOf(column: string, max: number): string {
  return `(coalesce(${column}, '{}') || ARRAY[r.entry])[greatest(coalesce(cardinality(${column}), 0) + 2 - ${max}, 1):]`;
}

/** An acknowledged notification is settled, with its last attempt. The TPP has it, whoever holds the lease. */
const ACKNOWLEDGE = `
  WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS ${RECORDS}),
  gone AS (
    DELETE FROM notification n USING r WHERE n.jti = r.jti
    RETURNING n.jti, n.seq, n.client_id, n.published_at_ms, n.content_day, n.lease_token, n.attempts + 1 AS attempts,
      ${logOf('n.attempt_log', ATTEMPTS_KEPT_MAX)} AS attempt_log, n.error_log, r.at_ms AS acknowledged_at_ms),
  kept AS (${settleSql({ state: 'acknowledged', acknowledgedBy: 'push' }, 'acknowledged_at_ms')})
  SELECT jti FROM gone`;

// at_ms: when it is tried again; NULL: it is requeued at its original position. Only under the current lease.
const FAIL = `
  WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS ${RECORDS})
  UPDATE notification n SET is_leased = false, attempts = n.attempts + 1,
    attempt_log = ${logOf('n.attempt_log', ATTEMPTS_KEPT_MAX)},
    due_at_ms = coalesce(r.at_ms, n.published_at_ms), is_retry = r.at_ms IS NOT NULL,
    round_attempts = CASE WHEN n.round = coalesce(t.round, 0) THEN n.round_attempts ELSE 0 END + 1,
    round_began_at_ms =
      coalesce(CASE WHEN n.round = coalesce(t.round, 0) THEN n.round_began_at_ms END, r.started_at_ms),
    round = coalesce(t.round, 0)
  FROM r LEFT JOIN target t ON t.client_id = r.client_id
  WHERE n.jti = r.jti AND n.is_leased AND n.lease_token = r.token RETURNING n.jti`;

// An attempt of a claim that no longer stands is kept, but is no part of the round: that may be at another URL.
const KEEP = (['notification', 'settled'] as const).map(
  (table) => `
  WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS ${RECORDS})
  UPDATE ${table} n SET attempts = n.attempts + 1, attempt_log = ${logOf('n.attempt_log', ATTEMPTS_KEPT_MAX)}
  FROM r WHERE n.jti = r.jti RETURNING n.jti`,
);

/**
 * Records attempts and what follows. Those that act on their notification alone, nearly all, go in one statement for each
 * kind; those of a TPP whose callback URL may turn unresponsive or recover go one after the other.
 *
 * @param portion most retries of a recovered callback URL whose waits end with the recording itself
 */
export function recordAttempts(
  database: Database,
  records: readonly AttemptRecord[],
  nowMs: number,
  portion: number,
): Promise<RecordedAttempts> {
  const clientIds = [...new Set(records.map(({ claimed }) => claimed.clientId))];
  return database.transaction(async (transaction) => {
    const known = await knownOf(transaction, clientIds);
    const turning = new Set(clientIds.filter((clientId) => known.get(clientId)?.isUnresponsive === true));
    for (const { claimed, next } of records) if (next.kind === 'cease') turning.add(claimed.clientId);
    const results = new Map<AttemptRecord, RecordResult>();
    const recording = { nowMs, portion, turning, results };
    for (const wave of wavesOf(records, turning)) await recordWave(transaction, wave, recording);
    const changes = healthChangesOf(records, (clientId) => known.get(clientId)?.callbackUrl);
    const turns = await noteAttempts(transaction, changes, known);
    const recovered = new Set(
      records.filter((record) => results.get(record) === 'recovered').map(({ claimed }) => claimed.clientId),
    );
    return {
      results: records.map((record) => results.get(record) ?? assert.fail('every record has a result')),
      turns: turns.filter(({ clientId }) => !recovered.has(clientId)),
    };
  });
}

/** The state of a callback URL before a batch is recorded. */
interface KnownTarget extends AttemptHealth {
  readonly callbackUrl: string | undefined;
  readonly isUnresponsive: boolean;
}

async function knownOf(transaction: Transaction, clientIds: readonly string[]): Promise<Map<string, KnownTarget>> {
  const rows = await transaction.query(
    `SELECT client_id, callback_url, unresponsive_since_ms, failing_since_ms, failures, last_failure, acknowledged_at_ms
     FROM target WHERE client_id = ANY($1::text[])`,
    [clientIds],
  );
  return new Map(
    rows.map((row) => {
      const isUnresponsive = optionalWhole(row, 'unresponsive_since_ms') !== undefined;
      const known = { callbackUrl: optionalText(row, 'callback_url'), isUnresponsive, ...attemptHealthOf(row) };
      return [text(row, 'client_id'), known];
    }),
  );
}

/** A batch that is being recorded. */
interface Recording {
  readonly nowMs: number;
  readonly portion: number;
  /** TPPs whose callback URL may turn unresponsive or recover. */
  readonly turning: ReadonlySet<string>;
  readonly results: Map<AttemptRecord, RecordResult>;
}

/** Splits records: within a wave they do not touch each other. A TPP's own waves are in the order of its records. */
function wavesOf(records: readonly AttemptRecord[], turning: ReadonlySet<string>): AttemptRecord[][] {
  const waves: AttemptRecord[][] = [];
  const next = new Map<string, number>();
  for (const record of records) {
    const { jti, clientId } = record.claimed;
    const name = turning.has(clientId) ? `client ${clientId}` : `jti ${jti}`;
    const at = next.get(name) ?? 0;
    next.set(name, at + 1);
    const wave = waves[at] ?? [];
    wave.push(record);
    waves[at] = wave;
  }
  return waves;
}

async function recordWave(
  transaction: Transaction,
  wave: readonly AttemptRecord[],
  { nowMs, portion, turning, results }: Recording,
): Promise<void> {
  const states = await statesOf(transaction, wave, turning);
  // In a fixed order, so that two batches do not wait for each other.
  const ordered = wave.toSorted((left, right) => (left.claimed.jti < right.claimed.jti ? -1 : 1));
  const acknowledged = ordered.filter(({ next }) => next.kind === 'acknowledged');
  const failed = ordered.filter(({ next }) => next.kind !== 'acknowledged');
  const stateOf = ({ claimed }: AttemptRecord) => states.get(claimed.clientId);
  const [gone, placed] = await Promise.all([
    jtisOf(transaction, ACKNOWLEDGE, acknowledged, endOfRecord),
    jtisOf(transaction, FAIL, failed, (record) => placeAfter(record, stateOf(record), nowMs)),
  ]);
  const stale = ordered.filter(({ claimed }) => !gone.has(claimed.jti) && !placed.has(claimed.jti));
  const [awaiting = new Set()] = await Promise.all(
    KEEP.map((statement) => jtisOf(transaction, statement, stale, endOfRecord)),
  );
  const settled = stale.filter(({ claimed }) => !awaiting.has(claimed.jti));
  for (const record of settled) await noteProbe(transaction, record, stateOf(record));
  for (const record of wave) {
    const { claimed, next } = record;
    const isApplied = gone.has(claimed.jti) || placed.has(claimed.jti);
    const result = isApplied ? 'applied' : 'overtaken';
    if (!turning.has(claimed.clientId)) results.set(record, result);
    else if (next.kind === 'acknowledged') {
      const isRecovered = await recover(transaction, claimed.clientId, nowMs, claimed.callbackUrl);
      if (isRecovered) await beginEndingWaits(transaction, claimed.clientId, portion);
      results.set(record, isRecovered ? 'recovered' : result);
    } else if (isApplied) results.set(record, await turn(transaction, record, stateOf(record)));
    else results.set(record, result);
  }
}

/**
 * A probe fails although its notification is not awaiting any more, such as when the TPP polled it meanwhile: it says as much of
 * the callback URL, and the next one is due when it would be.
 */
async function noteProbe(transaction: Transaction, { claimed, next }: AttemptRecord, state: State | undefined) {
  if (next.kind !== 'cease' || !state?.isUnresponsive || claimed.probe !== state.probes) return;
  const failed = { probes: claimed.probe + 1, probeAtMs: next.probeAtMs, round: claimed.round };
  await probeFailed(transaction, claimed.clientId, failed);
}

/** The state of the callback URL of a TPP. */
interface State {
  readonly round: number;
  readonly isUnresponsive: boolean;
  /** Of those since it became unresponsive, how many failed. */
  readonly probes: number;
}

/** Those of a wave, as they are now; of TPPs that are not turning nothing needs to be known. */
async function statesOf(
  transaction: Transaction,
  wave: readonly AttemptRecord[],
  turning: ReadonlySet<string>,
): Promise<Map<string, State>> {
  const clientIds = wave.map(({ claimed }) => claimed.clientId).filter((clientId) => turning.has(clientId));
  if (clientIds.length === 0) return new Map();
  const rows = await transaction.query(
    `SELECT client_id, round, probes, unresponsive_since_ms IS NOT NULL AS is_unresponsive FROM target
     WHERE client_id = ANY($1::text[])`,
    [clientIds],
  );
  const stateOf = (row: Row) => ({
    round: whole(row, 'round'),
    isUnresponsive: isTrue(row, 'is_unresponsive'),
    probes: whole(row, 'probes'),
  });
  return new Map(rows.map((row) => [text(row, 'client_id'), stateOf(row)]));
}

/** A failure was applied: the callback URL may be unresponsive from now on, or have failed a probe. */
async function turn(
  transaction: Transaction,
  record: AttemptRecord,
  state: State | undefined,
): Promise<'applied' | 'became-unresponsive'> {
  const { claimed, next } = record;
  if (next.kind !== 'cease') return 'applied';
  const { probeAtMs } = next;
  if (state?.isUnresponsive && claimed.probe !== undefined) {
    const failed = { probes: claimed.probe + 1, probeAtMs, round: claimed.round };
    await probeFailed(transaction, claimed.clientId, failed);
  }
  if (state?.isUnresponsive || claimed.probe !== undefined) return 'applied';
  const ceased = { sinceMs: endOfRecord(record), probeAtMs, round: claimed.round };
  const isFirst = await becomeUnresponsive(transaction, claimed.clientId, ceased);
  return isFirst ? 'became-unresponsive' : 'applied';
}

/** @returns when it is tried again; null: it is requeued at its original position */
function placeAfter({ claimed, next }: AttemptRecord, state: State | undefined, nowMs: number): number | null {
  if (state?.isUnresponsive) return null;
  if (next.kind === 'retry') return next.atMs;
  // A probe that failed although the callback URL recovered by other means is an attempt like any other, and so is what
  // ceases by the counts of an older round.
  const isOfAnotherRound = state !== undefined && state.round !== claimed.round;
  return claimed.probe === undefined && !isOfAnotherRound ? null : nowMs;
}

function endOfRecord({ attempt }: AttemptRecord): number {
  return endOf(attempt);
}

async function jtisOf(
  transaction: Transaction,
  statement: string,
  records: readonly AttemptRecord[],
  atMs: (record: AttemptRecord) => number | null,
): Promise<ReadonlySet<string>> {
  if (records.length === 0) return new Set();
  const rows = records.map((record) => rowOf(record, atMs(record)));
  const answered = await transaction.query(statement, [jsonOf(rows)]);
  return new Set(answered.map((row) => text(row, 'jti')));
}

function rowOf({ claimed, attempt }: AttemptRecord, atMs: number | null): object {
  const { startedAtMs, durationMs, interactionId, callbackUrl, outcome } = attempt;
  const entry = { startedAtMs, durationMs: Math.round(durationMs), interactionId, callbackUrl, outcome };
  return {
    jti: claimed.jti,
    client_id: claimed.clientId,
    token: claimed.leaseToken,
    at_ms: atMs,
    started_at_ms: startedAtMs,
    entry: JSON.stringify(entry),
  };
}

/** Returns claims that are still valid: each is requeued at its original position, and another probe may be made. */
export async function release(
  database: Database,
  claimed: readonly ClaimedNotification[],
  nowMs: number,
): Promise<void> {
  if (claimed.length === 0) return;
  const ordered = claimed.toSorted((left, right) => (left.jti < right.jti ? -1 : 1));
  const rows = ordered.map(({ jti, leaseToken, probe, round }) => {
    return { jti, token: leaseToken, probe_of: probe === undefined ? null : round };
  });
  await database.transaction((transaction) =>
    transaction.last(
      `WITH r AS MATERIALIZED (
         SELECT * FROM json_to_recordset($1::json) AS r(jti text, token int, probe_of int)),
       freed AS (
         UPDATE notification n SET is_leased = false,
           due_at_ms = CASE WHEN n.is_retry THEN least(n.due_at_ms, $2::bigint) ELSE n.published_at_ms END
         FROM r WHERE n.jti = r.jti AND n.is_leased AND n.lease_token = r.token
         RETURNING n.client_id, r.probe_of)
       UPDATE target SET probe_at_ms = $2::bigint
       WHERE unresponsive_since_ms IS NOT NULL AND (client_id, round) IN (SELECT client_id, probe_of FROM freed)`,
      [jsonOf(rows), nowMs],
    ),
  );
}

const KEEP_RECENT = `${insertInto('recent_attempts', RECENT_ATTEMPTS_COLUMNS)}
  ${orReplace(RECENT_ATTEMPTS_COLUMNS, 'client_id, instance')}`;

export async function keepRecentAttempts(
  database: Database,
  recent: readonly RecentAttempts[],
  nowMs: number,
): Promise<void> {
  // In a fixed order, as all that lock several rows.
  const ordered = recent.toSorted((left, right) => (left.clientId < right.clientId ? -1 : 1));
  await database.transaction(async (transaction) => {
    await Promise.all([
      // Nothing relies on the last of them: the disk need not be waited for.
      transaction.query("SELECT set_config('synchronous_commit', 'off', true)"),
      transaction.query('DELETE FROM recent_attempts WHERE client_id = ANY($1::text[]) AND at_ms < $2::bigint', [
        ordered.map(({ clientId }) => storable(clientId)),
        nowMs - RECENT_ATTEMPTS_KEPT_MS,
      ]),
      transaction.last(KEEP_RECENT, [jsonOf(ordered.map((one) => recentAttemptsRowOf(one, nowMs)))]),
    ]);
  });
}

export async function recentAttempts(database: Database, clientIds: readonly string[]): Promise<RecentAttempts[]> {
  const rows = await database.queryByKey(
    'SELECT client_id, instance, attempts FROM recent_attempts WHERE client_id = ANY($1::text[])',
    [clientIds.map(storable)],
  );
  return rows.map(recentAttemptsOf);
}
