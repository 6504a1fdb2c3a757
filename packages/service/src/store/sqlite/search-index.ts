import assert from 'node:assert/strict';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { SetClaims } from '@tidings/protocol';
import { json, text, whole } from '../rows.ts';
import { resourceIdOf, type SearchFilter, type SearchPlace, searchKey, typesOf } from '../search.ts';
import type { UndoLog } from './write-queue.ts';

/** A notification that is not in the indexes yet. */
interface Newest extends SearchPlace {
  readonly clientId: string;
  readonly claims: SetClaims;
}

// So many are kept out: as a rule they are acknowledged by the time they would go in, and then are not awaiting there.
const KEPT_OUT = 2048;
// So many go into the indexes at once: each page of them is then written once for many notifications.
const PORTION = 512;
// Bounds how long this blocks the main thread.
const PORTION_MAX = 2 * PORTION;

/**
 * Keys that notifications are found by. Publishing only adds the newest in memory: those are scanned by searches, and go into
 * the table with the indexes some hundreds at a time, at a fraction of what it costs to write there with each event. When
 * the store opens it finds out which those were.
 */
export class SearchIndex {
  readonly #undo: UndoLog;
  readonly #insert: StatementSync;
  readonly #markAwaiting: StatementSync;
  readonly #drop: StatementSync;
  readonly #insertTypes: StatementSync;
  readonly #numbers = new Map<string, number>();
  #newest: Newest[] = [];

  constructor(database: DatabaseSync, undo: UndoLog) {
    this.#undo = undo;
    this.#insert = database.prepare(
      'INSERT INTO search (seq, published_at_ms, client_id, types, txn_key, resource_key) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#markAwaiting = database.prepare('UPDATE awaiting SET is_indexed = 1 WHERE seq >= ? AND seq <= ?');
    this.#drop = database.prepare('DELETE FROM search WHERE seq = ?');
    this.#insertTypes = database.prepare('INSERT INTO event_types (urns) VALUES (?) RETURNING id');
    const known = database.prepare('SELECT id, urns FROM event_types').all();
    for (const row of known) this.#numbers.set(text(row, 'urns'), whole(row, 'id'));
    const newest = database
      .prepare(
        `SELECT seq, published_at_ms, client_id, claims FROM event
         WHERE seq > (SELECT coalesce(max(seq), 0) FROM search) AND claims IS NOT NULL ORDER BY seq`,
      )
      .all();
    for (const row of newest) {
      const place = { seq: whole(row, 'seq'), publishedAtMs: whole(row, 'published_at_ms') };
      this.#newest.push({ ...place, clientId: text(row, 'client_id'), claims: json(row, 'claims') });
    }
  }

  /** Of what was published just now. */
  add(newest: Newest): void {
    this.#newest.push(newest);
    this.#undo.add(() => this.#newest.pop());
  }

  /** That there is enough to be written. */
  get isDue(): boolean {
    return this.#newest.length >= KEPT_OUT + PORTION;
  }

