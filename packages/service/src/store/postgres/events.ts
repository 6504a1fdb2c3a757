import type { BankEvent, FanOut, NoNotificationReason } from '../../model/event.ts';
import type { ClaimedNotification, Target } from '../../model/notification.ts';
import type { DecideFanOut, HandOver, PublishOutcome, PublishResult } from '../delivery.ts';
import { optionalText, type Row, text } from '../row.ts';
import { searchKey, typesOf } from '../search.ts';
import { StoreError } from '../store.ts';
import { type Database, Overtaken, type Transaction } from './database.ts';
import { isTaken } from './errors.ts';
import type { EventTypes } from './event-types.ts';
import { type Known, lookUp, UNKNOWN } from './registrations.ts';
import { jsonOf, storable } from './rows.ts';
import { countClaimed, isCounted } from './targets.ts';

/** A request to publish. */
export interface Publication {
  readonly events: readonly BankEvent[];
  readonly decide: DecideFanOut;
  readonly nowMs: number;
  readonly handOver: HandOver | undefined;
}

/** The events that one transaction publishes, of however many requests. */
interface Batch {
  /** The known TPPs. */
  readonly tpps: ReadonlyMap<string, Known>;
  /** Of events that were published, before or earlier in this batch: what their content was, and what came of them. */
  readonly fingerprints: Map<string, string>;
  readonly outcomes: Map<string, PublishOutcome>;
  /** Rows to insert, in the order of publishing. */
  readonly rows: EventRow[];
  /** Counts of notifications handed over of TPPs that are ramping up. */
  readonly counts: Map<string, number>;
}

/** An event to insert; what is left out is NULL. */
interface EventRow {
  readonly id: string;
  /** Of its notification, as {@link typesOf} writes them; they go as a number. */
  readonly urns?: string;
  readonly [column: string]: string | number | boolean | undefined;
}

/** Notifications that one request hands over. */
interface Handing {
  readonly claimed: ClaimedNotification[];
  /** How many more of a TPP may be handed over. */
  readonly room: Map<string, number>;
}

/**
 * Commits the events of one or more requests and their notifications: two round trips, whatever their number. Each
 * request is all or nothing by itself; an event that an earlier one of them published was published before. Two
 * instances that publish the same event at once agree: the second finds it when it is begun anew.
 *
 * @returns what came of each request, in their order
 */
export function publishTogether(
  database: Database,
  publications: readonly Publication[],
  eventTypes: EventTypes,
): Promise<readonly PublishResult[]> {
  const clientIds = new Set(publications.flatMap(({ events }) => events.map(({ clientId }) => clientId)));
  return database.transaction(
    (transaction) => publishIn(transaction, publications, { clientIds: [...clientIds], eventTypes }),
    {
      locks: { unchanged: clientIds },
    },
  );
}

async function publishIn(
  transaction: Transaction,
  publications: readonly Publication[],
  { clientIds, eventTypes }: { readonly clientIds: readonly string[]; readonly eventTypes: EventTypes },
): Promise<readonly PublishResult[]> {
  const eventIds = new Set(publications.flatMap(({ events }) => events.map(({ id }) => storable(id))));
  const [tpps, known] = await Promise.all([
    lookUp(transaction, clientIds),
    transaction.query(
      `SELECT event_id, encode(fingerprint, 'hex') AS fingerprint, jti, none_reason FROM event
       WHERE event_id = ANY($1::text[])`,
      [[...eventIds]],
    ),
  ]);
  const fingerprints = new Map(known.map((row) => [text(row, 'event_id'), text(row, 'fingerprint')]));
  const outcomes = new Map(known.map((row) => [text(row, 'event_id'), repeatedOutcome(row)]));
  const batch: Batch = { tpps, fingerprints, outcomes, rows: [], counts: new Map() };
  const results = publications.map((publication) => resultOf(publication, batch));
  if (batch.rows.length > 0) await insert(transaction, batch, eventTypes);
  return results;
}

/** All or nothing: a conflict is found before anything of the request is added to what will be written. */
function resultOf(publication: Publication, batch: Batch): PublishResult {
  const eventIds = conflictsOf(publication.events, batch.fingerprints);
  if (eventIds.length > 0) return { kind: 'conflict', eventIds };
  const handing: Handing = { claimed: [], room: new Map() };
  const outcomes = publication.events.map((event) => outcomeOf(event, { publication, batch, handing }));
  return { kind: 'published', outcomes, claimed: handing.claimed };
}

function conflictsOf(events: readonly BankEvent[], known: ReadonlyMap<string, string>): string[] {
  const fresh = new Map<string, string>();
  const conflicts = new Set<string>();
  for (const { id, fingerprint } of events) {
    const kept = known.get(storable(id)) ?? fresh.get(storable(id));
    if (kept === undefined) fresh.set(storable(id), fingerprint);
    else if (kept !== fingerprint) conflicts.add(id);
  }
  return [...conflicts];
}

/** Where an event that is published belongs. */
interface Context {
  readonly publication: Publication;
  readonly batch: Batch;
  readonly handing: Handing;
}

