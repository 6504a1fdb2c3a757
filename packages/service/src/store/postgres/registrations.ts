import assert from 'node:assert/strict';
import { isJsonObject } from '@tidings/protocol';
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
  type Row,
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
  /** Of the target: another one once any of this has changed, but for its counts. 0: there is none. */
  readonly revision: number;
}

export const UNKNOWN: Known = { tpp: undefined, registration: undefined, target: undefined, round: 0, revision: 0 };

const LOOK_UP = `
  SELECT i.client_id, row_to_json(p) AS tpp, row_to_json(r) AS registration, row_to_json(t) AS target
  FROM unnest($1::text[]) AS i(client_id)
    LEFT JOIN tpp p ON p.client_id = i.client_id LEFT JOIN target t ON t.client_id = i.client_id
    LEFT JOIN LATERAL (
      SELECT * FROM registration WHERE client_id = i.client_id ORDER BY ${EFFECTIVE_FIRST} LIMIT 1) AS r ON true`;

/** Looks up all that is known of some TPPs, in one statement. */
export async function lookUp(queryable: Queryable, clientIds: readonly string[]): Promise<Map<string, Known>> {
  const rows = await queryable.query(LOOK_UP, [clientIds.map(storable)]);
  return new Map(rows.map((row) => [text(row, 'client_id'), knownOf(row)]));
}

function knownOf(row: Row): Known {
  const [tpp, registration, target] = [rowIn(row, 'tpp'), rowIn(row, 'registration'), rowIn(row, 'target')];
  const isPushed = target !== undefined && target['callback_url'] !== null;
  return {
    tpp: tpp && tppOf(tpp),
    registration:
      registration && registrationsOf([registration], target && optionalWhole(target, 'unresponsive_since_ms'))[0],
    target: isPushed ? targetOf({ ...target, retry: tpp?.['retry'] ?? null }) : undefined,
    round: target === undefined ? 0 : whole(target, 'round'),
    revision: target === undefined ? 0 : whole(target, 'revision'),
  };
}

/** A column that is another row as JSON. */
function rowIn(row: Row, column: string): Row | undefined {
  const value = row[column];
  if (value === null) return undefined;
  assert(isJsonObject(value), `column ${column} must be a row`);
  return value;
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