  /** Writes the oldest of the newest. Must run inside a transaction. */
  write(): void {
    const count = Math.min(PORTION_MAX, this.#newest.length - KEPT_OUT);
    const written = this.#newest.slice(0, Math.max(0, count));
    for (const { seq, publishedAtMs, clientId, claims } of written) {
      const [txnKey, resourceKey] = [searchKey(claims.txn), searchKey(resourceIdOf(claims.events) ?? '')];
      this.#insert.run(seq, publishedAtMs, clientId, this.#numberOf(typesOf(claims)), txnKey, resourceKey);
    }
    const [first, last] = [written.at(0), written.at(-1)];
    if (first !== undefined && last !== undefined) this.#markAwaiting.run(first.seq, last.seq);
    this.#keep(this.#newest.slice(written.length));
  }

  /** A notification was dropped. Must run inside a transaction. */
  drop(seq: number): void {
    const { changes } = this.#drop.run(seq);
    if (changes === 0) this.#keep(this.#newest.filter((one) => one.seq !== seq));
  }

  /** The newest that may be matching, of which the rest is in the indexes. */
  newest({ clientId, transactionId, resourceId, eventType, publishedFromMs = 0 }: SearchFilter): Places {
    const matching = this.#newest
      .filter((one) => clientId === undefined || one.clientId === clientId)
      .filter(({ claims }) => transactionId === undefined || claims.txn === transactionId)
      .filter(({ claims }) => eventType === undefined || Object.hasOwn(claims.events, eventType))
      .filter(({ claims }) => resourceId === undefined || resourceIdOf(claims.events) === resourceId)
      .filter(({ publishedAtMs }) => publishedAtMs >= publishedFromMs)
      .sort(newestFirst);
    return (after, count) => {
      const places: SearchPlace[] = [];
      for (const { publishedAtMs, seq } of matching) {
        if (places.length === count) break;
        if (newestFirst({ publishedAtMs, seq }, after) > 0) places.push({ publishedAtMs, seq });
      }
      return places;
    };
  }

  /** The numbers of combinations of event types that have one; undefined: of all. */
  typesHaving(eventType: string | undefined): number[] {
    const all = [...this.#numbers];
    const name = JSON.stringify(eventType);
    return all.filter(([types]) => eventType === undefined || types.includes(name)).map(([, number]) => number);
  }

  #numberOf(types: string): number {
    const known = this.#numbers.get(types);
    if (known !== undefined) return known;
    const row = this.#insertTypes.get(types);
    assert(row !== undefined, 'a row that was inserted has a number');
    const number = whole(row, 'id');
    this.#numbers.set(types, number);
    this.#undo.add(() => this.#numbers.delete(types));
    return number;
  }

  #keep(newest: Newest[]): void {
    const before = this.#newest;
    this.#newest = newest;
    this.#undo.add(() => {
      this.#newest = before;
    });
  }
}

/** Gives so many places after one, the newest first. */
export type Places = (after: SearchPlace, count: number) => SearchPlace[];

// Of a stream so many are fetched at a time: most streams hardly have a part in what is asked for.
const FETCHED = 32;

/** One of several streams that are merged. */
interface Stream {
  readonly places: Places;
  buffer: SearchPlace[];
  at: number;
}

/** @returns below 0 when `left` is the newer one */
export function newestFirst(left: SearchPlace, right: SearchPlace): number {
  return right.publishedAtMs - left.publishedAtMs || right.seq - left.seq;
}

/** Several streams as one, in the order of them all; what is in two of them is in it once. Each is asked for its first, and then for what it has a part in. */
export function merged(streams: readonly Places[]): Places {
  return (after, count) => {
    const open = streams
      .map((places): Stream => ({ places, buffer: places(after, 1), at: 0 }))
      .filter(({ buffer }) => buffer.length > 0)
      .sort((left, right) => newestFirst(headOf(left), headOf(right)));
    const result: SearchPlace[] = [];
    while (result.length < count) {
      const [first] = open;
      if (first === undefined) break;
      const head = headOf(first);
      if (result.at(-1)?.seq !== head.seq) result.push(head);
      moveOn(first, head);
      open.shift();
      if (first.at < first.buffer.length) insert(open, first);
    }
    return result;
  };
}

function moveOn(stream: Stream, head: SearchPlace): void {
  stream.at += 1;
  if (stream.at < stream.buffer.length) return;
  stream.buffer = stream.places(head, FETCHED);
  stream.at = 0;
}

function headOf({ buffer, at }: Stream): SearchPlace {
  return buffer[at] ?? { publishedAtMs: -1, seq: -1 };
}

/** Into its place, by halving. */
function insert(open: Stream[], stream: Stream): void {
  let low = 0;
  let high = open.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = open[middle];
    if (other !== undefined && newestFirst(headOf(other), headOf(stream)) < 0) low = middle + 1;
    else high = middle;
  }
  open.splice(low, 0, stream);
}
