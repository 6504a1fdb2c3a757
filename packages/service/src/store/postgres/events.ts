import assert from 'node:assert/strict';
import {
  type BankEvent,
  type ClaimedNotification,
  type DecideFanOut,
  type FanOut,
  type HandOver,
  type NoNotificationReason,
  type PublishOutcome,
  type PublishResult,
  StoreError,
  type Target,
} from '../store.ts';
import { type Database, Overtaken, type Transaction } from './database.ts';
import { type Known, lookUp, UNKNOWN } from './registrations.ts';
import { jsonOf, optionalText, type Row, storable, text, whole } from './rows.ts';
import { countClaimed, isCounted } from './targets.ts';

/** What publishing is asked for. */
export interface Publication {
  readonly events: readonly BankEvent[];
  readonly decide: DecideFanOut;
  readonly nowMs: number;
  readonly handOver: HandOver | undefined;
}

/** One batch that is being published. */
interface Batch extends Publication {
  /** What is known of the TPPs. */
  readonly tpps: ReadonlyMap<string, Known>;
  /** What came of events, those that were published before too. */
  readonly outcomes: Map<string, PublishOutcome>;
  /** Rows to insert, in the order of publishing. */
  readonly rows: object[];
  readonly claimed: ClaimedNotification[];
  /** How many more of a TPP may be handed over. */
  readonly room: Map<string, number>;
  /** What was handed over of TPPs that are ramping up. */
  readonly counts: Map<string, number>;
}

/**
 * Commits events and their notifications: three round trips, whatever their number. Two that publish the same event at
 * once agree: the second finds it when it is begun anew.
 */
export function publish(database: Database, publication: Publication): Promise<PublishResult> {
  const clientIds = [...new Set(publication.events.map(({ clientId }) => clientId))];
  return database.transaction((transaction) => publishIn(transaction, publication, clientIds), {
    locks: { unchanged: clientIds },
  });
}

async function publishIn(
  transaction: Transaction,
  publication: Publication,
  clientIds: readonly string[],
): Promise<PublishResult> {
  const { events } = publication;
  const [tpps, known] = await Promise.all([
    lookUp(transaction, clientIds),
    transaction.query(
      `SELECT event_id, encode(fingerprint, 'hex') AS fingerprint, jti, none_reason FROM event
       WHERE event_id = ANY($1::text[])`,
      [[...new Set(events.map(({ id }) => storable(id)))]],
    ),
  ]);
  const eventIds = conflictsOf(events, known);
  if (eventIds.length > 0) return { kind: 'conflict', eventIds };
  const outcomes = new Map(known.map((row) => [text(row, 'event_id'), repeatedOutcome(row)]));
  const fresh = { rows: [], claimed: [], room: new Map(), counts: new Map() };
  const batch: Batch = { ...publication, tpps, outcomes, ...fresh };
  const results = events.map((event) => outcomeOf(event, batch));
  if (batch.rows.length > 0) await insert(transaction, batch);
  return { kind: 'published', outcomes: results, claimed: batch.claimed };
}

/** All or nothing: a conflict is found before anything is written. */
function conflictsOf(events: readonly BankEvent[], known: readonly Row[]): string[] {
  const fingerprints = new Map(known.map((row) => [text(row, 'event_id'), text(row, 'fingerprint')]));
  const conflicts = new Set<string>();
  for (const { id, fingerprint } of events) {
    const kept = fingerprints.get(storable(id));
    if (kept !== undefined && kept !== fingerprint) conflicts.add(id);
    fingerprints.set(storable(id), kept ?? fingerprint);
  }
  return [...conflicts];
}

function outcomeOf(event: BankEvent, batch: Batch): PublishOutcome {
  const known = batch.outcomes.get(storable(event.id));
  if (known !== undefined) return { ...known, eventId: event.id };
  const { tpp, registration, target, round } = batch.tpps.get(event.clientId) ?? UNKNOWN;
  const fanOut = batch.decide(event, tpp, registration);
  const isHandedOver = fanOut.kind === 'notification' && target !== undefined && roomFor(target, batch) > 0;
  if (isHandedOver) handOver({ target, round }, fanOut, batch);
  batch.rows.push(rowOf(event, fanOut, isHandedOver));
  const outcome = freshOutcome(event.id, fanOut);
  batch.outcomes.set(storable(event.id), { ...outcome, repeated: true });
  return outcome;
}

