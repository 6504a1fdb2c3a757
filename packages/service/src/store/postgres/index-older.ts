import { claimsOf, optionalText, type Row, text, whole } from '../row.ts';
import { resourceIdOf, searchKey, typesOf } from '../search.ts';
import type { Database, Transaction } from './database.ts';
import type { EventTypes } from './event-types.ts';
import { jsonOf } from './rows.ts';

// A portion is one transaction; publishing goes on beside it.
const PORTION = 500;

const FIND = `
  SELECT e.event_id, n.seq, n.claims
  FROM (SELECT event_id, jti FROM event WHERE seq IS NULL AND jti IS NOT NULL
    ORDER BY published_at_ms DESC LIMIT ${PORTION} FOR UPDATE SKIP LOCKED) AS e
  LEFT JOIN LATERAL (
    SELECT seq, claims FROM notification WHERE jti = e.jti
    UNION ALL SELECT seq, claims FROM history WHERE jti = e.jti LIMIT 1) AS n ON true`;

const FILL = `
  UPDATE event e SET seq = r.seq, types = r.types, txn_key = r.txn_key, resource_key = r.resource_key
  FROM json_to_recordset($1::json) AS r(event_id text, seq bigint, types int, txn_key int, resource_key int)
  WHERE e.event_id = r.event_id`;

/**
 * Makes events searchable that were published before this schema, or meanwhile by a program that does not know it: a
 * portion of them, the newest first.
 *
 * @returns false when this was all
 */
export function indexOlder(database: Database, eventTypes: EventTypes): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const rows = await transaction.query(FIND);
    if (rows.length > 0) await fill(transaction, rows, eventTypes);
    return rows.length === PORTION;
  });
}

async function fill(transaction: Transaction, rows: readonly Row[], eventTypes: EventTypes): Promise<void> {
  const keyed = rows.map((row) => {
    const eventId = text(row, 'event_id');
    if (optionalText(row, 'claims') === undefined) return { row: { event_id: eventId, seq: 0 } };
    const claims = claimsOf(row);
    const keys = { txn_key: searchKey(claims.txn), resource_key: searchKey(resourceIdOf(claims.events) ?? '') };
    return { row: { event_id: eventId, seq: whole(row, 'seq'), ...keys }, types: typesOf(claims) };
  });
  const numbers = await eventTypes.numbersOf(transaction, new Set(keyed.flatMap(({ types }) => types ?? [])));
  const filled = keyed.map(({ row, types }) => (types === undefined ? row : { ...row, types: numbers.get(types) }));
  await transaction.query(FILL, [jsonOf(filled)]);
}
