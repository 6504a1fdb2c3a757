/** A PostgreSQL server of the bench's own, as `test/support/postgres-server.ts` starts it. */
interface PostgresServer {
  readonly url: string;
  readonly dataFolder: string;
  /** Of the process whose children serve the connections. */
  readonly pid: number;
  run(sql: string): Promise<unknown>;
  stop(): Promise<void>;
}

// Not an import that the compiler follows: the file comes with the PostgreSQL store.
const SUPPORT: string = '../test/support/postgres-server.ts';

export async function startPostgresServer(): Promise<PostgresServer> {
  const { startPostgres }: { startPostgres(options: object): Promise<PostgresServer> } = await import(SUPPORT);
  const server = await startPostgres({ settings: { min_wal_size: `${WAL_MEGABYTES}MB` } });
  await makeWalAhead(server);
  return server;
}

// Segments of write-ahead log that a run goes through, and more; each has 16 MB.
const WAL_MEGABYTES = 640;
const SEGMENT_MEGABYTES = 16;

/**
 * A server that has been in service goes on writing into segments that it has written before. A new one has to make each,
 * and all commits wait meanwhile (60 to 110 ms, every 16 MB of log): that would be measured in place of the service.
 */
async function makeWalAhead(server: PostgresServer): Promise<void> {
  for (let segments = 0; segments < WAL_MEGABYTES / SEGMENT_MEGABYTES; segments += 1) {
    await server.run("SELECT pg_logical_emit_message(false, 'bench', 'one more'); SELECT pg_switch_wal()");
  }
  await server.run('CHECKPOINT');
}
