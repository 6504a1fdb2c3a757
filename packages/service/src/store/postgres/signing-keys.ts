import type { AuditEntry } from '../../model/audit.ts';
import type { SigningKeyJwk, SigningKeyUses } from '../../model/signing-key.ts';
import type { SigningKeyStore } from '../operations.ts';
import { optionalText, type Row, text, whole } from '../rows.ts';
import { inOrder, type SameHeader, signingKeyOf, usesOf } from '../signing-keys.ts';
import { addAudit } from './audit.ts';
import { type Database, storable, type Transaction } from './database.ts';

/** Our own signing keys: several instances that change them at once agree on one. */
export function createSigningKeyStore(database: Database): SigningKeyStore {
  return {
    useSigningKey: (publicJwk, nowMs) => useSigningKey(database, publicJwk, nowMs),
    announceSigningKey: (publicJwk, nowMs) => announceSigningKey(database, publicJwk, nowMs),
    rotateSigningKey: (kid, nowMs, audit) => rotateSigningKey(database, { kid, nowMs, audit }),
    withdrawSigningKey: (kid, nowMs, audit) => withdrawSigningKey(database, { kid, nowMs, audit }),
    noteSigningKeyUsed: async (kid, nowMs) => {
      await database.query(NOTE_USED, [storable(kid), nowMs]);
    },
    signingKeys: async () => inOrder((await database.query(ALL)).map(signingKeyOf)),
    signingKeyUses: (limit) => signingKeyUses(database, limit),
  };
}

interface Change {
  readonly kid: string;
  readonly nowMs: number;
  readonly audit: AuditEntry;
}

// Columns are named: a newer version may have added others.
const ALL = `SELECT kid, public_jwk, announced_at_ms, used_from_ms, retired_at_ms, used_until_ms, withdrawn_at_ms
  FROM signing_key`;
const LOCK = 'LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE';
// Announced and never used: no current one.
const IS_CURRENT =
  'withdrawn_at_ms IS NULL AND retired_at_ms IS NULL AND (announced_at_ms IS NULL OR used_from_ms IS NOT NULL)';
const RETIRE_OTHERS = `UPDATE signing_key SET retired_at_ms = $2::bigint WHERE kid <> $1 AND ${IS_CURRENT}`;
const MAY_BECOME_CURRENT = `SELECT 1 FROM signing_key WHERE kid = $1 AND withdrawn_at_ms IS NULL AND NOT (${IS_CURRENT})`;
const BECOME_CURRENT = `UPDATE signing_key SET retired_at_ms = NULL, used_until_ms = NULL, used_from_ms = $2::bigint
  WHERE kid = $1`;
const NOTE_USED = `UPDATE signing_key SET used_until_ms = $2::bigint
  WHERE kid = $1 AND retired_at_ms IS NOT NULL AND withdrawn_at_ms IS NULL`;

async function useSigningKey(database: Database, publicJwk: SigningKeyJwk, nowMs: number): Promise<void> {
  const kid = storable(publicJwk.kid);
  await database.transaction(async (transaction) => {
    await transaction.query(LOCK);
    const isNew = (await find(transaction, kid)) === undefined;
    if (isNew) {
      await transaction.query(RETIRE_OTHERS, [kid, nowMs]);
      await transaction.last('INSERT INTO signing_key (kid, public_jwk, used_from_ms) VALUES ($1, $2, $3::bigint)', [
        kid,
        JSON.stringify(publicJwk),
        nowMs,
      ]);
    } else await makeCurrent(transaction, kid, nowMs);
  });
}

async function find(transaction: Transaction, kid: string): Promise<Row | undefined> {
  const [row] = await transaction.query('SELECT kid FROM signing_key WHERE kid = $1', [kid]);
  return row;
}

async function makeCurrent(transaction: Transaction, kid: string, nowMs: number): Promise<boolean> {
  const rows = await transaction.query(MAY_BECOME_CURRENT, [kid]);
  if (rows.length === 0) return false;
  await transaction.query(RETIRE_OTHERS, [kid, nowMs]);
  await transaction.query(BECOME_CURRENT, [kid, nowMs]);
  return true;
}

async function announceSigningKey(database: Database, publicJwk: SigningKeyJwk, nowMs: number): Promise<boolean> {
  const rows = await database.query(
    `INSERT INTO signing_key (kid, public_jwk, announced_at_ms) VALUES ($1, $2, $3::bigint)
     ON CONFLICT (kid) DO NOTHING RETURNING kid`,
    [storable(publicJwk.kid), JSON.stringify(publicJwk), nowMs],
  );
  return rows.length > 0;
}

function rotateSigningKey(database: Database, { kid, nowMs, audit }: Change): Promise<boolean> {
  return database.transaction(async (transaction) => {
    await transaction.query(LOCK);
    const isDone = await makeCurrent(transaction, storable(kid), nowMs);
    if (isDone) await addAudit(transaction, audit);
    return isDone;
  });
}

function withdrawSigningKey(database: Database, { kid, nowMs, audit }: Change): Promise<boolean> {
  return database.transaction(async (transaction) => {
    await transaction.query(LOCK);
    const rows = await transaction.query(
      `UPDATE signing_key SET withdrawn_at_ms = $2::bigint
       WHERE kid = $1 AND withdrawn_at_ms IS NULL AND NOT (${IS_CURRENT}) RETURNING kid`,
      [storable(kid), nowMs],
    );
    if (rows.length > 0) await addAudit(transaction, audit);
    return rows.length > 0;
  });
}

// By the primary key, whose values are in the order of time: about the oldest first. Those not signed yet are counted too.
const USES = `
  SELECT header, count(*)::int AS uses, min(published_at_ms) AS oldest_at_ms,
    (array_agg(jti ORDER BY published_at_ms, seq))[1] AS oldest_jti
  FROM (SELECT (SELECT split_part(c.set_jws, '.', 1) FROM content c WHERE c.day = n.content_day AND c.seq = n.seq) AS header,
          n.jti, n.seq, n.published_at_ms
        FROM (SELECT * FROM notification ORDER BY jti LIMIT $1::int) AS n) AS examined
  GROUP BY header`;

async function signingKeyUses(database: Database, limit: number): Promise<SigningKeyUses> {
  const rows = await database.transaction(async (transaction) => {
    // By the index whatever the planner thinks of it: going through the whole table has no bound.
    const settings = transaction.query(
      "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)",
    );
    const found = transaction.last(USES, [limit + 1]);
    await Promise.all([settings, found]);
    return found;
  });
  const groups = rows.map(
    (row): SameHeader => ({
      header: optionalText(row, 'header'),
      count: whole(row, 'uses'),
      oldestJti: text(row, 'oldest_jti'),
      oldestPublishedAtMs: whole(row, 'oldest_at_ms'),
    }),
  );
  return usesOf(groups, groups.reduce((sum, { count }) => sum + count, 0) <= limit);
}
