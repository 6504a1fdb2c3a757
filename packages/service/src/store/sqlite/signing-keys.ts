import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import { isJsonObject } from '@tidings/protocol';
import type { SigningKeyJwk, StoredSigningKey } from '../store.ts';
import { optionalWhole, parseText, type Row, text } from './rows.ts';

/** SQL about our own signing keys. Writes must run inside a transaction. */
export class SigningKeyTable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  use(publicJwk: SigningKeyJwk, nowMs: number): void {
    this.#database
      .prepare('UPDATE signing_key SET retired_at_ms = ? WHERE kid <> ? AND retired_at_ms IS NULL')
      .run(nowMs, publicJwk.kid);
    this.#database
      .prepare(
        `INSERT INTO signing_key (kid, public_jwk) VALUES (?, ?)
         ON CONFLICT (kid) DO UPDATE SET public_jwk = excluded.public_jwk, retired_at_ms = NULL`,
      )
      .run(publicJwk.kid, JSON.stringify(publicJwk));
  }

  all(): StoredSigningKey[] {
    return this.#database
      .prepare('SELECT * FROM signing_key ORDER BY retired_at_ms IS NOT NULL, retired_at_ms DESC')
      .all()
      .map(signingKeyOf);
  }
}

function signingKeyOf(row: Row): StoredSigningKey {
  const publicJwk = parseText(row, 'public_jwk');
  assert(isJsonObject(publicJwk), 'a kept key must be an object');
  return { publicJwk: { ...publicJwk, kid: text(row, 'kid') }, retiredAtMs: optionalWhole(row, 'retired_at_ms') };
}
