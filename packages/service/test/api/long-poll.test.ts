import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LongPolls } from '../../src/api/long-poll.ts';
import type { StoreChange } from '../../src/store/store.ts';

// What a live API cannot be made to do on purpose: something that comes in just this moment.

const LIMITS = { longPollMaxMs: 1000, longPollsMax: 3, longPollsPerTppMax: 2 };

/** Long polls on a clock that a test puts forward, and a store that a test lets tell. */
function bench() {
  let nowMs = 0;
  const timers = new Map<object, { atMs: number; fire: () => void }>();
  let tell: (change: StoreChange) => void = () => undefined;
  let listeners = 0;
  const longPolls = new LongPolls({
    ...LIMITS,
    clock: {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      after: (delayMs, fire) => {
        const timer = {};
        timers.set(timer, { atMs: nowMs + delayMs, fire });
        return () => timers.delete(timer);
      },
    },
    store: {
      onChange: (listener) => {
        tell = listener;
        listeners += 1;
        return () => {
          listeners -= 1;
        };
      },
    },
  });
  return {
    longPolls,
    timers,
    listeners: () => listeners,
    offer: (clientId: string) => tell({ offered: new Set([clientId]), retargeted: new Set() }),
    pass: (ms: number) => {
      nowMs += ms;
      for (const [timer, { atMs, fire }] of timers) {
        if (atMs <= nowMs && timers.delete(timer)) fire();
      }
    },
    hold: (clientId = 'a', tokenExpiresAtMs?: number) => {
      const held = longPolls.hold(clientId, tokenExpiresAtMs);
      assert.ok(held !== undefined, 'there is room');
      return held;
    },
  };
}

describe('a held poll', () => {
  test('is answered when its token expires, at longPollMaxMs if that is earlier, and is not held past it', async () => {
    const { hold, pass, longPolls } = bench();
    const [short, long] = [hold('a', 400), hold('a', 5000)];
    const ends = [short.wait(undefined), long.wait(undefined)];
    pass(400);
    assert.equal(await ends[0], 'give-up');
    short.release();
    assert.equal(longPolls.held, 1);
    pass(600);
    assert.equal(await ends[1], 'give-up');
    long.release();
    for (const expired of [1000, 999]) assert.equal(longPolls.hold('a', expired), undefined);
  });

  test('looks again for what came between its look and its wait', async () => {
    const { hold, offer } = bench();
    const held = hold();
    offer('a');
    assert.equal(await held.wait(undefined), 'look-again');
  });

  test('looks once more at its limit for what came in the same moment, then gives up', async () => {
    const { hold, offer, pass } = bench();
    const held = hold();
    const waiting = held.wait(undefined);
    offer('a');
    pass(LIMITS.longPollMaxMs);
    assert.equal(await waiting, 'look-again');
    assert.equal(await held.wait(undefined), 'give-up');
  });

  test('never looks again once its connection is gone, whatever came', async () => {
    const { hold, offer } = bench();
    const held = hold();
    const waiting = held.wait(undefined);
    held.abort();
    offer('a');
    assert.equal(await waiting, 'give-up');
    assert.equal(await held.wait(undefined), 'give-up');
  });

  test('looks again when something withheld comes due, and not before', async () => {
    const { hold, pass, timers } = bench();
    const held = hold();
    const waiting = held.wait(300);
    pass(299);
    assert.equal(timers.size, 2);
    pass(1);
    assert.equal(await waiting, 'look-again');
  });

  test('does not become a busy loop when that time has come already', async () => {
    const { hold, timers } = bench();
    const held = hold();
    void held.wait(-1000);
    assert.ok([...timers.values()].every(({ atMs }) => atMs > 0));
  });

  test('frees its timers and its place when it is released, once', () => {
    const { hold, longPolls, timers } = bench();
    const held = hold();
    assert.deepEqual([longPolls.held, timers.size], [1, 1]);
    held.release();
    held.release();
    assert.deepEqual([longPolls.held, timers.size], [0, 0]);
  });
});

describe('all held polls', () => {
  test('share one listener, and an offer wakes those of its TPP alone', async () => {
    const { hold, offer, listeners, pass } = bench();
    const [mine, theirs] = [hold('a'), hold('b')];
    const [waiting, others] = [mine.wait(undefined), theirs.wait(undefined)];
    assert.equal(listeners(), 1);
    offer('a');
    assert.equal(await waiting, 'look-again');
    pass(LIMITS.longPollMaxMs);
    assert.equal(await others, 'give-up');
  });

  test('are bounded for each TPP and in all, and a place that is freed is free', () => {
    const { hold, longPolls } = bench();
    const held = [hold('a'), hold('a')];
    assert.equal(longPolls.hold('a'), undefined);
    hold('b');
    assert.equal(longPolls.hold('c'), undefined);
    held[0]?.release();
    hold('a');
  });

  test('give up when all are closed, and none is held after', async () => {
    const { hold, longPolls, listeners } = bench();
    const waiting = hold().wait(undefined);
    longPolls.close();
    assert.equal(await waiting, 'give-up');
    assert.equal(longPolls.hold('a'), undefined);
    assert.equal(listeners(), 0);
  });
});
