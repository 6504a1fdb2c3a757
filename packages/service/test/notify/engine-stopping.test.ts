import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JwsSigner } from '@tidings/protocol';
import { inTime } from '@tidings/testing';
import type { Claim } from '../../src/store/delivery.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { look } from '../store/opened.ts';
import { urlOf } from '../support/bank-events.ts';
import { engineBench, SIGNER } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

const A = urlOf('a');
const GRACE_MS = 5000;

/** A store of which some operations fail as long as `broken` says so. */
function breakable(broken: Set<keyof Store>): (store: Store) => Store {
  return (store) =>
    new Proxy(store, {
      get: (target, name) => {
        if (!broken.has(name as keyof Store)) return Reflect.get(target, name);
        return () => Promise.reject(new StoreError('the disk is full'));
      },
    });
}

test('after a restart the engine goes on: with what waited for a retry, and with what was never attempted', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 500, 202);
  const [retried = ''] = await bench.publish('a', 'e1');
  await inTime(bench.engine.stop(GRACE_MS), 'the engine to stop');
  const [fresh = ''] = await bench.publish('a', 'e2');
  assert.equal(bench.client.posts.length, 1);
  const again = await bench.restart();
  again.engine.wake();
  await again.clock.advance(0);
  assert.equal((await look(again.store, fresh)).state, 'acknowledged');
  assert.equal((await look(again.store, retried)).state, 'awaiting');
  await again.clock.advance(1000);
  assert.equal((await look(again.store, retried)).state, 'acknowledged');
  const bodies = bench.client.posts.map(({ body }) => body);
  assert.equal(bodies[0], bodies[2], 'the SET of before the restart goes out again');
});

test('stop lets what is under way finish, and counts it', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 'hang');
  const [jti = ''] = await bench.publish('a', 'e1');
  const stopped = bench.engine.stop(GRACE_MS);
  await bench.clock.advance(GRACE_MS - 1);
  assert.equal(bench.client.hanging(), 1);
  bench.client.answerOne(A, 202);
  await inTime(stopped, 'the engine to stop');
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
  assert.equal(bench.clock.timers, 0);
});

test('after the grace what is under way is cut off and handed back, without counting as an attempt', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  bench.client.script(A, 'hang');
  const [jti = ''] = await bench.publish('a', 'e1');
  const stopped = bench.engine.stop(GRACE_MS);
  await bench.clock.advance(GRACE_MS);
  await inTime(stopped, 'the engine to stop');
  const record = await look(bench.store, jti);
  assert.deepEqual([record.state, record.attempts.length, record.nextAttemptAtMs], ['awaiting', 0, START_MS]);
  bench.client.script(A, 202);
  const again = await bench.restart();
  again.engine.wake();
  await again.quiet.settle();
  assert.equal((await look(again.store, jti)).state, 'acknowledged');
});

test('a stopped engine takes no more work: not when woken, not when a retry falls due, not when one ends', async (t) => {
  const bench = engineBench(t, { concurrencyPerTppMax: 1 });
  await bench.register('a');
  await bench.register('b');
  bench.client.script(A, 'hang');
  bench.client.script(urlOf('b'), 500);
  await bench.publish('b', 'of-b');
  await bench.publish('a', 'e1', 'e2');
  const stopped = bench.engine.stop(GRACE_MS);
  const before = bench.client.posts.length;
  bench.engine.wake();
  bench.client.answerOne(A, 202);
  await bench.clock.advance(60_000);
  await inTime(stopped, 'the engine to stop');
  assert.equal(bench.client.posts.length, before);
  assert.equal(bench.clock.timers, 0);
});

test('what is claimed while the engine is stopping is handed back', async (t) => {
  const claims: Claim[] = [];
  const held = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const around = (store: Store): Store => ({
    ...store,
    claimDue: async (options) => {
      const claim = await store.claimDue(options);
      claims.push(claim);
      if (claim.claimed.length === 0) return claim;
      asked.resolve();
      await held.promise;
      return claim;
    },
  });
  const bench = engineBench(t, { around });
  await bench.register('a');
  const published = bench.publish('a', 'e1');
  await inTime(asked.promise, 'a claim');
  const stopped = bench.engine.stop(GRACE_MS);
  held.resolve();
  await inTime(stopped, 'the engine to stop');
  const [jti = ''] = await published;
  assert.deepEqual(
    claims.flatMap(({ claimed }) => claimed.map((one) => one.jti)),
    [jti],
  );
  assert.deepEqual([bench.client.posts.length, (await look(bench.store, jti)).nextAttemptAtMs], [0, START_MS]);
});

test('stop waits for every attempt, also where a lease ran out and two at one notification are under way', async (t) => {
  const bench = engineBench(t, { leaseMs: 1000, timeoutMs: 100 });
  await bench.register('a');
  bench.client.script(A, 'hang');
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(1000);
  assert.equal(bench.client.hanging(), 2);
  bench.client.answerOne(A, 500);
  await bench.quiet.settle();
  let hasStopped = false;
  const stopped = bench.engine.stop(GRACE_MS).then(() => {
    hasStopped = true;
  });
  await bench.quiet.settle();
  assert.equal(hasStopped, false);
  bench.client.answerOne(A, 202);
  await inTime(stopped, 'the engine to stop');
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});

