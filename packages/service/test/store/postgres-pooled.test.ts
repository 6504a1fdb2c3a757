import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext } from 'node:test';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { EmptyDatabases } from '../support/empty-databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { describeChanges } from './contract-changes.ts';
import { describeClaims } from './contract-claims.ts';
import { describeDeliveries } from './contract-deliveries.ts';
import { describePolling } from './contract-polling.ts';
import { describePublishing } from './contract-publishing.ts';
import { describeRecovery } from './contract-recovery.ts';
import { describeRedelivery } from './contract-redelivery.ts';
import { describeReplacing } from './contract-replacing.ts';
import { describeRetention } from './contract-retention.ts';
import type { OpenedStore } from './opened.ts';

const PGBOUNCER = ['pgbouncer', '/usr/sbin/pgbouncer'].find((bin) => spawnSync(bin, ['--version']).status === 0);

const server = await startPostgres({ isDurable: false });
after(() => server.stop());
const poolerPort = PGBOUNCER === undefined ? undefined : await startPgBouncer(PGBOUNCER);

/** A pooler in transaction mode, with two connections to the server for everybody: they change hands all the time. */
async function startPgBouncer(bin: string): Promise<number> {
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

const databases = new EmptyDatabases(server);

async function open(): Promise<OpenedStore> {
  const database = await databases.take();
  const url = new URL(database.url);
  // Without the pooler, what it demands is kept to all the same.
  if (poolerPort !== undefined) url.port = String(poolerPort);
  const openAgain = async () =>
    (
      await openPostgresStore({
        ...{ url: url.href, password: undefined, ca: undefined, connectionsMax: 2, statementTimeoutMs: 10_000 },
        ...{ isPooled: true, clock: new FakeClock(), isListening: false, pollMs: 1000, isMigratedAtStart: true },
        onProblem: () => undefined,
      })
    ).store;
  const first = await openAgain();
  let store = first;
  return {
    store: first,
    reopen: async () => {
      await store.close();
      store = await openAgain();
      return store;
    },
    close: async () => {
      await store.close();
      await database.release();
    },
  };
}

const openFor = async (t: TestContext) => {
  const opened = await open();
  t.after(() => opened.close());
  return opened;
};

const how =
  poolerPort === undefined ? 'as if there were a transaction pooler' : 'behind PgBouncer, in transaction mode';

describe(`the store contract, kept by PostgreSQL ${how}`, () => {
  describePublishing(openFor);
  describeClaims(openFor);
  describeDeliveries(openFor);
  describeRecovery(openFor);
  describeReplacing(openFor);
  describePolling(openFor);
  describeRedelivery(openFor);
  describeRetention(openFor);
  describeChanges(openFor);
});
