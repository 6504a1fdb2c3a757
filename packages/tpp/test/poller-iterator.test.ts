import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNotificationHandler, createPoller, createReceiver } from '@tidings/tpp';
import { publish, startPolling } from './support/pollers.ts';
import { delivery, makeSet, receiverOptions } from './support/sets.ts';

test('for await yields the notifications in order; each is finished when the next is requested', async (t) => {
  const { bank, options, handled } = await startPolling(t);
  await publish(bank, 'a', 'b');
  const poller = createPoller(options);
  const got: string[] = [];
  for await (const { jti } of poller) {
    got.push(jti);
    // What comes later is polled for only when all of this answer is through.
    if (jti === 'a') await publish(bank, 'c');
    if (jti === 'c') {
      assert.deepEqual(bank.events.acknowledged, ['a', 'b']);
      break;
    }
  }
  assert.deepEqual(got, ['a', 'b', 'c']);
  assert.deepEqual(bank.events.acknowledged, ['a', 'b']);
  // onNotification is not called: the loop takes its place.
  assert.deepEqual(handled, []);
});

test('leaving the loop acknowledges finished notifications, and not the current one', async (t) => {
  const { bank, options, refused } = await startPolling(t);
  await publish(bank, 'a', 'b', 'c');
  const poller = createPoller(options);
  for await (const { jti } of poller.notifications()) if (jti === 'b') break;
  assert.deepEqual(bank.events.acknowledged, ['a']);
  assert.deepEqual(JSON.parse(String(bank.seen.at(-1)?.body)), { maxEvents: 0, returnImmediately: true, ack: ['a'] });
  assert.deepEqual(refused, ['handler_failed:b:false']);
  bank.events.offerAgain();
  const again: string[] = [];
  for await (const { jti } of poller.notifications()) {
    again.push(jti);
    if (jti === 'c') break;
  }
  assert.deepEqual(again, ['b', 'c']);
});

test('an error in the loop has the same effect, and is thrown', async (t) => {
  const { bank, options } = await startPolling(t);
  await publish(bank, 'a', 'b');
  const failure = new Error('mine');
  const loop = async () => {
    for await (const { jti } of createPoller(options)) if (jti === 'b') throw failure;
  };
  await assert.rejects(loop(), failure);
  assert.deepEqual(bank.events.acknowledged, ['a']);
});

for (const by of ['stop', 'signal'] as const) {
  test(`a ${by} ends the loop; the current notification is finished when the next one is requested`, async (t) => {
    const { bank, options } = await startPolling(t);
    await publish(bank, 'a', 'b', 'c');
    const controller = new AbortController();
    const poller = createPoller(options);
    const got: string[] = [];
    let stopped: Promise<void> | undefined;
    for await (const { jti } of poller.notifications(controller.signal)) {
      got.push(jti);
      if (jti !== 'b') continue;
      if (by === 'stop') stopped = poller.stop();
      else controller.abort();
    }
    await stopped;
    assert.deepEqual(got, ['a', 'b']);
    assert.deepEqual(bank.events.acknowledged, ['a', 'b']);
  });
}

test('stop ends the loop while it waits for the bank', async (t) => {
  const { bank, options } = await startPolling(t);
  const poller = createPoller(options);
  const next = poller.notifications().next();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  assert.deepEqual(await next, { done: true, value: undefined });
});

test('a persistent refusal is thrown by the loop, and the poller can be used again', async (t) => {
  const { bank, options } = await startPolling(t);
  bank.instead = ({ path }, response) => {
    if (!path.endsWith('/events')) return false;
    response.writeHead(403).end();
    return true;
  };
  const poller = createPoller(options);
  await assert.rejects(poller.notifications().next(), { kind: 'refused', status: 403 });
  bank.instead = undefined;
  await publish(bank, 'a');
  for await (const { jti } of poller) {
    assert.equal(jti, 'a');
    break;
  }
});

test('without a handler the loop records finished notifications in the given store', async (t) => {
  const keys: string[] = [];
  const seen = { has: (key: string) => keys.includes(key), add: (key: string) => void keys.push(key) };
  const { bank, options } = await startPolling(t);
  const { onNotification: _, ...settings } = options;
  await publish(bank, 'a', 'b');
  for await (const { jti } of createPoller({ ...settings, seen })) if (jti === 'b') break;
  assert.deepEqual(keys, ['["https://bank.example/","a"]']);
});

test('the loop awaits and skips a notification that the receiver is handling; the push awaits one of the loop', async (t) => {
  const { bank, options } = await startPolling(t);
  const { onNotification: _, seen: __, ...settings } = options;
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const pushed: string[] = [];
  const handler = createNotificationHandler({
    onNotification: async ({ jti }) => {
      pushed.push(jti);
      begun.resolve();
      await finish.promise;
    },
  });
  const { onNotification: ___, seen: ____, ...receiving } = await receiverOptions();
  const receiver = createReceiver({ ...receiving, handler });
  const push = async (jti: string) => (await receiver.handle(delivery(await makeSet({ jti })))).status;
  const first = push('a');
  await begun.promise;
  await publish(bank, 'a', 'b', 'c');
  const loop = createPoller({ ...settings, handler }).notifications();
  const next = loop.next();
  await bank.events.until(({ polls }) => polls.length === 1);
  finish.resolve();
  assert.equal(await first, 202);
  assert.equal((await next).value?.jti, 'b');
  let answered = false;
  const held = push('b').then((status) => {
    answered = true;
    return status;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answered, false);
  assert.equal((await loop.next()).value?.jti, 'c');
  assert.equal(await held, 202);
  const left = push('c');
  await new Promise((resolve) => setImmediate(resolve));
  await loop.return();
  // The push came too late for the loop, which was left: either it shares that, or it is handled on its own.
  assert.ok([202, 500].includes(await left));
  assert.deepEqual(bank.events.acknowledged, ['a', 'b']);
});
