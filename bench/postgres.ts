/** A dedicated PostgreSQL server, started by `test/support/postgres-server.ts`. */
interface PostgresServer {
  readonly url: string;
  readonly dataFolder: string;
  /** Process id of the server, whose children serve the connections. */
  readonly pid: number;
  run(sql: string): Promise<unknown>;
  stop(): Promise<void>;
}

// A dynamic import that the compiler does not follow.
const SUPPORT: string = '../test/support/postgres-server.ts';

export async function startPostgresServer(): Promise<PostgresServer> {
  const { startPostgres }: { startPostgres(options: object): Promise<PostgresServer> } = await import(SUPPORT);
  const server = await startPostgres({ settings: { min_wal_size: `${WAL_MEGABYTES}MB` } });
  await makeWalAhead(server);
  return server;
}

// More segments of write-ahead log, of 16 MB each, than one run uses.
const WAL_MEGABYTES = 640;
const SEGMENT_MEGABYTES = 16;

/**
 * Creates the segments of write-ahead log in advance. A server in long use recycles old segments. A new server creates
 * each one, while all commits wait (60 to 110 ms for every 16 MB of log), which would distort the figures.
 */
async function makeWalAhead(server: PostgresServer): Promise<void> {
  for (let segments = 0; segments < WAL_MEGABYTES / SEGMENT_MEGABYTES; segments += 1) {
    await server.run("SELECT pg_logical_emit_message(false, 'bench', 'one more'); SELECT pg_switch_wal()");
  }
  await server.run('CHECKPOINT');
}
