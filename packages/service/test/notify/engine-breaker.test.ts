import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look } from '../store/opened.ts';
import { subscriptionIn, urlOf } from '../support/bank-events.ts';
import { type BenchOptions, engineBench } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

const A = urlOf('a');
const OPTIONS: BenchOptions = {
  breaker: { attemptsMin: 10, failureShare: 0.5, pauseMs: 1000, pauseMaxMs: 60_000 },
  policy: { delayMs: 60_000, delayMaxMs: 60_000, retriesMax: 3, intervalMaxMs: 86_400_000, jitter: 0 },
};

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

test('a dead TPP costs next to nothing: few attempts, then one after each pause, which doubles', async (t) => {
  const bench = engineBench(t, OPTIONS);
  await bench.register('a');
  bench.client.script(A, { unreachable: 'connect' });
  await bench.publish('a', ...numbered('e', 1000));
  await bench.clock.advance(100);
  const atOnce = bench.client.posts.length;
  assert.ok(atOnce >= 10 && atOnce <= 20, `${atOnce} attempts before it opened`);
  await bench.clock.advance(31_000);
  const trials = bench.client.posts.slice(atOnce).map(({ atMs }) => atMs - START_MS);
  assert.deepEqual(
    trials.map((atMs) => Math.round(atMs / 1000)),
    [1, 3, 7, 15, 31],
  );
});

test('opening uses up no retries: what waits meanwhile has had no attempt', async (t) => {
  const bench = engineBench(t, OPTIONS);
  await bench.register('a');
  bench.client.script(A, 500);
  const jtis = await bench.publish('a', ...numbered('e', 100));
  await bench.clock.advance(50_000);
  const attempts = await Promise.all(jtis.map(async (jti) => (await look(bench.store, jti)).attempts.length));
  assert.equal(
    attempts.reduce((sum, count) => sum + count, 0),
    bench.client.posts.length,
  );
  assert.ok(attempts.filter((count) => count === 0).length >= 75);
  assert.equal((await subscriptionIn(bench.store, 'a'))?.unresponsiveSinceMs, undefined);
});

test('trials go to the oldest notification that is due, so that a dead TPP is unresponsive once its retries are used up', async (t) => {
  const policy = { delayMs: 1000, delayMaxMs: 60_000, retriesMax: 2, intervalMaxMs: 86_400_000, jitter: 0 };
  const bench = engineBench(t, { ...OPTIONS, policy });
  await bench.register('a');
  bench.client.script(A, 500);
  const jtis = await bench.publish('a', ...numbered('e', 200));
  await bench.clock.advance(6000);
  const target = await bench.store.target('a');
  assert.ok((target?.unresponsiveSinceMs ?? Number.POSITIVE_INFINITY) <= START_MS + 6000, 'its retries were used up');
  const attempts = await Promise.all(jtis.map(async (jti) => (await look(bench.store, jti)).attempts.length));
  assert.equal(attempts[0], 3);
  assert.ok(attempts.slice(1).every((count) => count <= 2));
  assert.ok(attempts.filter((count) => count === 0).length >= 175, 'the others have used up no retries');
});

test('what is published while it pauses waits behind what is older', async (t) => {
  const policy = { delayMs: 1000, delayMaxMs: 1000, retriesMax: 30, intervalMaxMs: 86_400_000, jitter: 0 };
  const bench = engineBench(t, { ...OPTIONS, policy });
  await bench.register('a');
  bench.client.script(A, 500);
  const [oldest] = await bench.publishThrough('a', ...numbered('e', 50));
  assert.ok(oldest !== undefined);
  const before = bench.client.posts.length;
  for (let at = 0; at < 30; at += 1) {
    await bench.clock.advance(900);
    await bench.publishThrough('a', `later-${at}`);
  }
  const trials = bench.client.posts.length - before;
  assert.ok(trials >= 3);
  assert.equal((await look(bench.store, oldest)).attempts.length, 1 + trials);
});

test('one acknowledgement closes it, and everything goes out', async (t) => {
  const bench = engineBench(t, OPTIONS);
  await bench.register('a');
  bench.client.script(A, 500);
  const jtis = await bench.publish('a', ...numbered('e', 100));
  await bench.clock.advance(10_000);
  bench.client.script(A, 202);
  await bench.clock.advance(61_000);
  for (const jti of jtis) assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});

test('it is each TPP’s own', async (t) => {
  const bench = engineBench(t, OPTIONS);
  await bench.register('a');
  await bench.register('b');
  bench.client.script(A, 500);
  await bench.publish('a', ...numbered('a', 100));
  await bench.publish('b', ...numbered('b', 100));
  assert.equal(bench.client.postsTo(urlOf('b')).length, 100);
});

test('that attempts pause is logged once for each time', async (t) => {
  const bench = engineBench(t, OPTIONS);
  await bench.register('a');
  bench.client.script(A, 500);
  await bench.publish('a', ...numbered('a', 100));
  await bench.clock.advance(40_000);
  assert.equal(bench.log.filter(({ msg }) => /attempts pause/.test(String(msg))).length, 1);
});

test('a TPP that is dead for the whole interval is unresponsive, although the breaker spares each notification', async (t) => {
  const policy = { delayMs: 1000, delayMaxMs: 60_000, retriesMax: 1000, intervalMaxMs: 3_600_000, jitter: 0 };
  const bench = engineBench(t, { ...OPTIONS, policy });
  await bench.register('a');
  bench.client.script(A, { unreachable: 'connect' });
  await bench.publish('a', ...numbered('e', 500));
  await bench.clock.advance(3_000_000);
  assert.equal((await subscriptionIn(bench.store, 'a'))?.unresponsiveSinceMs, undefined);
  await bench.clock.advance(700_000);
  const sinceMs = (await subscriptionIn(bench.store, 'a'))?.unresponsiveSinceMs ?? assert.fail('it is responsive');
  assert.ok(sinceMs >= START_MS + 3_500_000, 'the interval was cut short');
});
