import assert from 'node:assert/strict';
import { isJsonObject } from '@tidings/protocol';
import type { SigningKeyJwk, StoredSigningKey } from '../store.ts';
import type { Database } from './database.ts';
import { optionalWhole, parseText, type Row, text } from './rows.ts';

/** Remembers the key that signs from now on; several instances that do so at once agree on one. */
export async function useSigningKey(database: Database, publicJwk: SigningKeyJwk, nowMs: number): Promise<void> {
  await database.transaction(async (transaction) => {
    await transaction.query('LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE');
    await transaction.query(
      'UPDATE signing_key SET retired_at_ms = $1::bigint WHERE kid <> $2 AND retired_at_ms IS NULL',
      [nowMs, publicJwk.kid],
    );
    await transaction.last(
      `INSERT INTO signing_key (kid, public_jwk) VALUES ($1, $2)
       ON CONFLICT (kid) DO UPDATE SET public_jwk = excluded.public_jwk, retired_at_ms = NULL`,
      [publicJwk.kid, JSON.stringify(publicJwk)],
    );
  });
}

/** Every key that ever signed, the current one first. */
export async function signingKeys(database: Database): Promise<StoredSigningKey[]> {
  const rows = await database.read(
    'SELECT kid, public_jwk, retired_at_ms FROM signing_key ORDER BY retired_at_ms IS NOT NULL, retired_at_ms DESC',
  );
  return rows.map(signingKeyOf);
}

function signingKeyOf(row: Row): StoredSigningKey {
  const publicJwk = parseText(row, 'public_jwk');
  assert(isJsonObject(publicJwk), 'a kept key must be an object');
  return { publicJwk: { ...publicJwk, kid: text(row, 'kid') }, retiredAtMs: optionalWhole(row, 'retired_at_ms') };
}
