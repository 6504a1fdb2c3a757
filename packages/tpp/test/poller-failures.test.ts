import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sendJson } from '@tidings/testing';
import { BankError, createPoller, type Poller, type PollFailure } from '@tidings/tpp';
import { retryDelayMs } from '../src/backoff.ts';
import { isLasting } from '../src/poller/poll-failures.ts';
import type { Instead } from './support/fake-bank.ts';
import { type Polling, publish, startPolling } from './support/pollers.ts';
import { makeSet, NOW_MS } from './support/sets.ts';

/** Answers the first `times` polls in place of the bank. */
function insteadOfPolls(times: number, instead: Instead): Instead {
  let remaining = times;
  return (seen, response) => {
    if (!seen.path.endsWith('/events') || remaining === 0) return false;
    remaining -= 1;
    return instead(seen, response);
  };
}

/** Lets a poller run through its failures, each delay released as it begins, until it holds a long poll again. */
async function runThrough({ bank, time, options }: Polling, failures: number): Promise<number[]> {
  const poller = createPoller(options);
  const running = poller.run();
  for (let n = 1; n <= failures; n += 1) {
    await time.begun(n);
    time.release();
  }
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  return time.delays;
}

const PASSING: readonly { name: string; instead: Instead; failed: number | string; times?: number }[] = [
  { name: 'a 500', failed: 500, instead: (_seen, response) => end(response.writeHead(500)) },
  { name: 'a 503 with HTML', failed: 503, instead: (_seen, response) => end(response.writeHead(503), '<html>') },
  { name: 'a 429', failed: 429, instead: (_seen, response) => end(response.writeHead(429)) },
  { name: 'a 408', failed: 408, instead: (_seen, response) => end(response.writeHead(408)) },
  {
    name: 'a redirect, which is not followed,',
    failed: 307,
    instead: (_seen, response) => end(response.writeHead(307, { location: '/elsewhere' })),
  },
  // The first time on a kept connection, which may have been closed for its age: it is sent again at once.
  {
    name: 'a connection that breaks off',
    failed: 'unreachable',
    times: 2,
    instead: (_seen, response) => destroy(response),
  },
  {
    name: 'an answer that breaks off',
    failed: 'unreachable',
    instead: (_seen, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"sets":', () => response.destroy());
      return true;
    },
  },
  { name: 'garbage', failed: 200, instead: (_seen, response) => end(response, '<html>') },
  { name: 'an empty answer', failed: 200, instead: (_seen, response) => end(response) },
  { name: 'no moreAvailable', failed: 200, instead: (_seen, response) => json(response, { sets: {} }) },
  { name: 'an unknown member', failed: 200, instead: (_seen, response) => json(response, { ...NOTHING, x: 1 }) },
  {
    name: 'a SET that is not a string',
    failed: 200,
    instead: (_seen, response) => json(response, { ...NOTHING, sets: { a: 1 } }),
  },
  {
    name: 'a SET that is not a string, under a key with a line break,',
    failed: 200,
    instead: (_seen, response) => json(response, { ...NOTHING, sets: { 'a\nb': 1 } }),
  },
  {
    name: 'a jti twice',
    failed: 200,
    instead: (_seen, response) => end(response, '{"sets":{"a":"x","a":"y"},"moreAvailable":false}'),
  },
];

const NOTHING = { sets: {}, moreAvailable: false };

function end(response: Parameters<Instead>[1], body = ''): true {
  response.end(body);
  return true;
}

function json(response: Parameters<Instead>[1], body: unknown): true {
  sendJson(response, body);
  return true;
}

function destroy(response: Parameters<Instead>[1]): true {
  response.destroy();
  return true;
}

for (const { name, instead, failed, times = 1 } of PASSING) {
  test(`after ${name} the poll is sent again with a backoff, and nothing is lost`, async (t) => {
    const polling = await startPolling(t);
    await publish(polling.bank, 'a');
    polling.bank.instead = insteadOfPolls(times, instead);
    assert.deepEqual(await runThrough(polling, 1), [750]);
    assert.deepEqual(polling.failed, [failed]);
    assert.deepEqual(polling.handled, ['a']);
    assert.deepEqual(polling.bank.events.acknowledged, ['a']);
    assert.ok(polling.bank.seen.every(({ path }) => path !== '/elsewhere'));
  });
}

test('the backoff doubles up to its maximum, and restarts after a successful poll', async (t) => {
  const polling = await startPolling(t, { retryDelayMsMin: 100, retryDelayMsMax: 1000 });
  await publish(polling.bank, 'a');
  let polls = 0;
  polling.bank.instead = ({ path }, response) => {
    if (!path.endsWith('/events')) return false;
    polls += 1;
    return polls <= 6 || polls === 8 ? end(response.writeHead(500)) : false;
  };
  assert.deepEqual(await runThrough(polling, 7), [75, 150, 300, 600, 750, 750, 75]);
  assert.deepEqual(polling.handled, ['a']);
});

