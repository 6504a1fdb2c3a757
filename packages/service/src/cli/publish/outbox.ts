import { messageOf, systemErrorCode } from '../../base/start-up-error.ts';
import { nameOfServer, parseDatabaseUrl } from '../../config/database-url.ts';
import {
  type AccessFault,
  accessFaultOf,
  clientConfig,
  DatabaseClient,
  type DatabaseConfig,
} from '../../store/postgres/connection.ts';
import { CliError, EXIT_FAILED } from '../cli-error.ts';

/** A row of an outbox. */
export interface Row {
  readonly id: string;
  /** JSON. */
  readonly event: string;
}

/** The fate of rows; the others stay as they are. */
export interface Relayed {
  readonly published: readonly Row[];
  readonly refused: readonly { readonly id: string; readonly why: string }[];
  /** Is thrown after the rows above are marked. */
  readonly failure?: { readonly error: unknown };
}

export interface OutboxOptions {
  /** Without a password. */
  readonly url: string;
  /** A name, or schema and name. */
  readonly table: string;
  readonly password: string | undefined;
  readonly ca: string | undefined;
}

const STATEMENT_TIMEOUT_MS = 10_000;
const REFUSED_CHARACTERS_MAX = 1000;

/** An outbox in the bank's own database: rows that commit with the change that they tell of. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #table: string;
  readonly #config: DatabaseConfig;
  #client: DatabaseClient | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { url, password, ca } = options;
    const connection = { connectionsMax: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS, isPooled: true };
    this.#config = clientConfig({ url, password, ca, ...connection });
    this.#table = options.table
      .split('.')
      .map((name) => `"${name}"`)
      .join('.');
  }

  /**
   * Takes the oldest rows that nobody else has taken, and marks what became of them, in one transaction.
   *
   * @param except ids of rows to leave
   * @returns how many there were
   */
  async take(
    rowsMax: number,
    except: readonly string[],
    relay: (rows: readonly Row[]) => Promise<Relayed>,
  ): Promise<number> {
    await this.#connect();
    let rows: readonly Row[];
    let relayed: Relayed = { published: [], refused: [] };
    try {
      await this.#query('BEGIN');
      rows = await this.#query(
        `SELECT id::text, event::text FROM ${this.#table}
         WHERE published_at IS NULL AND refused IS NULL AND id <> ALL($2::bigint[]) ORDER BY ${this.#table}.id LIMIT $1 FOR UPDATE SKIP LOCKED`,
        [rowsMax, except],
      );
      if (rows.length > 0) relayed = await relay(rows);
      const { published, refused } = relayed;
      if (published.length > 0) {
        const ids = published.map(({ id }) => id);
        await this.#query(`UPDATE ${this.#table} SET published_at = now() WHERE id = ANY($1::bigint[])`, [ids]);
      }
      if (refused.length > 0) {
        await this.#query(
          `UPDATE ${this.#table} AS outbox SET refused = told.why
           FROM unnest($1::bigint[], $2::text[]) AS told (id, why) WHERE outbox.id = told.id`,
          [refused.map(({ id }) => id), refused.map(({ why }) => why.slice(0, REFUSED_CHARACTERS_MAX))],
        );
      }
      await this.#query('COMMIT');
    } catch (error) {
      // Whatever state it is in, the rows are free again without it.
      await this.close();
      throw error;
    }
    if (relayed.failure !== undefined) throw relayed.failure.error;
    return rows.length;
  }

  /** Runs a statement. An error here is one of the database; what the relay throws is not. */
  async #query(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      if (this.#client === undefined) throw new Error('the connection was lost');
      return (await this.#client.query<{ id: string; event: string }>(sql, [...values])).rows;
    } catch (error) {
      throw toldOf(error, this.#options);
    }
  }

  async #connect(): Promise<void> {
    if (this.#client !== undefined) return;
    const client = new DatabaseClient(this.#config);
    // A connection that was lost is replaced for the next transaction.
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    try {
      await client.connect();
    } catch (error) {
      throw toldOf(error, this.#options);
    }
    this.#client = client;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }
}

/** The database cannot be reached now. */
class DatabaseAwayError extends Error {
  override readonly name = 'DatabaseAwayError';
}

/** Whether trying again may help. */
export function isDatabaseAway(error: unknown): boolean {
  return error instanceof DatabaseAwayError;
}

const ACCESS: Readonly<Record<AccessFault, string>> = {
  password: 'check the user in --follow, and the password in --password-file or PGPASSWORD',
  'clear password': 'let the server use SCRAM ("scram-sha-256" in pg_hba.conf), or give --database-ca-file',
  TLS: 'check --database-ca-file and the host in --follow',
};

// No such database, table or column, no permission: an operator has to act.
const LASTING = /^(3D|42)/;

function toldOf(error: unknown, { url, table }: OutboxOptions): Error {
  const code = systemErrorCode(error) ?? '';
  const why = messageOf(error);
  const { servers, database } = parseDatabaseUrl(url);
  const place = `${servers.map(nameOfServer).join()}/${database}`;
  const access = accessFaultOf(error);
  if (access === undefined && !LASTING.test(code)) {
    return new DatabaseAwayError(`The database ${place} does not answer (${why}).`);
  }
  const forTable = `see docs/guides/outbox.md for the table ${table} and its permissions`;
  const remedy = access === undefined ? forTable : ACCESS[access];
  return new CliError(EXIT_FAILED, `The outbox in ${place} cannot be used (${why}); ${remedy}.`);
}
