import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { INSTANCES_KEPT_MS, type Instance } from '../../model/instance.ts';
import { INSTANCE_COLUMNS, instanceOf, instanceRowOf, orReplace } from '../rows.ts';
import { insertInto } from './open.ts';

/** SQL of the instances of the service. Writes must run inside a transaction. */
export class InstanceTable {
  readonly #upsert: StatementSync;
  readonly #forget: StatementSync;
  readonly #delete: StatementSync;
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#upsert = database.prepare(`${insertInto('instance', INSTANCE_COLUMNS)} ${orReplace(INSTANCE_COLUMNS, 'id')}`);
    this.#forget = database.prepare('DELETE FROM instance WHERE seen_at_ms < ?');
    this.#delete = database.prepare('DELETE FROM instance WHERE id = ?');
    this.#select = database.prepare(`SELECT ${INSTANCE_COLUMNS} FROM instance ORDER BY started_at_ms, id`);
  }

  seen(instance: Instance): void {
    this.#forget.run(instance.seenAtMs - INSTANCES_KEPT_MS);
    this.#upsert.run(instanceRowOf(instance));
  }

  ended(id: string): void {
    this.#delete.run(id);
  }

  all(): Instance[] {
    return this.#select.all().map(instanceOf);
  }
}
