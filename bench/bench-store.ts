import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgresServer } from './postgres.ts';
import { cpuMsOfFamily } from './processes.ts';

export type StoreKind = 'sqlite' | 'postgres';

/** What the service keeps its notifications in, and what that costs. */
export interface BenchStore {
  readonly kind: StoreKind;
  /** The `store` section of the service's configuration. */
  readonly settings: object;
  /** Size on disk, the write-ahead log of SQLite included, that of PostgreSQL not. */
  bytes(): number;
  /** CPU time of its own processes; undefined where it runs inside the service. */
  cpuMs(): number | undefined;
  stop(): Promise<void>;
}

/** @param folder where a file of its own goes */
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
    // The files of all databases: what pg_database_size adds up, and the empty ones beside, which do not grow.
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
