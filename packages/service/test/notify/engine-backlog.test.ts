import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JwsSigner } from '@tidings/protocol';
import { Deadline, inTime, until } from '@tidings/testing';
import { type Store, StoreError } from '../../src/store/store.ts';
import { numbered } from '../store/opened.ts';
import { bankEvent, notifyAll, subscriptionOf, urlOf } from '../support/bank-events.ts';
import { type EngineBench, engineBench, SIGNER } from '../support/engine-bench.ts';
import { START_MS } from '../support/fake-clock.ts';

const A = urlOf('a');

/** Answers what hangs at the callback URLs of TPPs until nothing does. No time passes. */
async function answerAll(bench: EngineBench, clientIds: readonly string[]): Promise<void> {
  const deadline = new Deadline();
  while (clientIds.some((clientId) => bench.client.hanging(urlOf(clientId)) > 0)) {
    deadline.check(() => `the last attempt: ${bench.client.posts.length} were made`);
    for (const clientId of clientIds) bench.client.answerOne(urlOf(clientId), 202);
    await bench.quiet.settle();
  }
}

/** Registers TPPs whose callback URLs answer only when they are told to. */
async function registerHanging(bench: EngineBench, clientIds: readonly string[]): Promise<void> {
  for (const clientId of clientIds) {
    await bench.register(clientId);
    bench.client.script(urlOf(clientId), 'hang');
  }
  await bench.quiet.settle();
}

test('what publishing left in the store is not forgotten when a claim answers that was asked before', async (t) => {
  const held = Promise.withResolvers<void>();
  const claimed = Promise.withResolvers<void>();
  let isHeld = false;
  const around = (store: Store): Store => ({
    ...store,
    claimDue: async (options) => {
      const claim = await store.claimDue(options);
      if (!isHeld) return claim;
      isHeld = false;
      claimed.resolve();
      await held.promise;
      return claim;
    },
  });
  const bench = engineBench(t, { around, concurrencyPerTppMax: 4 });
  await registerHanging(bench, ['a']);
  await bench.publishThrough('a', 'e1', 'e2');
  isHeld = true;
  // There is capacity for two, and one is due: the claim has all there is.
  const published = bench.publish('a', 'e3');
  await inTime(claimed.promise, 'a claim');
  // Two are handed over, which is all that there is capacity for, and one is left.
  const through = bench.publishThrough('a', 'e4', 'e5', 'e6');
  await until(() => bench.client.posts.length === 4, 'what is handed over to be sent');
  held.resolve();
  await Promise.all([published, through]);
  await answerAll(bench, ['a']);
  assert.equal(
    bench.client.posts.length,
    6,
    'it is claimed as soon as there is capacity, and not when a lease runs out',
  );
});

test('a TPP whose last attempt ends while the queue is short is claimed for, however wide its window had become', async (t) => {
  const hanging = numbered('hangs', 8);
  const bench = engineBench(t, { concurrencyMax: 2, concurrencyPerTppMax: 1, queueMax: 8, queuePerTppMax: 8 });
  await bench.register('a');
  bench.client.script(A, ...numbered('', 8).map(() => 202), 'hang');
  await bench.publish('a', ...numbered('widens', 9));
  await registerHanging(bench, hanging);
  for (const clientId of hanging) await bench.publishThrough(clientId, `of-${clientId}`);
  assert.deepEqual([bench.client.hanging(A), bench.client.hanging()], [1, 2], 'seven wait in the queue');
  await bench.publishThrough('a', 'left1', 'left2');
  await answerAll(bench, ['a']);
  await answerAll(bench, hanging);
  await answerAll(bench, ['a']);
  assert.equal(bench.client.postsTo(A).length, 11);
});

