import { StartUpError } from '../../base/start-up-error.ts';
import { type Row, text, whole } from '../row.ts';
import type { Database, Transaction } from './database.ts';
import { MIGRATING } from './locks.ts';
import { isTrue } from './rows.ts';
import { MIGRATIONS, type Migration } from './schema.ts';

/** The schema version of a database. */
export interface SchemaState {
  /** 0: it is empty. */
  readonly version: number;
  /** The oldest schema that a program may know and still run on it. */
  readonly oldestCompatible: number;
}

const TABLE = `CREATE TABLE IF NOT EXISTS schema_version (
  version           integer PRIMARY KEY,
  name              text NOT NULL,
  oldest_compatible integer NOT NULL,
  applied_at        timestamptz NOT NULL DEFAULT now()
)`;

/**
 * Reads which schema a database has.
 *
 * @throws {StartUpError} when it belongs to another program
 */
export async function schemaOf(database: Pick<Database, 'read'>): Promise<SchemaState> {
  const [about] = await database.read(
    `SELECT to_regclass('schema_version') IS NOT NULL AS is_known, current_database() AS name,
       EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('r', 'p'))
         AS has_tables`,
  );
  if (about === undefined || !isTrue(about, 'is_known')) {
    if (about !== undefined && isTrue(about, 'has_tables')) throw notOurs(text(about, 'name'));
    return { version: 0, oldestCompatible: 0 };
  }
  const ours = await database.read(
    `SELECT 1 FROM pg_attribute WHERE attrelid = 'schema_version'::regclass AND attname = 'oldest_compatible'`,
  );
  if (ours.length === 0) throw notOurs(text(about, 'name'));
  const [row] = await database.read(
    'SELECT version, oldest_compatible FROM schema_version ORDER BY version DESC LIMIT 1',
  );
  return stateOf(row);
}

function stateOf(row: Row | undefined): SchemaState {
  if (row === undefined) return { version: 0, oldestCompatible: 0 };
  return { version: whole(row, 'version'), oldestCompatible: whole(row, 'oldest_compatible') };
}

function notOurs(name: string): StartUpError {
  return new StartUpError(
    `The database "${name}" holds tables of another program and none of Tidings; give Tidings a database of its own ` +
      'and name it in "store.url".',
  );
}

/** The steps that a database still needs, the first first. */
export function stepsAfter({ version }: SchemaState, migrations = MIGRATIONS): readonly Migration[] {
  return migrations.filter((step) => step.version > version);
}

/**
 * Brings a database to the newest schema that this version knows, a transaction for each step. Any number may do so at
 * once: each step is applied by one of them.
 *
 * @returns the steps that were applied here
 * @throws {StartUpError} when the database belongs to another program, or needs a newer version of Tidings
 */
export async function migrate(database: Database, migrations = MIGRATIONS): Promise<readonly Migration[]> {
  refuseTooNew(await schemaOf(database), migrations);
  const applied: Migration[] = [];
  for (const step of migrations) {
    if (await applyUnlessDone(database, step)) applied.push(step);
  }
  return applied;
}

function applyUnlessDone(database: Database, step: Migration): Promise<boolean> {
  return database.transaction(
    async (transaction) => {
      await lockSchema(transaction);
      await transaction.query(TABLE);
      const done = await transaction.query('SELECT 1 FROM schema_version WHERE version >= $1::int LIMIT 1', [
        step.version,
      ]);
      if (done.length > 0) return false;
      await transaction.query(step.sql);
      await transaction.query(
        'INSERT INTO schema_version (version, name, oldest_compatible) VALUES ($1::int, $2, $3::int)',
        [step.version, step.name, step.oldestCompatible],
      );
      return true;
    },
    { isBulk: true },
  );
}

async function lockSchema(transaction: Transaction): Promise<void> {
  await transaction.query(`SELECT pg_advisory_xact_lock(${MIGRATING}, 1)`);
}

/**
 * Refuses a database whose schema this version cannot run on. A newer schema is good as long as it says so: then an
 * older version goes on while instances are replaced one by one.
 *
 * @throws {StartUpError}
 */
export function refuseUnfit(state: SchemaState, migrations = MIGRATIONS): void {
  refuseTooNew(state, migrations);
  const newest = newestOf(migrations);
  if (state.version >= newest) return;
  throw new StartUpError(
    `The database has schema ${state.version} and this version needs ${newest}; run "tidings migrate", or set ` +
      '"store.isMigratedAtStart".',
  );
}

function refuseTooNew({ version, oldestCompatible }: SchemaState, migrations: readonly Migration[]): void {
  const newest = newestOf(migrations);
  if (oldestCompatible <= newest) return;
  throw new StartUpError(
    `The database was brought to schema ${version} by a newer version of Tidings, which needs at least one that knows ` +
      `schema ${oldestCompatible}; this one knows ${newest}. Start the newer version.`,
  );
}

function newestOf(migrations: readonly Migration[]): number {
  return migrations.at(-1)?.version ?? 0;
}
