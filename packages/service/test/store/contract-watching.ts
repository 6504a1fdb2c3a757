import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ActivityEntry, CountedBucket, Tally } from '../../src/model/activity.ts';
import type { StatisticsQuery } from '../../src/store/operations.ts';
import type { Store } from '../../src/store/store.ts';
import { START_MS } from '../support/fake-clock.ts';
import { numbered, type OpenFor } from './opened.ts';

const HOUR_MS = 3_600_000;
const NEVER = { activityBeforeMs: 0, minutesBeforeMs: 0, hoursBeforeMs: 0, limit: 100 };

const entryOf = (clientId: string): ActivityEntry => ({ atMs: START_MS, kind: 'unresponsive', clientId });

function append(store: Store, clientIds: readonly string[], afterMs = 0): Promise<void> {
  return store.appendActivity({ atMs: START_MS + afterMs, instance: 'one', entries: clientIds.map(entryOf) });
}

async function allAfter(store: Store, id: number): Promise<(string | undefined)[]> {
  const rows = await store.activityAfter(id, 1000);
  return rows.flatMap(({ entries }) => entries.map((entry) => ('clientId' in entry ? entry.clientId : undefined)));
}

/** The activity log and the statistics. */
export function describeWatching(open: OpenFor): void {
  describe('the activity log', () => describeActivity(open));
  describe('the statistics', () => describeStatistics(open));
}

function describeActivity(open: OpenFor): void {
  test('is read in the order of appending, after any row, as many rows as asked for', async (t) => {
    const { store, reopen } = await open(t);
    assert.deepEqual(await store.activityAfter(0, 10), []);
    assert.deepEqual(await store.activityBounds(undefined), { firstId: 0, lastId: 0, sinceId: 0 });
    for (const [at, clientId] of numbered('c', 5).entries()) await append(store, [clientId, `${clientId}-too`], at);
    const rows = await store.activityAfter(0, 1000);
    assert.deepEqual(
      await allAfter(store, 0),
      numbered('c', 5).flatMap((clientId) => [clientId, `${clientId}-too`]),
    );
    const [first, second, third] = rows;
    assert.ok(first && second && third);
    assert.deepEqual(
      [first.atMs, first.instance, first.entries],
      [START_MS, 'one', ['c0', 'c0-too'].map((clientId) => entryOf(clientId))],
    );
    assert.deepEqual(await store.activityAfter(first.id, 2), [second, third]);
    const bounds = { firstId: first.id, lastId: rows.at(-1)?.id, sinceId: 0 };
    assert.deepEqual(await store.activityBounds(undefined), bounds);
    assert.deepEqual(await (await reopen()).activityAfter(0, 1000), rows);
  });

  test('says which row was the last before a time', async (t) => {
    const { store } = await open(t);
    for (const afterMs of [0, 100, 200]) await append(store, ['a'], afterMs);
    const ids = (await store.activityAfter(0, 10)).map(({ id }) => id);
    const sinceId = async (afterMs: number) => (await store.activityBounds(START_MS + afterMs)).sinceId;
    assert.deepEqual(await Promise.all([0, 1, 100, 101, 1000].map(sinceId)), [0, ids[0], ids[0], ids[1], ids[2]]);
  });

  test('gives ids that rise, and never gives one again, whatever was dropped', async (t) => {
    const { store, reopen } = await open(t);
    await Promise.all(numbered('c', 20).map((clientId) => append(store, [clientId])));
    const rows = await store.activityAfter(0, 1000);
    assert.deepEqual((await allAfter(store, 0)).toSorted(), numbered('c', 20).toSorted());
    while ((await store.dropWatched({ ...NEVER, activityBeforeMs: START_MS + 1, limit: 7 })) > 0);
    const last = rows.at(-1);
    assert.deepEqual(await store.activityAfter(0, 1000), [last], 'only the newest is left');
    const reopened = await reopen();
    await append(reopened, ['later'], 500);
    const [fresh] = await reopened.activityAfter(last?.id ?? 0, 10);
    assert.ok(fresh !== undefined && last !== undefined && fresh.id > last.id);
  });

  test('is dropped by age, to the millisecond, in portions', async (t) => {
    const { store } = await open(t);
    for (let at = 0; at < 10; at += 1) await append(store, [`c${at}`], at);
    assert.equal(await store.dropWatched({ ...NEVER, activityBeforeMs: START_MS }), 0);
    assert.equal(await store.dropWatched({ ...NEVER, activityBeforeMs: START_MS + 6, limit: 4 }), 4);
    assert.equal(await store.dropWatched({ ...NEVER, activityBeforeMs: START_MS + 6, limit: 4 }), 2);
    assert.deepEqual(await allAfter(store, 0), ['c6', 'c7', 'c8', 'c9']);
  });

  test('keeps every entry as it is', async (t) => {
    const { store } = await open(t);
    const strange = 'a\u0001"\u2028\\';
    const entries: ActivityEntry[] = [
      { atMs: 1, kind: 'accepted', jti: 'j', clientId: strange, eventId: 'e', eventTypes: ['urn:a', 'urn:b'] },
      { atMs: 2, kind: 'reported-error', jti: 'j', clientId: 'a' },
      { atMs: 3, kind: 'missed', count: 4 },
    ];
    await store.appendActivity({ atMs: START_MS, instance: strange, entries });
    const [row] = await store.activityAfter(0, 1);
    assert.deepEqual([row?.entries, row?.instance], [entries, strange]);
  });
}

