import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Disk } from './disk.ts';
import { Door } from './door.ts';
import type { StoreKind } from './schedule.ts';

/** What the instances keep their notifications in, and what can be done to it. */
export interface ChaosStore {
  /** The `store` section of an instance's configuration. */
  readonly settings: object;
  /** For the Node.js of an instance. */
  readonly nodeArguments: readonly string[];
  /** Whether it is a part of the instance's process: then nothing is recorded once that has ended. */
  readonly isInProcess: boolean;
  /** Whether an instance that has been starting since then may have found it away. @param sinceMs `performance.now()` */
  wasAwaySince(sinceMs: number): boolean;
  /** SIGKILL of every process of it, and start again after so long. Resolves when it runs. */
  restart(downMs: number): Promise<void>;
  /**
   * Takes what is stored back to what a power cut would leave now.
   *
   * @throws {StoreLost} when the database does not start on that
   * @param kill ends the instance that the store is a part of, which must be frozen; the processes of a database server are
   *   stopped, killed and started again by this
   */
  cutPower(kill: () => Promise<void>): Promise<void>;
  /** Ends the connections of all instances, as pg_terminate_backend does. */
  terminateBackends(): Promise<void>;
  /** Cuts the connections of all instances in the network. */
  cut(): void;
  /** Passes nothing between the instances and the database for so long. */
  stall(forMs: number): void;
  /** What is wrong with what is stored, once no instance runs: must be empty. */
  damage(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** The database does not start on what a power cut left of it. */
export class StoreLost extends Error {
  override readonly name = 'StoreLost';
}

export interface ChaosStoreOptions {
  readonly kind: StoreKind;
  /** Of the run. */
  readonly folder: string;
  /** Whether it is on a disk of its own, whose power can be cut. */
  readonly hasDisk: boolean;
  /** The fault that a run may plant. */
  readonly withoutSync: WithoutSync;
}

/**
 * Whether what is committed is on the disk when it is answered, as it must be: `never`. `commit`: it gets there some seconds
 * later. `all`: whenever the kernel writes it back, in any order; SQLite itself still synchronises its checkpoints then.
 */
export type WithoutSync = 'never' | 'commit' | 'all';

/** Opens what a run keeps its notifications in. */
export async function openChaosStore(options: ChaosStoreOptions): Promise<ChaosStore> {
  const { kind, folder, hasDisk, withoutSync } = options;
  const disk = hasDisk ? await Disk.open() : undefined;
  const opening = kind === 'sqlite' ? sqliteStore(folder, disk, withoutSync) : postgresStore(disk, withoutSync);
  const store = await opening.catch(async (error) => {
    await disk?.close();
    throw error;
  });
  const close = async () => {
    await store.close();
    await disk?.close();
  };
  return { ...store, close };
}

async function sqliteStore(folder: string, disk: Disk | undefined, withoutSync: WithoutSync): Promise<ChaosStore> {
  const { DatabaseSync } = await import('node:sqlite');
  const file = join(disk?.folder ?? folder, 'tidings.db');
  const nothing = () => Promise.resolve();
  const never = () => {
    throw new Error('a file has no network before it');
  };
  return {
    ...{ settings: { file }, isInProcess: true, wasAwaySince: () => false },
    nodeArguments: withoutSync === 'never' ? [] : ['--import', import.meta.resolve('./without-sync.ts')],
    ...{ restart: never, terminateBackends: never, cut: never, stall: never, close: nothing },
    cutPower: (kill) => disk?.cutPower(kill) ?? noDisk(),
    damage: () => {
      const database = new DatabaseSync(file);
      try {
        const found = database.prepare('PRAGMA integrity_check').all();
        return Promise.resolve(found.map((row) => String(row['integrity_check'])).filter((line) => line !== 'ok'));
      } finally {
        database.close();
      }
    },
  };
}

function noDisk(): never {
  throw new Error('the store has no disk of its own');
}

/** What is used of `test/support/postgres-server.ts`. */
interface PostgresServer {
  readonly url: string;
  readonly port: number;
  /** Of the postmaster. */
  readonly pid: number;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface ServerOptions {
  readonly dataParent?: string;
  readonly settings: Readonly<Record<string, string>>;
}

// Not an import that the compiler follows: the file comes with the PostgreSQL store.
const SUPPORT: string = '../support/postgres-server.ts';
const LOOK_MS = 200;
const WITHOUT_SYNC: Readonly<Record<WithoutSync, Record<string, string>>> = {
  never: {},
  // The most that the server allows between a commit and its synchronisation.
  commit: { synchronous_commit: 'off', wal_writer_delay: '10s' },
  all: { fsync: 'off' },
};
// An instance that began to start just before a fault fails a moment after it.
const AWAY_AFTER_MS = 1500;

async function postgresStore(disk: Disk | undefined, withoutSync: WithoutSync): Promise<ChaosStore> {
  const { startPostgres }: { startPostgres(options: ServerOptions): Promise<PostgresServer> } = await import(SUPPORT);
  const server = await startPostgres({
    ...(disk !== undefined && { dataParent: disk.folder }),
    settings: WITHOUT_SYNC[withoutSync],
  });
  // The cluster itself is made without waiting for the disk.
  await disk?.sync();
  const door = await Door.open(() => server.port);
  const url = new URL(server.url);
  url.hostname = '127.0.0.1';
  url.port = String(door.port);
  // A run that is interrupted leaves no server behind; SIGQUIT ends it with all its processes.
  const endServer = () => signal(server.pid, 'SIGQUIT');
  process.once('exit', endServer);
  let isDown = false;
  let awayUntilMs = 0;
  const awayFor = (forMs: number) => {
    awayUntilMs = performance.now() + forMs + AWAY_AFTER_MS;
  };
  const kill = async (family: readonly { readonly pid: number }[]) => {
    await Promise.all([server.kill(), ...family.map(({ pid }) => signal(pid, 'SIGKILL'))]);
  };
  const start = async () => {
    await server.start();
    isDown = false;
    awayFor(0);
  };
  return {
    settings: { url: url.href, isMigratedAtStart: true, pollMs: LOOK_MS },
    nodeArguments: [],
    isInProcess: false,
    wasAwaySince: (sinceMs) => isDown || sinceMs < awayUntilMs,
    restart: async (downMs) => {
      isDown = true;
      await kill(await childrenOf(server.pid));
      await new Promise((resolve) => setTimeout(resolve, downMs));
      await start();
    },
    cutPower: async () => {
      if (disk === undefined) noDisk();
      isDown = true;
      // The postmaster first, so that it makes no more children.
      signal(server.pid, 'SIGSTOP');
      const family = await childrenOf(server.pid);
      for (const { pid } of family) signal(pid, 'SIGSTOP');
      await disk.cutPower(() => kill(family));
      await start().catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        throw new StoreLost(`after a power cut it does not start: ${why}`, { cause: error });
      });
    },
    terminateBackends: async () => {
      awayFor(0);
      const backends = (await childrenOf(server.pid)).filter(({ title }) => title.includes('127.0.0.1('));
      // What pg_terminate_backend sends.
      for (const { pid } of backends) signal(pid, 'SIGTERM');
    },
    cut: () => {
      awayFor(0);
      door.cutAll();
    },
    stall: (forMs) => {
      awayFor(forMs);
      door.stall(forMs);
    },
    damage: () => Promise.resolve([]),
    close: async () => {
      process.off('exit', endServer);
      await door.close();
      await server.stop();
    },
  };
}

/** The processes of a PostgreSQL server beside its first, with their titles, in which a backend names its client. */
async function childrenOf(parent: number): Promise<{ pid: number; title: string }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, ppid, title] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(ppid) === parent && title !== undefined ? [{ pid: Number(pid), title }] : [];
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself meanwhile.
  }
}
