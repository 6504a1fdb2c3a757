import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { ActivityEntry, StoredActivity } from '../../src/model/activity.ts';
import { StoreError } from '../../src/store/store.ts';
import { ActivityStream, type Beginning } from '../../src/telemetry/activity-stream.ts';
import type { Batch, Subscription } from '../../src/telemetry/subscription.ts';
import { formatPosition, parsePosition, type StreamFilter } from '../../src/telemetry/subscription.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { Quiet } from '../support/quiet.ts';

const EVERYTHING: StreamFilter = { clientId: undefined, kinds: undefined };
const NOW: Beginning = { kind: 'now' };

const entryOf = (clientId: string): ActivityEntry => ({ atMs: START_MS, kind: 'unresponsive', clientId });

/** A log of activity in memory, and what a stream tells of it. */
function streamOf(subscribersMax = 10) {
  const quiet = new Quiet();
  const clock = new FakeClock(() => quiet.settle());
  const rows: StoredActivity[] = [];
  const state = { isAway: false, nextId: 1, warned: 0 };
  const store = quiet.watch({
    activityAfter: async (id: number, limit: number) => {
      if (state.isAway) throw new StoreError('away');
      return rows.filter((row) => row.id > id).slice(0, limit);
    },
    activityBounds: async (sinceMs: number | undefined) => {
      if (state.isAway) throw new StoreError('away');
      const before = rows.filter(({ atMs }) => sinceMs !== undefined && atMs < sinceMs);
      return { firstId: rows[0]?.id ?? 0, lastId: rows.at(-1)?.id ?? 0, sinceId: before.at(-1)?.id ?? 0 };
    },
  });
  const log = { warn: () => (state.warned += 1) };
  const stream = new ActivityStream({ store, clock, log, subscribersMax });
  const append = (...clientIds: string[]) => {
    rows.push({ id: state.nextId, atMs: clock.nowMs(), instance: 'one', entries: clientIds.map(entryOf) });
    state.nextId += 1;
  };
  const subscribe = async (beginning: Beginning = NOW, filter: Partial<StreamFilter> = {}) =>
    readerOf((await stream.subscribe(beginning, { ...EVERYTHING, ...filter })) ?? assert.fail('there is room'));
  return { stream, clock, rows, state, quiet, append, subscribe };
}

/** Reads a subscription as fast as it comes, in the background. */
function readerOf(subscription: Subscription) {
  const batches: Batch[] = [];
  const done = (async () => {
    for await (const batch of subscription.batches()) batches.push(batch);
  })();
  const told = () => batches.flatMap((batch) => [...(batch.isMissing ? ['missed'] : []), ...batch.told.map(nameOf)]);
  const positions = () => batches.flatMap((batch) => batch.told.map(({ position }) => formatPosition(position)));
  return { subscription, batches, done, told, positions };
}

const nameOf = ({ entry }: { entry: ActivityEntry }) => ('clientId' in entry ? entry.clientId : entry.kind);
const after = (text: string): Beginning => ({ kind: 'after', position: parsePosition(text) ?? assert.fail(text) });

test('one reader looks for all who follow, and nothing looks when nobody does', async () => {
  const { clock, quiet, append, subscribe } = streamOf();
  append('before');
  const readers = [await subscribe(), await subscribe(), await subscribe()];
  await clock.advance(1);
  const looked = quiet.calls('activityAfter');
  append('a');
  append('b', 'c');
  await clock.advance(299);
  assert.equal(quiet.calls('activityAfter'), looked + 1);
  for (const { told, positions } of readers) {
    assert.deepEqual(told(), ['a', 'b', 'c']);
    assert.deepEqual(positions(), ['2-0', '3-0', '3-1']);
  }
  for (const { subscription, done } of readers) {
    subscription.close();
    await done;
  }
  const last = quiet.calls('activityAfter');
  await clock.advance(100_000);
  assert.equal(quiet.calls('activityAfter'), last);
  assert.equal(clock.timers, 0);
});

test('it goes on after any entry, or from a time on', async () => {
  const { clock, append, subscribe } = streamOf();
  append('a', 'b', 'c');
  await clock.advance(1000);
  append('d');
  const cases: [Beginning, string[]][] = [
    [after('0'), ['a', 'b', 'c', 'd']],
    [after('1-0'), ['b', 'c', 'd']],
    [after('1-2'), ['d']],
    [after('1'), ['d']],
    [after('2'), []],
    [{ kind: 'since', sinceMs: START_MS }, ['a', 'b', 'c', 'd']],
    [{ kind: 'since', sinceMs: START_MS + 1 }, ['d']],
    [{ kind: 'since', sinceMs: START_MS + 5000 }, []],
  ];
  for (const [beginning, expected] of cases) {
    const { subscription, told } = await subscribe(beginning);
    await clock.advance(1);
    assert.deepEqual(told(), expected, JSON.stringify(beginning));
    subscription.close();
  }
});

