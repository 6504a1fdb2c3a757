import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { makeAuthority, until } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import { StartUpError } from '../../src/base/start-up-error.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/open.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { jtiOf } from '../support/bank-events.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { look, publish, register } from './opened.ts';

const authority = await makeAuthority('Database root');
const { certificatePem: cert, keyPem: key } = await authority.issue({ ip: '192.0.2.1' });
const first = await startPostgres({ tls: { cert, key } });
after(() => first.stop());
const second = await first.startStandby();
after(() => second.stop());

const urlOf = (database: string, hosts = `localhost:${first.port},localhost:${second.port}`) =>
  `postgresql://tidings@${hosts}/${database}?target_session_attrs=read-write&connect_timeout=1`;
const OPTIONS = { ca: authority.certificatePem, isListening: true, statementTimeoutMs: 1000 } as const;

/** Sends a signal to every process of a server. */
function signalAll(server: PostgresServer, signal: NodeJS.Signals): void {
  const children = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === server.pid);
  for (const pid of [server.pid, ...children.flatMap(([pid = 0]) => pid)]) process.kill(pid, signal);
}

async function untilAccepted(store: Store, id: string): Promise<void> {
  const accepts = () =>
    publish(store, 'a', [id]).then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof StoreError, String(error));
        return false;
      },
    );
  await until(accepts, `${id} to be accepted`);
}

/** How often an instance was told that there is something to offer. */
function heardBy(store: Store): { count: number } {
  const heard = { count: 0 };
  store.onChange(({ offered }) => {
    if (offered.has('a')) heard.count += 1;
  });
  return heard;
}

test('the server that takes writes is found, wherever it is in the URL, and a certificate must be for its own host', async (t) => {
  await first.createDatabase('ordered');
  const standbyFirst = urlOf('ordered', `localhost:${second.port},localhost:${first.port}`);
  const store = await openInstance(t, standbyFirst, OPTIONS);
  await register(store, ['a']);
  await untilAccepted(store, 'e');
  const otherName = urlOf('ordered', `127.0.0.1:${first.port},localhost:${second.port}`);
  await assert.rejects(openInstance(t, otherName, OPTIONS), (error: Error) => {
    assert.ok(error instanceof StartUpError);
    assert.match(error.message, /127\.0\.0\.1:\d+: .*altnames.*; localhost:\d+: it is a standby/s);
    return /check "store.caFile" and the host in "store.url"/.test(error.message);
  });
});

test('an event that is published again is confirmed only once the standby has it, after a crash in the midst of it too', async (t) => {
  await first.createDatabase('confirmed');
  const store = await openInstance(t, urlOf('confirmed'), OPTIONS);
  await register(store, ['a']);
  await first.run(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
  await first.run('SELECT pg_reload_conf()');
  await untilAccepted(store, 'first');
  signalAll(second, 'SIGSTOP');
  try {
    await assert.rejects(publish(store, 'a', ['unconfirmed']), StoreError);
    await first.kill();
    await first.start();
    assert.equal((await first.run(`SELECT 1 FROM event WHERE event_id = 'unconfirmed'`, 'confirmed')).length, 1);
    await assert.rejects(publish(store, 'a', ['unconfirmed']), StoreError);
  } finally {
    signalAll(second, 'SIGCONT');
  }
  await untilAccepted(store, 'unconfirmed');
});

test('instances follow the primary to another server by themselves, whatever the former one does', async (t) => {
  await first.createDatabase('followed');
  const url = urlOf('followed');
  // So late that nothing is heard by polling.
  const options: Partial<PostgresStoreOptions> = { ...OPTIONS, pollMs: 60_000 };
  const publisher = await openInstance(t, url, options);
  const other = await openInstance(t, url, options);
  const heard = heardBy(other);
  await register(publisher, ['a']);
  await until(async () => {
    await untilAccepted(publisher, `before-${heard.count}`);
    return heard.count > 0;
  }, 'the other instance to listen');

  // Nothing is refused: a server that was cut off answers nothing, and its connections stay as they are.
  signalAll(first, 'SIGSTOP');
  try {
    await assert.rejects(publish(publisher, 'a', ['meanwhile']), StoreError);
    await second.run('SELECT pg_promote()');
    await untilAccepted(publisher, 'after');
    assert.equal((await look(publisher, jtiOf('before-0'))).state, 'awaiting');
    const before = heard.count;
    let more = 0;
    await until(async () => {
      more += 1;
      await untilAccepted(publisher, `again-${more}`);
      return heard.count > before;
    }, 'the other instance to listen at the new primary');
  } finally {
    signalAll(first, 'SIGCONT');
  }

  // The former one says that it takes writes when it is back: nobody asks it while the new one does.
  await untilAccepted(publisher, 'last');
  assert.equal((await look(other, jtiOf('last'))).state, 'awaiting');

  // A demoted server refuses writes on connections that are open already.
  await first.run(`ALTER SYSTEM SET synchronous_standby_names = ''`);
  await first.run('SELECT pg_reload_conf()');
  await second.run('ALTER SYSTEM SET default_transaction_read_only = on');
  await second.run('SELECT pg_reload_conf()');
  // It reads its settings a moment later, and takes writes until then.
  let back = 0;
  await until(async () => {
    back += 1;
    await untilAccepted(publisher, `back-${back}`);
    return (await first.run(`SELECT 1 FROM event WHERE event_id = 'back-${back}'`, 'followed')).length === 1;
  }, 'the first server to be the primary again');
});

test('an instance does not start where no server takes writes, and says why of each', async () => {
  await second.run('SELECT pg_reload_conf()');
  await first.halt();
  const opening = openPostgresStore({
    ...{ ...OPTIONS, url: urlOf('followed'), password: undefined, connectionsMax: 2, isPooled: false, pollMs: 1000 },
    ...{ clock: systemClock, isMigratedAtStart: true, onProblem: () => undefined },
  });
  await assert.rejects(opening, (error: Error) => {
    assert.ok(error instanceof StartUpError);
    return /localhost:\d+: .*ECONNREFUSED.*; localhost:\d+: it only reads \(default_transaction_read_only\)/s.test(
      error.message,
    );
  });
});
