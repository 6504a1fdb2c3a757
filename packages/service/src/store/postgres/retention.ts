import { BY_SERVICE } from '../../model/audit.ts';
import type { Retention } from '../operations.ts';
import { isTrue, type Row, text, whole } from '../rows.ts';
import { addAudit } from './audit.ts';
import { DAY_MS, dayOf } from './content.ts';
import type { Database, Values } from './database.ts';
import {
  CONTENT,
  dropPartitionBefore,
  hasPartitionBefore,
  makePartitionsAhead,
  SETTLED,
  unlessBusy,
} from './partitions.ts';
import { CONTENT_OTHER, SETTLED_OTHER } from './schema.ts';
import { settleSql } from './settle.ts';

// Of each TPP the oldest by the index. Few notifications were offered in a poll and are withheld: those are scanned.
const EXPIRE = `
  WITH RECURSIVE c AS (
    (SELECT client_id FROM notification ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.client_id FROM notification n WHERE n.client_id > c.client_id ORDER BY n.client_id LIMIT 1)
    FROM c WHERE c.client_id IS NOT NULL),
  oldest AS MATERIALIZED (
    SELECT o.* FROM c CROSS JOIN LATERAL (
      (SELECT jti, published_at_ms, seq FROM notification n WHERE n.client_id = c.client_id AND n.offer_at_ms IS NULL
         AND n.published_at_ms < $1::bigint AND NOT (n.is_leased AND n.due_at_ms > $3::bigint)
       ORDER BY published_at_ms, seq LIMIT $2::int)
      UNION ALL
      (SELECT jti, published_at_ms, seq FROM notification n WHERE n.client_id = c.client_id AND n.offer_at_ms IS NOT NULL
         AND n.published_at_ms < $1::bigint AND NOT (n.is_leased AND n.due_at_ms > $3::bigint)
       ORDER BY published_at_ms, seq LIMIT $2::int)) AS o
    ORDER BY o.published_at_ms, o.seq LIMIT $2::int),
  sorted AS MATERIALIZED (SELECT jti FROM oldest ORDER BY jti),
  gone AS (
    DELETE FROM notification n USING sorted
    WHERE n.jti = sorted.jti AND NOT (n.is_leased AND n.due_at_ms > $3::bigint) RETURNING n.*),
  kept AS (${settleSql({ state: 'expired' }, '$3::bigint')})
  SELECT count(*) AS count FROM gone`;

/** Expires awaiting notifications that are not under way, the oldest first; audited. @returns how many */
export function expireAwaiting(
  database: Database,
  publishedBeforeMs: number,
  limit: number,
  nowMs: number,
): Promise<number> {
  return database.transaction(
    async (transaction) => {
      const [row] = await transaction.query(EXPIRE, [publishedBeforeMs, limit, nowMs]);
      const count = row === undefined ? 0 : whole(row, 'count');
      const detail = { count, publishedBeforeMs };
      const entry = { ...BY_SERVICE, atMs: nowMs, action: 'expire', subject: 'notifications', detail };
      if (count > 0) await addAudit(transaction, entry);
      return count;
    },
    { isBulk: true },
  );
}

const DROP_HISTORY = `
  WITH old AS MATERIALIZED (SELECT ctid FROM ${SETTLED_OTHER} WHERE settled_at_ms < $1::bigint LIMIT $2::int)
  DELETE FROM ${SETTLED_OTHER} h USING old WHERE h.ctid = old.ctid RETURNING 1`;

const DROP_ERASED = `
  DELETE FROM erased WHERE jti IN (
    SELECT jti FROM erased WHERE settled_at_ms < $1::bigint ORDER BY settled_at_ms LIMIT $2::int) RETURNING 1`;

// Content up to the day $1 that is still needed: of what is awaiting, and of what was settled after that day, which ended
// at $2.
const AWAITING_OLD = '-n.published_at_ms > -$2::bigint AND n.content_day <= $1::int';
const SETTLED_OLD =
  'n.content_day <> n.settled_at_ms / 86400000 AND n.content_day <= $1::int AND n.settled_at_ms >= $2::bigint';

/**
 * SQL that copies the content of a portion to the day $3, at most $4 of them. Rows that are locked are skipped. Content is
 * locked too, so that a SET that is being stored is copied as well.
 */
function copyOld(table: 'notification' | 'settled', condition: string, order: string): string {
  return `
  WITH old AS MATERIALIZED (
    SELECT n.jti, n.seq, n.content_day FROM ${table} n WHERE ${condition} ${order} LIMIT $4::int FOR UPDATE SKIP LOCKED),
  copied AS (
    INSERT INTO content (day, seq, event_id, claims, set_jws, trace)
    SELECT $3::int, c.seq, c.event_id, c.claims, c.set_jws, c.trace
    FROM old JOIN content c ON c.day = old.content_day AND c.seq = old.seq FOR SHARE OF c RETURNING seq)
  UPDATE ${table} n SET content_day = $3::int FROM old JOIN copied ON copied.seq = old.seq
  WHERE n.jti = old.jti AND n.seq = old.seq RETURNING 1`;
}

const COPY_OLD = [
  copyOld('notification', AWAITING_OLD, 'ORDER BY -n.published_at_ms, -n.seq'),
  copyOld('settled', SETTLED_OLD, ''),
];

// In one statement: what changes from one table to the other meanwhile is seen in one of them.
const IS_OLD_NEEDED = `SELECT EXISTS (SELECT 1 FROM notification n WHERE ${AWAITING_OLD})
  OR EXISTS (SELECT 1 FROM settled n WHERE ${SETTLED_OLD})
  OR EXISTS (SELECT 1 FROM settled n WHERE n.settled_at_ms < $2::bigint) AS is_needed`;

