/** A PostgreSQL server of the bench's own, as `test/support/postgres-server.ts` starts it. */
interface PostgresServer {
  readonly url: string;
  readonly dataFolder: string;
  /** Of the process whose children serve the connections. */
  readonly pid: number;
  stop(): Promise<void>;
}

// Not an import that the compiler follows: the file comes with the PostgreSQL store.
const SUPPORT: string = '../test/support/postgres-server.ts';

export async function startPostgresServer(): Promise<PostgresServer> {
  const { startPostgres }: { startPostgres(): Promise<PostgresServer> } = await import(SUPPORT);
  return startPostgres();
}
