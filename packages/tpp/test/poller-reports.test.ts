import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeParticipant } from '@tidings/testing';
import { createPoller, type PollFailure } from '@tidings/tpp';
import type { Instead } from './support/fake-bank.ts';
import { type HeldTime, publish, startPolling } from './support/pollers.ts';
import { BANK_ORG_ID, makeSet } from './support/sets.ts';

// What a poller has to report, and how much of it a bank takes at once.

const BANK = '\u{1f3e6}';

/** Refuses polls that are longer with 413 and no body, as gateways do. */
const longerThan =
  (bytesMax: number): Instead =>
  ({ path, body }, response) => {
    if (!path.endsWith('/events') || body.length <= bytesMax) return false;
    response.writeHead(413).end();
    return true;
  };

/** Lets every delay end at once, until the run has ended. */
const releasing = (time: HeldTime) => {
  const { wait } = time;
  return {
    wait: (delayMs: number, signal: AbortSignal) => {
      const waited = wait(delayMs, signal);
      time.release();
      return waited;
    },
  };
};

const jtisOf = (count: number) => Array.from({ length: count }, (_, at) => `jti-${at}`);

const FAILING = {
  onNotification: () => {
    throw new Error('no');
  },
  reportHandlerFailure: () => ({ err: 'own.code', description: 'd'.repeat(256) }),
};

test('after a 413 fewer reports are sent at a time, until all are sent, and the run goes on', async (t) => {
  const { bank, time, options, failed } = await startPolling(t, FAILING);
  bank.instead = longerThan(2000);
  await publish(bank, ...jtisOf(40));
  const poller = createPoller({ ...options, ...releasing(time) });
  const running = poller.run();
  await bank.events.until(({ errors, held }) => errors.length === 40 && held === 1);
  await poller.stop();
  await running;
  assert.ok(failed.length >= 2 && failed.every((each) => each === 413), String(failed));
});

test('the last poll of a run is split as well: all finished notifications are reported', async (t) => {
  const { bank, options, handled } = await startPolling(t, { maxEvents: 60 });
  await publish(bank, ...jtisOf(60));
  const poller = createPoller({
    ...options,
    onNotification: ({ jti }) => {
      handled.push(jti);
      if (handled.length < 60) return;
      bank.instead = longerThan(300);
      void poller.stop();
    },
  });
  await poller.run();
  assert.deepEqual(bank.events.acknowledged.toSorted(), jtisOf(60).toSorted());
});

test('the reports of one poll stay within requestBytesMax, whatever the texts', async (t) => {
  const { bank, time, options } = await startPolling(t, {
    ...FAILING,
    reportHandlerFailure: () => ({ err: BANK.repeat(40), description: BANK.repeat(256) }),
    requestBytesMax: 4096,
  });
  await publish(bank, ...jtisOf(20));
  const poller = createPoller({ ...options, ...releasing(time) });
  const running = poller.run();
  await bank.events.until(({ errors, held }) => errors.length === 20 && held === 1);
  await poller.stop();
  await running;
  const lengths = bank.seen.filter(({ path }) => path.endsWith('/events')).map(({ body }) => body.length);
  assert.ok(Math.max(...lengths) <= 4096, String(lengths));
  assert.ok(Math.max(...lengths) > 2000, 'polls are filled');
});

