import assert from 'node:assert/strict';
import { optionalText, type Row, text, whole } from '../rows.ts';
import { type Database, storable, type Transaction } from './database.ts';

export const DAY_MS = 86_400_000;

/** The day in which the content of what is published at a time is written, in days since the epoch. */
export function dayOf(atMs: number): number {
  return Math.floor(atMs / DAY_MS);
}

/**
 * The columns in which a notification is written that is published with its SET, if it has one already. What is signed is
 * the text of the claims: then they need not be kept beside it.
 */
export function contentOf(claims: string, set: string | undefined): { claims?: string; set_jws?: string } {
  if (set === undefined) return { claims };
  return claimsIn(set) === claims ? { set_jws: set } : { claims, set_jws: set };
}

/** As `claims_of` in the schema. */
function claimsIn(set: string): string {
  const [, encoded = ''] = set.split('.', 2);
  return Buffer.from(encoded, 'base64url').toString();
}

/** A row with the columns of its content, where that has no claims beside its SET. */
export function withClaims(row: Row): Row {
  return optionalText(row, 'claims') === undefined ? { ...row, claims: claimsIn(text(row, 'set_jws')) } : row;
}

const COLUMNS = 'seq, event_id, claims, set_jws, trace';

/** Adds the columns of its content to a row that has `seq` and `content_day`. */
export async function withContent(database: Database, row: Row): Promise<Row> {
  const read = (where: string) =>
    database.queryByKey(`SELECT ${COLUMNS} FROM content WHERE ${where}seq = $1::bigint`, [whole(row, 'seq')]);
  const [found] = await read(`day = ${whole(row, 'content_day')} AND `);
  // Copied to another day since the row was read.
  const [content] = found === undefined ? await read('') : [found];
  return { ...row, ...(content && withClaims(content)) };
}

/**
 * Adds the columns of their content to rows that have `seq` and `content_day`, and ends the transaction: the commit goes
 * out with the last read. The transaction must have locked the rows, so that their content stays where it is. What fails
 * takes back what the transaction did with the rows.
 *
 * The day is part of the statement: for one that is a value, the server would go through all partitions.
 */
export async function endWithContent(transaction: Transaction, rows: readonly Row[]): Promise<Row[]> {
  const byDay = [...Map.groupBy(rows, (row) => whole(row, 'content_day'))];
  const reads = byDay.map(([day, some], at) => {
    const statement = `SELECT ${COLUMNS} FROM content WHERE day = ${day} AND seq = ANY($1::bigint[])`;
    const values = [some.map((row) => whole(row, 'seq'))];
    return at === byDay.length - 1 ? transaction.last(statement, values) : transaction.query(statement, values);
  });
  const found = (await Promise.all(reads)).flat();
  const contents = new Map(found.map((content) => [whole(content, 'seq'), withClaims(content)]));
  return rows.map((row) => {
    const content = contents.get(whole(row, 'seq')) ?? assert.fail('every notification has a content');
    return { ...row, ...content };
  });
}

/** Where the content of a notification is, awaiting or settled. */
interface Place {
  readonly jti: string;
  readonly day: number;
  readonly seq: number;
}

// The lock keeps the content where it is. What is made awaiting again between the first two is found by the third.
const PLACES = (['notification', 'settled', 'notification'] as const).map(
  (table) =>
    `SELECT jti, content_day, seq FROM ${table} WHERE jti = ANY($1::text[]) ORDER BY jti COLLATE "C" FOR KEY SHARE`,
);

/** Finds the contents of some notifications, which stay where they are until the transaction ends. */
async function placesOf(transaction: Transaction, jtis: readonly string[]): Promise<Place[]> {
  const places: Place[] = [];
  let missing = jtis;
  for (const statement of PLACES) {
    if (missing.length === 0) break;
    const rows = await transaction.query(statement, [missing]);
    for (const row of rows) {
      places.push({ jti: text(row, 'jti'), day: whole(row, 'content_day'), seq: whole(row, 'seq') });
    }
    const found = new Set(places.map(({ jti }) => jti));
    missing = jtis.filter((jti) => !found.has(jti));
  }
  return places;
}

/**
 * Stores the SET of each notification, unless it has one already.
 *
 * @returns for each, the SET that is stored
 */
export async function keepSets(
  database: Database,
  sets: readonly { readonly jti: string; readonly set: string }[],
): Promise<readonly string[]> {
  const fresh = new Map<string, string>();
  for (const { jti, set } of sets) if (!fresh.has(jti)) fresh.set(jti, set);
  if (fresh.size === 0) return [];
  const kept = await database.transaction((transaction) => keepIn(transaction, fresh));
  return sets.map(({ jti }) => {
    const set = kept.get(jti);
    if (set === undefined) throw new Error(`there is no notification ${jti}`);
    return set;
  });
}

async function keepIn(
  transaction: Transaction,
  fresh: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, string>> {
  const places = await placesOf(transaction, [...fresh.keys()].sort());
  const byDay = [...Map.groupBy(places, ({ day }) => day)].sort(([left], [right]) => left - right);
  const setBySeq = new Map<number, string>();
  for (const [day, some] of byDay) {
    const sorted = some.toSorted((left, right) => left.seq - right.seq);
    const seqs = sorted.map(({ seq }) => seq);
    const values = sorted.map(({ jti }) => storable(fresh.get(jti) ?? ''));
    // One statement would not do: where another has just stored a SET, it would see neither that nor its own.
    const [, stored] = await Promise.all([
      transaction.query(
        `UPDATE content SET set_jws = ($1::text[])[array_position($2::bigint[], seq)]
         WHERE day = ${day} AND seq = ANY($2::bigint[]) AND set_jws IS NULL`,
        [values, seqs],
      ),
      transaction.query(`SELECT seq, set_jws FROM content WHERE day = ${day} AND seq = ANY($1::bigint[])`, [seqs]),
    ]);
    for (const row of stored) setBySeq.set(whole(row, 'seq'), text(row, 'set_jws'));
  }
  return new Map(
    places.map(({ jti, seq }) => [jti, setBySeq.get(seq) ?? assert.fail('every SET has one that is kept')]),
  );
}
