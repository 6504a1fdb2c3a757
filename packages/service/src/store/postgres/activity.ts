import type { ActivityBounds, ActivityToStore, CountedBucket } from '../../model/activity.ts';
import type { ActivityStore, StatisticsQuery, WatchRetention } from '../operations.ts';
import { ALL, activityOf, activityRowOf, bucketOf, bucketRowOf, optionalWhole } from '../rows.ts';
import { type Database, insertInto, jsonOf, storable } from './database.ts';

/** The activity log and the statistics. */
export function createActivityStore(database: Database): ActivityStore {
  return {
    appendActivity: (activity) => appendActivity(database, activity),
    activityAfter: async (id, limit) => (await database.queryByKey(AFTER, [id, limit])).map(activityOf),
    activityBounds: (sinceMs) => activityBounds(database, sinceMs),
    putStatistics: (buckets) => putStatistics(database, buckets),
    statistics: (query) => statistics(database, query),
    dropWatched: (retention) => dropWatched(database, retention),
  };
}

const AFTER = 'SELECT id, at_ms, instance, entries FROM activity WHERE id > $1::bigint ORDER BY id LIMIT $2::int';

const APPEND = insertInto('activity', 'at_ms, instance, entries');
const PUT = `${insertInto('statistics', 'client_id, resolution, began_at_ms, part, tally')}
  ON CONFLICT (client_id, resolution, began_at_ms, part) DO UPDATE SET tally = excluded.tally`;

/** One instance at a time: its id is taken and seen by all before the next one takes its own. */
async function appendActivity(database: Database, activity: ActivityToStore): Promise<void> {
  await database.transaction(
    async (transaction) => {
      await Promise.all([
        // Nothing relies on the last rows: neither the others nor the disk need be waited for.
        transaction.query("SELECT set_config('synchronous_commit', 'off', true)"),
        transaction.last(APPEND, [jsonOf([activityRowOf(activity)])]),
      ]);
    },
    { locks: { appending: true } },
  );
}

async function activityBounds(database: Database, sinceMs: number | undefined): Promise<ActivityBounds> {
  const [row] = await database.queryByKey(
    `SELECT (SELECT id FROM activity ORDER BY id LIMIT 1) AS first,
       (SELECT id FROM activity ORDER BY id DESC LIMIT 1) AS last,
       (SELECT id FROM activity WHERE at_ms < $1::bigint ORDER BY at_ms DESC, id DESC LIMIT 1) AS since`,
    [sinceMs ?? null],
  );
  const idOf = (column: string) => (row && optionalWhole(row, column)) ?? 0;
  return { firstId: idOf('first'), lastId: idOf('last'), sinceId: idOf('since') };
}

/** In a fixed order, as all that lock several rows. */
async function putStatistics(database: Database, buckets: readonly CountedBucket[]): Promise<void> {
  const ordered = buckets.toSorted((left, right) => (left.part < right.part ? -1 : 1));
  await database.query(PUT, [jsonOf(ordered.map(bucketRowOf))]);
}

async function statistics(
  database: Database,
  { clientId = ALL, resolution, fromMs, beforeMs }: StatisticsQuery,
): Promise<CountedBucket[]> {
  const rows = await database.queryByKey(
    `SELECT resolution, began_at_ms, client_id, part, tally FROM statistics
     WHERE client_id = $1 AND resolution = $2 AND began_at_ms >= $3::bigint AND began_at_ms < $4::bigint`,
    [storable(clientId), resolution, fromMs, beforeMs],
  );
  return rows.map(bucketOf);
}

// The newest row stays, so that a reader that begins now finds the last id.
const DROP_ACTIVITY = `
  WITH old AS MATERIALIZED (SELECT id FROM activity WHERE at_ms < $1::bigint ORDER BY at_ms, id LIMIT $2::int)
  DELETE FROM activity a USING old
  WHERE a.id = old.id AND a.id < (SELECT id FROM activity ORDER BY id DESC LIMIT 1) RETURNING 1`;

const DROP_STATISTICS = `
  WITH old AS MATERIALIZED (
    SELECT client_id, resolution, began_at_ms, part FROM statistics
    WHERE resolution = $1 AND began_at_ms < $2::bigint ORDER BY began_at_ms LIMIT $3::int)
  DELETE FROM statistics s USING old
  WHERE s.client_id = old.client_id AND s.resolution = old.resolution AND s.began_at_ms = old.began_at_ms
    AND s.part = old.part RETURNING 1`;

function dropWatched(
  database: Database,
  { activityBeforeMs, minutesBeforeMs, hoursBeforeMs, limit }: WatchRetention,
): Promise<number> {
  return database.transaction(async (transaction) => {
    const activity = await transaction.query(DROP_ACTIVITY, [activityBeforeMs, limit]);
    const minutes = await transaction.query(DROP_STATISTICS, ['minute', minutesBeforeMs, limit]);
    const hours = await transaction.last(DROP_STATISTICS, ['hour', hoursBeforeMs, limit - minutes.length]);
    return activity.length + minutes.length + hours.length;
  });
}