test('a report that is too large on its own is dropped, and onPollFailed names it; the others are sent', async (t) => {
  const failures: PollFailure[] = [];
  const { bank, time, options } = await startPolling(t, {
    ...FAILING,
    reportHandlerFailure: ({ jti }) => ({ err: 'e', description: 'd'.repeat(jti === 'jti-1' ? 256 : 1) }),
    onPollFailed: (failure) => void failures.push(failure),
  });
  bank.instead = longerThan(300);
  await publish(bank, ...jtisOf(3));
  const poller = createPoller({ ...options, ...releasing(time) });
  const running = poller.run();
  await bank.events.until(({ errors, held }) => errors.length === 2 && held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(bank.events.errors.map(({ jti }) => jti).toSorted(), ['jti-0', 'jti-2']);
  assert.deepEqual(
    failures.flatMap(({ givenUp }) => givenUp),
    ['jti-1'],
  );
});

test('a 413 for a poll without reports is retried with the backoff, indefinitely', async (t) => {
  const { bank, time, options, failed } = await startPolling(t, { retryDelayMsMin: 100 });
  bank.instead = longerThan(0);
  const poller = createPoller(options);
  const running = poller.run();
  for (let n = 1; n <= 3; n += 1) {
    await time.begun(n);
    if (n === 3) bank.instead = undefined;
    time.release();
  }
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(
    [time.delays, failed],
    [
      [75, 150, 300],
      [413, 413, 413],
    ],
  );
});

for (const [what, given, told] of [
  [
    'is longer than may be',
    { err: BANK.repeat(41), description: BANK.repeat(257) },
    { err: BANK.repeat(40), description: BANK.repeat(256) },
  ],
  [
    'holds an unpaired surrogate or U+0000',
    { err: 'a\ud800', description: 'b\0' },
    { err: 'a\ufffd', description: 'b\ufffd' },
  ],
  ['is empty', { err: '', description: '' }, { err: 'handler_failed', description: 'The handler failed.' }],
] as const) {
  test(`a report whose text ${what} is sent all the same, and does not affect others`, async (t) => {
    const { bank, time, options } = await startPolling(t, { ...FAILING, reportHandlerFailure: () => given });
    await publish(bank, 'a');
    const poller = createPoller({ ...options, ...releasing(time) });
    const running = poller.run();
    await bank.events.until(({ errors, held }) => errors.length === 1 && held === 1);
    await poller.stop();
    await running;
    assert.deepEqual(bank.events.errors, [{ jti: 'a', ...told }]);
  });
}

test('invalid SETs are reported with the codes of RFC 8935 and stay awaiting, and the others are handled', async (t) => {
  const { bank, options, handled, refused } = await startPolling(t);
  const stranger = await makeParticipant(BANK_ORG_ID, 'bank-key-1');
  const unknown = await makeParticipant(BANK_ORG_ID, 'no-such-kid');
  bank.events.publish('signature', await makeSet({ jti: 'signature' }, stranger));
  bank.events.publish('kid', await makeSet({ jti: 'kid' }, unknown));
  bank.events.publish('iss', await makeSet({ jti: 'iss', iss: 'https://other.example/' }));
  bank.events.publish('aud', await makeSet({ jti: 'aud', aud: 'another-tpp' }));
  bank.events.publish('key', await makeSet({ jti: 'its own jti' }));
  bank.events.publish('nonsense', 'nonsense');
  await publish(bank, 'good');
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  const codes = {
    signature: 'authentication_failed',
    kid: 'invalid_key',
    iss: 'invalid_issuer',
    aud: 'invalid_audience',
    key: 'invalid_request',
    nonsense: 'invalid_request',
  };
  assert.deepEqual(Object.fromEntries(bank.events.errors.map(({ jti, err }) => [jti, err])), codes);
  assert.ok(bank.events.errors.every(({ description }) => /^.{1,256}$/.test(description)));
  assert.match(bank.events.errors.find(({ jti }) => jti === 'key')?.description ?? '', /differs from the key/);
  assert.deepEqual(
    refused.toSorted(),
    Object.entries(codes)
      .map(([jti, code]) => `${code}:${jti}:true`)
      .toSorted(),
  );
  assert.deepEqual(handled, ['good']);
  assert.deepEqual(bank.events.acknowledged, ['good']);
  assert.deepEqual([...bank.events.awaiting.keys()], Object.keys(codes));
});

test('a SET under a malformed jti is rejected and not reported: the bank would reject the whole poll', async (t) => {
  const { bank, options, refused } = await startPolling(t);
  const long = 'x'.repeat(129);
  for (const key of ['', long]) bank.events.publish(key, await makeSet({ jti: 'a' }));
  await publish(bank, 'good');
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(bank.events.errors, []);
  assert.deepEqual(refused.toSorted(), ['invalid_request::false', `invalid_request:${long.slice(1)}:false`]);
});

test('a failed notification is neither acknowledged nor reported, and is handled when it is returned again', async (t) => {
  let fails = 2;
  const handled: string[] = [];
  const { bank, options, refused, time } = await startPolling(t, {
    onNotification: ({ jti }) => {
      if (jti === 'a' && fails > 0) {
        fails -= 1;
        throw new Error('the database is down');
      }
      handled.push(jti);
    },
  });
  await publish(bank, 'a', 'b');
  const poller = createPoller(options);
  const running = poller.run();
  await bank.events.until(({ held }) => held === 1);
  assert.deepEqual(bank.events.acknowledged, ['b']);
  bank.events.offerAgain();
  // Nothing could be finished, so the next poll waits for the backoff.
  assert.equal(await time.begun(1), 750);
  bank.events.offerAgain();
  time.release();
  await bank.events.until(({ held, awaiting }) => held === 1 && awaiting.size === 0);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['b', 'a']);
  assert.deepEqual(bank.events.acknowledged, ['b', 'a']);
  assert.deepEqual(bank.events.errors, []);
  assert.deepEqual(refused, ['handler_failed:a:false', 'handler_failed:a:false']);
});

