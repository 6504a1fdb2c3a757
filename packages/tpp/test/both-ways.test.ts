import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createMemorySeenStore,
  createNotificationHandler,
  createPoller,
  createReceiver,
  type NotificationHandler,
  type ReceiverOptions,
} from '@tidings/tpp';
import { type Polling, publish, startPolling } from './support/pollers.ts';
import { delivery, makeSet, receiverOptions } from './support/sets.ts';

/** A push of the bank with this `jti`, as the receiver answers it. */
async function push(handler: NotificationHandler, jti: string): Promise<number> {
  const { onNotification: _, seen: __, ...settings } = await receiverOptions();
  return (await createReceiver({ ...settings, handler }).handle(delivery(await makeSet({ jti })))).status;
}

function sharing({ options }: Polling, handler: NotificationHandler) {
  const { onNotification: _, seen: __, ...settings } = options;
  return createPoller({ ...settings, handler });
}

test('a pushed notification is acknowledged in the next poll without the handler, and a polled one with 202', async (t) => {
  const polling = await startPolling(t);
  const handled: string[] = [];
  const handler = createNotificationHandler({ onNotification: ({ jti }) => void handled.push(jti) });
  assert.equal(await push(handler, 'pushed'), 202);
  await publish(polling.bank, 'pushed', 'polled');
  const poller = sharing(polling, handler);
  const running = poller.run();
  await polling.bank.events.until(({ awaiting }) => awaiting.size === 0);
  await poller.stop();
  await running;
  assert.equal(await push(handler, 'polled'), 202);
  assert.deepEqual(handled, ['pushed', 'polled']);
  assert.deepEqual(polling.bank.events.acknowledged, ['pushed', 'polled']);
});

for (const fails of [false, true]) {
  test(`concurrent copies by push and polling call the handler once, and share that it ${fails ? 'failed' : 'finished'}`, async (t) => {
    const polling = await startPolling(t);
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    let calls = 0;
    const handler = createNotificationHandler({
      onNotification: async () => {
        calls += 1;
        begun.resolve();
        await finish.promise;
      },
    });
    const pushed = push(handler, 'a');
    await begun.promise;
    await publish(polling.bank, 'a');
    const waits = Promise.withResolvers<void>();
    const poller = sharing(polling, {
      handle: (notification) => {
        waits.resolve();
        return handler.handle(notification);
      },
    });
    const running = poller.run();
    await waits.promise;
    if (fails) finish.reject(new Error('no'));
    else finish.resolve();
    assert.equal(await pushed, fails ? 500 : 202);
    if (fails) await polling.time.begun(1);
    else await polling.bank.events.until(({ held }) => held === 1);
    await poller.stop();
    await running;
    assert.equal(calls, 1);
    assert.deepEqual(polling.bank.events.acknowledged, fails ? [] : ['a']);
    assert.deepEqual(polling.refused, fails ? ['handler_failed:a:false'] : []);
  });
}

test('a notification that failed one way is handled when it arrives the other way', async (t) => {
  const polling = await startPolling(t);
  let calls = 0;
  const handler = createNotificationHandler({
    onNotification: () => {
      calls += 1;
      if (calls === 1) throw new Error('not now');
    },
  });
  assert.equal(await push(handler, 'a'), 500);
  await publish(polling.bank, 'a');
  const poller = sharing(polling, handler);
  const running = poller.run();
  await polling.bank.events.until(({ awaiting }) => awaiting.size === 0);
  await poller.stop();
  await running;
  assert.equal(await push(handler, 'a'), 202);
  assert.equal(calls, 2);
});

test('receiver and poller in two processes detect duplicates with a shared store', async (t) => {
  const seen = createMemorySeenStore();
  const polling = await startPolling(t, { seen });
  const { onNotification: _, ...settings } = await receiverOptions();
  const pushed: string[] = [];
  const receiver = createReceiver({ ...settings, seen, onNotification: ({ jti }) => void pushed.push(jti) });
  await receiver.handle(delivery(await makeSet({ jti: 'a' })));
  await publish(polling.bank, 'a', 'b');
  const poller = createPoller(polling.options);
  const running = poller.run();
  await polling.bank.events.until(({ awaiting }) => awaiting.size === 0);
  await poller.stop();
  await running;
  await receiver.handle(delivery(await makeSet({ jti: 'b' })));
  assert.deepEqual([pushed, polling.handled], [['a'], ['b']]);
});

test('a jti of another bank is another notification', async () => {
  const handled: string[] = [];
  const handler = createNotificationHandler({ onNotification: ({ claims }) => void handled.push(claims.iss) });
  const { onNotification: _, seen: __, ...settings } = await receiverOptions();
  for (const issuer of ['https://one.example/', 'https://two.example/']) {
    const receiver = createReceiver({ ...settings, issuer, handler });
    await receiver.handle(delivery(await makeSet({ jti: 'a', iss: issuer })));
  }
  assert.deepEqual(handled, ['https://one.example/', 'https://two.example/']);
});

test('a receiver requires either a handler or onNotification', async () => {
  const options = await receiverOptions();
  const handler = createNotificationHandler(options);
  const { onNotification: _, ...neither } = options;
  const both: object = { ...options, handler };
  assert.throws(() => createReceiver(both as ReceiverOptions), TypeError);
  assert.throws(() => createReceiver(neither as ReceiverOptions), TypeError);
});