test('whoever asks for what is not kept any more first learns that something is missing', async () => {
  const { clock, rows, append, subscribe } = streamOf();
  for (const name of ['a', 'b', 'c', 'd']) append(name);
  rows.splice(0, 2);
  const cases: [string, string[]][] = [
    ['1', ['missed', 'c', 'd']],
    ['0', ['missed', 'c', 'd']],
    ['2-0', ['c', 'd']],
    ['3-0', ['d']],
    // Of another store, or one that was restored.
    ['99-1', ['missed']],
  ];
  for (const [position, expected] of cases) {
    const { subscription, told } = await subscribe(after(position));
    await clock.advance(1);
    assert.deepEqual(told(), expected, position);
    append('live');
    await clock.advance(300);
    assert.deepEqual(told(), [...expected, 'live'], `${position}, and on`);
    rows.pop();
    subscription.close();
  }
});

test('what is not asked for is left out, and what a newer version writes too; missed is always told', async () => {
  const { clock, rows, state, subscribe } = streamOf();
  const ofA = await subscribe(NOW, { clientId: 'a' });
  const accepted = await subscribe(NOW, { kinds: new Set(['accepted', 'expired']) });
  await clock.advance(1);
  const accept = { atMs: START_MS, kind: 'accepted', jti: 'j', clientId: 'a', eventId: 'e', eventTypes: [] } as const;
  const newer = { atMs: START_MS, kind: 'of-a-newer-version', clientId: 'a' };
  const entries = [
    ...[entryOf('a'), entryOf('b'), accept],
    ...([
      { atMs: START_MS, kind: 'expired', count: 2 },
      { atMs: START_MS, kind: 'missed', count: 3 },
    ] as const),
  ];
  rows.push({
    id: state.nextId,
    atMs: START_MS,
    instance: 'two',
    entries: JSON.parse(JSON.stringify([newer, ...entries])),
  });
  await clock.advance(300);
  assert.deepEqual(ofA.told(), ['a', 'a', 'missed']);
  assert.deepEqual(accepted.told(), ['a', 'expired', 'missed']);
  for (const { subscription } of [ofA, accepted]) subscription.close();
});

test('a sign of life comes every 15 seconds, and tells where to come back to', async () => {
  const { clock, append, subscribe } = streamOf();
  const { subscription, batches } = await subscribe(NOW, { clientId: 'nobody' });
  await clock.advance(1);
  append('a');
  await clock.advance(15_000);
  assert.deepEqual(batches, [
    { told: [], isMissing: false, missed: undefined, position: { rowId: 1, index: undefined } },
  ]);
  await clock.advance(30_000);
  assert.equal(batches.length, 3);
  subscription.close();
});

test('a slow reader learns how much it missed, and goes on, while others miss nothing', async () => {
  const { stream, clock, append, subscribe } = streamOf();
  const slow = (await stream.subscribe(NOW, EVERYTHING)) ?? assert.fail('there is room');
  const batches = slow.batches();
  const next = async (): Promise<Batch> => {
    const { value } = await batches.next();
    return value ?? assert.fail('it goes on');
  };
  const first = next();
  await clock.advance(1);
  append('first');
  await clock.advance(300);
  assert.deepEqual((await first).told.map(nameOf), ['first']);
  const quick = await subscribe();
  await clock.advance(1);
  const many = Array.from({ length: 1500 }, (_, at) => `many-${at}`);
  for (let at = 0; at < 4; at += 1) {
    append(...many);
    await clock.advance(300);
  }
  append('last');
  await clock.advance(300);
  const { told, isMissing, missed } = await next();
  assert.deepEqual([told.map(nameOf), isMissing, missed], [['last'], true, 6000]);
  assert.equal(quick.told().length, 6001, 'the quick one has all');
  assert.ok(!quick.told().includes('missed'));
  slow.close();
  quick.subscription.close();
  assert.equal((await batches.next()).done, true);
});

