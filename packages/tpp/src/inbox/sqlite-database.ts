import { InboxError } from './inbox-error.ts';
import type { Row } from './rows.ts';

/** Values that a statement takes. */
export type SqliteValue = null | number | bigint | string | Uint8Array;

/** A prepared statement: the members of `StatementSync` of `node:sqlite` that most handlers need. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: SqliteValue[]): Record<string, unknown> | undefined;
  all(...values: SqliteValue[]): Record<string, unknown>[];
}

/**
 * A connection to SQLite: the members of `DatabaseSync` of `node:sqlite` that most handlers need. It is a `DatabaseSync`:
 * where a library wants that type, narrow it with `instanceof DatabaseSync`.
 */
export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
}

/** A connection with its prepared statements. */
export interface SqliteConnection {
  readonly database: SqliteDatabase;
  /** Runs a statement. @returns number of rows changed */
  run(sql: string, ...values: SqliteValue[]): number;
  all(sql: string, ...values: SqliteValue[]): readonly Row[];
  /** Runs the action in a transaction that nobody else writes in. Rolled back when it throws. Synchronous. */
  transaction<T>(action: () => T): T;
  close(): void;
}

const BUSY_TIMEOUT_MS = 2_000;

/**
 * Opens connections to a file, with a write-ahead log that is synchronised at every commit: what is committed survives a
 * crash of the machine.
 *
 * @returns opens one connection; it throws {@link InboxError} unsuitable_database when the file cannot have such a log
 * @throws {InboxError} sqlite_unavailable
 */
export async function sqliteConnector(file: string): Promise<() => SqliteConnection> {
  const { DatabaseSync } = await loadSqlite();
  return () => {
    const database = new DatabaseSync(file);
    try {
      database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
      if (mode !== 'wal') {
        const why = 'The inbox needs a file on a local disk: this one cannot have a write-ahead log.';
        throw new InboxError('unsuitable_database', why);
      }
      database.exec('PRAGMA synchronous = FULL');
    } catch (error) {
      database.close();
      throw error;
    }
    return connectionOf(database);
  };
}

/** Loaded only where it is used: Node.js 20 has no such module. */
async function loadSqlite() {
  try {
    return await import('node:sqlite');
  } catch (cause) {
    const why =
      'This Node.js has no node:sqlite. Run on Node.js 22.13 or later, or keep the inbox in PostgreSQL (openPostgresInboxStore).';
    throw new InboxError('sqlite_unavailable', why, { cause });
  }
}

function connectionOf(database: SqliteDatabase & { close(): void }): SqliteConnection {
  const statements = new Map<string, SqliteStatement>();
  const prepared = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  let isOpen = true;
  return {
    database,
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
    all: (sql, ...values) => prepared(sql).all(...values),
    transaction: (action) => {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = action();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        rollBack(database);
        throw error;
      }
    },
    close: () => {
      if (isOpen) database.close();
      isOpen = false;
    },
  };
}

/** SQLite itself rolls back after some errors, such as a full disk. Then there is no transaction any more. */
function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // The error that led here says more.
  }
}