test('an idle engine stops at once', async (t) => {
  const bench = engineBench(t);
  await inTime(bench.engine.stop(GRACE_MS), 'the engine to stop');
  assert.equal(bench.clock.timers, 0);
});

test('a store whose claims fail is left alone for a second, then asked again, and it is said once', async (t) => {
  const broken = new Set<keyof Store>(['claimDue']);
  const bench = engineBench(t, { around: breakable(broken) });
  await bench.register('a');
  const [jti = ''] = await bench.publish('a', 'e1');
  const before = bench.quiet.calls('claimDue');
  await bench.clock.advance(999);
  assert.equal(bench.quiet.calls('claimDue'), before);
  await bench.clock.advance(1001);
  assert.equal(bench.quiet.calls('claimDue'), before + 2);
  broken.clear();
  await bench.clock.advance(1000);
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
  assert.equal(bench.log.filter(({ msg }) => /store is unavailable/.test(String(msg))).length, 1);
  await bench.publish('a', 'e2');
  assert.equal(bench.client.posts.length, 2);
});

test('a SET that cannot be kept is not sent; it is kept and sent when the store is back', async (t) => {
  const broken = new Set<keyof Store>(['keepSets']);
  const bench = engineBench(t, { around: breakable(broken) });
  await bench.register('a');
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(5000);
  assert.equal(bench.client.posts.length, 0);
  broken.clear();
  await bench.clock.advance(1000);
  assert.equal(bench.client.posts.length, 1);
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});

test('a notification whose lease ran out while the store was away is not sent under it', async (t) => {
  const broken = new Set<keyof Store>(['keepSets']);
  const bench = engineBench(t, { around: breakable(broken), leaseMs: 20_000 });
  await bench.register('a');
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(15_000);
  broken.clear();
  await bench.clock.advance(10_000);
  assert.equal(bench.client.posts.length, 1);
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});

test('an acknowledgement that could not be recorded is recorded when the store is back, and nothing is sent twice', async (t) => {
  const broken = new Set<keyof Store>(['recordAttempts', 'claimDue']);
  const bench = engineBench(t, { around: breakable(broken), leaseMs: 20_000 });
  await bench.register('a');
  broken.delete('claimDue');
  const [jti = ''] = await bench.publish('a', 'e1');
  broken.add('claimDue');
  await bench.clock.advance(60_000);
  assert.equal((await look(bench.store, jti)).state, 'awaiting');
  broken.delete('recordAttempts');
  await bench.clock.advance(1000);
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
  broken.clear();
  await bench.clock.advance(60_000);
  assert.equal(bench.client.posts.length, 1);
});

test('an engine that is told to stop while the store is away stops when the grace is over', async (t) => {
  const broken = new Set<keyof Store>(['recordAttempts']);
  const bench = engineBench(t, { around: breakable(broken) });
  await bench.register('a');
  const [jti = ''] = await bench.publish('a', 'e1');
  const stopped = bench.engine.stop(GRACE_MS);
  await bench.clock.advance(GRACE_MS);
  await inTime(stopped, 'the engine to stop');
  assert.equal(bench.clock.timers, 0);
  broken.clear();
  const again = await bench.restart();
  again.engine.wake();
  await again.quiet.settle();
  assert.equal((await look(again.store, jti)).state, 'acknowledged');
  const bodies = bench.client.posts.map(({ body }) => body);
  assert.deepEqual([bodies.length, new Set(bodies).size], [2, 1]);
});

test('a signer that fails does not stop the engine', async (t) => {
  const failing = { kid: 'k', iss: 'i', tan: 't', sign: () => Promise.reject(new Error('the key is gone')) };
  const bench = engineBench(t, { signer: failing, leaseMs: 20_000 });
  await bench.register('a');
  const [jti = ''] = await bench.publish('a', 'e1');
  await bench.clock.advance(20_000);
  assert.equal((await look(bench.store, jti)).state, 'awaiting');
  assert.equal(bench.client.posts.length, 0);
  assert.equal(bench.log.filter(({ msg }) => /work on notifications failed/.test(String(msg))).length, 2);
});

test('what was handed over and could not be signed is tried again when its lease has run out, with nothing else to wake the engine', async (t) => {
  let isBroken = true;
  const around = (signer: JwsSigner): JwsSigner => ({
    ...signer,
    sign: (input) => (isBroken ? Promise.reject(new Error('the key is gone')) : signer.sign(input)),
  });
  const bench = engineBench(t, { signer: around(SIGNER), leaseMs: 20_000, queueMax: 1 });
  await bench.register('a');
  const [jti = ''] = await bench.publishThrough('a', 'e1');
  assert.equal(bench.client.posts.length, 0);
  isBroken = false;
  await bench.clock.advance(20_000);
  assert.equal((await look(bench.store, jti)).state, 'acknowledged');
});
