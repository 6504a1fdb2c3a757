import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import { apiVersionOf, type Row, text, whole } from '../row.ts';
import type {
  CallbackUrlToStore,
  ChangeResult,
  Registration,
  StoredCallbackUrl,
  StoredSubscription,
  SubscriptionToStore,
  Target,
  Tpp,
} from '../store.ts';
import type { Transaction } from './database.ts';
import { callbackUrlOf, storable, subscriptionOf, TARGET_COLUMNS, targetOf, tppOf } from './rows.ts';

/** Anything that statements can be asked of: a transaction, or one for the statement alone. */
export interface Asked {
  query(statement: string, values?: Parameters<Transaction['query']>[1]): Promise<Row[]>;
}

// Columns are named: a newer version may have added others.
const TPP = `client_id, organisation_id, software_statement_id, jwks, jwks_url, revoked_jwks_url, certificate_subject, scopes,
  is_suspended, retry`;

export async function findTpp(asked: Asked, clientId: string): Promise<Tpp | undefined> {
  const [row] = await asked.query(`SELECT ${TPP} FROM tpp WHERE client_id = $1`, [storable(clientId)]);
  return row && tppOf(row);
}

export async function listTpps(asked: Asked, after: string, limit: number): Promise<Tpp[]> {
  const rows = await asked.query(`SELECT ${TPP} FROM tpp WHERE client_id > $1 ORDER BY client_id LIMIT $2::int`, [
    storable(after),
    limit,
  ]);
  return rows.map(tppOf);
}

