import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look } from '../store/opened.ts';
import { subscriptionIn, urlOf } from '../support/bank-events.ts';
import { type EngineBench, engineBench } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

const A = urlOf('a');
const MINUTE_MS = 60_000;
const POLICY = { delayMs: 1000, delayMaxMs: 60_000, retriesMax: 3, intervalMaxMs: 3_600_000, jitter: 0 };

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

function sentAt(bench: EngineBench, url = A): number[] {
  return bench.client.postsTo(url).map(({ atMs }) => atMs - START_MS);
}

async function unresponsiveSince(bench: EngineBench): Promise<number | undefined> {
  const sinceMs = (await subscriptionIn(bench.store, 'a'))?.unresponsiveSinceMs;
  return sinceMs && sinceMs - START_MS;
}

/** TPP a has refused e1 and e2 until its callback URL was unresponsive, at 7 s. */
async function unresponsive(t: Parameters<typeof engineBench>[0]) {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 500);
  const jtis = await bench.publish('a', 'e1', 'e2');
  await bench.clock.advance(7000);
  assert.equal(await unresponsiveSince(bench), 7000);
  return { bench, jtis, attempts: bench.client.posts.length };
}

test('past the last retry attempts cease for all of the callback URL, which is logged; everything stays awaiting', async (t) => {
  const { bench, jtis, attempts } = await unresponsive(t);
  const later = await bench.publish('a', 'e3');
  await bench.clock.advance(30_000);
  assert.equal(bench.client.posts.length, attempts);
  for (const jti of [...jtis, ...later]) {
    const { state, nextAttemptAtMs } = await look(bench.store, jti);
    assert.deepEqual([state, nextAttemptAtMs], ['awaiting', undefined]);
  }
  assert.equal(bench.log.filter(({ level, msg }) => level === 50 && /is unresponsive/.test(String(msg))).length, 1);
});

test('it is probed with the oldest that is awaiting, at intervals that double', async (t) => {
  const { bench, jtis, attempts } = await unresponsive(t);
  await bench.clock.advance(16 * MINUTE_MS);
  const probes = bench.client.posts.slice(attempts);
  assert.deepEqual(
    probes.map(({ atMs }) => atMs - START_MS - 7000),
    [1, 3, 7, 15].map((minutes) => minutes * MINUTE_MS),
  );
  const oldest = (await look(bench.store, jtis[0] ?? '')).set;
  assert.deepEqual(new Set(probes.map(({ body }) => body)), new Set([oldest]));
  assert.equal(await unresponsiveSince(bench), 7000);
});

test('a probe that is acknowledged makes it recover: what is awaiting is sent, oldest first', async (t) => {
  const { bench, jtis, attempts } = await unresponsive(t);
  const later = await bench.publish('a', 'e3', 'e4');
  bench.client.script(A, 202);
  await bench.clock.advance(2 * MINUTE_MS);
  assert.equal(await unresponsiveSince(bench), undefined);
  const sent = bench.client.posts.slice(attempts).map(({ body }) => body);
  const wanted = await Promise.all([...jtis, ...later].map(async (jti) => (await look(bench.store, jti)).set));
  assert.deepEqual(sent, wanted);
  assert.ok(bench.log.some(({ msg }) => /responsive again/.test(String(msg))));
});

test('what is awaiting is sent at a rate that ramps up, and what is published meanwhile does not overtake it', async (t) => {
  const { bench, attempts } = await unresponsive(t);
  await bench.publish('a', ...numbered('backlog', 200));
  bench.client.script(A, 202);
  await bench.clock.advance(MINUTE_MS);
  const recoveredAtMs = sentAt(bench)[attempts] ?? 0;
  await bench.clock.advance(MINUTE_MS);
  const since = sentAt(bench)
    .slice(attempts)
    .map((atMs) => atMs - recoveredAtMs);
  assert.equal(since.length, 202);
  const within = (fromMs: number, beforeMs: number) => since.filter((at) => at >= fromMs && at < beforeMs).length;
  // 5 a second at first, doubling every 5 s: its integral over 5 s is 25/ln 2 = 36.
  assert.ok(Math.abs(within(0, 5000) - 37) <= 2, `${within(0, 5000)} in the first five seconds`);
  assert.ok(Math.abs(within(5000, 10_000) - 72) <= 2, `${within(5000, 10_000)} in the next five`);
});