test('a handler failure is reported if the TPP chooses, with texts cut to the limits of the standard', async (t) => {
  const { bank, options, refused, time } = await startPolling(t, {
    onNotification: () => {
      throw new Error('no');
    },
    reportHandlerFailure: ({ jti }, cause) => {
      assert.ok(cause instanceof Error && cause.message === 'no');
      if (jti === 'b') throw new Error('a report that fails is none');
      return jti === 'a' ? { err: 'e'.repeat(50), description: 'd'.repeat(300) } : undefined;
    },
  });
  await publish(bank, 'a', 'b', 'c');
  const poller = createPoller(options);
  const running = poller.run();
  await time.begun(1);
  await poller.stop();
  await running;
  assert.deepEqual(bank.events.errors, [{ jti: 'a', err: 'e'.repeat(40), description: 'd'.repeat(256) }]);
  assert.deepEqual(refused, ['handler_failed:a:true', 'handler_failed:b:false', 'handler_failed:c:false']);
});

test('while the keys or the seen store are unavailable nothing is acknowledged, reported or handled', async (t) => {
  const down = () => Promise.reject(new Error('down'));
  for (const [changes, code] of [
    [{ keys: { keyFor: down } }, 'keys_unavailable'],
    [{ seen: { has: down, add: () => undefined } }, 'seen_store_failed'],
  ] as const) {
    const { bank, options, refused, handled, time } = await startPolling(t, changes);
    await publish(bank, 'a');
    const poller = createPoller(options);
    const running = poller.run();
    await time.begun(1);
    await poller.stop();
    await running;
    assert.deepEqual([bank.events.acknowledged, bank.events.errors, handled], [[], [], []]);
    assert.deepEqual(refused, [`${code}:a:false`]);
  }
});

test('a log of the TPP that throws does not stop the poller', async (t) => {
  const broken = () => {
    throw new Error('log down');
  };
  const { bank, options, handled, time } = await startPolling(t, { onRefused: broken, onPollFailed: broken });
  let isFirst = true;
  bank.instead = ({ path }, response) => {
    if (!path.endsWith('/events') || !isFirst) return false;
    isFirst = false;
    response.writeHead(503).end();
    return true;
  };
  bank.events.publish('x', 'nonsense');
  await publish(bank, 'a');
  const poller = createPoller(options);
  const running = poller.run();
  await time.begun(1);
  time.release();
  await bank.events.until(({ held }) => held === 1);
  await poller.stop();
  await running;
  assert.deepEqual(handled, ['a']);
});
