import assert from 'node:assert/strict';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { json, optionalJson, optionalWhole } from '../rows.ts';
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
import type { Clients } from './claim-queue.ts';
import { merged, newestFirst, type Places, type SearchIndex } from './search-index.ts';

/** Dependencies of searching. */
export interface SearchDependencies {
  readonly clients: Clients;
  readonly searchIndex: SearchIndex;
}

/** SQL of places of what equals the values that come first, the newest first, after a place. */
function inOrder(table: 'event' | 'search' | 'awaiting' | 'settled', conditions: string): string {
  return `SELECT published_at_ms, seq FROM ${table} WHERE ${conditions} AND published_at_ms >= :fromMs
    AND (published_at_ms, seq) < (:atMs, :seq) ORDER BY published_at_ms DESC, seq DESC LIMIT :count`;
}

// As the indexes of the schema have it.
const RUN_BITS = 13;
const IN_RUN = `seq >> ${RUN_BITS} = :run`;

/** One for each index that candidates come by. */
export const PLACES = {
  jti: inOrder('event', 'jti = :key'),
  eventId: inOrder('event', 'event_id = :key'),
  txn: inOrder('search', `${IN_RUN} AND txn_key = :key`),
  resource: inOrder('search', `${IN_RUN} AND resource_key = :key`),
  failed: inOrder('awaiting', 'has_failed = 1'),
  failedOfClient: inOrder('awaiting', 'has_failed = 1 AND client_id = :client'),
  ended: inOrder('settled', "state = :key AND state <> 'acknowledged'"),
  endedOfClient: inOrder('settled', "state = :key AND state <> 'acknowledged' AND client_id = :client"),
  awaitingOfClient: inOrder('awaiting', 'client_id = :client AND is_indexed = 1'),
  client: inOrder('search', 'client_id = :client'),
  types: inOrder('search', 'types = :key'),
} as const;

/** By which index the candidates of a search come: by what as a rule leaves the fewest. */
export function indexFor(filter: SearchFilter): keyof typeof PLACES {
  const { jti, eventId, transactionId, resourceId, clientId, state } = filter;
  if (jti !== undefined) return 'jti';
  if (eventId !== undefined) return 'eventId';
  if (transactionId !== undefined) return 'txn';
  if (resourceId !== undefined) return 'resource';
  if (state === 'failed') return clientId === undefined ? 'failed' : 'failedOfClient';
  if (state === 'withdrawn' || state === 'expired') return clientId === undefined ? 'ended' : 'endedOfClient';
  if (state === 'awaiting') return 'awaitingOfClient';
  return clientId === undefined ? 'types' : 'client';
}

/** SQL of what is shown of candidates that match. A condition that is NULL matches all. */
export const DETAILS = `
  SELECT event.seq, event.jti, event.event_id, event.client_id, event.claims, event.published_at_ms,
    coalesce(settled.state, 'awaiting') AS state, settled.settled_at_ms, settled.acknowledged_by,
    (SELECT count(*) FROM attempt WHERE attempt.seq = event.seq) AS attempts,
    (SELECT outcome FROM attempt WHERE attempt.seq = event.seq ORDER BY number DESC LIMIT 1) AS last_outcome
  FROM json_each(:seqs) AS candidate CROSS JOIN event ON event.seq = candidate.value
    LEFT JOIN awaiting ON awaiting.seq = event.seq LEFT JOIN settled ON settled.seq = event.seq
  WHERE event.claims IS NOT NULL AND (:jti IS NULL OR event.jti = :jti)
    AND (:eventId IS NULL OR event.event_id = :eventId) AND (:client IS NULL OR event.client_id = :client)
    AND (:state IS NULL OR iif(:state = 'failed', coalesce(awaiting.has_failed, 0),
      coalesce(settled.state, 'awaiting') = :state))
    AND (:pieces IS NULL OR NOT EXISTS
      (SELECT 1 FROM json_each(:pieces) AS piece WHERE instr(event.claims, piece.value) = 0))`;

