import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inTime, until } from '@tidings/testing';
import {
  createInbox,
  DeadLetterError,
  type Inbox,
  type InboxFailure,
  type InboxOptions,
  type InboxStore,
  openSqliteInboxStore,
  type SqliteDatabase,
} from '@tidings/tpp';
import { postgresDatabase, sqliteDatabase, type TestDatabase } from './databases.ts';
import { FAST, pushingBank } from './notifications.ts';

type Changes<Prepared> = Partial<InboxOptions<SqliteDatabase, Prepared>>;

/** An inbox in SQLite that runs until the test ends, with a handler that writes the `jti`. */
async function runningInbox<Prepared = undefined>(t: TestContext, changes: Changes<Prepared> = {}) {
  const database = await sqliteDatabase(t);
  const store = await database.open();
  const failures: InboxFailure[] = [];
  const inbox = createInbox<SqliteDatabase, Prepared>({
    ...FAST,
    store,
    onNotification: ({ jti }, { transaction }) => void database.write(transaction, jti),
    ...(changes.warn === undefined && { onFailure: (failure: InboxFailure) => void failures.push(failure) }),
    ...changes,
  });
  const running = inbox.run();
  t.after(async () => {
    await inbox.stop();
    await running;
  });
  return { database, store, inbox, failures, bank: await pushingBank(inbox) };
}

const idle = (inbox: Inbox) => until(async () => (await inbox.counts()).waiting === 0, 'the inbox to be empty');

test('a notification is acknowledged once it is stored, handled once, and its duplicates are acknowledged', async (t) => {
  const { inbox, bank, database } = await runningInbox(t);
  assert.equal((await bank.push('a')).status, 202);
  await idle(inbox);
  assert.equal((await bank.push('a')).status, 202);
  assert.equal((await bank.push('b')).status, 202);
  await idle(inbox);
  assert.deepEqual(await database.lines(), ['a', 'b']);
});

test('the handler gets the notification as it was received, and what prepare made of it', async (t) => {
  const got: unknown[] = [];
  const { inbox, bank, database } = await runningInbox<string>(t, {
    prepare: async ({ resourceId }, { attempt, signal }) => `${resourceId} ${attempt} ${signal.aborted}`,
    onNotification: ({ kind, resourceId, interactionId, set }, { prepared, attempt, isLate, transaction }) => {
      got.push([kind, resourceId, interactionId.length, set.split('.').length, prepared, attempt, isLate]);
      void database.write(transaction, 'done');
    },
  });
  await bank.push('a', { resourceId: 'pmt-1' });
  await idle(inbox);
  assert.deepEqual(got, [['resource-update', 'pmt-1', 36, 3, 'pmt-1 1 false', 1, false]]);
});

test('what cannot be stored is not acknowledged: 500 when the database fails, 503 when too many wait', async (t) => {
  const database = await sqliteDatabase(t);
  const store = await database.open();
  const inbox = createInbox({ store, waitingMax: 1, onNotification: () => undefined });
  const bank = await pushingBank(inbox);
  const broken = createInbox({ store: await closed(database), onNotification: () => undefined });
  assert.equal((await (await pushingBank(broken)).push('a')).status, 500);
  assert.equal((await bank.push('a')).status, 202);
  const full = createInbox({ store, waitingMax: 1, onNotification: () => undefined });
  const refused = await (await pushingBank(full)).push('b');
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '30']);
  assert.equal((await inbox.counts()).waiting, 1);
});

async function closed<Transaction>(database: TestDatabase<Transaction>): Promise<InboxStore<Transaction>> {
  const store = await database.open();
  await store.close();
  return store;
}

