import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, type TestContext } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { type InboxStore, openPostgresInboxStore, openSqliteInboxStore, type SqliteDatabase } from '@tidings/tpp';
import pg from 'pg';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';

/** An empty database for an inbox, with a table for the effects of a handler. */
export interface TestDatabase<Transaction> {
  /** Opens the inbox, as one more process does. */
  open(): Promise<InboxStore<Transaction>>;
  /** Writes a line as a handler does. */
  write(transaction: Transaction, line: string): void | Promise<void>;
  /** Executes statements as a handler does. */
  execute(transaction: Transaction, statements: readonly string[]): void | Promise<void>;
  /** The lines that are committed, in the order in which they were written. */
  lines(): Promise<string[]>;
  /** Runs SQL beside the inbox, in a transaction of its own. */
  run(sql: string): Promise<void>;
}

/** Makes a database that goes when the test ends. */
export type MakeDatabase<Transaction> = (t: TestContext) => Promise<TestDatabase<Transaction>>;

const EFFECTS = 'CREATE TABLE effect (line TEXT NOT NULL)';

/** A file in a folder of its own. */
export async function sqliteDatabase(t: TestContext): Promise<TestDatabase<SqliteDatabase>> {
  const folder = temporaryFolder();
  const opened: InboxStore<unknown>[] = [];
  t.after(async () => {
    for (const each of opened) await each.close();
    beside.close();
    folder.remove();
  });
  const file = join(folder.path, 'inbox.db');
  const beside = new DatabaseSync(file);
  beside.exec(EFFECTS);
  return {
    open: async () => {
      const store = await openSqliteInboxStore({ file });
      opened.push(store);
      return store;
    },
    write: (database, line) => void database.prepare('INSERT INTO effect (line) VALUES (?)').run(line),
    execute: (database, statements) => {
      for (const each of statements) database.exec(each);
    },
    lines: async () => beside.prepare('SELECT line FROM effect ORDER BY rowid').all().map(lineOf),
    run: async (sql) => beside.exec(sql),
  };
}

let server: Promise<PostgresServer> | undefined;
after(async () => (await server)?.stop());

/** A database of the one PostgreSQL of the test file. */
export async function postgresDatabase(t: TestContext): Promise<TestDatabase<pg.PoolClient>> {
  server ??= startPostgres({ isDurable: false });
  const connectionString = await (await server).createDatabase();
  const pool = new pg.Pool({ connectionString, max: 4 });
  pool.on('error', () => undefined);
  const pools = [pool];
  t.after(() => Promise.all(pools.map((each) => each.end())));
  await pool.query('CREATE TABLE effect (at bigint GENERATED ALWAYS AS IDENTITY, line text NOT NULL)');
  return {
    open: async () => {
      const own = new pg.Pool({ connectionString, max: 4 });
      own.on('error', () => undefined);
      pools.push(own);
      return await openPostgresInboxStore({ pool: own });
    },
    write: async (client, line) => void (await client.query('INSERT INTO effect (line) VALUES ($1)', [line])),
    execute: async (client, statements) => {
      for (const each of statements) await client.query(each);
    },
    lines: async () => (await pool.query('SELECT line FROM effect ORDER BY at')).rows.map(lineOf),
    run: async (sql) => void (await pool.query(sql)),
  };
}

function lineOf({ line }: Record<string, unknown>): string {
  return String(line);
}
