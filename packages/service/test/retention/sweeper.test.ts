import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSweeper } from '../../src/retention/sweeper.ts';
import type { Retention, WatchRetention } from '../../src/store/operations.ts';
import { StoreError } from '../../src/store/store.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { Quiet } from '../support/quiet.ts';

const DAY_MS = 86_400_000;
const SETTINGS = {
  ...{ notificationsMs: 90 * DAY_MS, eventsMs: 100 * DAY_MS, sweepMs: 60_000 },
  ...{ activityKeptMs: 3_600_000, minutesKeptMs: 2 * DAY_MS, hoursKeptMs: 400 * DAY_MS },
};

/** A sweeper on a store in which there is so much to do. */
function sweeperOf(
  todo: { droppable: number; expirable: number; watched?: number },
  changed: { awaitingMs?: number } = {},
) {
  const quiet = new Quiet();
  const clock = new FakeClock(() => quiet.settle());
  const dropped: Retention[] = [];
  const expired: { publishedBeforeMs: number; limit: number; nowMs: number }[] = [];
  const watched: WatchRetention[] = [];
  const told: number[] = [];
  const logged: { level: string; facts: object; message: string }[] = [];
  const state = { watched: 0, ...todo, error: undefined as Error | undefined };
  const log = (level: string) => (facts: object, message?: string) => {
    logged.push({ level, facts, message: message ?? '' });
  };
  const take = (what: 'droppable' | 'expirable' | 'watched', limit: number) => {
    if (state.error !== undefined) throw state.error;
    const count = Math.min(limit, state[what]);
    state[what] -= count;
    return count;
  };
  const store = {
    dropHistory: async (retention: Retention) => {
      dropped.push(retention);
      return take('droppable', retention.limit);
    },
    expireAwaiting: async (publishedBeforeMs: number, limit: number, nowMs: number) => {
      expired.push({ publishedBeforeMs, limit, nowMs });
      return take('expirable', limit);
    },
    dropWatched: async (retention: WatchRetention) => {
      watched.push(retention);
      return take('watched', retention.limit);
    },
  };
  const sweeper = startSweeper({
    ...{ ...SETTINGS, ...changed, store: quiet.watch(store), clock },
    log: { info: log('info'), warn: log('warn') },
    onExpired: (count) => told.push(count),
  });
  return { sweeper, clock, state, dropped, expired, watched, told, logged };
}

test('nothing is dropped before the first interval is over, and then what is older than the retention', async () => {
  const { sweeper, clock, dropped, logged } = sweeperOf({ droppable: 5, expirable: 0 });
  await clock.advance(59_999);
  assert.equal(dropped.length, 0);
  await clock.advance(1000);
  const beganMs = START_MS + 60_000;
  const asked = { notificationsBeforeMs: beganMs - 90 * DAY_MS, eventsBeforeMs: beganMs - 100 * DAY_MS, limit: 1000 };
  assert.deepEqual(dropped, [asked, asked], 'until there is no more');
  assert.deepEqual(logged, [{ level: 'info', facts: { expired: 0, dropped: 5 }, message: 'swept' }]);
  await sweeper.stop();
  assert.equal(clock.timers, 0);
});

test('a sweep that drops nothing is not told of, and the next one comes', async () => {
  const { sweeper, clock, dropped, logged } = sweeperOf({ droppable: 0, expirable: 0 });
  await clock.advance(180_000);
  assert.equal(dropped.length, 3);
  assert.deepEqual(logged, []);
  await sweeper.stop();
});

test('much is dropped in portions with a pause between each two, so that traffic goes first', async () => {
  const { sweeper, clock, dropped } = sweeperOf({ droppable: 3500, expirable: 0 });
  await clock.advance(60_000);
  assert.equal(dropped.length, 1, 'the second portion waits');
  await clock.advance(1000);
  assert.equal(dropped.length, 5);
  await sweeper.stop();
});

test('awaiting notifications never expire unless an age is set', async () => {
  const without = sweeperOf({ droppable: 0, expirable: 10 });
  await without.clock.advance(600_000);
  assert.deepEqual(without.expired, []);
  await without.sweeper.stop();
  const { sweeper, clock, expired, told, logged } = sweeperOf(
    { droppable: 0, expirable: 10 },
    { awaitingMs: 7 * DAY_MS },
  );
  await clock.advance(61_000);
  assert.equal(expired[0]?.publishedBeforeMs, START_MS + 60_000 - 7 * DAY_MS);
  assert.deepEqual(
    logged.map(({ facts }) => facts),
    [{ expired: 10, dropped: 0 }],
  );
  assert.deepEqual(told, [10], 'whoever watches learns of it');
  await sweeper.stop();
});

test('activity and statistics are dropped each by its own age, in small portions, and nothing is reported', async () => {
  const { sweeper, clock, watched, told, logged } = sweeperOf({ droppable: 0, expirable: 0, watched: 60 });
  await clock.advance(61_000);
  const beganMs = START_MS + 60_000;
  const asked = {
    activityBeforeMs: beganMs - 3_600_000,
    minutesBeforeMs: beganMs - 2 * DAY_MS,
    hoursBeforeMs: beganMs - 400 * DAY_MS,
    limit: 25,
  };
  assert.deepEqual(watched, [asked, asked, asked, asked], 'until there is no more');
  assert.deepEqual([told, logged], [[], []]);
  await sweeper.stop();
});

test('a store that fails is reported once a sweep, and the next sweep makes up for it', async () => {
  const { sweeper, clock, state, logged } = sweeperOf({ droppable: 5, expirable: 0 });
  state.error = new StoreError('the disk is full');
  await clock.advance(120_000);
  assert.deepEqual(
    logged.map(({ level }) => level),
    ['warn', 'warn'],
  );
  state.error = undefined;
  await clock.advance(61_000);
  assert.deepEqual(logged.at(-1)?.facts, { expired: 0, dropped: 5 });
  await sweeper.stop();
});

test('stopping ends a long sweep after the portion under way, and starts no other', async () => {
  const { sweeper, clock, dropped } = sweeperOf({ droppable: 1_000_000, expirable: 0 });
  await clock.advance(60_050);
  const portions = dropped.length;
  await sweeper.stop();
  await sweeper.stop();
  await clock.advance(600_000);
  assert.equal(dropped.length, portions);
  assert.equal(clock.timers, 0);
});