test('a failing handler is attempted again with a backoff, becomes a dead letter, and can be redelivered', async (t) => {
  let isRepaired = false;
  const { inbox, bank, database, failures } = await runningInbox(t, {
    attemptsMax: 3,
    onNotification: ({ jti }, { transaction }) => {
      void database.write(transaction, jti);
      if (!isRepaired) throw new Error('no password=hunter2');
    },
  });
  await bank.push('a');
  await idle(inbox);
  assert.deepEqual(
    failures.map(({ kind, attempt, notification }) => [kind, attempt, notification?.jti]),
    [
      ['retry', 1, 'a'],
      ['retry', 2, 'a'],
      ['dead', 3, 'a'],
    ],
  );
  const [dead] = await inbox.deadLetters.list();
  assert.ok(dead !== undefined);
  assert.deepEqual(
    [dead.jti, dead.issuer, dead.attempts, dead.reason, dead.notification?.kind],
    ['a', 'https://bank.example/', 3, 'Error: no password=[secret]', 'resource-update'],
  );
  assert.deepEqual(await database.lines(), []);
  isRepaired = true;
  assert.equal(await inbox.deadLetters.redeliver(dead.id), true);
  await idle(inbox);
  assert.deepEqual(await database.lines(), ['a']);
  assert.deepEqual(await inbox.deadLetters.list(), []);
});

test('a DeadLetterError, of prepare too, ends the attempts at once, and the dead letter can be discarded', async (t) => {
  const { inbox, bank, failures } = await runningInbox(t, {
    prepare: ({ jti }) => {
      if (jti === 'a') throw new DeadLetterError('no such consent');
    },
    onNotification: () => {
      throw new DeadLetterError('never');
    },
  });
  await bank.push('a');
  await bank.push('b');
  await idle(inbox);
  const dead = await inbox.deadLetters.list();
  assert.deepEqual(dead.map(({ jti, reason }) => `${jti} ${reason}`).sort(), [
    'a DeadLetterError: no such consent',
    'b DeadLetterError: never',
  ]);
  assert.equal(failures.length, 2);
  for (const { id } of dead) assert.equal(await inbox.deadLetters.discard(id), true);
  assert.equal((await bank.push('a')).status, 202);
  assert.deepEqual(await inbox.counts(), { waiting: 0, dead: 0, oldestWaitingToeSeconds: undefined });
});

test('with SQLite an asynchronous handler is refused, and what it writes later is not', async (t) => {
  const store = await (await sqliteDatabase(t)).open();
  assert.throws(() => createInbox({ store, onNotification: async () => undefined }), /prepare/);
  const late = Promise.withResolvers<unknown>();
  const { inbox, bank, database } = await runningInbox(t, {
    onNotification: ({ jti }, { transaction }) => {
      void database.write(transaction, jti);
      return Promise.resolve().then(() => {
        try {
          late.resolve(database.write(transaction, `${jti}, later`));
        } catch (error) {
          late.resolve(error);
        }
      });
    },
  });
  await bank.push('a');
  await idle(inbox);
  assert.match(String(await late.promise), /not open/);
  assert.deepEqual(await database.lines(), []);
  assert.match((await inbox.deadLetters.list())[0]?.reason ?? '', /must be synchronous/);
});

test('a notification that ends its process each time becomes a dead letter without another attempt', async (t) => {
  const database = await sqliteDatabase(t);
  const store = await database.open();
  const failures: InboxFailure[] = [];
  const inbox = createInbox({
    ...FAST,
    store,
    attemptsMax: 2,
    onNotification: () => assert.fail('it was attempted'),
    onFailure: (failure) => void failures.push(failure),
  });
  await (await pushingBank(inbox)).push('a');
  for (let at = 1; at <= 2; at += 1) {
    const nowMs = Date.now() + at;
    const request = { nowMs, leaseUntilMs: nowMs, lease: `killed ${at}`, limit: 1, order: 'none' } as const;
    assert.equal((await store.claim(request)).length, 1);
  }
  const running = inbox.run();
  await idle(inbox);
  await inbox.stop();
  await running;
  assert.match(String(failures[0]?.cause), /Each of 2 attempts ended without an outcome/);
});

test('stopping finishes what is in progress and begins nothing more', async (t) => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const { inbox, bank, database } = await runningInbox(t, {
    prepare: async () => {
      begun.resolve();
      await finish.promise;
    },
  });
  await bank.push('a');
  await bank.push('b');
  await begun.promise;
  const stopped = inbox.stop();
  finish.resolve();
  await inTime(stopped, 'the inbox to stop');
  assert.deepEqual(await database.lines(), ['a']);
  assert.equal((await inbox.counts()).waiting, 1);
});

