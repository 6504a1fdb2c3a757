import { LruMap } from '../../base/lru-map.ts';
import type { BankEvent, FanOut } from '../../model/event.ts';
import type { DecideFanOut, PublishOutcome, PublishResult, ReserveOptions } from '../delivery.ts';
import { text, whole } from '../rows.ts';
import { searchKey, typesOf } from '../search.ts';
import { freshOutcome, isCounted, ReservedClaims, repeatedOutcome } from '../shared.ts';
import { StoreError } from '../store.ts';
import { isOfContent, isTaken } from './connection.ts';
import { contentOf, DAY_MS } from './content.ts';
import { type Database, jsonOf, Overtaken, storable, type Transaction } from './database.ts';
import { type Known, lookUp, UNKNOWN } from './registrations.ts';
import { countClaimed } from './targets.ts';

interface Waiting {
  readonly publication: Publication;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: unknown) => void;
}

// One that waits for the disk, and one that is made ready meanwhile.
const UNDER_WAY_MAX = 2;
const SEEN_MAX = 1000;
// Bounds how long one transaction takes, and so how long the next ones wait for it.
const EVENTS_MAX = 1000;

/**
 * Group commit for publishing: requests that arrive while transactions are under way share the next one. Each gets its
 * own answer, as if it had come alone after those before it.
 */
