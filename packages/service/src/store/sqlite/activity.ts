import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ActivityBounds, ActivityToStore, CountedBucket, StoredActivity } from '../../model/activity.ts';
import type { StatisticsQuery, WatchRetention } from '../operations.ts';
import { ALL, activityOf, activityRowOf, bucketOf, bucketRowOf, optionalWhole, whole } from '../rows.ts';
import { insertInto } from './open.ts';

/** SQL of the activity log and the statistics. Writes must run inside a transaction. */
export class ActivityTables {
  readonly #append: StatementSync;
  readonly #after: StatementSync;
  readonly #bounds: StatementSync;
  readonly #since: StatementSync;
  readonly #dropActivity: StatementSync;
  readonly #put: StatementSync;
  readonly #select: StatementSync;
  readonly #dropStatistics: StatementSync;

  constructor(database: DatabaseSync) {
    this.#append = database.prepare(insertInto('activity', 'at_ms, instance, entries'));
    this.#after = database.prepare(
      'SELECT id, at_ms, instance, entries FROM activity WHERE id > ? ORDER BY id LIMIT ?',
    );
    this.#bounds = database.prepare(
      'SELECT (SELECT min(id) FROM activity) AS first, (SELECT max(id) FROM activity) AS last',
    );
    this.#since = database.prepare('SELECT id FROM activity WHERE at_ms < ? ORDER BY at_ms DESC, id DESC LIMIT 1');
    // The newest stays, so that ids go on from it.
    this.#dropActivity = database.prepare(
      `DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at_ms < ? ORDER BY at_ms, id LIMIT ?)
         AND id < (SELECT max(id) FROM activity)`,
    );
    this.#put = database.prepare(
      `${insertInto('statistics', 'client_id, resolution, began_at_ms, part, tally')}
       ON CONFLICT DO UPDATE SET tally = excluded.tally`,
    );
    this.#select = database.prepare(
      `SELECT resolution, began_at_ms, client_id, part, tally FROM statistics
       WHERE client_id = ? AND resolution = ? AND began_at_ms >= ? AND began_at_ms < ?`,
    );
    this.#dropStatistics = database.prepare(
      `DELETE FROM statistics WHERE (client_id, resolution, began_at_ms, part) IN
         (SELECT client_id, resolution, began_at_ms, part FROM statistics
          WHERE resolution = ? AND began_at_ms < ? ORDER BY began_at_ms LIMIT ?)`,
    );
  }

  append(activity: ActivityToStore): void {
    this.#append.run(activityRowOf(activity));
  }

  after(id: number, limit: number): StoredActivity[] {
    return this.#after.all(id, limit).map(activityOf);
  }

  bounds(sinceMs: number | undefined): ActivityBounds {
    const row = this.#bounds.get();
    const since = sinceMs === undefined ? undefined : this.#since.get(sinceMs);
    return {
      firstId: (row && optionalWhole(row, 'first')) ?? 0,
      lastId: (row && optionalWhole(row, 'last')) ?? 0,
      sinceId: since === undefined ? 0 : whole(since, 'id'),
    };
  }

  put(buckets: readonly CountedBucket[]): void {
    for (const bucket of buckets) this.#put.run(bucketRowOf(bucket));
  }

  statistics({ clientId = ALL, resolution, fromMs, beforeMs }: StatisticsQuery): CountedBucket[] {
    return this.#select.all(clientId, resolution, fromMs, beforeMs).map(bucketOf);
  }

  drop({ activityBeforeMs, minutesBeforeMs, hoursBeforeMs, limit }: WatchRetention): number {
    const activity = Number(this.#dropActivity.run(activityBeforeMs, limit).changes);
    const minutes = Number(this.#dropStatistics.run('minute', minutesBeforeMs, limit).changes);
    return activity + minutes + Number(this.#dropStatistics.run('hour', hoursBeforeMs, limit - minutes).changes);
  }
}
