import pg from 'pg';

/** How the database is reached. */
export interface ConnectionOptions {
  /** `postgres://user@host:port/database`, without a password. */
  readonly url: string;
  /** Undefined: the variable PGPASSWORD, where there is one. */
  readonly password: string | undefined;
  /** PEM roots that the certificate of the server must lead to, for the host of the URL; undefined: no TLS. */
  readonly ca: string | Buffer | undefined;
  readonly connectionsMax: number;
  /** Longest time that a statement may take, and longest time to connect. */
  readonly statementTimeoutMs: number;
}

// A connection that nobody needed for this long is given back to the server.
const IDLE_MS = 60_000;
// The server gives a statement up in time; a server that is not there any more does not, so this side does, later.
export const TIMEOUT_MARGIN_MS = 2000;

const INT8_OID = 20;

/** Whole numbers are milliseconds, counts and sequence numbers, all far below 2^53. */
const types = {
  getTypeParser: (oid: number, format?: string) =>
    oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text'),
};

/** What every connection has in common. Nothing in it is state of a session, which a transaction pooler would lose. */
export function clientConfig(options: ConnectionOptions): pg.ClientConfig {
  const { url, password, ca, statementTimeoutMs } = options;
  // Taken apart here: left to the driver, what a URL says would go before everything else.
  const { hostname, port, username, pathname } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    ...(port !== '' && { port: Number(port) }),
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)),
    // Undefined: the driver takes the variable PGPASSWORD.
    ...(password !== undefined && { password }),
    // Node checks both the chain and the name: verify-full.
    ...(ca !== undefined && { ssl: { ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' } }),
    connectionTimeoutMillis: statementTimeoutMs,
    query_timeout: statementTimeoutMs + TIMEOUT_MARGIN_MS,
    application_name: 'tidings',
    keepAlive: true,
    types,
  };
}

/** A pool that recovers by itself: a connection that broke is left out, and another made when it is needed. */
export function createPool(options: ConnectionOptions, onError: (error: Error) => void): pg.Pool {
  const pool = new pg.Pool({
    ...clientConfig(options),
    max: options.connectionsMax,
    idleTimeoutMillis: IDLE_MS,
    // What does not depend on an answer is sent without waiting for it: fewer round trips.
    pipeline: true,
  });
  pool.on('error', onError);
  return pool;
}
