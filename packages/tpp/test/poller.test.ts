import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUuid } from '@tidings/protocol';
import { createNotificationHandler, createPoller, type EventNotification, type PollerOptions } from '@tidings/tpp';
import { publish, startPolling } from './support/pollers.ts';
import { makeSet, NOW_MS } from './support/sets.ts';

test('a notification is verified, handled, and acknowledged with the next poll', async (t) => {
  const taken: EventNotification[] = [];
  const { bank, options } = await startPolling(t, { onNotification: (each) => void taken.push(each) });
  await publish(bank, 'a');
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  assert.deepEqual(
    bank.events.polls.map(({ acknowledged }) => acknowledged),
    [[], ['a']],
  );
  await poller.stop();
  await running;
  const [notification] = taken;
  assert.equal(taken.length, 1);
  assert.equal(notification?.jti, 'a');
  assert.equal(notification.set, await makeSet({ jti: 'a' }).then(() => notification.set));
  assert.equal(notification.links.length, 1);
  const first = bank.seen.find(({ path }) => path.endsWith('/events'));
  assert.equal(notification.interactionId, first?.headers['x-fapi-interaction-id']);
});

test('a poll has token, interaction id and JSON headers, requests a long poll, and is not signed', async (t) => {
  const { bank, options } = await startPolling(t);
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  const { method, path, headers, body } = bank.seen.at(-1) ?? {};
  assert.deepEqual([method, path], ['POST', '/open-banking/v4.0/events']);
  assert.equal(headers?.authorization, 'Bearer token-1');
  assert.equal(headers?.['content-type'], 'application/json; charset=utf-8');
  assert.equal(headers?.['x-jws-signature'], undefined);
  assert.ok(isUuid(String(headers?.['x-fapi-interaction-id'])));
  assert.deepEqual(JSON.parse(String(body)), { maxEvents: 100, returnImmediately: false });
  await poller.stop();
  await running;
});

test('a long poll is woken by a new event, and the next one is held again', async (t) => {
  const { bank, options, handled } = await startPolling(t);
  const poller = createPoller(options);
  const running = poller.run();
  for (const [jti, polls] of [
    ['a', 2],
    ['b', 3],
  ] as const) {
    await bank.events.until(({ held }) => held === 1);
    await publish(bank, jti);
    await bank.events.until((events) => events.polls.length === polls && events.held === 1);
  }
  assert.deepEqual(handled, ['a', 'b']);
  assert.deepEqual(bank.events.acknowledged, ['a', 'b']);
  await poller.stop();
  await running;
});

test('on v3.1 the poll goes to v3.1', async (t) => {
  const { bank, options, handled } = await startPolling(t, {}, (origin) => ({
    baseUrl: `${origin}/prefix/../open-banking/v3.1`,
  }));
  await publish(bank, 'a');
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['a']);
  assert.equal(bank.seen.at(-1)?.path, '/open-banking/v3.1/events');
});

test('stop aborts a long poll, and sends no further poll when nothing is finished', async (t) => {
  const { bank, options } = await startPolling(t);
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  await bank.events.until(({ aborted }) => aborted === 1);
  assert.equal(bank.events.polls.length, 1);
  await poller.stop();
});

for (const by of ['stop', 'signal'] as const) {
  test(`by ${by} the running handler finishes and is acknowledged by a last poll; notifications not started are not`, async (t) => {
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const handled: string[] = [];
    const { bank, options } = await startPolling(t, {
      onNotification: async ({ jti }) => {
        if (jti === 'b') {
          begun.resolve();
          await finish.promise;
        }
        handled.push(jti);
      },
    });
    await publish(bank, 'a', 'b', 'c');
    const controller = new AbortController();
    const poller = createPoller(options);
    let hasEnded = false;
    const running = poller.run(controller.signal).then(() => {
      hasEnded = true;
    });
    await begun.promise;
    const stopped = by === 'stop' ? poller.stop() : void controller.abort();
    assert.equal(hasEnded, false);
    finish.resolve();
    await Promise.all([running, stopped]);
    assert.deepEqual(handled, ['a', 'b']);
    assert.deepEqual([...bank.events.awaiting.keys()], ['c']);
    const last = JSON.parse(String(bank.seen.at(-1)?.body));
    assert.deepEqual(last, { maxEvents: 0, returnImmediately: true, ack: ['a', 'b'] });
  });
}

test('with an already aborted signal nothing is sent', async (t) => {
  const { bank, options } = await startPolling(t);
  await createPoller(options).run(AbortSignal.abort());
  assert.deepEqual(bank.seen, []);
});

