import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { StartUpError } from '../../base/start-up-error.ts';
import { whole } from '../row.ts';
import { StoreError } from '../store.ts';
import { createDatabaseClock, type DatabaseClock } from './clock.ts';
import { CLEAR_PASSWORD, type ConnectionOptions, createPool } from './connection.ts';
import { Database } from './database.ts';
import { codeOf } from './errors.ts';
import { migrate, refuseUnfit, schemaOf } from './migrate.ts';
import { makePartitionsAhead, unlessBusy } from './partitions.ts';
import { createPostgresStore, type PostgresStore } from './postgres-store.ts';

/** How the store in PostgreSQL is opened. */
export interface PostgresStoreOptions extends ConnectionOptions {
  /** This machine's; carries timers, and the time between two looks at the database's clock. */
  readonly clock: Clock;
  /** True: messages of other instances are listened to; false behind a transaction pooler, which passes none on. */
  readonly isListening: boolean;
  /** How often it is looked for what other instances changed. */
  readonly lookMs: number;
  readonly isMigratedAtStart: boolean;
  /** How much of a backlog one transaction withdraws, or spares its waits; default 1000. */
  readonly portion?: number;
  /** Told of what went wrong behind the scenes and will be tried again. */
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
  const database = openDatabase(options, options.onProblem);
  try {
    if (options.isMigratedAtStart) await migrate(database);
    refuseUnfit(await schemaOf(database));
    const clock = await createDatabaseClock({ local: options.clock, ask: () => timeOf(database) });
    await unlessBusy(() => makePartitionsAhead(database, clock.nowMs()), undefined);
    return { store: createPostgresStore(database, { ...options, clock, instance: randomUUID() }), clock };
  } catch (error) {
    await database.close();
    throw startUpErrorOf(error, options);
  }
}

/** The database, without looking at what it holds. */
export function openDatabase(options: ConnectionOptions, onProblem: PostgresStoreOptions['onProblem']): Database {
  const pool = createPool(options, (error) => onProblem('a connection to the database broke', error));
  return new Database(pool, options);
}

async function timeOf(database: Database): Promise<number> {
  const [row] = await database.read('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms');
  if (row === undefined) throw new StoreError('the database did not say its time');
  return whole(row, 'now_ms');
}

/** Says in one sentence why the database cannot be used; other errors stay as they are. */
export function startUpErrorOf(error: unknown, { url }: Pick<ConnectionOptions, 'url'>): unknown {
  if (!(error instanceof StoreError)) return error;
  const where = `The database at ${placeOf(url)}`;
  const remedy = REMEDIES[codeOf(error) ?? ''] ?? remedyFor(error.message);
  return new StartUpError(`${where} cannot be used (${error.message}); ${remedy}.`, { cause: error });
}

const PASSWORD = 'check the user in "store.url" and the password in "store.passwordFile" or PGPASSWORD';
const TLS = 'check "store.caFile" and the host in "store.url"';

// SQLSTATE and codes of the system.
const REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start the server, or correct the host and port in "store.url"',
  ENOTFOUND: 'correct the host in "store.url"',
  '28P01': PASSWORD,
  '28000': PASSWORD,
  '3D000': 'create the database, or correct its name in "store.url"',
  '42501': 'let the user own the database, as docs/postgresql.md says',
  '53300': 'lower "store.connectionsMax", or let the server take more connections',
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS,
  SELF_SIGNED_CERT_IN_CHAIN: TLS,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS,
  CERT_HAS_EXPIRED: TLS,
  ERR_TLS_CERT_ALTNAME_INVALID: TLS,
};

/** Of errors that have no code: those of the driver. */
function remedyFor(message: string): string {
  if (/password must be/.test(message)) return PASSWORD;
  if (message === CLEAR_PASSWORD)
    return 'let the server use SCRAM ("scram-sha-256" in pg_hba.conf), or give "store.caFile"';
  return /\bSSL\b|certificate/.test(message) ? TLS : 'check "store.url" and that the server runs';
}

/** Without user and password. */
function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}${port === '' ? '' : `:${port}`}${pathname}`;
}