/** How many more of a TPP may be handed over; asked once for each batch. */
function roomFor(target: Target, { handOver, room, claimed }: Batch): number {
  if (handOver === undefined || target.unresponsiveSinceMs !== undefined) return 0;
  if (claimed.length >= handOver.limit) return 0;
  const left = room.get(target.clientId) ?? handOver.roomFor(target);
  room.set(target.clientId, left);
  return left;
}

function handOver(
  { target, round }: { readonly target: Target; readonly round: number },
  { claims }: FanOut & { kind: 'notification' },
  batch: Batch,
): void {
  const { clientId, callbackUrl, retry } = target;
  batch.room.set(clientId, (batch.room.get(clientId) ?? 0) - 1);
  if (isCounted(target, batch.nowMs)) batch.counts.set(clientId, (batch.counts.get(clientId) ?? 0) + 1);
  batch.claimed.push({
    ...{ jti: claims.jti, clientId, callbackUrl, claims, set: undefined, publishedAtMs: batch.nowMs, attempts: 0 },
    round,
    ...{ roundAttempts: 0, roundBeganAtMs: undefined, retry, probe: undefined, leaseToken: 1 },
  });
}

function rowOf(event: BankEvent, fanOut: FanOut, isLeased: boolean): object {
  const { id, fingerprint } = event;
  if (fanOut.kind === 'none') return { id, fingerprint, none_reason: fanOut.reason };
  const { claims } = fanOut;
  return { id, fingerprint, jti: claims.jti, client_id: event.clientId, claims: JSON.stringify(claims), l: isLeased };
}

// Rows are given in the order of publishing, which their sequence numbers keep; events are inserted by their ids, so that
// two that insert the same ones meet in the same order.
const INSERT = `
  WITH r AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json) AS r(id text, fingerprint text, none_reason text, jti text, client_id text,
      claims text, l boolean)),
  fresh AS (
    INSERT INTO event (event_id, fingerprint, published_at_ms, jti, none_reason)
    SELECT id, decode(fingerprint, 'hex'), $2::bigint, jti, none_reason FROM r ORDER BY id COLLATE "C"
    ON CONFLICT DO NOTHING RETURNING 1),
  made AS (
    INSERT INTO notification
      (jti, client_id, event_id, published_at_ms, due_at_ms, is_leased, lease_token, claims)
    SELECT jti, client_id, id, $2::bigint, $2::bigint + CASE WHEN l THEN $3::bigint ELSE 0 END, l, l::int, claims
    FROM r WHERE jti IS NOT NULL ON CONFLICT DO NOTHING RETURNING 1)
  SELECT (SELECT count(*) FROM fresh) AS events, (SELECT count(*) FROM made) AS notifications,
    (SELECT count(jti) FROM r) AS expected`;

async function insert(transaction: Transaction, { rows, nowMs, handOver, counts }: Batch): Promise<void> {
  const [[inserted]] = await Promise.all([
    transaction.query(INSERT, [jsonOf(rows), nowMs, handOver?.leaseMs ?? 0]),
    countClaimed(transaction, counts),
  ]);
  assert(inserted !== undefined);
  if (whole(inserted, 'events') !== rows.length) throw new Overtaken('another published some of these events');
  if (whole(inserted, 'notifications') !== whole(inserted, 'expected')) throw new StoreError('a jti was used before');
}

function freshOutcome(eventId: string, fanOut: FanOut): PublishOutcome {
  const known = { eventId, repeated: false };
  if (fanOut.kind === 'none') return { ...known, kind: 'none', reason: fanOut.reason };
  return { ...known, kind: 'notification', jti: fanOut.claims.jti };
}

function repeatedOutcome(row: Row): PublishOutcome {
  const known = { eventId: text(row, 'event_id'), repeated: true };
  const jti = optionalText(row, 'jti');
  if (jti !== undefined) return { ...known, kind: 'notification', jti };
  return { ...known, kind: 'none', reason: text(row, 'none_reason') as NoNotificationReason };
}
