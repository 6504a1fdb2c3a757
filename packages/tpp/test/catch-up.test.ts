import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPoller, keepCaughtUp } from '@tidings/tpp';
import { publish, startPolling } from './support/pollers.ts';

test('catching up polls until the bank has nothing more, acknowledges it, and ends', async (t) => {
  const polling = await startPolling(t, { maxEvents: 2 });
  await publish(polling.bank, 'a', 'b', 'c', 'd', 'e');
  const outcome = await createPoller(polling.options).catchUp();
  assert.deepEqual(outcome, { finished: 5, unfinished: 0, isCaughtUp: true });
  assert.deepEqual(polling.handled, ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(polling.bank.events.acknowledged.sort(), ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(polling.time.delays, []);
});

test('catching up when nothing was missed takes one poll, which is not held', async (t) => {
  const polling = await startPolling(t);
  const outcome = await createPoller(polling.options).catchUp();
  assert.deepEqual(outcome, { finished: 0, unfinished: 0, isCaughtUp: true });
  const polls = polling.bank.seen.filter(({ path }) => path.endsWith('/events'));
  assert.deepEqual(
    polls.map(({ body }) => JSON.parse(body.toString()).returnImmediately),
    [true],
  );
});

test('catching up ends where only failing notifications are left, and says so', async (t) => {
  const onNotification = ({ jti }: { jti: string }) => {
    if (jti !== 'good') throw new Error('no');
  };
  const polling = await startPolling(t, { maxEvents: 2, onNotification });
  await publish(polling.bank, 'bad-1', 'bad-2', 'good');
  const poller = createPoller(polling.options);
  assert.deepEqual(await poller.catchUp(), { finished: 0, unfinished: 2, isCaughtUp: false });
  assert.equal(polling.bank.events.awaiting.size, 3);
  // The poller can be used again, once the bank offers them again.
  polling.bank.events.offerAgain();
  polling.bank.events.awaiting.delete('bad-1');
  assert.deepEqual(await poller.catchUp(), { finished: 1, unfinished: 1, isCaughtUp: true });
});

test('a catch-up that an outage interrupts goes on when the bank is back, and is repeated at the interval', async (t) => {
  const polling = await startPolling(t);
  await publish(polling.bank, 'missed');
  let failing = 2;
  polling.bank.instead = ({ path }, response) => {
    if (!path.endsWith('/events') || failing === 0) return false;
    failing -= 1;
    response.writeHead(503).end();
    return true;
  };
  const stop = new AbortController();
  const outcomes: unknown[] = [];
  const delays: number[] = [];
  const poller = createPoller({ ...polling.options, wait: async () => undefined });
  const onCaughtUp = (outcome: unknown) => void outcomes.push(outcome);
  await keepCaughtUp(
    {
      poller,
      intervalMs: 1000,
      random: () => 0.5,
      onCaughtUp,
      wait: async (delayMs) => {
        delays.push(delayMs);
        if (delays.length === 2) return stop.abort();
        await publish(polling.bank, 'missed later');
      },
    },
    stop.signal,
  );
  assert.deepEqual(polling.failed, [503, 503]);
  assert.deepEqual(polling.handled, ['missed', 'missed later']);
  assert.deepEqual(outcomes, [
    { finished: 1, unfinished: 0, isCaughtUp: true },
    { finished: 1, unfinished: 0, isCaughtUp: true },
  ]);
  assert.deepEqual(delays, [950, 950]);
});
