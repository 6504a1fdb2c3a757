import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { StartUpError } from '../../base/start-up-error.ts';
import { nameOfServer, parseDatabaseUrl } from '../../config/database-url.ts';
import { isTrue, type Row, text, whole } from '../rows.ts';
import { StoreError } from '../store.ts';
import { createDatabaseClock, type DatabaseClock } from './clock.ts';
import {
  type AccessFault,
  accessFaultOf,
  type ConnectionOptions,
  codeOf,
  createPool,
  serversOf,
} from './connection.ts';
import { Database, MIGRATING, type Transaction } from './database.ts';
import { makePartitionsAhead, unlessBusy } from './partitions.ts';
import { MIGRATIONS, type Migration } from './schema.ts';
import { createPostgresStore, type PostgresStore } from './store.ts';

/** How the store in PostgreSQL is opened. */
export interface PostgresStoreOptions extends ConnectionOptions {
  /** This machine's clock: for timers, and for the time between two readings of the database's clock. */
  readonly clock: Clock;
  /** True: messages of other instances are listened to; false behind a transaction pooler, which passes none on. */
  readonly isListening: boolean;
  /** How often the database is polled for changes by other instances. */
  readonly pollMs: number;
  readonly isMigratedAtStart: boolean;
  /** How much of a backlog one transaction works on; default 1000. */
  readonly portion?: number;
  /** Called with what failed in the background and will be tried again. */
  readonly onProblem: (problem: string, error: unknown) => void;
}

/** A store that is open, and the clock of its database, by which all instances on it agree. */
export interface OpenedPostgresStore {
  readonly store: PostgresStore;
  readonly clock: DatabaseClock;
}

/**
 * Opens the store in PostgreSQL. Any number of instances may have the same one open; they share nothing else.
 *
 * @throws {StartUpError} one sentence on what to change: no connection, no rights, another schema
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<OpenedPostgresStore> {
  const servers = serversOf(options);
  const database = openDatabase(options, options.onProblem, servers);
  try {
    if (options.isMigratedAtStart) await migrate(database);
    refuseUnfit(await schemaOf(database));
    const clock = await createDatabaseClock({ local: options.clock, ask: () => timeOf(database) });
    await unlessBusy(() => makePartitionsAhead(database, clock.nowMs()), undefined);
    return { store: createPostgresStore(database, { ...options, servers, clock, instance: randomUUID() }), clock };
  } catch (error) {
    await database.close();
    throw startUpErrorOf(error, options);
  }
}

/** The database, whatever it holds. */
export function openDatabase(
  options: ConnectionOptions,
  onProblem: PostgresStoreOptions['onProblem'],
  servers = serversOf(options),
): Database {
  const pool = createPool(options, (error) => onProblem('a connection to the database broke', error), servers);
  return new Database(pool, options);
}

async function timeOf(database: Database): Promise<number> {
  const [row] = await database.query('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms');
  if (row === undefined) throw new StoreError('the database did not say its time');
  return whole(row, 'now_ms');
}

/** Says in one sentence why the database cannot be used; other errors stay as they are. */
export function startUpErrorOf(error: unknown, { url }: Pick<ConnectionOptions, 'url'>): unknown {
  if (!(error instanceof StoreError)) return error;
  const where = `The database at ${placeOf(url)}`;
  const fault = accessFaultOf(error);
  const remedy = fault === undefined ? (REMEDIES[codeOf(error) ?? ''] ?? remedyFor(error.message)) : ACCESS[fault];
  return new StartUpError(`${where} cannot be used (${error.message}); ${remedy}.`, { cause: error });
}

const TLS = 'check "store.caFile" and the host in "store.url"';
const ACCESS: Readonly<Record<AccessFault, string>> = {
  password: 'check the user in "store.url" and the password in "store.password", "store.passwordFile" or PGPASSWORD',
  'clear password': 'let the server use SCRAM ("scram-sha-256" in pg_hba.conf), or give "store.caFile"',
  TLS,
};

// SQLSTATE and codes of the system.
const REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start the server, or correct the host and port in "store.url"',
  ENOTFOUND: 'correct the host in "store.url"',
  '25006': 'name the primary, or all servers, in "store.url"',
  '3D000': 'create the database, or correct its name in "store.url"',
  '42501': 'let the user own the database, as docs/postgresql.md says',
  '53300': 'lower "store.connectionsMax", or let the server take more connections',
};

/** Of errors that have no code: those of the driver. */
function remedyFor(message: string): string {
  return /\bSSL\b|certificate/.test(message) ? TLS : 'check "store.url" and that the server runs';
}

/** Without user and password. */
function placeOf(url: string): string {
  const { servers, database } = parseDatabaseUrl(url);
  return `${servers.map(nameOfServer).join()}/${database}`;
}

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
export async function schemaOf(database: Pick<Database, 'query'>): Promise<SchemaState> {
  const [about] = await database.query(
    `SELECT to_regclass('schema_version') IS NOT NULL AS is_known, current_database() AS name,
       EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('r', 'p'))
         AS has_tables`,
  );
  if (about === undefined || !isTrue(about, 'is_known')) {
    if (about !== undefined && isTrue(about, 'has_tables')) throw notOurs(text(about, 'name'));
    return { version: 0, oldestCompatible: 0 };
  }
  const ours = await database.query(
    `SELECT 1 FROM pg_attribute WHERE attrelid = 'schema_version'::regclass AND attname = 'oldest_compatible'`,
  );
  if (ours.length === 0) throw notOurs(text(about, 'name'));
  const [row] = await database.query(
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
 * older version continues while instances are replaced one by one.
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
