import pg from 'pg';
import type { PostgresServer } from './postgres-server.ts';

// Every table but what the schema itself needs: emptying them is quicker than a new database for each test.
const EMPTIED = `SET session_replication_role = replica;
DO $$
  DECLARE emptied text;
  BEGIN
    FOR emptied IN
      SELECT oid::regclass FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname <> 'schema_version'
    LOOP
      EXECUTE 'DELETE FROM ' || emptied;
    END LOOP;
  END
$$`;

/** A database that nothing else uses, and whose tables are empty. */
export interface EmptyDatabase {
  readonly url: string;
  /** Empties its tables and keeps it for the next one who asks. */
  release(): Promise<void>;
}

/** Databases of one server, for tests one after the other; what has been released is used again. */
export class EmptyDatabases {
  readonly #server: PostgresServer;
  readonly #free: EmptyDatabase[] = [];

  constructor(server: PostgresServer) {
    this.#server = server;
  }

  async take(): Promise<EmptyDatabase> {
    return this.#free.pop() ?? this.#make();
  }

  async #make(): Promise<EmptyDatabase> {
    const url = await this.#server.createDatabase();
    // One connection for all the time: with a new one for each test, half of the time of a short test went there. As a
    // replica, it is past the triggers that keep the audit from being deleted.
    const superuser = new pg.Pool({
      connectionString: Object.assign(new URL(url), { username: 'postgres' }).href,
      // It does not keep the process from ending.
      ...{ max: 1, idleTimeoutMillis: 0, allowExitOnIdle: true },
    });
    superuser.on('error', () => undefined);
    const database = {
      url,
      release: async () => {
        await superuser.query(EMPTIED);
        this.#free.push(database);
      },
    };
    return database;
  }
}
