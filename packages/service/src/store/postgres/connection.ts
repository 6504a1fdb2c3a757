import pg, { DatabaseError } from 'pg';
import { defined } from '../../base/defined.ts';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { nameOfServer, parseDatabaseUrl, type SessionAttributes } from '../../config/database-url.ts';
import { StoreError } from '../store.ts';
import { type ServerConnection, Servers } from './servers.ts';

/** How the database is reached. */
export interface ConnectionOptions {
  /** See {@link parseDatabaseUrl}. */
  readonly url: string;
  /** Undefined: the variable PGPASSWORD, where there is one. */
  readonly password: string | undefined;
  /** PEM roots that the certificate of the server must lead to, for the host that is connected to; undefined: no TLS. */
  readonly ca: string | Buffer | undefined;
  readonly connectionsMax: number;
  /** Longest time that a statement may take, and, unless the URL says another, to connect. */
  readonly statementTimeoutMs: number;
  /**
   * A transaction pooler is in between, such as PgBouncer: connections of the server change hands between transactions,
   * so that nothing may be left on them, and nothing is listened to.
   */
  readonly isPooled: boolean;
}

/**
 * Settings of every transaction. The tables change by thousands of rows a second, so statistics are always old: every
 * statement names rows that an index finds, and must be run that way. It also makes rows be locked in the order in which
 * they are given. Plans do not depend on the values, so that they can be kept.
 */
export const TRANSACTION_SETTINGS: Readonly<Record<string, string>> = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
};

// Where there are others to try: a server that was cut off answers nothing at all.
const CONNECT_TO_ONE_OF_SEVERAL_MS = 3000;
// A connection that was idle for this long is closed.
const IDLE_MS = 60_000;
// The server gives a statement up in time; a server that is not there any more does not, so this side does, later.
export const TIMEOUT_MARGIN_MS = 2000;

/** The message about a server that asks for the password in clear, without TLS. */
const CLEAR_PASSWORD = 'it asks for the password in clear, and there is no TLS';

const INT8_OID = 20;

/** Whole numbers are milliseconds, counts and sequence numbers, all far below 2^53. */
const types = {
  getTypeParser: (oid: number, format?: string) =>
    oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text'),
};

/** Settings of every connection, for {@link DatabaseClient}. */
export interface DatabaseConfig extends pg.ClientConfig {
  readonly servers: Servers;
  /** Asked of the server; undefined: it is taken as it is. */
  readonly sessionAttributes: SessionAttributes | undefined;
  /** Longest time to connect to one server. */
  readonly connectTimeoutMs: number;
}

