import type { Attempt } from '../../model/attempt.ts';
import { json, optionalJson } from '../rows.ts';
import {
  claimsPieces,
  foundOf,
  hasClaims,
  placeOf,
  type SearchFilter,
  type SearchPlace,
  type SearchPortion,
  searchKey,
} from '../search.ts';
import { withClaims } from './content.ts';
import { type Database, storable, type Values } from './database.ts';
import { HAS_FAILED } from './settle.ts';

/** A statement that is being written, with the values it is asked with. */
class StatementBuilder {
  readonly values: Values[number][] = [];

  /** @returns how the value is written in the statement */
  value(value: string | number, type: 'text' | 'bigint' | 'int'): string {
    this.values.push(typeof value === 'string' ? storable(value) : value);
    return `$${this.values.length}::${type}`;
  }
}

/** SQL that every part of a search has in common. */
interface Common {
  readonly builder: StatementBuilder;
  readonly filter: SearchFilter;
  /** That a row of `n` and its content `c` match, apart from the state. */
  readonly matches: string;
  readonly inTime: Order;
  readonly newestFirst: Order;
  readonly limit: string;
}

/** An order, newest first, that an index has: by time as it is, or negated. */
interface Order {
  /** That something is within the times and after the place where the page begins. */
  readonly range: string;
  readonly by: string;
}

type Table = 'notification' | 'settled';

// Keys lie together by the time of publishing: those that are written at the same time are on few pages of the index,
// however random they are. A search reads the index once for each such time that the store reaches back.
const KEY_BUCKET_MS = 21_600_000;

const ORDER = 'ORDER BY published_at_ms DESC, seq DESC';
// Clocks of several machines: something may seem to have ended before it was published.
const CLOCKS_APART_MS = 3_600_000;

const SHOWN: Readonly<Record<Table, string>> = {
  notification: `n.jti, n.content_day, n.client_id, 'awaiting' AS state, NULL::bigint AS settled_at_ms,
    NULL AS acknowledged_by, n.attempts, n.attempt_log[cardinality(n.attempt_log)] AS last_attempt`,
  settled: `n.jti, n.content_day, n.client_id, n.state, n.settled_at_ms, n.acknowledged_by, n.attempts,
    n.attempt_log[cardinality(n.attempt_log)] AS last_attempt`,
};

/** SQL of what is shown of `n`, where it matches; else NULL. */
function shownWhere(conditions: string, place: string): string {
  return `LEFT JOIN LATERAL (SELECT n.jti, n.client_id, n.state, n.settled_at_ms, n.acknowledged_by, n.attempts,
      n.last_attempt, c.event_id, c.claims, c.set_jws
    FROM content AS c WHERE c.day = n.content_day AND c.seq = ${place} AND ${conditions}) AS shown ON true`;
}

/** Examines so many candidates after a place. */
export async function searchPortion(
  database: Database,
  filter: SearchFilter,
  after: SearchPlace,
  count: number,
): Promise<SearchPortion> {
  const { statement, values } = searchStatement(filter, after, count);
  const rows = await database.queryByKey(statement, values);
  const shown = rows.filter((row) => row['jti'] !== null).map(withClaims);
  const matching = shown.filter((row) => hasClaims(filter, json(row, 'claims')));
  const last = rows.at(-1);
  return {
    found: matching.map((row) => ({
      place: placeOf(row),
      notification: foundOf(row, optionalJson<Attempt>(row, 'last_attempt')?.outcome),
    })),
    last: rows.length < count || last === undefined ? undefined : placeOf(last),
  };
}

/** A search as one statement: a row for each candidate, in their order, with what is shown of those that match. */
export function searchStatement(
  filter: SearchFilter,
  after: SearchPlace,
  count: number,
): { readonly statement: string; readonly values: Values } {
  const builder = new StatementBuilder();
  const common = { builder, filter, ...conditionsOf(filter, builder), ...boundsOf(filter, after, count, builder) };
  return { statement: statementOf(common), values: builder.values };
}

