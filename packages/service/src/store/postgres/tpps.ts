import type { Tpp } from '../../model/tpp.ts';
import { TPP_COLUMNS, tppOf } from '../registered-row.ts';
import type { Asked } from './registrations.ts';
import { storable } from './rows.ts';

export async function findTpp(asked: Asked, clientId: string): Promise<Tpp | undefined> {
  const [row] = await asked.query(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id = $1`, [storable(clientId)]);
  return row && tppOf(row);
}

export async function listTpps(asked: Asked, after: string, limit: number): Promise<Tpp[]> {
  const rows = await asked.query(
    `SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id > $1 ORDER BY client_id LIMIT $2::int`,
    [storable(after), limit],
  );
  return rows.map(tppOf);
}

export async function putTpp(asked: Asked, tpp: Tpp): Promise<void> {
  await asked.query(
    `INSERT INTO tpp (${TPP_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (client_id) DO UPDATE SET organisation_id = excluded.organisation_id,
       software_statement_id = excluded.software_statement_id, jwks = excluded.jwks, jwks_url = excluded.jwks_url,
       revoked_jwks_url = excluded.revoked_jwks_url, certificate_subject = excluded.certificate_subject, scopes = excluded.scopes,
       is_suspended = excluded.is_suspended, retry = excluded.retry`,
    [
      storable(tpp.clientId),
      storable(tpp.organisationId),
      storable(tpp.softwareStatementId),
      JSON.stringify(tpp.jwks ?? null),
      tpp.jwksUrl === undefined ? null : storable(tpp.jwksUrl),
      tpp.revokedJwksUrl === undefined ? null : storable(tpp.revokedJwksUrl),
      tpp.certificateSubject === undefined ? null : storable(tpp.certificateSubject),
      tpp.scopes === undefined ? null : JSON.stringify(tpp.scopes),
      tpp.isSuspended === true,
      tpp.retry === undefined ? null : JSON.stringify(tpp.retry),
    ],
  );
}

/** With its registrations and all that is known of its callback URL. @returns whether it was known */
export async function removeTpp(asked: Asked, clientId: string): Promise<boolean> {
  const tables = ['registration', 'target', 'tpp'];
  const gone = await Promise.all(
    tables.map((table) => asked.query(`DELETE FROM ${table} WHERE client_id = $1 RETURNING client_id`, [clientId])),
  );
  return gone.at(-1)?.length === 1;
}