test('no more follow than may, and whoever leaves makes room', async () => {
  const { stream, subscribe, state } = streamOf(2);
  const { subscription } = await subscribe();
  state.isAway = true;
  await assert.rejects(stream.subscribe(NOW, EVERYTHING), StoreError);
  state.isAway = false;
  await subscribe();
  assert.equal(await stream.subscribe(NOW, EVERYTHING), undefined);
  subscription.close();
  subscription.close();
  await subscribe();
  assert.equal(await stream.subscribe(NOW, EVERYTHING), undefined);
  stream.end();
});

test('ending it ends every subscription at once, and there are no more', async () => {
  const { stream, clock, append, subscribe } = streamOf();
  append('a');
  const readers = [await subscribe(), await subscribe(after('0'))];
  await clock.advance(1);
  stream.end();
  await Promise.all(readers.map(({ done }) => done));
  assert.equal(await stream.subscribe(NOW, EVERYTHING), undefined);
  assert.equal(clock.timers, 0);
});

test('a store that is away for a while is made up for', async () => {
  const { clock, state, append, subscribe } = streamOf();
  const { subscription, told } = await subscribe();
  await clock.advance(1);
  state.isAway = true;
  append('a');
  await clock.advance(3000);
  assert.deepEqual([told(), state.warned], [[], 1]);
  state.isAway = false;
  append('b');
  await clock.advance(300);
  assert.deepEqual(told(), ['a', 'b']);
  subscription.close();
});

test('whoever catches up while the others get more gets that too', async (t) => {
  const rows: StoredActivity[] = [];
  const append = (name: string) =>
    rows.push({ id: rows.length + 1, atMs: START_MS, instance: 'one', entries: [entryOf(name)] });
  // What it answers is what there is when it is asked, and the answer may take its time.
  let slow: Promise<void> | undefined;
  const store = {
    activityAfter: async (id: number) => {
      const found = rows.filter((row) => row.id > id);
      const answered = slow;
      slow = undefined;
      await answered;
      return found;
    },
    activityBounds: async () => ({ firstId: 1, lastId: rows.length, sinceId: 0 }),
  };
  const turns = async () => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const clock = new FakeClock(turns);
  const stream = new ActivityStream({ store, clock, log: { warn: () => undefined }, subscribersMax: 5 });
  t.after(() => stream.end());
  const follow = async (beginning: Beginning) =>
    readerOf((await stream.subscribe(beginning, EVERYTHING)) ?? assert.fail('there is room'));
  append('a');
  const first = await follow(NOW);
  await turns();
  const { promise, resolve } = Promise.withResolvers<void>();
  slow = promise;
  const second = await follow(after('0'));
  append('b');
  await clock.advance(300);
  assert.deepEqual([first.told(), second.told()], [['b'], []]);
  resolve();
  await turns();
  append('c');
  await clock.advance(300);
  assert.deepEqual(
    [first.told(), second.told()],
    [
      ['b', 'c'],
      ['a', 'b', 'c'],
    ],
  );
});

test('whoever comes, goes and resumes in whatever way gets every entry once, and in its order', async (t: TestContext) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 15 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 700 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), who: fc.nat(2) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { stream, clock, rows, append } = streamOf();
      t.after(() => stream.end());
      let names = 0;
      const appendMany = (count: number) => {
        for (let at = 0; at < count; at += 1) append(`n${names++}`, `n${names++}`);
      };
      const places = [0, 1, 2].map((): Place => ({ told: [], position: '0', reader: undefined }));
      const connect = async (place: Place) => {
        cut(place);
        const subscription = await stream.subscribe(after(place.position), EVERYTHING);
        place.reader = readerOf(subscription ?? assert.fail('there is room'));
      };
      for (const place of places) await connect(place);
      for (const each of steps) {
        if (each.do === 'pass') await clock.advance(each.ms);
        else if (each.do === 'append') appendMany(each.count);
        else await connect(places[each.who] ?? assert.fail());
      }
      await clock.advance(1000);
      const all = rows.flatMap(({ entries }) => entries.map((entry) => nameOf({ entry })));
      for (const place of places) {
        cut(place);
        assert.deepEqual(place.told, all);
      }
    }),
    { numRuns: 60 },
  );
});

/** Someone who follows, is cut off, and comes back. */
interface Place {
  readonly told: string[];
  position: string;
  reader: ReturnType<typeof readerOf> | undefined;
}

function cut(place: Place): void {
  const { reader } = place;
  if (reader === undefined) return;
  reader.subscription.close();
  place.told.push(...reader.told().map(String));
  place.position = reader.positions().at(-1) ?? place.position;
}