const minute = (changes: Partial<CountedBucket> = {}): CountedBucket => ({
  ...{ resolution: 'minute', beganAtMs: START_MS, clientId: undefined, part: 'p1' },
  tally: { counts: { accepted: 1 }, latency: {} },
  ...changes,
});
const tallyOf = (accepted: number): Tally => ({ counts: { accepted }, latency: { 7: accepted } });

function ask(store: Store, changes: Partial<StatisticsQuery> = {}): Promise<readonly CountedBucket[]> {
  const all = { fromMs: 0, beforeMs: START_MS * 2 };
  return store.statistics({ resolution: 'minute', clientId: undefined, ...all, ...changes });
}

function describeStatistics(open: OpenFor): void {
  test('keep a count in place of the one before of the same bucket and part', async (t) => {
    const { store, reopen } = await open(t);
    await store.putStatistics([minute()]);
    await store.putStatistics([minute({ tally: tallyOf(5) }), minute({ part: 'p2', tally: tallyOf(2) })]);
    await store.putStatistics([]);
    const byPart = (found: readonly CountedBucket[]) =>
      found.toSorted((left, right) => (left.part < right.part ? -1 : 1));
    const expected = [minute({ tally: tallyOf(5) }), minute({ part: 'p2', tally: tallyOf(2) })];
    assert.deepEqual(byPart(await ask(store)), expected);
    assert.deepEqual(byPart(await ask(await reopen())), expected);
  });

  test('are found by resolution, TPP and time', async (t) => {
    const { store } = await open(t);
    const ofA = minute({ clientId: 'a', resolution: 'hour' });
    const later = minute({ beganAtMs: START_MS + 60_000 });
    await store.putStatistics([minute(), later, minute({ resolution: 'hour' }), ofA]);
    assert.deepEqual(await ask(store, { clientId: 'a' }), []);
    assert.deepEqual(await ask(store, { clientId: 'a', resolution: 'hour' }), [ofA]);
    assert.deepEqual(await ask(store, { resolution: 'hour' }), [minute({ resolution: 'hour' })]);
    assert.deepEqual(await ask(store, { fromMs: START_MS, beforeMs: START_MS + 60_000 }), [minute()]);
    assert.deepEqual(await ask(store, { fromMs: START_MS + 1 }), [later]);
  });

  test('are dropped by age, minutes and hours each by their own, in portions', async (t) => {
    const { store } = await open(t);
    const at = (resolution: 'minute' | 'hour', hours: number, part = 'p1') =>
      minute({ resolution, part, beganAtMs: START_MS + hours * HOUR_MS });
    const hours = [0, 1, 2].flatMap((hour) => [at('hour', hour), at('hour', hour, 'p2')]);
    await store.putStatistics([at('minute', 0), at('minute', 1), at('minute', 2), ...hours]);
    const before = { ...NEVER, minutesBeforeMs: START_MS + 2 * HOUR_MS, hoursBeforeMs: START_MS + HOUR_MS };
    assert.equal(await store.dropWatched({ ...before, limit: 3 }), 3);
    assert.equal(await store.dropWatched({ ...before, limit: 3 }), 1);
    assert.equal(await store.dropWatched({ ...before, limit: 3 }), 0);
    assert.deepEqual(await ask(store), [at('minute', 2)]);
    assert.equal((await ask(store, { resolution: 'hour' })).length, 4);
  });
}
