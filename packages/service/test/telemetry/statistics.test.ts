import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { CountedBucket } from '../../src/model/activity.ts';
import type { Outcome } from '../../src/model/attempt.ts';
import type { StatisticsQuery } from '../../src/store/operations.ts';
import { StoreError } from '../../src/store/store.ts';
import type { Occurrence } from '../../src/telemetry/observer.ts';
import { Statistics } from '../../src/telemetry/statistics.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { attempted, polled, published } from '../support/occurrences.ts';
import { Quiet } from '../support/quiet.ts';

const ACKNOWLEDGED: Outcome = { kind: 'acknowledged', status: 202, interactionIdEchoed: true };
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const ALL = { clientId: undefined, fromMs: 0, beforeMs: START_MS * 2 };

/** What several processes count on one store, which can be taken away. */
function cluster(count = 1) {
  const quiet = new Quiet();
  const clock = new FakeClock(() => quiet.settle());
  const kept = new Map<string, CountedBucket>();
  const state = { isAway: false, warned: 0, next: 0 };
  const store = quiet.watch({
    putStatistics: async (buckets: readonly CountedBucket[]) => {
      if (state.isAway) throw new StoreError('away');
      for (const bucket of buckets) {
        const { resolution, beganAtMs, clientId, part } = bucket;
        kept.set(JSON.stringify([resolution, beganAtMs, clientId, part]), structuredClone(bucket));
      }
    },
    statistics: async ({ resolution, clientId, fromMs, beforeMs }: StatisticsQuery) =>
      [...kept.values()].filter(
        (bucket) =>
          bucket.resolution === resolution &&
          bucket.clientId === clientId &&
          bucket.beganAtMs >= fromMs &&
          bucket.beganAtMs < beforeMs,
      ),
  });
  const start = () => {
    state.next += 1;
    return new Statistics({
      store,
      clock,
      instance: `i${state.next}`,
      writeMs: 5000,
      log: { warn: () => (state.warned += 1) },
    });
  };
  return { all: Array.from({ length: count }, start), start, clock, kept, state };
}

const accept = (statistics: Statistics, clientId: string, atMs: number, times = 1) => {
  for (let at = 0; at < times; at += 1) statistics.record(published([{ clientId, id: `e${at}` }], atMs));
};

async function accepted(statistics: Statistics, query: Partial<StatisticsQuery> = {}) {
  const buckets = await statistics.read({ resolution: 'hour', ...ALL, ...query });
  return buckets.map(({ beganAtMs, tally }) => [beganAtMs, tally.counts.accepted ?? 0]);
}

const hourOf = (atMs: number) => Math.floor(atMs / HOUR_MS) * HOUR_MS;

test('everything that happens is counted under its name, once', async () => {
  const { all } = cluster();
  const [statistics = assert.fail()] = all;
  const refused = (status: number): Outcome => ({ kind: 'refused', status });
  const happenings: Occurrence[] = [
    published([
      { clientId: 'a', id: 'e1' },
      { clientId: 'a', id: 'e2', repeated: true },
      { clientId: 'a', id: 'e3', none: 'type-filtered' },
      { clientId: 'made-up', id: 'e4', none: 'unknown-client' },
    ]),
    ...[301, 400, 410, 429, 503].map((status) => attempted('a', 'e1', refused(status))),
    attempted('a', 'e1', { kind: 'unreachable', errorClass: 'dns', detail: '' }, { result: 'became-unresponsive' }),
    attempted('a', 'e1', ACKNOWLEDGED, { result: 'recovered', atMs: START_MS + 100 }),
    attempted('a', 'e1', ACKNOWLEDGED, { result: 'overtaken', atMs: START_MS + 100 }),
    polled('a', { acknowledged: ['e5', 'e6'], errors: [['e7', 'jwtIss']], atMs: START_MS + 100 }),
    polled('a', { acknowledged: ['e8'], by: 'offer', atMs: START_MS + 100 }),
    { kind: 'recovered', atMs: START_MS, clientId: 'a' },
    { kind: 'publishing-failed', atMs: START_MS, events: [] },
    { kind: 'signed', atMs: START_MS, waitedMs: 1, durationMs: 1 },
  ];
  for (const occurrence of happenings) statistics.record(occurrence);
  const expected = {
    ...{ accepted: 1, repeated: 1, 'none-type-filtered': 1, 'none-unknown-client': 1 },
    ...{ 'attempts-refused-other': 1, 'attempts-refused-4xx': 1, 'attempts-refused-410': 1, 'attempts-refused-429': 1 },
    ...{ 'attempts-refused-5xx': 1, 'attempts-unreachable-dns': 1, 'attempts-acknowledged': 2 },
    ...{ 'acknowledged-push': 1, 'acknowledged-poll': 2, 'acknowledged-offer': 1, 'reported-errors': 1 },
    ...{ 'became-unresponsive': 1, recovered: 2 },
  };
  const [hour] = await statistics.read({ resolution: 'hour', ...ALL });
  assert.deepEqual(hour?.tally.counts, expected);
  assert.deepEqual(Object.values(hour.tally.latency), [4]);
  const [minute] = await statistics.read({ resolution: 'minute', ...ALL });
  assert.deepEqual(minute?.tally, hour.tally);
  const { 'none-unknown-client': _, ...ofA } = expected;
  assert.deepEqual((await statistics.read({ resolution: 'hour', ...ALL, clientId: 'a' }))[0]?.tally.counts, ofA);
  assert.deepEqual(await statistics.read({ resolution: 'hour', ...ALL, clientId: 'made-up' }), []);
});

