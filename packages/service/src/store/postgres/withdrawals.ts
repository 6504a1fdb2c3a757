import type { NotificationFilter, Withdrawal, Withdrawn } from '../operations.ts';
import { type Row, text, whole } from '../row.ts';
import { addAudit } from './audit.ts';
import type { Database, Transaction } from './database.ts';
import { intoHistory } from './moves.ts';
import { HAS_FAILED } from './redeliveries.ts';
import { isTrue, storable } from './rows.ts';

// So that a portion is not all looking.
const LOOKED_AT_MIN = 2000;

// $1 after: when published, $2 and sequence number; $3 from; $4 before; $5 now; $6 how many; $7 TPP; $8 jtis.
const OF_CLIENT = {
  range: `(n.published_at_ms, n.seq) > ($1::bigint, $2::bigint) AND n.published_at_ms >= $3::bigint
    AND n.published_at_ms < $4::bigint`,
  order: 'ORDER BY published_at_ms, seq LIMIT $6::int',
};
// As the index has it that serves all TPPs.
const OF_ALL = {
  range: `(-n.published_at_ms, -n.seq) < (-$1::bigint, -$2::bigint) AND -n.published_at_ms <= -$3::bigint
    AND -n.published_at_ms > -$4::bigint`,
  order: 'ORDER BY -published_at_ms DESC, -seq DESC LIMIT $6::int',
};

/** Candidates in the order of publishing, each by an index. */
function candidatesOf({ jtis, clientId, only }: NotificationFilter): string {
  const failed = only === 'failed' ? HAS_FAILED : 'true';
  const ofClient = '($7::text IS NULL OR n.client_id = $7::text)';
  const part = (condition: string, { range, order } = OF_CLIENT) =>
    `(SELECT n.jti, n.published_at_ms, n.seq, NOT (n.is_leased AND n.due_at_ms > $5::bigint) AND ${failed} AS is_meant
      FROM notification n WHERE ${condition} AND ${range} ${order})`;
  // Every value has to be asked for, so that its type is known.
  const named = '($8::text[] IS NULL OR n.jti = ANY($8::text[]))';
  if (jtis !== undefined) return part(`n.jti = ANY($8::text[]) AND ${ofClient}`);
  if (clientId === undefined) return part(`${named} AND ${ofClient}`, OF_ALL);
  const parts = ['IS NULL', 'IS NOT NULL'].map((how) =>
    part(`n.client_id = $7::text AND n.offer_at_ms ${how} AND ${named}`),
  );
  return `SELECT * FROM (${parts.join(' UNION ALL ')}) AS either ${OF_CLIENT.order}`;
}

// What another has changed meanwhile is left out.
const WITHDRAW = `
  WITH gone AS (
    DELETE FROM notification n
    USING (SELECT jti FROM notification WHERE jti = ANY($1::text[]) ORDER BY jti FOR UPDATE) AS sorted
    WHERE n.jti = sorted.jti AND NOT (n.is_leased AND n.due_at_ms > $2::bigint) RETURNING n.*),
  kept AS (${intoHistory({ state: 'withdrawn' }, '$2::bigint')})
  SELECT count(*) AS count FROM gone`;

/** Withdraws a portion. Under way is what is leased at the time of the audit entry. */
export function withdraw(database: Database, withdrawal: Withdrawal): Promise<Withdrawn> {
  return database.transaction((transaction) => withdrawIn(transaction, withdrawal), { isBulk: true });
}

async function withdrawIn(transaction: Transaction, withdrawal: Withdrawal): Promise<Withdrawn> {
  const { filter, limit, isDryRun, audit } = withdrawal;
  const lookedAt = Math.max(limit, LOOKED_AT_MIN);
  const rows = await transaction.query(candidatesOf(filter), valuesOf(withdrawal, lookedAt));
  const meant: Row[] = [];
  let last: Row | undefined;
  for (const row of rows) {
    if (meant.length >= limit) break;
    last = row;
    if (isTrue(row, 'is_meant')) meant.push(row);
  }
  const isThrough = rows.length < lookedAt && last === rows.at(-1);
  const next = isThrough || last === undefined ? undefined : `${whole(last, 'published_at_ms')}:${whole(last, 'seq')}`;
  if (isDryRun || meant.length === 0) return { count: meant.length, next };
  const jtis = meant.map((row) => text(row, 'jti')).sort();
  const [row] = await transaction.query(WITHDRAW, [jtis, audit.atMs]);
  const count = row === undefined ? 0 : whole(row, 'count');
  if (count > 0) await addAudit(transaction, { ...audit, detail: { ...audit.detail, count } });
  return { count, next };
}

function valuesOf({ filter, after, audit }: Withdrawal, lookedAt: number) {
  const { clientId, jtis, publishedFromMs = 0, publishedBeforeMs = Number.MAX_SAFE_INTEGER } = filter;
  const [publishedAtMs = -1, seq = -1] = after === undefined ? [] : after.split(':').map(Number);
  return [
    ...[publishedAtMs, seq, publishedFromMs, publishedBeforeMs, audit.atMs, lookedAt],
    ...[clientId === undefined ? null : storable(clientId), jtis === undefined ? null : jtis.map(storable)],
  ];
}
