import type { Target } from '../../model/notification.ts';
import type {
  ChangeResult,
  Registration,
  RegistrationKind,
  RegistrationsOfTpp,
  RegistrationToDelete,
  RegistrationToStore,
} from '../../model/registration.ts';
import type { Tpp } from '../../model/tpp.ts';
import {
  EFFECTIVE_FIRST,
  isTrue,
  mayChange,
  optionalWhole,
  orReplace,
  REGISTRATION_COLUMNS,
  registrationRowOf,
  registrationsOf,
  TPP_COLUMNS,
  text,
  tppOf,
  tppRowOf,
  whole,
} from '../rows.ts';
import { type Database, insertInto, jsonOf, type Queryable, storable } from './database.ts';
import { TARGET_COLUMNS, targetOf } from './targets.ts';

const REGISTRATIONS = `SELECT ${REGISTRATION_COLUMNS},
    (SELECT unresponsive_since_ms FROM target t WHERE t.client_id = registration.client_id) AS unresponsive_since_ms
  FROM registration WHERE client_id = ANY($1::text[]) ORDER BY ${EFFECTIVE_FIRST}`;

/** By client_id, of those that registered something; the effective one is the first. */
async function registrationsOfAll(
  queryable: Queryable,
  clientIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Registration[]>> {
  const rows = await queryable.query(REGISTRATIONS, [clientIds.map(storable)]);
  const registrations = new Map<string, readonly Registration[]>();
  for (const [clientId, own] of Map.groupBy(rows, (row) => text(row, 'client_id'))) {
    const [first] = own;
    registrations.set(clientId, registrationsOf(own, first && optionalWhole(first, 'unresponsive_since_ms')));
  }
  return registrations;
}

/** The effective one is the first. */
export async function findRegistrations(queryable: Queryable, clientId: string): Promise<readonly Registration[]> {
  return (await registrationsOfAll(queryable, [clientId])).get(storable(clientId)) ?? [];
}

/** TPPs that registered something, in the order of their client_id. */
export async function listRegistrations(
  database: Database,
  queryable: Queryable,
  after: string,
  limit: number,
): Promise<RegistrationsOfTpp[]> {
  const rows = await database.query(
    `SELECT ${TARGET_COLUMNS}, r.client_id, coalesce(p.is_suspended, false) AS is_suspended
     FROM (SELECT DISTINCT client_id FROM registration WHERE client_id > $1 ORDER BY client_id LIMIT $2::int) AS r
       LEFT JOIN tpp p ON p.client_id = r.client_id LEFT JOIN target t ON t.client_id = r.client_id
     ORDER BY r.client_id`,
    [storable(after), limit],
  );
  const registrations = await registrationsOfAll(
    queryable,
    rows.map((row) => text(row, 'client_id')),
  );
  return rows.map((row) => {
    const clientId = text(row, 'client_id');
    return {
      ...{ clientId, isSuspended: isTrue(row, 'is_suspended'), registrations: registrations.get(clientId) ?? [] },
      target: row['callback_url'] === null ? undefined : targetOf(row),
    };
  });
}

export async function findRegistration(
  queryable: Queryable,
  clientId: string,
  kind: RegistrationKind,
): Promise<Registration | undefined> {
  return (await findRegistrations(queryable, clientId)).find((one) => one.kind === kind);
}

const PUT_REGISTRATION = `${insertInto('registration', REGISTRATION_COLUMNS)}
  ${orReplace(REGISTRATION_COLUMNS, 'client_id, kind')}`;

/** Creates or replaces. */
export async function putRegistration(queryable: Queryable, registration: RegistrationToStore): Promise<void> {
  await queryable.query(PUT_REGISTRATION, [jsonOf([registrationRowOf(registration)])]);
}

export async function deleteRegistration(
  queryable: Queryable,
  clientId: string,
  kind: RegistrationKind,
): Promise<void> {
  await queryable.query('DELETE FROM registration WHERE client_id = $1 AND kind = $2', [clientId, kind]);
}

/** Whether a registration may be changed by a TPP through a version of the API. */
export async function mayChangeRegistration(
  queryable: Queryable,
  { kind, clientId, id, through }: RegistrationToDelete,
): Promise<ChangeResult> {
  const [row] = await queryable.query('SELECT client_id, api_version FROM registration WHERE kind = $1 AND id = $2', [
    kind,
    storable(id),
  ]);
  return mayChange(row, storable(clientId), through);
}

/** The part of a TPP that fan-out and delivery need. */
export interface Known {
  readonly tpp: Tpp | undefined;
  /** The effective one: an event subscription supersedes a callback URL. */
  readonly registration: Registration | undefined;
  readonly target: Target | undefined;
  /** Of the target. */
  readonly round: number;
}

export const UNKNOWN: Known = { tpp: undefined, registration: undefined, target: undefined, round: 0 };

/** Looks up all that is known of some TPPs. */
export async function lookUp(queryable: Queryable, clientIds: readonly string[]): Promise<Map<string, Known>> {
  const ids = clientIds.map(storable);
  const [tpps, registrations, targets] = await Promise.all([
    queryable.query(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id = ANY($1::text[])`, [ids]),
    registrationsOfAll(queryable, ids),
    queryable.query(
      `SELECT ${TARGET_COLUMNS}, t.round FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
       WHERE t.client_id = ANY($1::text[]) AND t.callback_url IS NOT NULL`,
      [ids],
    ),
  ]);
  const known = new Map<string, Known>();
  const add = (clientId: string, more: Partial<Known>) => {
    known.set(clientId, { ...(known.get(clientId) ?? UNKNOWN), ...more });
  };
  for (const row of tpps) add(text(row, 'client_id'), { tpp: tppOf(row) });
  for (const [clientId, [registration]] of registrations) add(clientId, { registration });
  for (const row of targets) add(text(row, 'client_id'), { target: targetOf(row), round: whole(row, 'round') });
  return known;
}

export async function findTpp(queryable: Queryable, clientId: string): Promise<Tpp | undefined> {
  const [row] = await queryable.query(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id = $1`, [storable(clientId)]);
  return row && tppOf(row);
}

export async function listTpps(queryable: Queryable, after: string, limit: number): Promise<Tpp[]> {
  const rows = await queryable.query(
    `SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id > $1 ORDER BY client_id LIMIT $2::int`,
    [storable(after), limit],
  );
  return rows.map(tppOf);
}

const PUT_TPP = `${insertInto('tpp', TPP_COLUMNS)} ${orReplace(TPP_COLUMNS, 'client_id')}`;

export async function putTpp(queryable: Queryable, tpp: Tpp): Promise<void> {
  await queryable.query(PUT_TPP, [jsonOf([tppRowOf(tpp)])]);
}

/** With its registrations and all that is known of its callback URL. @returns whether it was known */
export async function removeTpp(queryable: Queryable, clientId: string): Promise<boolean> {
  const tables = ['registration', 'target', 'tpp'];
  const gone = await Promise.all(
    tables.map((table) => queryable.query(`DELETE FROM ${table} WHERE client_id = $1 RETURNING client_id`, [clientId])),
  );
  return gone.at(-1)?.length === 1;
}