/** SQL of searching; writes nothing. */
export class SearchTables {
  readonly #dependencies: SearchDependencies;
  readonly #places: ReadonlyMap<string, StatementSync>;
  readonly #details: StatementSync;
  readonly #ends: StatementSync;

  constructor(database: DatabaseSync, dependencies: SearchDependencies) {
    this.#dependencies = dependencies;
    this.#places = new Map(Object.entries(PLACES).map(([name, sql]) => [name, database.prepare(sql)]));
    this.#details = database.prepare(DETAILS);
    this.#ends = database.prepare(
      'SELECT (SELECT min(seq) FROM search) AS first, (SELECT max(seq) FROM search) AS last',
    );
  }

  portion(filter: SearchFilter, after: SearchPlace, count: number): SearchPortion {
    const places = this.#placesOf(filter)(after, count);
    const rows = this.#details.all({
      seqs: JSON.stringify(places.map(({ seq }) => seq)),
      jti: filter.jti ?? null,
      eventId: filter.eventId ?? null,
      client: filter.clientId ?? null,
      state: filter.state ?? null,
      pieces: piecesOf(filter),
    });
    const found = rows
      .filter((row) => hasClaims(filter, json(row, 'claims')))
      .map((row) => ({
        place: placeOf(row),
        notification: foundOf(row, optionalJson(row, 'last_outcome')),
      }))
      .sort((left, right) => newestFirst(left.place, right.place));
    return { found, last: places.length < count ? undefined : places.at(-1) };
  }

  #placesOf(filter: SearchFilter): Places {
    const { jti, eventId, clientId: client, state } = filter;
    const name = indexFor(filter);
    const by = (values: Values) => this.#by(name, values, filter);
    if (name === 'jti' || name === 'eventId') return by({ key: jti ?? eventId ?? '' });
    if (name === 'failed') return by({});
    if (name === 'failedOfClient') return by({ client: client ?? '' });
    if (name === 'ended') return by({ key: state ?? '' });
    if (name === 'endedOfClient') return by({ key: state ?? '', client: client ?? '' });
    return merged([this.#dependencies.searchIndex.newest(filter), ...this.#indexed(filter)]);
  }

  /** All but the newest. */
  #indexed(filter: SearchFilter): Places[] {
    const { transactionId, resourceId, clientId, eventType } = filter;
    const { searchIndex, clients } = this.#dependencies;
    const name = indexFor(filter);
    const by = (values: Values) => this.#by(name, values, filter);
    if (name === 'txn' || name === 'resource') {
      const key = searchKey(transactionId ?? resourceId ?? '');
      return this.#runs().map((run) => by({ run, key }));
    }
    if (name === 'types') return searchIndex.typesHaving(eventType).map((key) => by({ key }));
    if (clientId !== undefined) return [by({ client: clientId })];
    return clients.list.filter(({ awaiting }) => awaiting > 0).map((one) => by({ client: one.clientId }));
  }

  #by(name: keyof typeof PLACES, values: Values, { publishedFromMs = 0 }: SearchFilter): Places {
    const statement = this.#places.get(name);
    assert(statement !== undefined, 'every index has a statement');
    return ({ publishedAtMs: atMs, seq }, count) =>
      statement.all({ ...values, fromMs: publishedFromMs, atMs, seq, count }).map(placeOf);
  }

  /** The numbers of the runs that there are. */
  #runs(): number[] {
    const ends = this.#ends.get();
    const [first, last] = [ends && optionalWhole(ends, 'first'), ends && optionalWhole(ends, 'last')];
    if (first === undefined || last === undefined) return [];
    const runOf = (seq: number) => Math.floor(seq / 2 ** RUN_BITS);
    return Array.from({ length: runOf(last) - runOf(first) + 1 }, (_, at) => runOf(first) + at);
  }
}

type Values = Readonly<Record<string, string | number>>;

function piecesOf(filter: SearchFilter): string | null {
  const pieces = claimsPieces(filter);
  return pieces.length === 0 ? null : JSON.stringify(pieces);
}