function outcomeOf(event: BankEvent, context: Context): PublishOutcome {
  const { publication, batch } = context;
  const known = batch.outcomes.get(storable(event.id));
  if (known !== undefined) return { ...known, eventId: event.id };
  const { tpp, registration, target, round } = batch.tpps.get(event.clientId) ?? UNKNOWN;
  const fanOut = publication.decide(event, tpp, registration);
  const isHandedOver = fanOut.kind === 'notification' && target !== undefined && capacityFor(target, context) > 0;
  if (isHandedOver) handOver({ event, target, round }, fanOut, context);
  batch.rows.push(rowOf(event, fanOut, publication, isHandedOver));
  const outcome = freshOutcome(event.id, fanOut);
  batch.fingerprints.set(storable(event.id), event.fingerprint);
  batch.outcomes.set(storable(event.id), { ...outcome, repeated: true });
  return outcome;
}

/** How many more of a TPP may be handed over; asked once for each request. */
function capacityFor(target: Target, { publication, handing }: Context): number {
  const { handOver } = publication;
  if (handOver === undefined || target.unresponsiveSinceMs !== undefined) return 0;
  if (handing.claimed.length >= handOver.limit) return 0;
  const left = handing.room.get(target.clientId) ?? handOver.capacityFor(target);
  handing.room.set(target.clientId, left);
  return left;
}

function handOver(
  { event, target, round }: { readonly event: BankEvent; readonly target: Target; readonly round: number },
  { claims }: FanOut & { kind: 'notification' },
  { publication: { nowMs }, batch: { counts }, handing: { claimed, room } }: Context,
): void {
  const { clientId, callbackUrl, retry } = target;
  room.set(clientId, (room.get(clientId) ?? 0) - 1);
  if (isCounted(target, nowMs)) counts.set(clientId, (counts.get(clientId) ?? 0) + 1);
  claimed.push({
    ...{ jti: claims.jti, clientId, callbackUrl, claims, set: undefined, publishedAtMs: nowMs, attempts: 0 },
    round,
    ...{ roundAttempts: 0, roundBeganAtMs: undefined, retry, probe: undefined, leaseToken: 1 },
    traceContext: event.traceContext,
  });
}

function rowOf(event: BankEvent, fanOut: FanOut, { nowMs, handOver }: Publication, isLeased: boolean): EventRow {
  const known = { id: event.id, fingerprint: event.fingerprint, at_ms: nowMs };
  if (fanOut.kind === 'none') return { ...known, none_reason: fanOut.reason };
  const { claims } = fanOut;
  return {
    ...known,
    ...{ jti: claims.jti, client_id: event.clientId, claims: JSON.stringify(claims), l: isLeased },
    ...{ urns: typesOf(claims), txn_key: searchKey(claims.txn), resource_key: searchKey(event.resource.id) },
    trace: event.traceContext && JSON.stringify(event.traceContext),
    due_at_ms: isLeased ? nowMs + (handOver?.leaseMs ?? 0) : nowMs,
  };
}

// Rows are given in the order of publishing, which their sequence numbers keep; events are inserted by their ids, so that
// two that insert the same ones meet in the same order. They go first, all of them, because they are asked for their count:
// whoever was overtaken finds that out by an event.
const INSERT = `
  WITH r AS MATERIALIZED (
    SELECT *, CASE WHEN jti IS NOT NULL THEN nextval('notification_seq') END AS seq
    FROM json_to_recordset($1::json) AS r(id text, fingerprint text, at_ms bigint, none_reason text, jti text,
      client_id text, claims text, l boolean, due_at_ms bigint, types int, txn_key int, resource_key int, trace text)),
  fresh AS (
    INSERT INTO event (event_id, fingerprint, published_at_ms, jti, none_reason, seq, types, txn_key, resource_key)
    SELECT id, decode(fingerprint, 'hex'), at_ms, jti, none_reason, seq, types, txn_key, resource_key FROM r ORDER BY id COLLATE "C"
    RETURNING 1)
  INSERT INTO notification (jti, seq, client_id, event_id, published_at_ms, due_at_ms, is_leased, lease_token, claims,
    trace)
  SELECT jti, seq, client_id, id, at_ms, due_at_ms, l, l::int, claims, trace FROM r
  WHERE jti IS NOT NULL AND (SELECT count(*) FROM fresh) > 0`;

/** The last that the transaction does: the commit goes out with it. */
async function insert(transaction: Transaction, { rows, counts }: Batch, eventTypes: EventTypes): Promise<void> {
  const numbers = await eventTypes.numbersOf(transaction, new Set(rows.flatMap(({ urns }) => urns ?? [])));
  const numbered = rows.map(({ urns, ...row }) => (urns === undefined ? row : { ...row, types: numbers.get(urns) }));
  const counted = countClaimed(transaction, counts);
  counted.catch(() => undefined);
  try {
    await transaction.last(INSERT, [jsonOf(numbered)]);
  } catch (error) {
    if (isTaken(error, 'event_pkey')) throw new Overtaken('another published some of these events', { cause: error });
    throw isTaken(error, 'notification_pkey') ? new StoreError('a jti was used before', { cause: error }) : error;
  }
  await counted;
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
