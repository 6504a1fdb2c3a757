import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { claim, jtisOf, numbered, POLL, publish, register } from './opened.ts';

// A backlog of several portions is withdrawn while other work goes on.

const BACKLOG = 3500;
const LATER_MS = START_MS + 5000;

async function withBacklog(t: TestContext) {
  const folder = temporaryFolder();
  const file = join(folder.path, 'tidings.db');
  let store = openSqliteStore({ file });
  t.after(async () => {
    await store.close();
    folder.remove();
  });
  await register(store, ['a', 'b']);
  const jtis = await publish(store, 'a', numbered('e', BACKLOG));
  const reopen = async () => {
    await store.close();
    store = openSqliteStore({ file });
    return store;
  };
  return { store, jtis, reopen };
}

const ends = {
  'a registration is deleted': (store: SqliteStore) => {
    const { eventSubscriptionId: id, apiVersion } = subscriptionOf('a');
    return store.deleteSubscription('a', id, apiVersion, LATER_MS);
  },
  'a TPP is removed': (store: SqliteStore) => store.removeTpp('a', LATER_MS),
} as const;

/** Every notification is withdrawn, and nothing of them goes anywhere. */
async function assertWithdrawn(store: SqliteStore, jtis: readonly string[]): Promise<void> {
  for (const jti of [...jtis.slice(0, 5), ...jtis.slice(-5)]) {
    const record = await store.notification(jti);
    assert.equal(record?.state, 'withdrawn');
  }
  assert.equal((await store.counts()).awaiting, 0);
}

for (const [what, end] of Object.entries(ends)) {
  test(`when ${what}, other work goes on before its backlog is withdrawn, and nothing of it is delivered`, async (t) => {
    const { store, jtis } = await withBacklog(t);
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
    assert.ok(await ending);
    await assertWithdrawn(store, jtis);
  });

  test(`when ${what} and the process ends between two portions, the next one finds all of it withdrawn`, async (t) => {
    const { store, jtis, reopen } = await withBacklog(t);
    void end(store);
    // The deletion is kept, and the first portion waits for its turn.
    await store.putTpp(tppOf('c'), START_MS);
    const again = await reopen();
    assert.equal(await again.subscriptionOf('a'), undefined);
    await assertWithdrawn(again, jtis);
    await register(again, ['a']);
    assert.deepEqual(jtisOf(await claim(again, { afterMs: 10_000, limit: 10 })), []);
    const polled = await again.poll({ ...POLL, clientId: 'a', maxEvents: 10 });
    assert.deepEqual(polled.notifications, []);
  });

  test(`when ${what} and it registers again at once, only what is published from then on is delivered`, async (t) => {
    const { store, jtis } = await withBacklog(t);
    const ending = end(store);
    await register(store, ['a']);
    const [fresh = ''] = await publish(store, 'a', ['fresh']);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 10_000, limit: 10 })), [fresh]);
    const polled = await store.poll({ ...POLL, clientId: 'a', maxEvents: 10 });
    assert.deepEqual(
      polled.notifications.map(({ jti }) => jti),
      [fresh],
    );
    await ending;
    assert.equal((await store.counts()).awaiting, 1);
    assert.equal((await store.notification(jtis.at(-1) ?? ''))?.state, 'withdrawn');
  });
}

test('a callback URL that holds after an event subscription is deleted gets none of its backlog', async (t) => {
  const { store, jtis } = await withBacklog(t);
  const url = 'https://a.example/open-banking/v4.0/event-notifications';
  await store.createCallbackUrl(
    { callbackUrlId: 'u', clientId: 'a', apiVersion: 'v4.0', url, version: '4.0' },
    START_MS,
  );
  const ending = ends['a registration is deleted'](store);
  await store.putTpp(tppOf('c'), START_MS);
  assert.deepEqual(await claim(store, { afterMs: 10_000, limit: 10 }), []);
  await ending;
  await assertWithdrawn(store, jtis);
});