test('the jitter is between half the delay and all of it, and large numbers of failures are bounded', () => {
  const delays = (random: number) => ({ retryDelayMsMin: 1000, retryDelayMsMax: 60_000, random: () => random });
  assert.equal(retryDelayMs(1, delays(0)), 500);
  assert.equal(retryDelayMs(1, delays(0.999_999)), 1000);
  assert.equal(retryDelayMs(2, delays(0.5)), 1500);
  assert.equal(retryDelayMs(1_000_000, delays(0)), 30_000);
  assert.equal(retryDelayMs(1, delays(0), 200), 500);
  assert.equal(retryDelayMs(1, delays(0), 70_000), 70_000);
  assert.equal(retryDelayMs(1, delays(0), 1e15), 3_600_000);
});

for (const [name, header, delayMs] of [
  ['seconds', '120', 120_000],
  ['a date', new Date(NOW_MS + 90_000).toUTCString(), 90_000],
  ['a date that has passed', new Date(NOW_MS - 90_000).toUTCString(), 750],
  ['nonsense', '-1', 750],
  ['over an hour', '9999999999', 3_600_000],
] as const) {
  test(`Retry-After of ${name} is waited at least, within an hour`, async (t) => {
    const polling = await startPolling(t);
    polling.bank.instead = insteadOfPolls(1, (_seen, response) =>
      end(response.writeHead(429, { 'retry-after': header })),
    );
    assert.deepEqual(await runThrough(polling, 1), [delayMs]);
  });
}

test('after one 401 the poll is retried with a fresh token, without a delay', async (t) => {
  const polling = await startPolling(t);
  await polling.bank.client.token();
  polling.bank.token.value = 'token-2';
  assert.deepEqual(await runThrough(polling, 0), []);
  assert.deepEqual(polling.failed, []);
  assert.equal(polling.bank.tokenRequests.length, 2);
});

for (const [status, kind] of [
  [400, 'refused'],
  [401, 'unauthorised'],
  [403, 'refused'],
  [404, 'refused'],
] as const) {
  test(`a ${status} that persists ends the run with the bank's code: a retry would be pointless`, async (t) => {
    const { bank, options, failed } = await startPolling(t);
    bank.instead = insteadOfPolls(10, (_seen, response) => {
      sendJson(response, { Errors: [{ ErrorCode: 'U999' }] }, status);
      return true;
    });
    await assert.rejects(createPoller(options).run(), { name: 'BankError', kind, status, codes: ['U999'] });
    assert.deepEqual(failed, []);
  });
}

test('a client that was closed ends the run', async (t) => {
  const { bank, options, time } = await startPolling(t);
  const running = createPoller(options).run();
  await bank.events.until(({ held }) => held === 1);
  const ended = assert.rejects(running, { kind: 'unreachable' });
  bank.client.close();
  await time.begun(1);
  time.release();
  await ended;
});

test('an error is lasting when the next poll would meet it too', () => {
  const lasting = (kind: BankError['kind'], status?: number) => isLasting(new BankError(kind, '', { status }));
  for (const status of [400, 403, 404, 405, 415]) assert.equal(lasting('refused', status), true);
  for (const status of [302, 408, 425, 429, 500, 503]) assert.equal(lasting('refused', status), false);
  assert.deepEqual(
    [lasting('unauthorised', 401), lasting('unreachable'), lasting('untrusted', 200)],
    [true, false, false],
  );
});

test('a response over the limit is not read further, and the next polls request half as many SETs', async (t) => {
  const polling = await startPolling(t, { responseBytesMax: 3000, maxEvents: 5 });
  await publish(polling.bank, 'a', 'b', 'c', 'd', 'e');
  const poller = createPoller(polling.options);
  const running = poller.run();
  for (const n of [1, 2]) {
    await polling.time.begun(n);
    polling.bank.events.offerAgain();
    polling.time.release();
  }
  await polling.bank.events.until(({ awaiting }) => awaiting.size === 0);
  await poller.stop();
  await running;
  assert.deepEqual(
    polling.bank.events.polls.slice(0, 4).map(({ maxEvents }) => maxEvents),
    [5, 2, 1, 1],
  );
  assert.deepEqual(polling.handled, ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(polling.failed, ['untrusted', 'untrusted']);
});

test('a long poll may last longer than other calls of the client', async (t) => {
  const { bank, options, handled } = await startPolling(t, {}, { requestTimeoutMs: 300 });
  await bank.client.token();
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  bank.instead = ({ path }) => path.endsWith('/event-subscriptions');
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'unreachable' });
  assert.equal(bank.events.held, 1);
  await publish(bank, 'a');
  await bank.events.until(({ awaiting }) => awaiting.size === 0);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['a']);
});

