import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { makeAuthority, until } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import { StartUpError } from '../../src/base/start-up-error.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/open.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { acknowledge, claim, jtisOf, look, nextDueAfterMs, numbered, POLL, publish, register } from './opened.ts';

const PASSWORD = 's3cret-of-the-test';
const server = await startPostgres({ password: PASSWORD, settings: { max_connections: 40 } });
after(() => server.stop());

const CONNECTION = { password: PASSWORD, isListening: true, pollMs: 50, statementTimeoutMs: 5000 } as const;

/** Asks until it is answered. @returns how often it was refused before */
async function untilItWorks(ask: () => Promise<unknown>): Promise<number> {
  for (let refused = 0; ; refused += 1) {
    try {
      await ask();
      return refused;
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      assert.ok(refused < 1000, 'it recovers');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** One of everything that a store can be asked. */
function everyOperation(store: Store): Promise<unknown>[] {
  const audit = { atMs: START_MS, actor: 'ops', action: 'some', subject: 'a', detail: {} };
  return [
    store.putTpp(tppOf('a'), START_MS),
    store.tpp('a'),
    store.publish([bankEvent('a', 'e')], notifyAll, START_MS),
    claim(store),
    nextDueAfterMs(store),
    store.keepSets([{ jti: 'some', set: 'one' }]),
    store.poll({ ...POLL, clientId: 'a' }),
    store.nextOfferAtMs('a'),
    store.targets('', 5),
    store.counts(),
    store.oldestAwaitingAtMs(),
    store.notification('some'),
    store.dropHistory({ notificationsBeforeMs: 0, eventsBeforeMs: 0, limit: 1 }),
    store.expireAwaiting(0, 1, START_MS),
    store.audit(audit),
    store.signingKeys(),
    store.check(),
  ];
}

describe('a database that goes away', () => {
  test('fails every operation with a StoreError, and all goes on by itself when it is back, nothing lost', async (t) => {
    const problems: string[] = [];
    const onProblem = (problem: string) => problems.push(problem);
    const store = await openInstance(t, await server.createDatabase(), { ...CONNECTION, onProblem });
    await register(store, ['a']);
    await publish(store, 'a', numbered('before-', 5));
    const [held] = await claim(store, { limit: 1 });
    assert.ok(held);
    await server.kill();
    for (const result of await Promise.allSettled(everyOperation(store))) {
      assert.ok(result.status === 'rejected' && result.reason instanceof StoreError, String(result.status));
      assert.ok(!String(result.reason).includes(PASSWORD));
    }
    await until(() => problems.includes('polling for changes failed'), 'the report that polling failed');
    await server.start();
    await untilItWorks(() => publish(store, 'a', ['after']));
    assert.equal(await acknowledge(store, held), 'applied');
    assert.deepEqual(
      jtisOf(await claim(store)).toSorted(),
      ['after', ...numbered('before-', 5).slice(1)].map(jtiOf).toSorted(),
    );
  });

  test('while much is published: what was answered is there after it, and what was not may be published again', async (t) => {
    const store = await openInstance(t, await server.createDatabase(), CONNECTION);
    await register(store, ['a']);
    const ids = numbered('e', 300);
    const published = Promise.allSettled(ids.map((id) => store.publish([bankEvent('a', id)], notifyAll, START_MS)));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await server.kill();
    const results = await published;
    await server.start();
    await untilItWorks(() => store.counts());
    for (const [at, id] of ids.entries()) {
      if (results[at]?.status === 'fulfilled') assert.equal((await look(store, jtiOf(id))).state, 'awaiting');
    }
    for (const id of ids) await store.publish([bankEvent('a', id)], notifyAll, START_MS);
    assert.equal((await store.counts()).awaiting, ids.length);
  });

  test('connections that are cut in the midst of it fail what was under way, and others are made', async (t) => {
    const store = await openInstance(t, await server.createDatabase('cut'), CONNECTION);
    await register(store, ['a']);
    let isOver = false;
    const publishing = Array.from({ length: 8 }, async (_, lane) => {
      let refused = 0;
      for (let at = 0; !isOver; at += 1) {
        const events = [bankEvent('a', `${lane}-${at}`)];
        refused += await untilItWorks(() => store.publish(events, notifyAll, START_MS));
      }
      return refused;
    });
    for (let cuts = 0; cuts < 5; cuts += 1) {
      await server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut' AND usename = 'tidings'",
      );
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    isOver = true;
    const refused = await Promise.all(publishing);
    assert.ok(refused.reduce((sum, one) => sum + one, 0) > 0, 'some met it');
    const { awaiting } = await store.counts();
    assert.equal((await claim(store)).length, awaiting);
  });
});

describe('a database that refuses', () => {
  /** Committed before the connections end: one that is reopened meanwhile would keep the setting from before. */
  const setReadOnly = async (setting: string) => {
    await server.run(`ALTER DATABASE readonly ${setting}`);
    await server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'readonly'");
  };

  test('to write fails writes with a StoreError; reads go on, and writes when it takes them again', async (t) => {
    const store = await openInstance(t, await server.createDatabase('readonly'), { ...CONNECTION, isListening: false });
    await register(store, ['a']);
    await setReadOnly('SET default_transaction_read_only = on');
    await untilItWorks(() => store.tpp('a'));
    await assert.rejects(store.check(), StoreError);
    await assert.rejects(
      publish(store, 'a', ['e1']),
      (error) => error instanceof StoreError && /read-only/.test(error.message),
    );
    await setReadOnly('RESET default_transaction_read_only');
    await untilItWorks(() => publish(store, 'a', ['e1']));
    await store.check();
    assert.equal((await claim(store)).length, 1);
  });

  test('to answer in time fails what waits with a StoreError, and keeps nothing of it', async (t) => {
    const store = await openInstance(t, await server.createDatabase('slow'), {
      ...CONNECTION,
      statementTimeoutMs: 300,
    });
    await register(store, ['a']);
    const locked = server.run('BEGIN; LOCK TABLE notification; SELECT pg_sleep(1); COMMIT', 'slow');
    await untilItWorks(async () => {
      const waiting = await server.run(
        "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'notification'::regclass",
        'slow',
      );
      if (waiting.length === 0) throw new StoreError('not locked yet');
    });
    await assert.rejects(
      publish(store, 'a', ['e1']),
      (error) => error instanceof StoreError && /timeout/.test(error.message),
    );
    await locked;
    assert.equal((await store.counts()).awaiting, 0);
    await publish(store, 'a', ['e1']);
    assert.equal((await claim(store)).length, 1);
  });

  test('more connections fails with a StoreError, until there are fewer', async (t) => {
    const url = await server.createDatabase('crowded');
    await openInstance(t, url, CONNECTION);
    await server.run('ALTER DATABASE crowded CONNECTION LIMIT 1');
    const store = await openInstance(t, url, { ...CONNECTION, connectionsMax: 5 }).catch((error: unknown) => error);
    assert.ok(store instanceof StartUpError, 'the first instance has them all');
    assert.match(store.message, /too many connections .*; lower "store.connectionsMax"/);
  });
});

describe('opening', () => {
  const refused = async (changes: Partial<PostgresStoreOptions>): Promise<string> => {
    const opened = await openPostgresStore({
      ...{ url: server.url, password: PASSWORD, ca: undefined, connectionsMax: 2, statementTimeoutMs: 2000 },
      ...{ isPooled: false, clock: systemClock, isListening: false, pollMs: 1000, isMigratedAtStart: true },
      onProblem: () => undefined,
      ...changes,
    }).catch((error: unknown) => error);
    assert.ok(opened instanceof StartUpError, String(opened));
    assert.ok(!opened.message.includes(PASSWORD) && !opened.message.includes('wrong-one'));
    return opened.message;
  };
  const at = (change: (url: URL) => void) => {
    const url = new URL(server.url);
    change(url);
    return url.href;
  };

  test('says in one sentence what is wrong, and what to do', async () => {
    assert.match(
      await refused({ password: 'wrong-one' }),
      /password authentication failed .*; check the user .* PGPASSWORD\.$/,
    );
    assert.match(
      await refused({
        url: at((url) => {
          url.port = '1';
        }),
      }),
      /ECONNREFUSED.*; start the server, or correct/,
    );
    assert.match(
      await refused({
        url: at((url) => {
          url.pathname = '/nowhere';
        }),
      }),
      /"nowhere" does not exist.*; create the database/,
    );
    assert.match(
      await refused({
        url: at((url) => {
          url.hostname = 'no-such-host.invalid';
        }),
      }),
      /correct the host in "store.url"/,
    );
    assert.match(await refused({ ca: '' }), /does not support SSL.*; check "store.caFile"/);
  });

  test('without the right to make tables says so', async () => {
    await server.run('CREATE DATABASE foreign_one OWNER postgres');
    const message = await refused({
      url: at((url) => {
        url.pathname = '/foreign_one';
      }),
    });
    assert.match(message, /permission denied for schema public.*; let the user own the database/);
  });
});

test('TLS leads to the roots that are given, for the host that is named, or to nothing', async (t) => {
  const [authority, other] = [await makeAuthority(), await makeAuthority()];
  const encrypted = await startPostgres({
    isDurable: false,
    tls: (await authority.issue()).tls,
  });
  t.after(() => encrypted.stop());
  const store = await openInstance(t, encrypted.url, { ca: authority.certificatePem, isListening: true });
  assert.equal(await store.tpp('a'), undefined);
  const plain = await encrypted.run(
    "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tidings' AND NOT ssl",
  );
  assert.deepEqual(plain, [], 'the connection that listens is encrypted too');
  await assert.rejects(openInstance(t, encrypted.url, { ca: other.certificatePem }), (error) => {
    assert.ok(error instanceof StartUpError);
    return /check "store.caFile" and the host in "store.url"/.test(error.message);
  });
  const wrongName = await startPostgres({
    isDurable: false,
    tls: (await authority.issue({ dns: 'db.bank.example', ip: '127.0.0.9' })).tls,
  });
  t.after(() => wrongName.stop());
  await assert.rejects(
    openInstance(t, wrongName.url, { ca: authority.certificatePem }),
    /check "store.caFile" and the host/,
  );
});