/** By what as a rule leaves the fewest. */
function statementOf(common: Common): string {
  const { builder, filter } = common;
  const { jti, eventId, transactionId, resourceId, clientId, eventType, state } = filter;
  const value = (text: string) => builder.value(text, 'text');
  const { inTime, newestFirst } = common;
  if (jti !== undefined) return candidates(common, inTime, anywhere(`n.jti = ${value(jti)}`));
  if (eventId !== undefined) {
    return candidates(common, inTime, anywhere(`n.jti = (SELECT jti FROM event WHERE event_id = ${value(eventId)})`));
  }
  if (transactionId !== undefined) return byEvents(common, inBuckets(common, 'txn_key', transactionId));
  if (resourceId !== undefined) return byEvents(common, inBuckets(common, 'resource_key', resourceId));
  const client = clientId === undefined ? undefined : `n.client_id = ${value(clientId)}`;
  const ofClient = client === undefined ? '' : ` AND ${client}`;
  if (state === 'failed') {
    const order = client === undefined ? newestFirst : inTime;
    return candidates(common, order, [['notification', `${MAY_HAVE_FAILED}${ofClient}`]]);
  }
  if (state === 'withdrawn' || state === 'expired') {
    const ended = `n.state <> 'acknowledged' AND n.state = ${value(state)}`;
    return candidates(common, client === undefined ? inTime : newestFirst, [['settled', `${ended}${ofClient}`]]);
  }
  if (client !== undefined) return candidates(common, inTime, partsOfClient(client));
  if (state === 'awaiting') return candidates(common, newestFirst, [['notification', 'true']]);
  if (eventType !== undefined) return byEvents(common, ofTypes(common, eventType));
  return byEvents(common, inOrder(common));
}

/** As the partial indexes have it. */
const MAY_HAVE_FAILED = '(n.attempts > 0 OR n.error_log IS NOT NULL)';

function conditionsOf(filter: SearchFilter, builder: StatementBuilder): Pick<Common, 'matches'> {
  const { jti, eventId, clientId } = filter;
  const equals = (column: string, value: string | undefined) =>
    value === undefined ? [] : [`${column} = ${builder.value(value, 'text')}`];
  const conditions = [
    ...equals('n.jti', jti),
    ...equals('c.event_id', eventId),
    ...equals('n.client_id', clientId),
    ...claimsPieces(filter).map(
      (piece) => `strpos(claims_of(c.claims, c.set_jws), ${builder.value(piece, 'text')}) > 0`,
    ),
  ];
  return { matches: conditions.length === 0 ? 'true' : conditions.join(' AND ') };
}

function boundsOf(
  { publishedFromMs = 0 }: SearchFilter,
  { publishedAtMs, seq }: SearchPlace,
  count: number,
  builder: StatementBuilder,
): Pick<Common, 'inTime' | 'newestFirst' | 'limit'> {
  const [at, from] = [builder.value(publishedAtMs, 'bigint'), builder.value(publishedFromMs, 'bigint')];
  const after = builder.value(seq, 'bigint');
  // The first condition is implied by the second, and there for indexes that have no seq.
  return {
    inTime: {
      range: `published_at_ms <= ${at} AND (published_at_ms, seq) < (${at}, ${after}) AND published_at_ms >= ${from}`,
      by: ORDER,
    },
    newestFirst: {
      range: `-published_at_ms >= -${at} AND (-published_at_ms, -seq) > (-${at}, -${after})
        AND -published_at_ms <= -${from}`,
      by: 'ORDER BY -published_at_ms, -seq',
    },
    limit: `LIMIT ${builder.value(count, 'int')}`,
  };
}

/** Which rows of a table have the state of the filter; undefined: none can. */
function stateIn(table: Table, { state }: SearchFilter): string | undefined {
  if (state === undefined) return 'true';
  if (table === 'settled') return state === 'awaiting' || state === 'failed' ? undefined : `n.state = '${state}'`;
  if (state === 'failed') return HAS_FAILED;
  return state === 'awaiting' ? 'true' : undefined;
}

/** A part of the candidates: a table, and which of its rows. */
type Part = readonly [Table, string];

function anywhere(condition: string): Part[] {
  return [
    ['notification', condition],
    ['settled', condition],
  ];
}

// What was never offered in a poll, what was, and what ended are an index each.
function partsOfClient(condition: string): Part[] {
  return [
    ['notification', `${condition} AND n.offer_at_ms IS NULL`],
    ['notification', `${condition} AND n.offer_at_ms IS NOT NULL`],
    ['settled', condition],
  ];
}