export class Publishing {
  readonly #database: Database;
  readonly #eventTypes: EventTypes;
  /** TPPs as they were found last: nearly always they still are so. */
  readonly #seen = new LruMap<string, Known>(SEEN_MAX);
  readonly #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(database: Database, eventTypes: EventTypes) {
    this.#database = database;
    this.#eventTypes = eventTypes;
  }

  /** TPPs have changed: what was seen of them is read again. */
  forget(clientIds: ReadonlySet<string>): void {
    for (const clientId of clientIds) this.#seen.delete(clientId);
  }

  /** The database may be another one now that lacks the last transactions: what was seen in them is read again. */
  #forgetAll(): void {
    this.#seen.clear();
    this.#eventTypes.forget();
  }

  /** @throws {StoreError} when the database refused or is away */
  publish(publication: Publication): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publication, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#underWay >= UNDER_WAY_MAX || this.#waiting.length === 0) return;
    this.#underWay += 1;
    void this.#publishAll(this.#take()).then(() => {
      this.#underWay -= 1;
      this.#next();
    });
  }

  /** The oldest, and those behind it as far as they fit. */
  #take(): readonly Waiting[] {
    let events = 0;
    let count = 0;
    for (const { publication } of this.#waiting) {
      events += publication.events.length;
      if (count > 0 && events > EVENTS_MAX) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Never rejects. What one of them brings upon the transaction must not be held against the others. */
  async #publishAll(group: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#publishTogether(group.map(({ publication }) => publication));
      for (const [at, { resolve }] of group.entries()) resolve(results[at] as PublishResult);
    } catch (error) {
      const isOfOne = !(error instanceof StoreError) || isOfContent(error);
      if (!isOfOne) this.#forgetAll();
      if (isOfOne && group.length > 1) for (const one of group) await this.#publishAll([one]);
      else for (const { reject } of group) reject(error);
    }
  }

  /**
   * Commits the events of one or more requests and their notifications. In one round trip where all TPPs are as they were
   * seen last and no event was published before, which the insertion finds out. Otherwise in two, of which the first reads.
   * Each request is all or nothing by itself; an event that an earlier one of them published was published before. Two
   * instances that publish the same event at once agree: the second finds it when it is repeated.
   *
   * @returns what came of each request, in their order
   */
  async #publishTogether(publications: readonly Publication[]): Promise<readonly PublishResult[]> {
    const clientIds = new Set(publications.flatMap(({ events }) => events.map(({ clientId }) => clientId)));
    const options = { locks: { unchanged: clientIds } };
    const seen = this.#seenOf(clientIds, publications);
    const results =
      seen &&
      (await this.#database.transaction(
        (transaction) => this.#publishAsSeen(transaction, publications, seen),
        options,
      ));
    return (
      results ??
      this.#database.transaction((transaction) => this.#publishAsRead(transaction, publications, clientIds), options)
    );
  }

  /** @returns undefined: not all were seen, or what is counted of one has to be read */
  #seenOf(
    clientIds: ReadonlySet<string>,
    publications: readonly Publication[],
  ): ReadonlyMap<string, Known> | undefined {
    const seen = new Map<string, Known>();
    for (const clientId of clientIds) {
      const known = this.#seen.get(clientId);
      const target = known?.target;
      if (known === undefined || (target && publications.some(({ nowMs }) => isCounted(target, nowMs))))
        return undefined;
      seen.set(clientId, known);
    }
    return seen;
  }

  /** @returns undefined: something was not as it was seen, and nothing was inserted */
  async #publishAsSeen(
    transaction: Transaction,
    publications: readonly Publication[],
    seen: ReadonlyMap<string, Known>,
  ): Promise<readonly PublishResult[] | undefined> {
    const batch: Batch = { tpps: seen, fingerprints: new Map(), outcomes: new Map(), rows: [], counts: new Map() };
    const results = publications.map((publication) => resultOf(publication, batch));
    return (await insert(transaction, batch, this.#eventTypes, seen)) ? results : undefined;
  }

  async #publishAsRead(
    transaction: Transaction,
    publications: readonly Publication[],
    clientIds: ReadonlySet<string>,
  ): Promise<readonly PublishResult[]> {
    const eventIds = new Set(publications.flatMap(({ events }) => events.map(({ id }) => storable(id))));
    const [tpps, published] = await Promise.all([
      lookUp(transaction, [...clientIds]),
      transaction.query(PUBLISHED, [[...eventIds]]),
    ]);
    const fingerprints = new Map(published.map((row) => [text(row, 'event_id'), text(row, 'fingerprint')]));
    const outcomes = new Map(
      published.map((row) => [text(row, 'event_id'), repeatedOutcome(text(row, 'event_id'), row)]),
    );
    const batch: Batch = { tpps, fingerprints, outcomes, rows: [], counts: new Map() };
    const results = publications.map((publication) => resultOf(publication, batch));
    if (batch.rows.length === 0) await transaction.last(CONFIRM);
    else if (!(await insert(transaction, batch, this.#eventTypes)))
      throw new Overtaken('another published some of these events');
    for (const [clientId, known] of tpps) this.#seen.set(clientId, known);
    return results;
  }
}

// Makes the commit be written, and so wait for the synchronous standby as that of the first publication should have done: a
// primary that crashed while it waited shows after its restart what the standby may not have.
const CONFIRM = 'SELECT pg_current_xact_id()';

/** A request to publish. */
export interface Publication {
  readonly events: readonly BankEvent[];
  readonly decide: DecideFanOut;
  readonly nowMs: number;
  readonly reservation: ReserveOptions | undefined;
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

const PUBLISHED = `SELECT event_id, encode(fingerprint, 'hex') AS fingerprint, jti, none_reason FROM event
  WHERE event_id = ANY($1::text[])`;

/** All or nothing: a conflict is found before anything of the request is added to what will be written. */
function resultOf(publication: Publication, batch: Batch): PublishResult {
  const eventIds = conflictsOf(publication.events, batch.fingerprints);
  if (eventIds.length > 0) return { kind: 'conflict', eventIds };
  const reserved = new ReservedClaims(publication.reservation, publication.nowMs);
  const outcomes = publication.events.map((event) => outcomeOf(event, { publication, batch, reserved }));
  return { kind: 'published', outcomes, claimed: reserved.claimed };
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
  readonly reserved: ReservedClaims;
}

function outcomeOf(event: BankEvent, { publication, batch, reserved }: Context): PublishOutcome {
  const known = batch.outcomes.get(storable(event.id));
  if (known !== undefined) return { ...known, eventId: event.id };
  const { tpp, registration, target, round } = batch.tpps.get(event.clientId) ?? UNKNOWN;
  const fanOut = publication.decide(event, tpp, registration);
  const isClaimed = fanOut.kind === 'notification' && target !== undefined && reserved.hasCapacityFor(target);
  if (isClaimed) {
    reserved.add({ ...fanOut, traceContext: event.traceContext }, target, { round, leaseToken: 1 });
    if (isCounted(target, publication.nowMs)) {
      batch.counts.set(target.clientId, (batch.counts.get(target.clientId) ?? 0) + 1);
    }
  }
  batch.rows.push(rowOf(event, fanOut, publication.nowMs, isClaimed ? reserved.leasedUntilMs : undefined));
  const outcome = freshOutcome(event.id, fanOut);
  batch.fingerprints.set(storable(event.id), event.fingerprint);
  batch.outcomes.set(storable(event.id), { ...outcome, repeated: true });
  return outcome;
}

/** @param leasedUntilMs undefined: its notification is not claimed */
function rowOf(event: BankEvent, fanOut: FanOut, nowMs: number, leasedUntilMs: number | undefined): EventRow {
  const known = { id: event.id, fingerprint: event.fingerprint, at_ms: nowMs };
  if (fanOut.kind === 'none') return { ...known, none_reason: fanOut.reason };
  const { claims } = fanOut;
  return {
    ...known,
    jti: claims.jti,
    client_id: event.clientId,
    ...contentOf(JSON.stringify(claims), fanOut.set),
    l: leasedUntilMs !== undefined,
    urns: typesOf(claims),
    txn_key: searchKey(claims.txn),
    resource_key: searchKey(event.resource.id),
    trace: event.traceContext && JSON.stringify(event.traceContext),
    due_at_ms: leasedUntilMs ?? nowMs,
  };
}

// Nothing is inserted unless all TPPs are as they were seen, $2 with their revisions $3, and no event is known already. Rows
// are given in the order of publishing, which their sequence numbers keep; events are inserted by their ids, so that two
// that insert the same ones meet in the same order. They go first, all of them, because they are asked for their count: a
// transaction that was overtaken finds that out by an event.
const INSERT = `
  WITH r AS MATERIALIZED (
    SELECT *, CASE WHEN jti IS NOT NULL THEN nextval('notification_seq') END AS seq
    FROM json_to_recordset($1::json) AS r(id text, fingerprint text, at_ms bigint, none_reason text, jti text,
      client_id text, claims text, set_jws text, l boolean, due_at_ms bigint, types int, txn_key int, resource_key int,
      trace text)),
  fresh AS (
    INSERT INTO event (event_id, fingerprint, published_at_ms, jti, none_reason, seq, types, txn_key, resource_key)
    SELECT id, decode(fingerprint, 'hex'), at_ms, jti, none_reason, seq, types, txn_key, resource_key FROM r
    WHERE NOT EXISTS (SELECT 1 FROM r JOIN event e ON e.event_id = r.id)
      AND NOT EXISTS (
        SELECT 1 FROM unnest($2::text[], $3::bigint[]) AS seen(client_id, revision)
          LEFT JOIN target t ON t.client_id = seen.client_id WHERE coalesce(t.revision, 0) <> seen.revision)
    ORDER BY id COLLATE "C" RETURNING 1),
  written AS (
    INSERT INTO content (day, seq, event_id, claims, set_jws, trace)
    SELECT at_ms / ${DAY_MS}, seq, id, claims, set_jws, trace FROM r
    WHERE jti IS NOT NULL AND (SELECT count(*) FROM fresh) > 0),
  awaiting AS (
    INSERT INTO notification (jti, seq, client_id, published_at_ms, content_day, due_at_ms, is_leased, lease_token)
    SELECT jti, seq, client_id, at_ms, at_ms / ${DAY_MS}, due_at_ms, l, l::int FROM r
    WHERE jti IS NOT NULL AND (SELECT count(*) FROM fresh) > 0)
  SELECT 1 FROM fresh LIMIT 1`;

/**
 * The last that the transaction does: the commit goes out with it.
 *
 * @param seen TPPs that have to be as they were seen
 * @returns false: they are not, or some event is known already, and nothing was inserted
 */
async function insert(
  transaction: Transaction,
  { rows, counts }: Batch,
  eventTypes: EventTypes,
  seen: ReadonlyMap<string, Known> = new Map(),
): Promise<boolean> {
  const numbers = await eventTypes.numbersOf(transaction, new Set(rows.flatMap(({ urns }) => urns ?? [])));
  const numbered = rows.map(({ urns, ...row }) => (urns === undefined ? row : { ...row, types: numbers.get(urns) }));
  const counted = countClaimed(transaction, counts);
  counted.catch(() => undefined);
  const revisions = [...seen.values()].map(({ revision }) => revision);
  try {
    const inserted = await transaction.last(INSERT, [jsonOf(numbered), [...seen.keys()].map(storable), revisions]);
    await counted;
    return inserted.length > 0;
  } catch (error) {
    if (isTaken(error, 'event_pkey')) throw new Overtaken('another published some of these events', { cause: error });
    throw isTaken(error, 'notification_pkey') ? new StoreError('a jti was used before', { cause: error }) : error;
  }
}

/** The numbers of combinations of event types, of which there are few: as a rule they are known without asking. */
export class EventTypes {
  readonly #numbers = new Map<string, number>();

  forget(): void {
    this.#numbers.clear();
  }

  /** @param types as {@link typesOf} writes them. @returns the number of each */
  async numbersOf(transaction: Transaction, types: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    const unknown = [...types].filter((one) => !this.#numbers.has(one)).sort();
    if (unknown.length === 0) return this.#numbers;
    const kept = await transaction.query('SELECT id, urns FROM event_types WHERE urns = ANY($1::text[])', [unknown]);
    for (const row of kept) this.#numbers.set(text(row, 'urns'), whole(row, 'id'));
    const fresh = unknown.filter((one) => !this.#numbers.has(one));
    if (fresh.length === 0) return this.#numbers;
    // What this transaction adds is remembered only once another finds it: it may be rolled back. In a fixed order, so
    // that two that add the same ones do not wait for each other.
    const added = await transaction.query(
      `INSERT INTO event_types (urns) SELECT urns FROM json_to_recordset($1::json) AS r(urns text) ORDER BY urns COLLATE "C"
       ON CONFLICT (urns) DO UPDATE SET urns = excluded.urns RETURNING id, urns`,
      [jsonOf(fresh.map((urns) => ({ urns })))],
    );
    return new Map([...this.#numbers, ...added.map((row): [string, number] => [text(row, 'urns'), whole(row, 'id')])]);
  }
}
