import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from '@tidings/testing';
import pg from 'pg';
import { startPostgres } from '../support/postgres-server.ts';
import type { ChaosDatabase } from './chaos-settings.ts';

/** The database of a run, as the run itself sees it: beside the inbox. */
export interface ObservedDatabase {
  readonly database: ChaosDatabase;
  /** How many notifications wait; 0 before the inbox has made its tables. */
  waiting(): Promise<number>;
  /** The states of all notifications, with how often each was attempted. */
  states(): Promise<readonly { readonly jti: string; readonly state: string; readonly attempts: number }[]>;
  /** The lines of the handlers that are committed. */
  lines(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const EFFECTS = 'CREATE TABLE effect (line TEXT NOT NULL)';
const WAITING = `SELECT count(*) AS waiting FROM tidings_inbox WHERE state = 'waiting'`;
const STATES = 'SELECT jti, state, attempts FROM tidings_inbox';
const LINES = 'SELECT line FROM effect';

type Rows = readonly Record<string, unknown>[];

/** Makes an empty database. @param beside reads the lines where the fault `writes-beside` has them */
export async function makeDatabase(kind: 'sqlite' | 'postgres', beside: boolean): Promise<ObservedDatabase> {
  return kind === 'sqlite' ? sqlite(beside) : await postgres();
}

function sqlite(beside: boolean): ObservedDatabase {
  const folder = temporaryFolder();
  const file = join(folder.path, 'inbox.db');
  const database = new DatabaseSync(file);
  const effects = beside ? new DatabaseSync(`${file}-beside`) : database;
  effects.exec(EFFECTS);
  database.exec('PRAGMA busy_timeout = 10000');
  return {
    database: { kind: 'sqlite', file },
    ...observing((sql) => (sql === LINES ? effects : database).prepare(sql).all()),
    close: async () => {
      database.close();
      if (effects !== database) effects.close();
      folder.remove();
    },
  };
}

async function postgres(): Promise<ObservedDatabase> {
  const server = await startPostgres({ isDurable: false });
  const url = await server.createDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined);
  await pool.query(EFFECTS);
  return {
    database: { kind: 'postgres', url },
    ...observing(async (sql) => (await pool.query(sql)).rows),
    close: async () => {
      await pool.end();
      await server.stop();
    },
  };
}

function observing(query: (sql: string) => Rows | Promise<Rows>) {
  return {
    waiting: async () => Number((await query(WAITING))[0]?.['waiting']),
    states: async () =>
      (await query(STATES)).map((row) => ({
        jti: String(row['jti']),
        state: String(row['state']),
        attempts: Number(row['attempts']),
      })),
    lines: async () => (await query(LINES)).map(({ line }) => String(line)),
  };
}