test('of one resource the events are handled by toe, also while the first is retried', async (t) => {
  const database = await sqliteDatabase(t);
  const store = await database.open();
  let failures = 2;
  const inbox = createInbox({
    ...FAST,
    store,
    order: 'resource',
    concurrency: 4,
    onNotification: ({ jti }, { transaction }) => {
      failures -= 1;
      if (jti === 'r1' && failures >= 0) throw new Error('not yet');
      void database.write(transaction, jti);
    },
    onFailure: () => undefined,
  });
  const bank = await pushingBank(inbox);
  await bank.push('r3', { resourceId: 'r', toeSeconds: 1_700_000_003 });
  await bank.push('r1', { resourceId: 'r', toeSeconds: 1_700_000_001 });
  await bank.push('r2', { resourceId: 'r', toeSeconds: 1_700_000_002 });
  await bank.push('s1', { resourceId: 's', toeSeconds: 1_700_000_009 });
  const running = inbox.run();
  await idle(inbox);
  await inbox.stop();
  await running;
  const lines = await database.lines();
  assert.deepEqual(
    lines.filter((line) => line.startsWith('r')),
    ['r1', 'r2', 'r3'],
  );
  assert.equal(lines.length, 4);
});

test('three processes on one PostgreSQL handle each notification once', async (t) => {
  const database = await postgresDatabase(t);
  const stores = await Promise.all([database.open(), database.open(), database.open()]);
  const inboxes = stores.map((store) =>
    createInbox({
      ...FAST,
      store,
      concurrency: 2,
      // Not before the others have had a chance to take the same one.
      onNotification: async ({ jti }, { transaction }) => {
        await transaction.query('SELECT 1');
        await database.write(transaction, jti);
      },
    }),
  );
  const running = inboxes.map((inbox) => inbox.run());
  const banks = await Promise.all(inboxes.map(pushingBank));
  const jtis = Array.from({ length: 60 }, (_, at) => `jti-${at}`);
  const pushes = jtis.flatMap((jti) => banks.map((bank) => bank.push(jti)));
  const statuses = (await Promise.all(pushes)).map(({ status }) => status);
  assert.deepEqual(new Set(statuses), new Set([202]));
  for (const inbox of inboxes) await idle(inbox);
  await Promise.all(inboxes.map((inbox) => inbox.stop()));
  await Promise.all(running);
  assert.deepEqual((await database.lines()).sort(), jtis.sort());
});

test('with PostgreSQL a handler that is over its time is given up and rolled back', async (t) => {
  const database = await postgresDatabase(t);
  const store = await database.open();
  const inbox = createInbox({
    ...FAST,
    store,
    timeoutMs: 50,
    attemptsMax: 1,
    onNotification: async ({ jti }, { transaction }) => {
      await database.write(transaction, jti);
      await new Promise(() => undefined);
    },
    onFailure: () => undefined,
  });
  await (await pushingBank(inbox)).push('a');
  const running = inbox.run();
  await idle(inbox);
  await inbox.stop();
  await running;
  assert.match((await inbox.deadLetters.list())[0]?.reason ?? '', /longer than timeoutMs \(50 ms\)/);
  assert.deepEqual(await database.lines(), []);
});

test('without onFailure a failure is printed once for each cause, with its remedy', async (t) => {
  const lines: string[] = [];
  const { inbox, bank } = await runningInbox(t, {
    warn: (line) => void lines.push(line),
    attemptsMax: 3,
    onNotification: () => {
      throw new Error('no such table: payment');
    },
  });
  await bank.push('a');
  await idle(inbox);
  assert.equal(lines.length, 2, lines.join('\n'));
  assert.match(
    lines[0] ?? '',
    /could not be handled, and is attempted again \(handler_failed\).*no such table: payment/,
  );
  assert.match(lines[1] ?? '', /is a dead letter now \(dead_letter\).*redeliver/);
});

test('options out of range and files that cannot be synchronised are refused', async (t) => {
  const store = await (await sqliteDatabase(t)).open();
  const onNotification = () => undefined;
  assert.throws(
    () => createInbox({ store, onNotification, concurrency: 0 }),
    /concurrency must be a whole number from 1/,
  );
  const order = JSON.parse('"toe"');
  assert.throws(() => createInbox({ store, onNotification, order }), /order must be one of none, resource, all/);
  await assert.rejects(openSqliteInboxStore({ file: ':memory:' }), { code: 'unsuitable_database' });
});