test('what this process counted shows at once, and in another one after 5 seconds', async () => {
  const { all, clock } = cluster(2);
  const [one = assert.fail(), other = assert.fail()] = all;
  accept(one, 'a', START_MS, 3);
  accept(other, 'a', START_MS, 2);
  assert.deepEqual(await accepted(one), [[hourOf(START_MS), 3]]);
  await clock.advance(5000);
  for (const each of [one, other]) {
    assert.deepEqual(await accepted(each), [[hourOf(START_MS), 5]]);
    assert.deepEqual(await accepted(each, { clientId: 'a' }), [[hourOf(START_MS), 5]]);
  }
  accept(one, 'a', START_MS);
  assert.deepEqual(await accepted(one), [[hourOf(START_MS), 6]], 'what was kept is not counted again');
  await clock.advance(5000);
  assert.deepEqual(await accepted(other), [[hourOf(START_MS), 6]]);
  assert.equal(clock.timers, 0, 'nothing runs while nothing is counted');
});

test('counts stand at any time what the clock, the store and restarts do: none is lost, and none is counted twice', async () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('count' as const), at: fc.nat(2), times: fc.integer({ min: 1, max: 3 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(100, 5000, MINUTE_MS, HOUR_MS) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('back' as const), ms: fc.constantFrom(1000, HOUR_MS) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('away' as const), isAway: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), at: fc.nat(2) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { all, start, clock, state } = cluster(3);
      const expected = new Map<number, number>();
      let backMs = 0;
      const count = (at: number, times: number) => {
        // The clock of the machine may be set back.
        const atMs = clock.nowMs() - backMs;
        accept(all[at] ?? assert.fail(), 'a', atMs, times);
        expected.set(hourOf(atMs), (expected.get(hourOf(atMs)) ?? 0) + times);
      };
      const restart = async (at: number) => {
        if (state.isAway) return;
        await all[at]?.stop();
        all[at] = start();
      };
      for (const each of steps) {
        if (each.do === 'count') count(each.at, each.times);
        else if (each.do === 'pass') await clock.advance(each.ms);
        else if (each.do === 'back') backMs += each.ms;
        else if (each.do === 'away') state.isAway = each.isAway;
        else await restart(each.at);
      }
      state.isAway = false;
      await clock.advance(10_000);
      const sorted = [...expected].toSorted(([left], [right]) => left - right);
      for (const statistics of all) {
        assert.deepEqual(await accepted(statistics), sorted);
        assert.deepEqual(await accepted(statistics, { clientId: 'a' }), sorted);
        const minutes = await accepted(statistics, { resolution: 'minute' });
        assert.equal(
          minutes.reduce((sum, [, count = 0]) => sum + count, 0),
          sorted.reduce((sum, [, count]) => sum + count, 0),
        );
      }
    }),
    { numRuns: 60 },
  );
});

test('a crash loses no more than what was counted since it was kept last', async () => {
  const { all, start, clock } = cluster();
  const [statistics = assert.fail()] = all;
  accept(statistics, 'a', START_MS, 4);
  await clock.advance(5000);
  accept(statistics, 'a', START_MS, 2);
  assert.deepEqual(await accepted(start()), [[hourOf(START_MS), 4]]);
});

test('a store that is down is reported once, and gets everything when it is back', async () => {
  const { all, clock, state, kept } = cluster();
  const [statistics = assert.fail()] = all;
  state.isAway = true;
  for (let hour = 0; hour < 3; hour += 1) {
    accept(statistics, 'a', clock.nowMs());
    await clock.advance(HOUR_MS);
  }
  assert.deepEqual([kept.size, state.warned], [0, 1]);
  state.isAway = false;
  await clock.advance(5000);
  assert.equal(kept.size, 9, 'three hours, each with a minute, all and one TPP');
  assert.equal((await accepted(statistics)).length, 3);
});

test('no more TPPs than some are counted by themselves; the sum is of all', async () => {
  const { all, clock, kept } = cluster();
  const [statistics = assert.fail()] = all;
  for (let at = 0; at < 3000; at += 1) accept(statistics, `tpp-${at}`, START_MS);
  await clock.advance(5000);
  assert.deepEqual(await accepted(statistics), [[hourOf(START_MS), 3000]]);
  assert.equal(kept.size, 2002);
  accept(statistics, 'tpp-2999', START_MS);
  await clock.advance(5000);
  assert.deepEqual(
    await accepted(statistics, { clientId: 'tpp-2999' }),
    [[hourOf(START_MS), 1]],
    'quiet ones gave way',
  );
  accept(statistics, 'tpp-0', START_MS);
  assert.deepEqual(
    await accepted(statistics, { clientId: 'tpp-0' }),
    [[hourOf(START_MS), 2]],
    'and count on when back',
  );
});