test('after a claim that the full queue cut short, the rest is claimed once a quarter of it is free', async (t) => {
  const clientIds = numbered('tpp', 20);
  const bench = engineBench(t, { concurrencyMax: 1, concurrencyPerTppMax: 2, queueMax: 8, queuePerTppMax: 8 });
  await registerHanging(bench, clientIds);
  const events = clientIds.map((clientId) => bankEvent(clientId, `of-${clientId}`));
  await bench.store.publish(events, notifyAll, START_MS);
  const before = bench.quiet.calls('claimDue');
  const claims = () => bench.quiet.calls('claimDue') - before;
  bench.engine.wake();
  await bench.quiet.settle();
  const answerOne = async () => {
    const [clientId] = clientIds.filter((one) => bench.client.hanging(urlOf(one)) > 0);
    bench.client.answerOne(urlOf(clientId ?? assert.fail('nothing is under way')), 202);
    await bench.quiet.settle();
  };
  // Eight were claimed, of which one is under way: one place is free.
  assert.equal(claims(), 1);
  await answerOne();
  assert.equal(claims(), 2, 'two of eight are free');
  await answerAll(bench, clientIds);
  assert.equal(bench.client.posts.length, 20, 'no time has passed');
  assert.ok(claims() <= 12, `${claims()} claims for twenty notifications`);
});

test('woken while the queue is full, it claims once a quarter of it is free', async (t) => {
  const clientIds = numbered('tpp', 6);
  const bench = engineBench(t, { concurrencyMax: 1, concurrencyPerTppMax: 2, queueMax: 4, queuePerTppMax: 4 });
  await registerHanging(bench, [...clientIds, 'late']);
  // What is handed over at publishing fills it: one is under way, and four wait.
  for (const clientId of clientIds.slice(0, 5)) await bench.publishThrough(clientId, `of-${clientId}`);
  const before = bench.quiet.calls('claimDue');
  await bench.publish('late', 'of-late');
  assert.equal(bench.quiet.calls('claimDue'), before, 'there is no capacity to claim with');
  await answerAll(bench, [...clientIds, 'late']);
  assert.equal(bench.client.postsTo(urlOf('late')).length, 1, 'no time has passed');
});

test('publications at the same time are all handed over', async (t) => {
  const bench = engineBench(t);
  await bench.register('a');
  await bench.register('b');
  await bench.quiet.settle();
  const before = bench.quiet.calls('claimDue');
  await Promise.all([bench.publishThrough('a', 'e1'), bench.publishThrough('b', 'e2')]);
  assert.deepEqual([bench.client.postsTo(A).length, bench.client.postsTo(urlOf('b')).length], [1, 1]);
  assert.equal(bench.quiet.calls('claimDue'), before);
});

test('what is published while another publication may take all that is free is claimed at once', async (t) => {
  const bench = engineBench(t, { queueMax: 8 });
  await bench.register('a');
  await bench.register('b');
  await bench.quiet.settle();
  const before = bench.quiet.calls('claimDue');
  await Promise.all([bench.publishThrough('a', ...numbered('a', 8)), bench.publishThrough('b', 'b')]);
  assert.deepEqual([bench.client.postsTo(A).length, bench.client.postsTo(urlOf('b')).length], [8, 1]);
  assert.ok(bench.quiet.calls('claimDue') > before, 'nothing was free to be handed over to the second');
});

test('a publication that failed gives back what it might have taken, and is looked for when its lease is over', async (t) => {
  let isLost = true;
  const around = (store: Store): Store => ({
    ...store,
    publish: async (...given) => {
      const result = await store.publish(...given);
      if (isLost) throw new StoreError('the answer is lost');
      return result;
    },
  });
  const bench = engineBench(t, { around, leaseMs: 20_000 });
  await bench.register('a');
  await assert.rejects(bench.publishThrough('a', 'e1'), StoreError);
  isLost = false;
  const before = bench.quiet.calls('claimDue');
  await bench.publishThrough('a', 'e2');
  assert.deepEqual([bench.client.posts.length, bench.quiet.calls('claimDue')], [1, before], 'it is handed over');
  await bench.clock.advance(20_000);
  assert.equal(bench.client.posts.length, 2);
});

test('what is being signed when its callback URL is registered again is handed back, and sent a moment later', async (t) => {
  const held = Promise.withResolvers<void>();
  let isSigning = false;
  const signer: JwsSigner = {
    ...SIGNER,
    sign: async (input) => {
      isSigning = true;
      await held.promise;
      return SIGNER.sign(input);
    },
  };
  const bench = engineBench(t, { signer });
  await bench.register('a');
  const published = bench.publishThrough('a', 'e1');
  await until(() => isSigning, 'the signature to be asked for');
  await bench.store.replaceRegistration(subscriptionOf('a'), START_MS);
  held.resolve();
  await published;
  await bench.clock.advance(200);
  assert.equal(bench.client.posts.length, 1, 'long before its lease runs out');
});