test('a long poll held for too long is aborted and retried', async (t) => {
  const { bank, options, time, failed } = await startPolling(t, { requestTimeoutMs: 200 });
  await bank.client.token();
  const poller = createPoller(options);
  const running = poller.run();
  await time.begun(1);
  await bank.events.until(({ aborted }) => aborted === 1);
  assert.deepEqual(failed, ['unreachable']);
  await poller.stop();
  await running;
});

test('an empty response after a hold is followed by the next long poll at once', async (t) => {
  const { bank, options, time } = await startPolling(t);
  const poller = createPoller(options);
  const running = poller.run();
  for (const polls of [1, 2, 3]) {
    await bank.events.until((events) => events.polls.length === polls && events.held === 1);
    bank.nowMs += 30_000;
    bank.events.endHold();
  }
  await bank.events.until(({ polls, held }) => polls.length === 4 && held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(time.delays, []);
});

test('a bank that responds at once without SETs is polled at intervals', async (t) => {
  const { bank, options, time, handled } = await startPolling(t, { returnImmediately: true, pollIntervalMs: 5000 });
  const poller = createPoller(options);
  const running = poller.run();
  assert.equal(await time.begun(1), 5000);
  await publish(bank, 'a');
  time.release();
  // The acknowledgement goes at once, and finds nothing more.
  assert.equal(await time.begun(2), 5000);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['a']);
  assert.deepEqual(
    bank.events.polls.map(({ returnImmediately, acknowledged }) => [returnImmediately, acknowledged.length]),
    [
      [true, 0],
      [true, 0],
      [true, 1],
    ],
  );
});

test('a bank that returns acknowledged SETs again, or claims SETs that it does not return, is polled with a backoff', async (t) => {
  const set = await makeSet({ jti: 'a' });
  for (const [body, delays] of [
    [{ sets: { a: set }, moreAvailable: true }, [750, 1500]],
    [{ sets: {}, moreAvailable: true }, [750, 1500]],
    [{ sets: { a: 'nonsense' }, moreAvailable: true }, [750, 1500]],
  ] as const) {
    const { bank, options, time } = await startPolling(t);
    bank.instead = insteadOfPolls(100, (_seen, response) => json(response, body));
    const poller = createPoller(options);
    const running = poller.run();
    await time.begun(1);
    time.release();
    await time.begun(2);
    await poller.stop();
    await running;
    assert.deepEqual(time.delays, delays);
  }
});

test('a last poll that fails is logged, and the run ends all the same', async (t) => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const failures: PollFailure[] = [];
  const { bank, options } = await startPolling(t, {
    onNotification: async () => {
      begun.resolve();
      await finish.promise;
    },
    onPollFailed: (failure) => void failures.push(failure),
  });
  await publish(bank, 'a');
  const poller = createPoller(options);
  const running = poller.run();
  await begun.promise;
  bank.instead = insteadOfPolls(1, (_seen, response) => end(response.writeHead(500)));
  const stopped = stopThen(poller, finish.resolve);
  await Promise.all([running, stopped]);
  assert.deepEqual(
    failures.map(({ error, failures: n, retryDelayMs: delayMs }) => [error.status, n, delayMs]),
    [[500, 1, undefined]],
  );
  assert.deepEqual([...bank.events.awaiting.keys()], ['a']);
});

function stopThen(poller: Poller, then: () => void): Promise<void> {
  const stopped = poller.stop();
  then();
  return stopped;
}

test('one poll by hand: request, reports and response', async (t: TestContext) => {
  const { bank } = await startPolling(t);
  await publish(bank, 'a', 'b');
  const { sets, moreAvailable } = await bank.client.events.poll({ maxEvents: 1, returnImmediately: true });
  assert.deepEqual([[...sets.keys()], moreAvailable], [['a'], true]);
  const setErrs = [{ jti: '__proto__', err: 'invalid_key', description: 'none' }];
  const answer = await bank.client.events.poll({ ack: ['a'], setErrs });
  assert.deepEqual([...answer.sets.keys()], ['b']);
  assert.deepEqual(bank.events.acknowledged, ['a']);
  assert.match(String(bank.seen.at(-1)?.body), /"__proto__":\{"err":"invalid_key"/);
  const controller = new AbortController();
  const held = bank.client.events.poll({}, { signal: controller.signal });
  await bank.events.until((events) => events.held === 1);
  controller.abort();
  await assert.rejects(held, { name: 'BankError', kind: 'unreachable' });
  await bank.events.until(({ aborted }) => aborted === 1);
});