export async function putTpp(asked: Asked, tpp: Tpp): Promise<void> {
  await asked.query(
    `INSERT INTO tpp (client_id, organisation_id, software_statement_id, jwks, jwks_url, revoked_jwks_url,
       certificate_subject, scopes, is_suspended, retry) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
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
  const tables = ['event_subscription', 'callback_url', 'target', 'tpp'];
  const gone = await Promise.all(
    tables.map((table) => asked.query(`DELETE FROM ${table} WHERE client_id = $1 RETURNING client_id`, [clientId])),
  );
  return gone.at(-1)?.length === 1;
}

const SUBSCRIPTION = `SELECT s.client_id, s.event_subscription_id, s.api_version, s.version, s.callback_url, s.event_types,
    t.unresponsive_since_ms
  FROM event_subscription s LEFT JOIN target t ON t.client_id = s.client_id`;

// While an event subscription supersedes it, nothing is known of how it fares.
const CALLBACK_URL = `SELECT c.client_id, c.callback_url_id, c.api_version, c.version, c.url,
    CASE WHEN s.client_id IS NULL THEN t.unresponsive_since_ms END AS unresponsive_since_ms
  FROM callback_url c LEFT JOIN target t ON t.client_id = c.client_id
    LEFT JOIN event_subscription s ON s.client_id = c.client_id`;

export async function findSubscription(asked: Asked, clientId: string): Promise<StoredSubscription | undefined> {
  const [row] = await asked.query(`${SUBSCRIPTION} WHERE s.client_id = $1`, [storable(clientId)]);
  return row && subscriptionOf(row);
}

export async function findCallbackUrl(asked: Asked, clientId: string): Promise<StoredCallbackUrl | undefined> {
  const [row] = await asked.query(`${CALLBACK_URL} WHERE c.client_id = $1`, [storable(clientId)]);
  return row && callbackUrlOf(row);
}

/** Of some TPPs, by client_id. */
export async function findSubscriptions(
  asked: Asked,
  clientIds: readonly string[],
): Promise<Map<string, StoredSubscription>> {
  const rows = await asked.query(`${SUBSCRIPTION} WHERE s.client_id = ANY($1::text[])`, [clientIds]);
  return new Map(rows.map((row) => [text(row, 'client_id'), subscriptionOf(row)]));
}

/** Of some TPPs, by client_id. */
export async function findCallbackUrls(
  asked: Asked,
  clientIds: readonly string[],
): Promise<Map<string, StoredCallbackUrl>> {
  const rows = await asked.query(`${CALLBACK_URL} WHERE c.client_id = ANY($1::text[])`, [clientIds]);
  return new Map(rows.map((row) => [text(row, 'client_id'), callbackUrlOf(row)]));
}

/** Creates or replaces. */
export async function putSubscription(asked: Asked, subscription: SubscriptionToStore): Promise<void> {
  const { clientId, eventSubscriptionId, apiVersion, version, callbackUrl, eventTypes } = subscription;
  await asked.query(
    `INSERT INTO event_subscription
       (client_id, event_subscription_id, api_version, version, callback_url, event_types)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (client_id) DO UPDATE SET event_subscription_id = excluded.event_subscription_id,
       api_version = excluded.api_version, version = excluded.version, callback_url = excluded.callback_url,
       event_types = excluded.event_types`,
    [
      ...[clientId, eventSubscriptionId, apiVersion, version].map(storable),
      callbackUrl === undefined ? null : storable(callbackUrl),
      eventTypes === undefined ? null : JSON.stringify(eventTypes),
    ],
  );
}

/** Creates or replaces. */
export async function putCallbackUrl(asked: Asked, callbackUrl: CallbackUrlToStore): Promise<void> {
  const { clientId, callbackUrlId, apiVersion, version, url } = callbackUrl;
  await asked.query(
    `INSERT INTO callback_url (client_id, callback_url_id, api_version, version, url) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (client_id) DO UPDATE SET callback_url_id = excluded.callback_url_id,
       api_version = excluded.api_version, version = excluded.version, url = excluded.url`,
    [clientId, callbackUrlId, apiVersion, version, url].map(storable),
  );
}

/** Whether a registration may be changed by a TPP through a version of the API. */
export async function mayChange(
  asked: Asked,
  kind: 'event_subscription' | 'callback_url',
  { id, clientId, through }: { readonly id: string; readonly clientId: string; readonly through: ApiVersion },
): Promise<ChangeResult> {
  const [row] = await asked.query(`SELECT client_id, api_version FROM ${kind} WHERE ${kind}_id = $1`, [storable(id)]);
  if (row === undefined) return 'unknown';
  if (text(row, 'client_id') !== clientId) return 'of-another-tpp';
  // A registration of v4.0 must not be changed through v3.1; the other way is allowed (rules, section 2).
  const createdThrough = apiVersionOf(text(row, 'api_version'));
  return API_VERSIONS.indexOf(createdThrough) > API_VERSIONS.indexOf(through) ? 'of-newer-version' : 'changed';
}

/** What fan-out and delivery need of a TPP. */
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
  const [tpps, subscriptions, callbackUrls, targets] = await Promise.all([
    asked.query(`SELECT ${TPP} FROM tpp WHERE client_id = ANY($1::text[])`, [ids]),
    asked.query(`${SUBSCRIPTION} WHERE s.client_id = ANY($1::text[])`, [ids]),
    asked.query(`${CALLBACK_URL} WHERE c.client_id = ANY($1::text[])`, [ids]),
    asked.query(
      `SELECT ${TARGET_COLUMNS}, t.round FROM target t LEFT JOIN tpp p ON p.client_id = t.client_id
       WHERE t.client_id = ANY($1::text[]) AND t.callback_url IS NOT NULL`,
      [ids],
    ),
  ]);
  const known = new Map<string, Known>();
  const add = (row: Row, more: Partial<Known>) => {
    const clientId = text(row, 'client_id');
    known.set(clientId, { ...(known.get(clientId) ?? UNKNOWN), ...more });
  };
  for (const row of tpps) add(row, { tpp: tppOf(row) });
  for (const row of callbackUrls) add(row, { registration: { kind: 'callback-url', ...callbackUrlOf(row) } });
  for (const row of subscriptions) add(row, { registration: { kind: 'event-subscription', ...subscriptionOf(row) } });
  for (const row of targets) add(row, { target: targetOf(row), round: whole(row, 'round') });
  return known;
}
