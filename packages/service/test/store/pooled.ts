import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type OpenFor, openFor } from './opened.ts';
import { postgresOpener } from './opened-postgres.ts';

const PGBOUNCER = ['pgbouncer', '/usr/sbin/pgbouncer'].find((bin) => spawnSync(bin, ['--version']).status === 0);

/**
 * Runs parts of the store contract on PostgreSQL behind a real PgBouncer; where there is none, without it, but keeping to what
 * it demands.
 */
export async function describePooled(parts: readonly ((open: OpenFor) => void)[]): Promise<void> {
  const server = await startPostgres({ isDurable: false });
  after(() => server.stop());
  const port = PGBOUNCER === undefined ? undefined : await startPgBouncer(PGBOUNCER, server);
  const open = openFor(postgresOpener(server, { isPooled: true, port }));
  const how = port === undefined ? 'as if there were a transaction pooler' : 'behind PgBouncer, in transaction mode';
  describe(`the store contract, kept by PostgreSQL ${how}`, () => {
    for (const part of parts) part(open);
  });
}

/** A pooler in transaction mode, with two connections to the server for everybody: they change hands all the time. */
async function startPgBouncer(bin: string, server: PostgresServer): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-pgbouncer-'));
  chmodSync(folder, 0o777);
  const port = await freePort();
  const settings = [
    ...['[databases]', `* = host=127.0.0.1 port=${server.port}`, '[pgbouncer]', 'listen_addr = 127.0.0.1'],
    ...[`listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = trust', `auth_file = ${join(folder, 'users')}`],
    ...['pool_mode = transaction', 'default_pool_size = 2', 'server_idle_timeout = 1', 'logfile =', 'syslog = 0'],
  ];
  writeFileSync(join(folder, 'users'), '"tidings" ""\n');
  writeFileSync(join(folder, 'pgbouncer.ini'), `${settings.join('\n')}\n`);
  const asRoot = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child: ChildProcess = spawn(bin, ['-q', ...asRoot, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
  after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  while (!(await isOpen(port)));
  return port;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