/** Candidates that are notifications. What is shown is NULL for those that do not match. */
function candidates({ filter, matches, limit }: Common, { range, by }: Order, parts: readonly Part[]): string {
  const selected = parts.flatMap(([table, condition]) => {
    const state = stateIn(table, filter);
    if (state === undefined) return [];
    return [
      `(SELECT n.published_at_ms, n.seq, ${SHOWN[table]}, ${state} AS has_state
        FROM ${table} AS n WHERE ${condition} AND ${range} ${by} ${limit})`,
    ];
  });
  return `SELECT n.published_at_ms, n.seq, shown.*
    FROM (SELECT * FROM (${selected.join(' UNION ALL ')}) AS candidate ${ORDER} ${limit}) AS n
    ${shownWhere(`n.has_state AND ${matches}`, 'n.seq')} ORDER BY n.published_at_ms DESC, n.seq DESC`;
}

/**
 * Candidates that are events, given as SQL of (jti, published_at_ms, seq, types), each with its notification. That is looked up
 * before it is known whether it matches: it is in the first or second partition that can have it, and the others are not
 * read.
 */
function byEvents({ builder, filter, matches, limit }: Common, events: string): string {
  // Known of the event already: the notification of one that has not the type need not be looked up.
  const { eventType } = filter;
  const typed = eventType === undefined ? '' : `event.types = ANY(ARRAY(${typesHaving(builder, eventType)})) AND `;
  const failed = filter.state === 'failed' ? `, ${HAS_FAILED} AS has_failed` : '';
  const never = filter.state === 'failed' ? ', false' : '';
  return `SELECT event.published_at_ms, event.seq, shown.* FROM (${events} ${limit}) AS event
    LEFT JOIN LATERAL (
      SELECT ${SHOWN.notification}${failed} FROM notification AS n WHERE ${typed}n.jti = event.jti
      UNION ALL
      SELECT ${SHOWN.settled}${never} FROM settled AS n
      WHERE ${typed}n.jti = event.jti AND n.settled_at_ms >= event.published_at_ms - ${CLOCKS_APART_MS}
      LIMIT 1) AS n ON ${stateOfShown(filter)}
    ${shownWhere(matches, 'event.seq')} ORDER BY event.published_at_ms DESC, event.seq DESC`;
}

function stateOfShown({ state }: SearchFilter): string {
  if (state === undefined) return 'true';
  return state === 'failed' ? 'n.has_failed' : `n.state = '${state}'`;
}

const EVENT = 'jti, published_at_ms, seq, types';

/** The numbers of the combinations that have a type. */
function typesHaving(builder: StatementBuilder, eventType: string): string {
  return `SELECT id FROM event_types WHERE strpos(urns, ${builder.value(JSON.stringify(eventType), 'text')}) > 0`;
}

/** From bucket to bucket, the newest first, until there are enough: the rows come in the order of the buckets. */
function inBuckets(
  { builder, newestFirst, limit, filter }: Common,
  column: 'txn_key' | 'resource_key',
  name: string,
): string {
  const { publishedFromMs = 0, publishedBeforeMs = Number.MAX_SAFE_INTEGER } = filter;
  const newest = `least((SELECT max(published_at_ms) FROM event), ${builder.value(publishedBeforeMs, 'bigint')})`;
  const oldest = `greatest((SELECT min(published_at_ms) FROM event), ${builder.value(publishedFromMs, 'bigint')})`;
  const buckets = `generate_series(${newest} / ${KEY_BUCKET_MS}, ${oldest} / ${KEY_BUCKET_MS}, -1)`;
  return `SELECT e.* FROM ${buckets} AS bucket CROSS JOIN LATERAL (
      SELECT ${EVENT} FROM event WHERE (published_at_ms / ${KEY_BUCKET_MS})::integer = bucket::integer
        AND ${column} = ${builder.value(searchKey(name), 'int')} AND ${newestFirst.range}
      ${newestFirst.by} ${limit}) AS e`;
}

/** Of each combination that has the type the newest, and of those the newest. */
function ofTypes({ builder, newestFirst, limit }: Common, eventType: string): string {
  return `SELECT e.* FROM (${typesHaving(builder, eventType)}) AS t CROSS JOIN LATERAL (
      SELECT ${EVENT} FROM event WHERE types = t.id AND ${newestFirst.range} ${newestFirst.by} ${limit}) AS e ${ORDER}`;
}

function inOrder({ inTime }: Common): string {
  return `SELECT ${EVENT} FROM event WHERE types IS NOT NULL AND ${inTime.range} ${inTime.by}`;
}
