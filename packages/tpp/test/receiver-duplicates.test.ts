import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemorySeenStore, createReceiver, type Receiver, type Refusal, type SeenStore } from '@tidings/tpp';
import { createOnce } from '../src/notification/notification-handler.ts';
import { delivery, makeSet, receiverOptions } from './support/sets.ts';

async function deliver(receiver: Receiver, jti: string): Promise<number> {
  return (await receiver.handle(delivery(await makeSet({ jti })))).status;
}

test('a notification that was handled is acknowledged again, without the handler', async () => {
  const taken: string[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: ({ jti }) => void taken.push(jti) }));
  assert.deepEqual(
    [await deliver(receiver, 'a'), await deliver(receiver, 'a'), await deliver(receiver, 'b')],
    [202, 202, 202],
  );
  assert.deepEqual(taken, ['a', 'b']);
});

test('concurrent copies call the handler once, and wait for its outcome', async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  let calls = 0;
  let answered = 0;
  const onNotification = async () => {
    calls += 1;
    begun.resolve();
    await finish.promise;
  };
  const receiver = createReceiver(await receiverOptions({ onNotification }));
  const deliverAndCount = async () => {
    const status = await deliver(receiver, 'a');
    answered += 1;
    return status;
  };
  const answers = [deliverAndCount(), deliverAndCount(), deliverAndCount()];
  await begun.promise;
  assert.equal(answered, 0);
  finish.resolve();
  assert.deepEqual(await Promise.all(answers), [202, 202, 202]);
  assert.equal(calls, 1);
});

test('concurrent copies share the outcome of the one call, also a failure, and a later copy calls again', async () => {
  const outcome = Promise.withResolvers<void>();
  let calls = 0;
  const once = createOnce(createMemorySeenStore());
  const action = () => {
    calls += 1;
    return calls === 1 ? outcome.promise : undefined;
  };
  const copies = [once('a', action), once('a', action), once('a', action)];
  const settled = Promise.allSettled(copies);
  outcome.reject(new Error('the database is down'));
  for (const each of await settled) assert.equal(each.status === 'rejected' && each.reason.code, 'handler_failed');
  assert.equal(calls, 1);
  await Promise.all([once('a', action), once('a', action)]);
  await once('a', action);
  assert.equal(calls, 2);
});

test('a handler that fails is 500 without its reason, and a later retry calls it again', async () => {
  const refusals: Refusal[] = [];
  let calls = 0;
  const options = await receiverOptions({
    onNotification: async () => {
      calls += 1;
      if (calls === 1) throw new Error('database password is hunter2');
    },
    onRefused: (refusal) => void refusals.push(refusal),
  });
  const receiver = createReceiver(options);
  const response = await receiver.handle(delivery(await makeSet()));
  assert.equal(response.status, 500);
  assert.equal(await response.text(), '');
  assert.deepEqual([...response.headers.keys()], ['x-fapi-interaction-id']);
  assert.equal(refusals[0]?.code, 'handler_failed');
  assert.ok(refusals[0]?.cause instanceof Error && refusals[0].cause.message.includes('hunter2'));
  assert.equal((await receiver.handle(delivery(await makeSet()))).status, 202);
  assert.equal((await receiver.handle(delivery(await makeSet()))).status, 202);
  assert.equal(calls, 2);
});

test('a handler that throws before it returns a promise is 500 too', async () => {
  const options = await receiverOptions({
    onNotification: () => {
      throw new Error('at once');
    },
  });
  assert.equal(await deliver(createReceiver(options), 'a'), 500);
});

test('a notification counts as seen only after its handler has finished', async () => {
  const order: string[] = [];
  const seen: SeenStore = {
    has: () => false,
    add: async (key) => void order.push(`add ${key}`),
  };
  const onNotification = async () => {
    await Promise.resolve();
    order.push('handled');
  };
  const receiver = createReceiver(await receiverOptions({ seen, onNotification }));
  assert.equal(await deliver(receiver, 'a'), 202);
  assert.deepEqual(order, ['handled', 'add ["https://bank.example/","a"]']);
});

test('a seen store that fails is 500, before the handler or after it, so that nothing is lost', async () => {
  const broken = () => {
    throw new Error('store down');
  };
  const cases: [SeenStore, number][] = [
    [{ has: broken, add: () => undefined }, 0],
    [{ has: () => Promise.reject(new Error('store down')), add: () => undefined }, 0],
    [{ has: () => false, add: broken }, 1],
  ];
  for (const [seen, callsExpected] of cases) {
    let calls = 0;
    const refusals: Refusal[] = [];
    const options = await receiverOptions({
      seen,
      onNotification: () => {
        calls += 1;
      },
      onRefused: (refusal) => void refusals.push(refusal),
    });
    assert.equal(await deliver(createReceiver(options), 'a'), 500);
    assert.equal(calls, callsExpected);
    assert.equal(refusals[0]?.code, 'seen_store_failed');
  }
});

test('a rejected token leaves no trace in the seen store', async () => {
  const added: string[] = [];
  const seen: SeenStore = { has: () => false, add: (key) => void added.push(key) };
  const receiver = createReceiver(await receiverOptions({ seen }));
  await receiver.handle(delivery(await makeSet({ aud: 'somebody else' })));
  assert.deepEqual(added, []);
});