/** @param servers to be shared by all connections of a process to one database */
export function clientConfig(options: ConnectionOptions, servers = serversOf(options)): DatabaseConfig {
  const { url, password, ca, statementTimeoutMs, isPooled } = options;
  // Taken apart here: left to the driver, what a URL says would go before everything else.
  const { user, database, sessionAttributes, connectTimeoutMs } = parseDatabaseUrl(url);
  const defaultMs = servers.count > 1 ? Math.min(CONNECT_TO_ONE_OF_SEVERAL_MS, statementTimeoutMs) : statementTimeoutMs;
  return {
    ...{ servers, sessionAttributes, connectTimeoutMs: connectTimeoutMs ?? defaultMs },
    ...{ user, database },
    // Undefined: the driver takes the variable PGPASSWORD.
    ...defined({ password }),
    // Node checks both the chain and the name: verify-full. Said in either case: the driver heeds the variable PGSSLMODE.
    ssl: ca === undefined ? false : { ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    query_timeout: statementTimeoutMs + TIMEOUT_MARGIN_MS,
    application_name: 'tidings',
    keepAlive: true,
    ...(!isPooled && { options: startUpSettings(statementTimeoutMs) }),
    types,
  };
}

export function serversOf({ url }: Pick<ConnectionOptions, 'url'>): Servers {
  return new Servers(parseDatabaseUrl(url));
}

/** Settings that a pooler would refuse at the start of a connection, and lose later. */
function startUpSettings(statementTimeoutMs: number): string {
  const timeouts = { statement_timeout: statementTimeoutMs, idle_in_transaction_session_timeout: statementTimeoutMs };
  const settings = Object.entries({ ...TRANSACTION_SETTINGS, ...timeouts });
  return settings.map(([name, value]) => `-c ${name}=${value}`).join(' ');
}

const READ_ONLY_SQL_TRANSACTION = '25006';

/** The server is not the one that is to be used. */
class WrongServer extends Error {
  override readonly name = 'WrongServer';
  readonly code = READ_ONLY_SQL_TRANSACTION;
}

const SESSION = `SELECT pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only') AS is_read_only`;

/**
 * A connection to the server that is in use now. It counts as made when the server is what the URL asks for, and is closed
 * when it could not be set up: the pool would leave it open, and the process with it. It never sends the password in clear where
 * there is no TLS, whatever the server, or who stands in for it, asks for: SCRAM and MD5 send none.
 */
export class DatabaseClient extends pg.Client implements ServerConnection {
  readonly server;
  readonly #config: DatabaseConfig;

  constructor(config: DatabaseConfig) {
    const server = config.servers.current;
    super({ ...config, ...server, connectionTimeoutMillis: config.connectTimeoutMs });
    this.server = server;
    this.#config = config;
    // A waiting query is rejected anyway; between two owners a connection has no other listener, and the process would end.
    this.on('error', () => undefined);
    this.once('end', () => config.servers.remove(this));
    if (typeof config.ssl !== 'object')
      Object.defineProperty(this, '_handleAuthCleartextPassword', { value: this.#refuseClear });
  }

  /** In place of the driver's own answer to AuthenticationCleartextPassword. */
  readonly #refuseClear = (): void => {
    this.connection.emit('error', new Error(CLEAR_PASSWORD));
  };

  override connect(): Promise<pg.Client>;
  override connect(callback: ((error: Error) => void) | ((error: null, client: pg.Client) => void)): void;
  override connect(callback?: (error: never, client: never) => void): Promise<pg.Client> | undefined {
    this.#config.servers.add(this);
    const connected = this.#connect();
    if (callback === undefined) return connected;
    connected.then(
      () => Reflect.apply(callback, undefined, [null, this]),
      (error: unknown) => Reflect.apply(callback, undefined, [error, this]),
    );
    return undefined;
  }

  async #connect(): Promise<pg.Client> {
    const { servers } = this.#config;
    try {
      await super.connect();
      await this.#checkSession();
    } catch (error) {
      servers.suspect(this.server);
      this.end().catch(() => undefined);
      throw error;
    }
    servers.found(this.server);
    return this;
  }

  async #checkSession(): Promise<void> {
    const { sessionAttributes, connectTimeoutMs } = this.#config;
    if (sessionAttributes === undefined) return;
    const query = { text: SESSION, query_timeout: connectTimeoutMs };
    const [session] = (await this.query<{ is_standby: boolean; is_read_only: string }>(query)).rows;
    if (session?.is_standby !== false) throw new WrongServer('it is a standby');
    if (sessionAttributes === 'read-write' && session.is_read_only !== 'off')
      throw new WrongServer('it only reads (default_transaction_read_only)');
  }

  abandon(reason: Error): void {
    this.connection.stream.destroy(reason);
  }
}

/**
 * A pool that recovers by itself: a connection that broke is left out, and another made when it is needed. Where there are
 * several servers, at the one that takes writes.
 */
export class DatabasePool extends pg.Pool {
  readonly #servers: Servers;

  constructor(options: ConnectionOptions, servers: Servers) {
    const config = clientConfig(options, servers);
    super({
      Client: class extends DatabaseClient {
        constructor() {
          // What does not depend on an answer is sent without waiting for it: fewer round trips.
          super({ ...config, pipeline: true });
        }
      },
      max: options.connectionsMax,
      // For a connection to become free, too: that to one server has its own limit.
      connectionTimeoutMillis: options.statementTimeoutMs,
      idleTimeoutMillis: IDLE_MS,
    });
    this.#servers = servers;
    this.on('release', (error: unknown, client) => {
      if (isOfServer(error) && client instanceof DatabaseClient) servers.suspect(client.server);
    });
  }