const HAS_OLD_OTHERS = `SELECT EXISTS (SELECT 1 FROM ${CONTENT_OTHER} WHERE day <= $1::int) AS has_others`;

const DROP_CONTENT = `
  WITH old AS MATERIALIZED (SELECT ctid FROM ${CONTENT_OTHER} WHERE day <= $1::int LIMIT $2::int)
  DELETE FROM ${CONTENT_OTHER} c USING old WHERE c.ctid = old.ctid RETURNING 1`;

// So many in one call at most, so that a sweep can be stopped.
const CONTENT_PORTIONS_MAX = 10;

const EXAMINE_EVENTS = `
  SELECT e.event_id, e.published_at_ms,
    e.jti IS NULL OR (NOT EXISTS (SELECT 1 FROM notification n WHERE n.jti = e.jti)
      AND NOT EXISTS (SELECT 1 FROM settled h WHERE h.jti = e.jti)) AS is_droppable
  FROM event e WHERE e.published_at_ms < $1::bigint AND (e.published_at_ms, e.event_id) > ($2::bigint, $3)
  ORDER BY e.published_at_ms, e.event_id LIMIT $4::int`;

/** A place in the order of events. */
interface Place {
  readonly publishedAtMs: number;
  readonly eventId: string;
}

const START: Place = { publishedAtMs: -1, eventId: '' };

/**
 * Drops settled notifications by age: whole days at once, and rows in portions only where they are in no day's partition.
 * Then it drops events whose notification was dropped, and the content of days of which nothing is left. What outlived its
 * day is copied to today first.
 */
export class RetentionSweep {
  readonly #database: Database;
  readonly #nowMs: () => number;
  /** Events up to here were examined in this round. */
  #examinedUpTo = START;

  /** @param nowMs for partitions to come */
  constructor(database: Database, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
  }

  /** @returns how many rows were dropped; of whole days an estimate */
  async drop({ notificationsBeforeMs, eventsBeforeMs, limit }: Retention): Promise<number> {
    await unlessBusy(() => makePartitionsAhead(this.#database, this.#nowMs()), undefined);
    const ofDays = await unlessBusy(() => dropPartitionBefore(this.#database, SETTLED, notificationsBeforeMs), 0);
    if (ofDays > 0) return ofDays;
    const rows = await this.#database.transaction((transaction) =>
      transaction.last(DROP_HISTORY, [notificationsBeforeMs, limit]),
    );
    if (rows.length >= limit) return rows.length;
    const erased = await this.#database.transaction((transaction) =>
      transaction.last(DROP_ERASED, [notificationsBeforeMs, limit - rows.length]),
    );
    const gone = rows.length + erased.length;
    if (gone >= limit) return gone;
    const dropped = gone + (await this.#dropEvents(eventsBeforeMs, limit - gone));
    if (dropped === 0) await this.#dropContent(dayOf(notificationsBeforeMs) - 1, limit);
    return dropped;
  }

  /** Drops the content up to a day, as far as it gets: the next sweep continues. */
  async #dropContent(day: number, limit: number): Promise<void> {
    const endMs = (day + 1) * DAY_MS;
    const [other] = await this.#database.query(HAS_OLD_OTHERS, [day]);
    const hasOthers = other !== undefined && isTrue(other, 'has_others');
    if (!hasOthers && !(await hasPartitionBefore(this.#database, CONTENT, endMs))) return;
    const newDay = Math.max(dayOf(this.#nowMs()), day + 1);
    for (const statement of COPY_OLD) {
      const isDone = await this.#inPortions(limit, statement, [day, endMs, newDay, limit]);
      if (!isDone) return;
    }
    const [row] = await this.#inBulk(IS_OLD_NEEDED, [day, endMs]);
    if (row === undefined || isTrue(row, 'is_needed')) return;
    await this.#inPortions(limit, DROP_CONTENT, [day, limit]);
    await unlessBusy(() => dropPartitionBefore(this.#database, CONTENT, endMs), 0);
  }

  /** A statement that goes through all that is awaiting for longer than the retention, which takes its time. */
  #inBulk(statement: string, values: Values): Promise<Row[]> {
    return this.#database.transaction((transaction) => transaction.last(statement, values), { isBulk: true });
  }

  /** @returns false when there may be more */
  async #inPortions(limit: number, statement: string, values: Values): Promise<boolean> {
    for (let portion = 0; portion < CONTENT_PORTIONS_MAX; portion += 1) {
      const rows = await this.#inBulk(statement, values);
      if (rows.length < limit) return true;
    }
    return false;
  }

  /** Continues where it stopped, since the oldest may all still be needed; after the end it restarts at the next call. */
  async #dropEvents(beforeMs: number, limit: number): Promise<number> {
    for (;;) {
      const { publishedAtMs, eventId } = this.#examinedUpTo;
      const rows = await this.#database.query(EXAMINE_EVENTS, [beforeMs, publishedAtMs, eventId, limit]);
      const last = rows.at(-1);
      this.#examinedUpTo =
        last === undefined || rows.length < limit
          ? START
          : { publishedAtMs: whole(last, 'published_at_ms'), eventId: text(last, 'event_id') };
      const droppable = rows.filter((row) => isTrue(row, 'is_droppable')).map((row) => text(row, 'event_id'));
      if (droppable.length > 0) {
        const gone = await this.#database.transaction((transaction) =>
          transaction.last('DELETE FROM event WHERE event_id = ANY($1::text[]) RETURNING 1', [droppable.sort()]),
        );
        return gone.length;
      }
      if (this.#examinedUpTo === START) return 0;
    }
  }
}
