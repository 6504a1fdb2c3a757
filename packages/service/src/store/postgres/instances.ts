import { INSTANCES_KEPT_MS, type Instance } from '../../model/instance.ts';
import type { InstanceStore } from '../operations.ts';
import { INSTANCE_COLUMNS, instanceOf, instanceRowOf, orReplace } from '../rows.ts';
import { type Database, insertInto, jsonOf } from './database.ts';

const UPSERT = `${insertInto('instance', INSTANCE_COLUMNS)} ${orReplace(INSTANCE_COLUMNS, 'id')}`;

/** The instances of the service. */
export function createInstanceStore(database: Database): InstanceStore {
  return {
    instanceSeen: (instance) => instanceSeen(database, instance),
    instanceEnded: async (id) => {
      await database.query('DELETE FROM instance WHERE id = $1', [id]);
    },
    instances: async () => {
      const rows = await database.queryByKey(`SELECT ${INSTANCE_COLUMNS} FROM instance ORDER BY started_at_ms, id`);
      return rows.map(instanceOf);
    },
  };
}

async function instanceSeen(database: Database, instance: Instance): Promise<void> {
  await database.transaction(async (transaction) => {
    await Promise.all([
      // Nothing relies on the last of them: the disk need not be waited for.
      transaction.query("SELECT set_config('synchronous_commit', 'off', true)"),
      transaction.query('DELETE FROM instance WHERE seen_at_ms < $1::bigint', [instance.seenAtMs - INSTANCES_KEPT_MS]),
      transaction.last(UPSERT, [jsonOf([instanceRowOf(instance)])]),
    ]);
  });
}
