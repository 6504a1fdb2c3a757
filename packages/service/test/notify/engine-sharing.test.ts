import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look } from '../store/opened.ts';
import { urlOf } from '../support/bank-events.ts';
import { engineBench } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

const A = urlOf('a');
const B = urlOf('b');

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

test('no TPP has more attempts under way than its cap, and the next begins when one ends', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 3 });
  await bench.register('a');
  bench.client.script(A, 'hang');
  await bench.publish('a', ...numbered('e', 10));
  assert.equal(bench.client.hanging(A), 3);
  bench.client.answerOne(A, 202);
  await bench.quiet.settle();
  assert.deepEqual([bench.client.hanging(A), bench.client.posts.length], [3, 4]);
  for (let left = 9; left > 0; left -= 1) {
    bench.client.answerOne(A, 202);
    await bench.quiet.settle();
  }
  assert.deepEqual([bench.client.hanging(A), bench.client.posts.length], [0, 10]);
  assert.equal(bench.client.underWayMax, 3);
});

test('no more attempts are under way than the cap over all TPPs', async (t) => {
  const bench = engineBench(t, { concurrencyMax: 6, concurrencyPerTppMax: 2 });
  const clientIds = numbered('tpp', 8);
  for (const clientId of clientIds) {
    await bench.register(clientId);
    bench.client.script(urlOf(clientId), 'hang');
    await bench.publish(clientId, ...numbered(`${clientId}-`, 4));
  }
  assert.equal(bench.client.hanging(), 6);
  for (let left = 32; left > 0; left -= 1) {
    const url = clientIds.map(urlOf).find((one) => bench.client.hanging(one) > 0);
    bench.client.answerOne(url ?? assert.fail('nothing is under way'), 202);
    await bench.quiet.settle();
  }
  assert.equal(bench.client.posts.length, 32);
  assert.equal(bench.client.underWayMax, 6);
  assert.ok([...bench.client.underWayMaxOf.values()].every((most) => most <= 2));
});

test('a TPP that hangs does not delay the delivery to another', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 2 });
  await bench.register('a');
  await bench.register('b');
  bench.client.script(A, 'hang');
  await bench.publish('a', ...numbered('a', 500));
  await bench.clock.advance(10);
  const jtis = await bench.publish('b', ...numbered('b', 20));
  assert.equal(bench.client.hanging(A), 2);
  for (const jti of jtis) assert.equal((await look(bench.store, jti)).acknowledgedAtMs, START_MS + 10);
});

test('while one TPP has no capacity, the retry of another still comes on time', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 1 });
  await bench.register('a');
  await bench.register('b');
  bench.client.script(A, 'hang');
  bench.client.script(B, 500, 202);
  await bench.publish('b', 'of-b');
  await bench.publish('a', 'a1', 'a2', 'a3');
  await bench.clock.advance(5000);
  assert.deepEqual(
    bench.client.postsTo(B).map(({ atMs }) => atMs - START_MS),
    [0, 1000],
  );
});

test('an engine with nothing to do asks the store once and sets no alarm', async (t) => {
  const bench = engineBench(t);
  bench.engine.wake();
  await bench.clock.advance(86_400_000);
  assert.equal(bench.quiet.calls('claimDue'), 1);
  assert.equal(bench.clock.timers, 0);
});

test('an engine that waits for a retry, or for a TPP that hangs, does not loop', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 1, policy: { ...POLICY, delayMs: 30_000 } });
  await bench.register('a');
  await bench.register('b');
  bench.client.script(A, 'hang');
  bench.client.script(B, 500);
  await bench.publish('a', ...numbered('a', 10));
  await bench.publish('b', 'of-b');
  const before = bench.quiet.calls('claimDue');
  assert.ok(before < 10, `${before} claims so far`);
  await bench.clock.advance(29_000);
  assert.equal(bench.quiet.calls('claimDue'), before);
  assert.ok(bench.clock.timers <= 1);
});

test('an engine that has no capacity left does not loop, however much is due', async (t) => {
  const bench = engineBench(t, { concurrencyMax: 2, concurrencyPerTppMax: 2 });
  await bench.register('a');
  await bench.register('b');
  bench.client.script(A, 'hang');
  await bench.publish('a', ...numbered('a', 10));
  await bench.publish('b', ...numbered('b', 10));
  const before = bench.quiet.calls('claimDue');
  await bench.clock.advance(30_000);
  assert.equal(bench.quiet.calls('claimDue'), before);
  assert.equal(bench.client.hanging(), 2);
  assert.ok(bench.clock.timers <= 1);
});

test('many wakes at once cost few claims', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  for (let wakes = 0; wakes < 1000; wakes += 1) bench.engine.wake();
  await bench.quiet.settle();
  assert.ok(bench.quiet.calls('claimDue') <= 3);
});

const POLICY = { delayMs: 1000, delayMaxMs: 60_000, retriesMax: 3, intervalMaxMs: 3_600_000, jitter: 0 };