  /**
   * A connection, for which each server is tried once. It has to be released, with the error of the database if there was one.
   *
   * @throws {Error} of the driver, or {StoreError} which says why of each server
   */
  async acquire(): Promise<pg.PoolClient> {
    const failures: { readonly server: string; readonly error: unknown }[] = [];
    for (;;) {
      const server = this.#servers.current;
      try {
        return await this.connect();
      } catch (error) {
        failures.push({ server: nameOfServer(server), error });
        if (failures.length < this.#servers.count && this.#servers.current !== server) continue;
        throw failures.length === 1 ? error : togetherOf(failures);
      }
    }
  }
}

/** The cause is one that an operator has to mend, if there is one: others may pass by themselves. */
function togetherOf(failures: readonly { readonly server: string; readonly error: unknown }[]): StoreError {
  const messages = failures.map(({ server, error }) => `${server}: ${asStoreError(error).message}`);
  const errors = failures.map(({ error }) => error);
  const cause = errors.find((error) => accessFaultOf(error) !== undefined) ?? errors[0];
  return new StoreError(messages.join('; '), { cause });
}

export function createPool(
  options: ConnectionOptions,
  onError: (error: Error) => void,
  servers = serversOf(options),
): DatabasePool {
  const pool = new DatabasePool(options, servers);
  pool.on('error', onError);
  return pool;
}

/** Why a database lets nobody in until somebody acts. */
export type AccessFault = 'password' | 'clear password' | 'TLS';

/** @param error of the driver @returns undefined: it is something else */
export function accessFaultOf(error: unknown): AccessFault | undefined {
  const code = codeOf(error) ?? '';
  const message = error instanceof Error ? error.message : '';
  // The driver has no password, or the server refused user or password.
  if (/^28/.test(code) || /password must be/.test(message)) return 'password';
  if (message.includes(CLEAR_PASSWORD)) return 'clear password';
  // Codes of Node.js, such as DEPTH_ZERO_SELF_SIGNED_CERT, and a server without TLS, which has no code.
  return /CERT|LEAF_SIGNATURE|ISSUER|^ERR_SSL/.test(code) || /does not support SSL/.test(message) ? 'TLS' : undefined;
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
// A newer version changed a table meanwhile: statements on it are prepared again, on another connection.
const FEATURE_NOT_SUPPORTED = '0A000';
const INVALID_STATEMENT_NAME = '26000';
const REPEATED: readonly (string | undefined)[] = [
  SERIALIZATION_FAILURE,
  DEADLOCK_DETECTED,
  FEATURE_NOT_SUPPORTED,
  INVALID_STATEMENT_NAME,
];

/** Turns an error of the driver into one of the store: the database refused, is away, or answered too late. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message || (systemErrorCode(error) ?? error.name) : String(error);
  return new StoreError(message, { cause: error, isLasting: OF_DATA.test(systemErrorCode(error) ?? '') });
}

/** SQLSTATE, or the code of the system; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  return systemErrorCode(error instanceof StoreError ? error.cause : error);
}

/** The transaction was rolled back, and may go through when it is repeated: it met another, or an older statement. */
export function isWorthRepeating(error: unknown): boolean {
  return REPEATED.includes(codeOf(error));
}

// It only reads, it ends, or it does not take connections now.
const OF_SERVER = /^(?:25006|57P|08)/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** It is not the statement that failed but the server, which may not be the primary any more. */
function isOfServer(error: unknown): boolean {
  if (!(error instanceof StoreError)) return false;
  const code = codeOf(error);
  return code === undefined || !SQLSTATE.test(code) || OF_SERVER.test(code);
}

// Data that the tables cannot hold; unlike a constraint, no other row can make the difference.
const OF_DATA = /^(?:22|54)/;
// The same, constraints, limits of a row.
const OF_CONTENT = /^(?:22|23|54)/;

/** It is what was to be written that the database refused: something else would be taken. */
export function isOfContent(error: unknown): boolean {
  return OF_CONTENT.test(codeOf(error) ?? '');
}

const UNIQUE_VIOLATION = '23505';

/** A row was refused because there is another with its key. */
export function isTaken(error: unknown, constraint: string): boolean {
  if (codeOf(error) !== UNIQUE_VIOLATION || !(error instanceof StoreError)) return false;
  return error.cause instanceof DatabaseError && error.cause.constraint === constraint;
}
