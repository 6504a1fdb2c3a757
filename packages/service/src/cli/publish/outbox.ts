import { systemErrorCode } from '../../base/start-up-error.ts';
import { clientConfig, DatabaseClient } from '../../store/postgres/connection.ts';
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
  #client: DatabaseClient | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#table = options.table
      .split('.')
      .map((name) => `"${name}"`)
      .join('.');
  }

  /**
   * Takes the oldest rows that nobody else has taken, and marks what became of them, in one transaction.
   *
   * @returns how many there were
   */
  async take(rowsMax: number, relay: (rows: readonly Row[]) => Promise<Relayed>): Promise<number> {
    const client = await this.#connected();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query<{ id: string; event: string }>(
        `SELECT id::text, event::text FROM ${this.#table}
         WHERE published_at IS NULL AND refused IS NULL ORDER BY ${this.#table}.id LIMIT $1 FOR UPDATE SKIP LOCKED`,
        [rowsMax],
      );
      const { published, refused, failure } =
        rows.length === 0 ? ({ published: [], refused: [] } as Relayed) : await relay(rows);
      if (published.length > 0) {
        const ids = published.map(({ id }) => id);
        await client.query(`UPDATE ${this.#table} SET published_at = now() WHERE id = ANY($1::bigint[])`, [ids]);
      }
      if (refused.length > 0) {
        await client.query(
          `UPDATE ${this.#table} AS outbox SET refused = told.why
           FROM unnest($1::bigint[], $2::text[]) AS told (id, why) WHERE outbox.id = told.id`,
          [refused.map(({ id }) => id), refused.map(({ why }) => why.slice(0, REFUSED_CHARACTERS_MAX))],
        );
      }
      await client.query('COMMIT');
      if (failure !== undefined) throw failure.error;
      return rows.length;
    } catch (error) {
      if (error instanceof CliError) throw error;
      // Whatever state it is in, the rows are free again without it.
      await this.close();
      throw toldOf(error, this.#options);
    }
  }

  async #connected(): Promise<DatabaseClient> {
    if (this.#client !== undefined) return this.#client;
    const { url, password, ca } = this.#options;
    const client = new DatabaseClient(
      clientConfig({ url, password, ca, connectionsMax: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS, isPooled: true }),
    );
    // A connection that is lost between two transactions is replaced.
    client.on('error', () => {
      this.#client = undefined;
    });
    try {
      await client.connect();
    } catch (error) {
      throw toldOf(error, this.#options);
    }
    this.#client = client;
    return client;
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

// Wrong password or user, no such database, table or column, no permission: an operator has to act.
const LASTING = /^(28|3D|42)/;

function toldOf(error: unknown, { url, table }: OutboxOptions): Error {
  const code = systemErrorCode(error) ?? '';
  const why = error instanceof Error ? error.message : String(error);
  const place = `${new URL(url).host}${new URL(url).pathname}`;
  if (!LASTING.test(code)) return new DatabaseAwayError(`The database ${place} does not answer (${why}).`);
  const remedy = `see docs/guides/outbox.md for the table ${table} and its permissions`;
  return new CliError(EXIT_FAILED, `The outbox in ${place} cannot be used (${why}); ${remedy}.`);
}
