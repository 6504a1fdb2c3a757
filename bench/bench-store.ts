import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgresServer } from './postgres.ts';
import { cpuMsOfFamily } from './processes.ts';

export type StoreKind = 'sqlite' | 'postgres';

/** The service's store, and its use of resources. */
export interface BenchStore {
  readonly kind: StoreKind;
  /** The `store` section of the service's configuration. */
  readonly settings: object;
  /** Size on disk, including the write-ahead log for SQLite but not for PostgreSQL. */
  bytes(): number;
  /** CPU time of the database server; undefined when the store runs inside the service. */
  cpuMs(): number | undefined;
  stop(): Promise<void>;
}

/** @param folder folder of the database file */
export async function openBenchStore(kind: StoreKind, folder: string): Promise<BenchStore> {
  if (kind === 'sqlite') {
    const files = ['tidings.db', 'tidings.db-wal'].map((name) => join(folder, name));
    return {
      kind,
      settings: { file: 'tidings.db' },
      bytes: () => files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0),
      cpuMs: () => undefined,
      stop: () => Promise.resolve(),
    };
  }
  const server = await startPostgresServer();
  return {
    kind,
    settings: { url: server.url, isMigratedAtStart: true },
    // The files of all databases: those that pg_database_size counts, and the empty databases, which do not grow.
    bytes: () => folderBytes(join(server.dataFolder, 'base')),
    cpuMs: () => cpuMsOfFamily(server.pid),
    stop: () => server.stop(),
  };
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name), { throwIfNoEntry: false }))
    .reduce((sum, file) => sum + (file?.isFile() === true ? file.size : 0), 0);
}