test('stop during the token request or the backoff takes effect at once', async (t) => {
  const { bank, options, time } = await startPolling(t);
  const asked = Promise.withResolvers<void>();
  bank.instead = ({ path }) => {
    if (path !== '/mtls/token') return false;
    asked.resolve();
    return true;
  };
  const poller = createPoller(options);
  const running = poller.run();
  await asked.promise;
  await poller.stop();
  await running;
  const other = createPoller({
    ...options,
    bank: (await startPolling(t, {}, { issuer: 'https://127.0.0.1:1' })).bank.client,
  });
  const waiting = other.run();
  await time.begun(1);
  await other.stop();
  await waiting;
});

test('a stopped poller can run again', async (t) => {
  const { bank, options, handled } = await startPolling(t);
  const poller = createPoller(options);
  for (const jti of ['a', 'b']) {
    const running = poller.run();
    await publish(bank, jti);
    await bank.events.until(({ held, acknowledged }) => held === 1 && acknowledged.includes(jti));
    await poller.stop();
    await running;
  }
  assert.deepEqual(handled, ['a', 'b']);
});

test('when more SETs are available the next poll follows at once, oldest first, with the acknowledgements', async (t) => {
  const { bank, options, handled, time } = await startPolling(t, { maxEvents: 2 });
  await publish(bank, 'a', 'b', 'c', 'd', 'e');
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['a', 'b', 'c', 'd', 'e']);
  const polls = bank.events.polls.map(({ maxEvents, acknowledged }) => [maxEvents, acknowledged.join()]);
  assert.deepEqual(polls, [
    [2, ''],
    [2, 'a,b'],
    [2, 'c,d'],
    [2, 'e'],
    // The held poll was aborted, so whether it told is not known.
    [0, 'e'],
  ]);
  assert.deepEqual(time.delays, []);
});

test('notifications are oldest first whatever the order of the JSON members, even when keys look like numbers', async (t) => {
  const { bank, options, handled } = await startPolling(t);
  const second = NOW_MS / 1000;
  for (const [jti, iat] of [
    ['30', second - 3],
    ['1', second],
    ['x', second - 1],
    ['20', second - 2],
  ] as const) {
    bank.events.publish(jti, await makeSet({ jti, iat }));
  }
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['30', '20', 'x', '1']);
});

for (const concurrency of [1, 3]) {
  test(`with a concurrency of ${concurrency} at most that many are handled at once`, async (t) => {
    let running = 0;
    let most = 0;
    const full = Promise.withResolvers<void>();
    const { bank, options } = await startPolling(t, {
      concurrency,
      onNotification: async () => {
        running += 1;
        most = Math.max(most, running);
        if (running === concurrency) full.resolve();
        await full.promise;
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      },
    });
    await publish(bank, 'a', 'b', 'c', 'd', 'e');
    const poller = createPoller(options);
    const ended = poller.run();
    await bank.events.until(({ held }) => held === 1);
    await poller.stop();
    await ended;
    assert.equal(most, concurrency);
    assert.equal(bank.events.acknowledged.length, 5);
  });
}

test('invalid options throw at once', async (t) => {
  const { options } = await startPolling(t);
  for (const [name, value] of [
    ['maxEvents', 0],
    ['maxEvents', 10_001],
    ['concurrency', 0],
    ['requestTimeoutMs', 1.5],
    ['requestTimeoutMs', 2 ** 31],
    ['pollIntervalMs', -1],
    ['responseBytesMax', Number.NaN],
    ['retryDelayMsMin', 0],
  ] as const) {
    assert.throws(() => createPoller({ ...options, [name]: value }), RangeError);
  }
  assert.throws(() => createPoller({ ...options, retryDelayMsMin: 10, retryDelayMsMax: 9 }), RangeError);
  const wrong: object = { ...options, tolerate: ['rs256'] };
  assert.throws(() => createPoller(wrong as PollerOptions), { name: 'TypeError', message: /there is no "rs256"/ });
  const handler = createNotificationHandler(options);
  const both: object = { ...options, handler };
  assert.throws(() => createPoller(both as PollerOptions), TypeError);
  const { onNotification: _, seen: __, ...settings } = options;
  await assert.rejects(createPoller(settings).run(), TypeError);
  const poller = createPoller({ ...settings, handler });
  const running = poller.run();
  await assert.rejects(poller.run(), TypeError);
  await assert.rejects(poller.notifications().next(), TypeError);
  await poller.stop();
  await running;
});
