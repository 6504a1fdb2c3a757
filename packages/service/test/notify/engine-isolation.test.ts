import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look } from '../store/opened.ts';
import { urlOf } from '../support/bank-events.ts';
import { engineBench } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

test('TPPs that hang leave a place for one that does not', async (t) => {
  const bench = engineBench(t, { concurrencyMax: 32, concurrencyPerTppMax: 8, queueMax: 128, queuePerTppMax: 16 });
  const hanging = numbered('hangs', 10);
  for (const clientId of hanging) {
    await bench.register(clientId);
    bench.client.script(urlOf(clientId), 'hang');
    await bench.publish(clientId, ...numbered(`${clientId}-`, 100));
  }
  await bench.register('healthy');
  await bench.clock.advance(10);
  const jtis = await bench.publish('healthy', ...numbered('h', 30));
  for (const jti of jtis) assert.equal((await look(bench.store, jti)).acknowledgedAtMs, START_MS + 10);
});

test('what is claimed stays within the bounds, whatever the backlog', async (t) => {
  let claimed = 0;
  let claimedMax = 0;
  const bench = engineBench(t, {
    ...{ concurrencyMax: 8, concurrencyPerTppMax: 2, queueMax: 20, queuePerTppMax: 5 },
    around: (store) => ({
      ...store,
      claimDue: async (options) => {
        const claim = await store.claimDue(options);
        claimed += claim.claimed.length;
        claimedMax = Math.max(claimedMax, claimed);
        return claim;
      },
      recordAttempts: (records, nowMs) => {
        claimed -= records.length;
        return store.recordAttempts(records, nowMs);
      },
    }),
  });
  const clientIds = numbered('tpp', 10);
  for (const clientId of clientIds) {
    await bench.register(clientId);
    await bench.store.publish([], () => assert.fail('nothing to decide'), START_MS);
  }
  for (const clientId of clientIds) await bench.publish(clientId, ...numbered(`${clientId}-`, 50));
  await bench.clock.advance(1000);
  assert.equal(bench.client.posts.length, 500);
  assert.ok(claimedMax <= 28, `${claimedMax} were claimed at once`);
});

test('first attempts do not wait behind the retries of their own TPP', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 1, queuePerTppMax: 1 });
  const A = urlOf('a');
  await bench.register('a');
  bench.client.script(A, ...Array.from({ length: 50 }, () => 500), 202);
  await bench.publish('a', ...numbered('retried', 50));
  bench.client.script(A, 'hang');
  await bench.clock.advance(1500);
  const [fresh = ''] = await bench.publish('a', 'fresh');
  // One retry is under way and one may be queued; the other 48 are due too.
  bench.client.answerOne(A, 202);
  await bench.quiet.settle();
  bench.client.answerOne(A, 202);
  await bench.quiet.settle();
  bench.client.answerOne(A, 202);
  await bench.quiet.settle();
  assert.equal((await look(bench.store, fresh)).state, 'acknowledged');
});

test('what is handed over at publishing is not claimed again, and goes out at once', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  await bench.quiet.settle();
  const before = bench.quiet.calls('claimDue');
  const [jti = ''] = await bench.publishThrough('a', 'e1');
  assert.equal((await look(bench.store, jti)).acknowledgedAtMs, START_MS);
  assert.equal(bench.quiet.calls('claimDue'), before);
});

test('what a publisher could not hand over follows by itself', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 2, queuePerTppMax: 4, queueMax: 8 });
  await bench.register('a');
  await bench.register('b');
  const jtis = [
    ...(await bench.publishThrough('a', ...numbered('a', 100))),
    ...(await bench.publishThrough('b', ...numbered('b', 100))),
  ];
  await bench.clock.advance(100);
  for (const jti of jtis) assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});
