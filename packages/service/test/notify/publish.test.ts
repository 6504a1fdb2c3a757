import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { createPublisher } from '../../src/notify/publish.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';
import { look, register } from '../store/opened.ts';
import { bankEvent, ISSUER } from '../support/bank-events.ts';
import { countingRandom } from '../support/engine-bench.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** A publisher on a store with TPP a registered, which counts how often it says that something was published. */
async function setUp(t: TestContext) {
  const folder = temporaryFolder();
  const store: Store = openSqliteStore({ file: join(folder.path, 'tidings.db'), nowMs: START_MS });
  t.after(async () => {
    await store.close();
    folder.remove();
  });
  await register(store, ['a']);
  let told = 0;
  const publish = createPublisher({
    store,
    issuer: ISSUER,
    catalogue: new EventTypeCatalogue(),
    clock: new FakeClock(),
    random: countingRandom(),
    onPublished: () => {
      told += 1;
    },
  });
  return { store, publish, told: () => told };
}

test('what is published is in the store when the promise resolves, and the engine is told once a batch', async (t) => {
  const { store, publish, told } = await setUp(t);
  const result = await publish([bankEvent('a', 'e1'), bankEvent('nobody', 'e2'), bankEvent('a', 'e3')]);
  assert.ok(result.kind === 'published');
  const [first, none, third] = result.outcomes;
  assert.deepEqual(none, { eventId: 'e2', repeated: false, kind: 'none', reason: 'unknown-client' });
  assert.ok(first?.kind === 'notification' && third?.kind === 'notification');
  assert.notEqual(first.jti, third.jti);
  const { claims, publishedAtMs } = await look(store, first.jti);
  assert.deepEqual([claims.jti, claims.iss, publishedAtMs], [first.jti, ISSUER, START_MS]);
  assert.equal(told(), 1);
});

test('the engine is not told of repetitions, conflicts, and events that made no notification', async (t) => {
  const { publish, told } = await setUp(t);
  const event = bankEvent('a', 'e1');
  const first = await publish([event]);
  const again = await publish([event]);
  assert.ok(first.kind === 'published' && again.kind === 'published');
  assert.deepEqual(again.outcomes, [{ ...first.outcomes[0], repeated: true }]);
  assert.equal((await publish([bankEvent('a', 'e1', { transactionId: 'other' })])).kind, 'conflict');
  await publish([bankEvent('nobody', 'e2')]);
  await publish([]);
  assert.equal(told(), 1);
});
