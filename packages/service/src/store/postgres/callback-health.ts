import type { RecentAttempts } from '../../model/attempt.ts';
import type { RegistrationsOfTpp } from '../../model/registration.ts';
import type { CallbackHealthStore } from '../operations.ts';
import { recentAttemptsOf, text, whole } from '../row.ts';
import type { Database } from './database.ts';
import { type Asked, registrationsOfAll } from './registrations.ts';
import { isTrue, jsonOf, storable } from './rows.ts';

// What processes that are gone kept goes when another has written for that long.
const KEPT_AFTER_MS = 86_400_000;

/** Registrations of all TPPs, and the health of their callback URLs. */
export function callbackHealth(database: Database): CallbackHealthStore {
  return {
    registrations: (after, limit) => registrations(database, after, limit),
    awaitingOf: (clientIds, countMax) => awaitingOf(database, clientIds, countMax),
    keepRecentAttempts: (recent, nowMs) => keepRecentAttempts(database, recent, nowMs),
    recentAttempts: async (clientIds) => {
      const rows = await database.look(
        'SELECT client_id, instance, attempts FROM recent_attempts WHERE client_id = ANY($1::text[])',
        [clientIds.map(storable)],
      );
      return rows.map(recentAttemptsOf);
    },
  };
}

async function registrations(database: Database, after: string, limit: number): Promise<RegistrationsOfTpp[]> {
  const rows = await database.read(
    `SELECT r.client_id, coalesce(p.is_suspended, false) AS is_suspended
     FROM (SELECT DISTINCT client_id FROM registration WHERE client_id > $1 ORDER BY client_id LIMIT $2::int) AS r
       LEFT JOIN tpp p ON p.client_id = r.client_id ORDER BY r.client_id`,
    [storable(after), limit],
  );
  const asked: Asked = { query: (statement, values) => database.look(statement, values) };
  const clientIds = rows.map((row) => text(row, 'client_id'));
  const registered = await registrationsOfAll(asked, clientIds);
  return rows.map((row) => {
    const clientId = text(row, 'client_id');
    return { clientId, isSuspended: isTrue(row, 'is_suspended'), registrations: registered.get(clientId) ?? [] };
  });
}

async function awaitingOf(
  database: Database,
  clientIds: readonly string[],
  countMax: number,
): Promise<ReadonlyMap<string, number>> {
  const rows = await database.look(
    `SELECT c.client_id, (SELECT count(*) FROM (
       SELECT 1 FROM notification n WHERE n.client_id = c.client_id LIMIT $2::int) AS few)::int AS awaiting
     FROM unnest($1::text[]) AS c(client_id)`,
    [clientIds.map(storable), countMax + 1],
  );
  return new Map(rows.map((row) => [text(row, 'client_id'), whole(row, 'awaiting')]));
}

const KEEP = `
  INSERT INTO recent_attempts (client_id, instance, at_ms, attempts)
  SELECT client_id, instance, at_ms, attempts
  FROM json_to_recordset($1::json) AS r(client_id text, instance text, at_ms bigint, attempts text)
  ON CONFLICT (client_id, instance) DO UPDATE SET at_ms = excluded.at_ms, attempts = excluded.attempts`;

async function keepRecentAttempts(database: Database, recent: readonly RecentAttempts[], nowMs: number): Promise<void> {
  const kept = recent.map(({ clientId, instance, attempts }) => {
    return { client_id: storable(clientId), instance, at_ms: nowMs, attempts: JSON.stringify(attempts) };
  });
  // In a fixed order, as all that lock several rows.
  const rows = kept.toSorted((left, right) => (left.client_id < right.client_id ? -1 : 1));
  await database.transaction(async (transaction) => {
    await Promise.all([
      // Nothing is lost with it that anybody relies on: the disk need not be waited for.
      transaction.query("SELECT set_config('synchronous_commit', 'off', true)"),
      transaction.query('DELETE FROM recent_attempts WHERE client_id = ANY($1::text[]) AND at_ms < $2::bigint', [
        rows.map(({ client_id }) => client_id),
        nowMs - KEPT_AFTER_MS,
      ]),
      transaction.last(KEEP, [jsonOf(rows)]),
    ]);
  });
}
