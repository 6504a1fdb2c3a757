import type { Target } from '../../model/notification.ts';
import type {
  ChangeResult,
  Registration,
  RegistrationKind,
  RegistrationToDelete,
  RegistrationToStore,
} from '../../model/registration.ts';
import type { Tpp } from '../../model/tpp.ts';
import {
  HOLDING_FIRST,
  mayChange,
  REGISTRATION_COLUMNS,
  registrationsOf,
  TPP_COLUMNS,
  tppOf,
} from '../registered-row.ts';
import { optionalWhole, type Row, text, whole } from '../row.ts';
import type { Transaction } from './database.ts';
import { storable, TARGET_COLUMNS, targetOf } from './rows.ts';

/** Anything that statements can be asked of: a transaction, or one for the statement alone. */
export interface Asked {
  query(statement: string, values?: Parameters<Transaction['query']>[1]): Promise<Row[]>;
}

const REGISTRATIONS = `SELECT ${REGISTRATION_COLUMNS},
    (SELECT unresponsive_since_ms FROM target t WHERE t.client_id = registration.client_id) AS unresponsive_since_ms
  FROM registration WHERE client_id = ANY($1::text[]) ORDER BY ${HOLDING_FIRST}`;

/** By client_id, of those that registered something; the one that holds is the first. */
export async function registrationsOfAll(
  asked: Asked,
  clientIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Registration[]>> {
  const rows = await asked.query(REGISTRATIONS, [clientIds.map(storable)]);
  const registrations = new Map<string, readonly Registration[]>();
  for (const [clientId, own] of Map.groupBy(rows, (row) => text(row, 'client_id'))) {
    const [first] = own;
    registrations.set(clientId, registrationsOf(own, first && optionalWhole(first, 'unresponsive_since_ms')));
  }
  return registrations;
}

/** The one that holds is the first. */
export async function findRegistrations(asked: Asked, clientId: string): Promise<readonly Registration[]> {
  return (await registrationsOfAll(asked, [clientId])).get(storable(clientId)) ?? [];
}

export async function findRegistration(
  asked: Asked,
  clientId: string,
  kind: RegistrationKind,
): Promise<Registration | undefined> {
  return (await findRegistrations(asked, clientId)).find((one) => one.kind === kind);
}

/** Creates or replaces. */
export async function putRegistration(asked: Asked, registration: RegistrationToStore): Promise<void> {
  const { clientId, kind, id, apiVersion, version, callbackUrl, eventTypes } = registration;
  await asked.query(
    `INSERT INTO registration (${REGISTRATION_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (client_id, kind) DO UPDATE SET id = excluded.id, api_version = excluded.api_version,
       version = excluded.version, callback_url = excluded.callback_url, event_types = excluded.event_types`,
    [
      ...[clientId, kind, id, apiVersion, version].map(storable),
      callbackUrl === undefined ? null : storable(callbackUrl),
      eventTypes === undefined ? null : JSON.stringify(eventTypes),
    ],
  );
}

export async function deleteRegistration(asked: Asked, clientId: string, kind: RegistrationKind): Promise<void> {
  await asked.query('DELETE FROM registration WHERE client_id = $1 AND kind = $2', [clientId, kind]);
}

/** Whether a registration may be changed by a TPP through a version of the API. */
export async function mayChangeRegistration(
  asked: Asked,
  { kind, clientId, id, through }: RegistrationToDelete,
): Promise<ChangeResult> {
  const [row] = await asked.query('SELECT client_id, api_version FROM registration WHERE kind = $1 AND id = $2', [
    kind,
    storable(id),
  ]);
  return mayChange(row, storable(clientId), through);
}

/** The part of a TPP that fan-out and delivery need. */
export interface Known {
  readonly tpp: Tpp | undefined;
  /** The one that holds: an event subscription supersedes a callback URL. */
  readonly registration: Registration | undefined;
  readonly target: Target | undefined;
  /** Of the target. */
  readonly round: number;
}

export const UNKNOWN: Known = { tpp: undefined, registration: undefined, target: undefined, round: 0 };

/** Looks up all that is known of some TPPs. */
export async function lookUp(asked: Asked, clientIds: readonly string[]): Promise<Map<string, Known>> {
  const ids = clientIds.map(storable);
  const [tpps, registrations, targets] = await Promise.all([
    asked.query(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id = ANY($1::text[])`, [ids]),
    registrationsOfAll(asked, ids),
    asked.query(
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
