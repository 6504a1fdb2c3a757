/** A PostgreSQL server that a URL names. */
export interface DatabaseServer {
  /** A path is the folder of a Unix socket, written in a URL as `%2Fvar%2Frun%2Fpostgresql`. */
  readonly host: string;
  readonly port: number;
}

/**
 * Which server of several serves: `read-write` is one that takes writes by default; `primary` is one that is no standby,
 * whatever its `default_transaction_read_only`.
 */
export type SessionAttributes = 'read-write' | 'primary';

/** A database, and how to reach it, by its URL. */
export interface DatabaseUrl {
  /** At least one, in the order of the URL. */
  readonly servers: readonly [DatabaseServer, ...DatabaseServer[]];
  readonly user: string;
  readonly database: string;
  /** Undefined: there is one server, which is taken as it is. */
  readonly sessionAttributes: SessionAttributes | undefined;
  /** Longest time to connect to one of the servers; undefined: the URL does not say. */
  readonly connectTimeoutMs: number | undefined;
}

/** A URL is wrong. The message continues a sentence that begins with the name of the setting. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError';
}

const SHAPE = /^postgres(?:ql)?:\/\/(?<user>[^@/?#]*)@(?<hosts>[^@/?#]+)\/(?<database>[^/?#]+)(?<query>\?[^#]*)?$/;
const EXAMPLE = 'must be like postgres://user@host:5432/database, with several hosts after commas';
const PORT = 5432;
const CONNECT_TIMEOUT_SECONDS_MAX = 600;

/**
 * Reads a URL as libpq does: with several hosts, each with its port, and with the parameters `target_session_attrs` and
 * `connect_timeout`. The service writes, so of several servers it uses only one that takes writes: that is the default.
 *
 * @throws {DatabaseUrlError}
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function parseDatabaseUrl(url: string): DatabaseUrl {
  const { user = '', hosts = '', database = '', query = '' } = SHAPE.exec(url)?.groups ?? {};
  const [first, ...others] = hosts.split(',').map(serverOf);
  if (user === '' || first === undefined) throw new DatabaseUrlError(EXAMPLE);
  if (user.includes(':')) throw new DatabaseUrlError('must not contain the password');
  const parameters = new URLSearchParams(query);
  return {
    servers: [first, ...others],
    user: decoded(user),
    database: decoded(database),
    ...parametersOf(parameters, others.length > 0),
  };
}

function serverOf(text: string): DatabaseServer {
  const parsed = URL.parse(`postgres://${text}`);
  if (parsed === null || parsed.hostname === '') throw new DatabaseUrlError(EXAMPLE);
  const host = parsed.hostname.replace(/^\[|\]$/g, '').replaceAll(/%2f/gi, '/');
  return { host, port: parsed.port === '' ? PORT : Number(parsed.port) };
}

function parametersOf(
  parameters: URLSearchParams,
  isSeveral: boolean,
): Pick<DatabaseUrl, 'sessionAttributes' | 'connectTimeoutMs'> {
  for (const name of parameters.keys()) {
    if (name === 'password') throw new DatabaseUrlError('must not contain the password');
    if (name !== 'target_session_attrs' && name !== 'connect_timeout') {
      const known = 'it takes target_session_attrs and connect_timeout, and TLS has a setting of its own';
      throw new DatabaseUrlError(`must not have the parameter ${name}; ${known}`);
    }
    if (parameters.getAll(name).length > 1) throw new DatabaseUrlError(`must have ${name} once`);
  }
  const wanted = parameters.get('target_session_attrs') ?? (isSeveral ? 'read-write' : undefined);
  if (wanted !== undefined && wanted !== 'read-write' && wanted !== 'primary') {
    const why = 'the service writes, so that no other server is of use';
    throw new DatabaseUrlError(`has target_session_attrs=${wanted}; give read-write or primary: ${why}`);
  }
  return { sessionAttributes: wanted, connectTimeoutMs: timeoutOf(parameters.get('connect_timeout')) };
}

function timeoutOf(seconds: string | null): number | undefined {
  if (seconds === null) return undefined;
  const value = /^\d{1,3}$/.test(seconds) ? Number(seconds) : 0;
  if (value >= 1 && value <= CONNECT_TIMEOUT_SECONDS_MAX) return value * 1000;
  throw new DatabaseUrlError(`has connect_timeout=${seconds}; give seconds from 1 to ${CONNECT_TIMEOUT_SECONDS_MAX}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new DatabaseUrlError(EXAMPLE);
  }
}

/** A server as it is named in messages. */
export function nameOfServer({ host, port }: DatabaseServer): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
