import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite/store.ts';
import { callbackUrlOf, deletionOf, subscriptionIn, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { acknowledge, claim, fail, jtisOf, listen, numbered, POLL, publish, register, retryAt } from './opened.ts';

// A backlog of several portions is withdrawn while other work goes on.

const PORTION = 10;
const BACKLOG = 35;
const LATER_MS = START_MS + 5000;

async function withBacklog(t: TestContext, hasCallbackUrl: boolean) {
  const folder = temporaryFolder();
  const file = join(folder.path, 'tidings.db');
  const open = () => openSqliteStore({ file, portion: PORTION });
  let store = open();
  t.after(async () => {
    await store.close();
    folder.remove();
  });
  await register(store, ['a', 'b']);
  if (hasCallbackUrl) await store.createRegistration(callbackUrlOf('a'), START_MS);
  const jtis = await publish(store, 'a', numbered('e', BACKLOG));
  const reopen = async () => {
    await store.close();
    store = open();
    return store;
  };
  return { store, jtis, reopen, file };
}

const endSubscription = (store: SqliteStore) => store.deleteRegistration(deletionOf(subscriptionOf('a')), LATER_MS);
const ends = {
  'a registration is deleted': { end: endSubscription, hasCallbackUrl: false },
  'an event subscription beside a callback URL is deleted': { end: endSubscription, hasCallbackUrl: true },
  'a TPP is removed': { end: (store: SqliteStore) => store.removeTpp('a', LATER_MS), hasCallbackUrl: true },
} as const;

/** Every notification is withdrawn, and nothing of them goes anywhere. */
async function assertWithdrawn(store: SqliteStore, jtis: readonly string[]): Promise<void> {
  for (const jti of jtis) assert.equal((await store.notification(jti))?.state, 'withdrawn', jti);
}

async function offered(store: SqliteStore): Promise<string[]> {
  const { notifications } = await store.poll({ ...POLL, clientId: 'a', maxEvents: 100 });
  return notifications.map(({ jti }) => jti);
}

for (const [what, { end, hasCallbackUrl }] of Object.entries(ends)) {
  test(`when ${what}, other work goes on before its backlog is withdrawn, and nothing of it is delivered`, async (t) => {
    const { store, jtis } = await withBacklog(t, hasCallbackUrl);
    let isOver = false;
    const ending = end(store).finally(() => {
      isOver = true;
    });
    // Its transaction comes first; portions follow, and between two of them others have their turn.
    for (let turns = 0; turns < 2; turns += 1) {
      await store.putTpp(tppOf('c'), START_MS);
      assert.equal(isOver, false, 'it did not wait for all of it');
      assert.deepEqual(await claim(store, { afterMs: 10_000, limit: 10 }), []);
    }
    assert.deepEqual(await offered(store), []);
    assert.ok(await ending);
    await assertWithdrawn(store, jtis);
    assert.equal((await store.counts()).awaiting, 0);
  });

  test(`when ${what} and the process ends between two portions, the next one finds all of it withdrawn`, async (t) => {
    const { store, jtis, reopen } = await withBacklog(t, hasCallbackUrl);
    void end(store);
    // The deletion is kept, and the first portion waits for its turn.
    await store.putTpp(tppOf('c'), START_MS);
    const [fresh = ''] = hasCallbackUrl && what !== 'a TPP is removed' ? await publish(store, 'a', ['fresh']) : [];
    const again = await reopen();
    assert.equal(await subscriptionIn(again, 'a'), undefined);
    await assertWithdrawn(again, jtis);
    await register(again, ['a']);
    const left = fresh === '' ? [] : [fresh];
    assert.deepEqual(jtisOf(await claim(again, { afterMs: 10_000, limit: 10 })), left);
    assert.deepEqual(await offered(again), left);
  });

  test(`when ${what} and it registers again at once, only what is published from then on is delivered`, async (t) => {
    const { store, jtis } = await withBacklog(t, hasCallbackUrl);
    const told = listen(store);
    const ending = end(store);
    await register(store, ['a']);
    const [fresh = ''] = await publish(store, 'a', ['fresh']);
    assert.deepEqual(await offered(store), [fresh]);
    told();
    await ending;
    assert.ok(told().offered.includes('a'), 'what waited may be claimed now');
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 10_000, limit: 10 })), [fresh]);
    assert.equal((await store.counts()).awaiting, 1);
    await assertWithdrawn(store, jtis);
  });

  test(`when ${what}, whoever holds some of its backlog has no say any more, and an acknowledgement still counts`, async (t) => {
    const { store, jtis } = await withBacklog(t, hasCallbackUrl);
    const claimed = await claim(store);
    const [first, last] = [claimed[0], claimed.at(-1)];
    assert.ok(first && last);
    const ending = end(store);
    await store.putTpp(tppOf('c'), START_MS);
    const acknowledging = acknowledge(store, last);
    assert.equal(await fail(store, first, retryAt(0)), 'overtaken');
    assert.equal(await acknowledging, 'applied');
    await ending;
    assert.equal((await store.notification(last.jti))?.state, 'acknowledged');
    await assertWithdrawn(store, jtis.slice(0, -1));
  });
}

test('a backlog that is being withdrawn is not redelivered to the callback URL that is left', async (t) => {
  const { store, jtis } = await withBacklog(t, true);
  const ending = endSubscription(store);
  await store.putTpp(tppOf('c'), START_MS);
  const audit = { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} };
  const options = { after: undefined, limit: 100, firstDueAtMs: START_MS, spacingMs: 0, isDryRun: false };
  assert.equal((await store.redeliver({ filter: { clientId: 'a' }, ...options, audit })).count, 0);
  await ending;
  await assertWithdrawn(store, jtis);
});

test('a second deletion while the backlog of the first is withdrawn withdraws what was published in between', async (t) => {
  const { store, jtis } = await withBacklog(t, true);
  const ending = endSubscription(store);
  const [between = ''] = await publish(store, 'a', ['between']);
  const removing = store.removeTpp('a', LATER_MS);
  await Promise.all([ending, removing]);
  await assertWithdrawn(store, [...jtis, between]);
  assert.equal((await store.counts()).awaiting, 0);
});

test('what the database refused to withdraw is withdrawn when it takes it again, and nothing is delivered before', async (t) => {
  const { store, jtis } = await withBacklog(t, true);
  const { exec, prepare } = DatabaseSync.prototype;
  let isFull = false;
  t.mock.method(DatabaseSync.prototype, 'exec', function execUnlessFull(this: DatabaseSync, sql: string) {
    if (isFull && sql === 'COMMIT') prepare.call(this, 'INSERT INTO opening VALUES (1, 0)').run();
    exec.call(this, sql);
  });
  const ending = endSubscription(store);
  await store.putTpp(tppOf('c'), START_MS);
  isFull = true;
  await ending;
  assert.notEqual((await store.counts()).awaiting, 0);
  assert.deepEqual(await claim(store, { afterMs: 10_000 }), []);
  isFull = false;
  const [fresh = ''] = await publish(store, 'a', ['fresh']);
  await claim(store, { afterMs: 10_000 });
  // One turn for each portion.
  for (let turns = 0; turns <= BACKLOG / PORTION + 1; turns += 1) await store.putTpp(tppOf('c'), START_MS);
  assert.deepEqual(jtisOf(await claim(store, { afterMs: 10_000 })), [fresh]);
  await assertWithdrawn(store, jtis);
});
