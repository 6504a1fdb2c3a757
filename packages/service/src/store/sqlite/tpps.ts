import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Tpp } from '../../model/tpp.ts';
import { TPP_COLUMNS, tppOf } from '../registered-row.ts';

/** SQL about TPPs. Writes must run inside a transaction. */
export class TppTable {
  readonly #database: DatabaseSync;
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#select = database.prepare(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id = ?`);
  }

  put(tpp: Tpp): void {
    this.#database
      .prepare(
        `INSERT INTO tpp (${TPP_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (client_id) DO UPDATE SET organisation_id = excluded.organisation_id,
           software_statement_id = excluded.software_statement_id, jwks = excluded.jwks, jwks_url = excluded.jwks_url,
           revoked_jwks_url = excluded.revoked_jwks_url, certificate_subject = excluded.certificate_subject, scopes = excluded.scopes,
           is_suspended = excluded.is_suspended, retry = excluded.retry`,
      )
      .run(
        tpp.clientId,
        tpp.organisationId,
        tpp.softwareStatementId,
        JSON.stringify(tpp.jwks ?? null),
        tpp.jwksUrl ?? null,
        tpp.revokedJwksUrl ?? null,
        tpp.certificateSubject ?? null,
        tpp.scopes === undefined ? null : JSON.stringify(tpp.scopes),
        tpp.isSuspended === true ? 1 : 0,
        tpp.retry === undefined ? null : JSON.stringify(tpp.retry),
      );
  }

  find(clientId: string): Tpp | undefined {
    const row = this.#select.get(clientId);
    return row && tppOf(row);
  }

  list(after: string, limit: number): Tpp[] {
    return this.#database
      .prepare(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id > ? ORDER BY client_id LIMIT ?`)
      .all(after, limit)
      .map(tppOf);
  }

  remove(clientId: string): boolean {
    return this.#database.prepare('DELETE FROM tpp WHERE client_id = ?').run(clientId).changes !== 0;
  }
}