test('410 makes a callback URL unresponsive at once', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 410);
  await bench.publish('a', 'e1');
  assert.equal(await unresponsiveSince(bench), 0);
});

test('a replaced registration makes it recover with a whole round, and the operator can', async (t) => {
  const { bench, attempts } = await unresponsive(t);
  const subscription = (await subscriptionIn(bench.store, 'a')) ?? assert.fail('there is none');
  await bench.store.replaceRegistration(subscription, bench.clock.nowMs());
  await bench.clock.advance(5000);
  assert.equal(bench.client.posts.length, attempts + 2 * 3);
  await bench.clock.advance(3000);
  assert.ok((await unresponsiveSince(bench)) !== undefined);
  bench.client.script(A, 202);
  const audit = { atMs: 0, actor: 'op', action: 'callback-url-responsive', subject: 'a', detail: {} };
  assert.equal(await bench.store.recover('a', 'responsive', bench.clock.nowMs(), audit), true);
  await bench.clock.advance(1000);
  assert.equal(await unresponsiveSince(bench), undefined);
  assert.equal((await bench.store.counts()).awaiting, 0);
});

test('what ceases by the counts of the round before is sent again at once, in the new one', async (t) => {
  const bench = engineBench(t, { policy: { ...POLICY, retriesMax: 0 } });
  await bench.register('a');
  bench.client.script(A, 'hang');
  await bench.publish('a', 'e1');
  const subscription = (await subscriptionIn(bench.store, 'a')) ?? assert.fail('there is none');
  await bench.clock.advance(500);
  await bench.store.replaceRegistration(subscription, bench.clock.nowMs());
  await bench.clock.advance(500);
  bench.client.answerOne(A, 500);
  await bench.clock.advance(5);
  assert.deepEqual(sentAt(bench), [0, 1005]);
  assert.equal(await unresponsiveSince(bench), undefined);
  assert.ok(bench.log.some(({ msg }) => /became unresponsive or recovered/.test(String(msg))));
  bench.client.answerOne(A, 500);
  await bench.quiet.settle();
  assert.equal(await unresponsiveSince(bench), 1005);
});

test('a TPP with a retry policy of its own is judged by it', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  const tpp = (await bench.store.tpp('a')) ?? assert.fail('there is none');
  await bench.store.putTpp({ ...tpp, retry: { retriesMax: 1, delayMs: 300 } }, START_MS);
  bench.client.script(A, 500);
  await bench.publish('a', 'e1');
  await bench.clock.advance(10_000);
  assert.deepEqual(sentAt(bench), [0, 300]);
  assert.equal(await unresponsiveSince(bench), 300);
});

test('a suspended TPP is sent nothing, not even what was queued for it, and all of it when it is resumed', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 1 });
  await bench.register('a');
  bench.client.script(A, 'hang');
  const jtis = await bench.publish('a', 'e1', 'e2', 'e3');
  const tpp = (await bench.store.tpp('a')) ?? assert.fail('there is none');
  await bench.store.putTpp({ ...tpp, isSuspended: true }, bench.clock.nowMs());
  bench.client.answerOne(A, 202);
  await bench.clock.advance(100_000);
  assert.equal(bench.client.posts.length, 1);
  bench.client.script(A, 202);
  await bench.store.putTpp(tpp, bench.clock.nowMs());
  await bench.clock.advance(1000);
  assert.equal(bench.client.posts.length, 3);
  for (const jti of jtis) assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});
