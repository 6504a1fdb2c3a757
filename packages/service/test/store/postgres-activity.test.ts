import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import pg from 'pg';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { lockStatement } from '../../src/store/postgres/database.ts';
import type { Store } from '../../src/store/store.ts';
import { ActivityStream } from '../../src/telemetry/activity-stream.ts';
import { formatPosition, type Position } from '../../src/telemetry/subscription.ts';
import { START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';

// The activity log of several instances on one PostgreSQL, which append at once.

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

async function instances(t: TestContext, count: number): Promise<readonly Store[]> {
  const url = await server.createDatabase();
  const stores: Store[] = [];
  for (let at = 0; at < count; at += 1) stores.push(await openInstance(t, url));
  return stores;
}

/** Appends rows of two entries each, with names of their own, several at once. @returns the names */
async function append(store: Store, prefix: string, rows: number, atOnce: number): Promise<string[]> {
  const names: string[] = [];
  const lines = Array.from({ length: atOnce }, async (_, line) => {
    for (let at = 0; at < rows; at += 1) {
      const own = [`${prefix}-${line}-${at}-0`, `${prefix}-${line}-${at}-1`];
      const entries = own.map((clientId) => ({ atMs: START_MS, kind: 'unresponsive', clientId }) as const);
      await store.appendActivity({ atMs: START_MS, instance: prefix, entries });
      names.push(...own);
    }
  });
  await Promise.all(lines);
  return names;
}

test('whoever reads while others append sees ids rise, and never one that comes late', async (t) => {
  const stores = await instances(t, 3);
  let isDone = false;
  const appending = Promise.all(stores.map((store, at) => append(store, `i${at}`, 20, 3)));
  const ended = appending.finally(() => {
    isDone = true;
  });
  const read = async (store: Store) => {
    const seen: string[] = [];
    let last = 0;
    for (let isLast = false; !isLast; ) {
      isLast = isDone;
      // Everything after what was seen: what became visible late would have a smaller id, and be missed.
      for (const { id, entries } of await store.activityAfter(last, 7)) {
        assert.ok(id > last);
        last = id;
        isLast = false;
        seen.push(...entries.map((entry) => ('clientId' in entry ? String(entry.clientId) : '')));
      }
    }
    return seen;
  };
  const seen = await Promise.all(stores.map(read));
  const names = (await ended).flat();
  assert.equal(names.length, 360);
  for (const each of seen) assert.deepEqual(each.toSorted(), names.toSorted());
  assert.deepEqual(seen[1], seen[0]);
});

test('an append waits for one that has its id already, and is not yet seen', async (t) => {
  const url = await server.createDatabase();
  const store = await openInstance(t, url);
  const other = new pg.Client(url);
  await other.connect();
  t.after(() => other.end());
  // As another instance does, stopped just before its commit.
  await other.query(`BEGIN; ${lockStatement({ appending: true })}
    INSERT INTO activity (at_ms, instance, entries) VALUES (1, 'other', '[]')`);
  let isAppended = false;
  const appending = append(store, 'own', 1, 1).then(() => {
    isAppended = true;
  });
  const isWaiting = async () =>
    (await other.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).rowCount === 1;
  while (!(await isWaiting())) assert.ok(!isAppended, 'it came before one with a smaller id');
  assert.deepEqual(await store.activityAfter(0, 10), []);
  await other.query('COMMIT');
  await appending;
  assert.deepEqual(
    (await store.activityAfter(0, 10)).map(({ instance }) => instance),
    ['other', 'own'],
  );
});

test('resuming at another instance misses nothing and repeats nothing, whenever it is and whoever appends meanwhile', async (t) => {
  const stores = await instances(t, 3);
  const log = pino({ enabled: false });
  const streams = stores.map((store) => new ActivityStream({ store, clock: systemClock, log, subscribersMax: 10 }));
  t.after(() => {
    for (const stream of streams) stream.end();
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ at: fc.nat(2), take: fc.integer({ min: 1, max: 25 }) }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 10 }),
      async (visits, rows) => {
        runs += 1;
        const before = await stores[0]?.activityBounds(undefined);
        let position: Position = { rowId: before?.lastId ?? 0, index: undefined };
        const appending = Promise.all(stores.map((store, at) => append(store, `r${runs}-i${at}`, rows, 2)));
        const seen: string[] = [];
        const visit = async (at: number, take: number) => {
          const got = await follow(streams[at] ?? assert.fail(), position, take);
          seen.push(...got.names);
          position = got.position;
        };
        const total = rows * 12;
        for (const { at, take } of visits) await visit(at, Math.min(take, total - seen.length));
        await visit(visits.length % 3, total - seen.length);
        const names = (await appending).flat();
        assert.deepEqual(seen.toSorted(), names.toSorted());
      },
    ),
    { numRuns: 5 },
  );
});

/** Takes that many entries, which may end in the middle of a row, and goes. */
async function follow(stream: ActivityStream, position: Position, take: number) {
  const names: string[] = [];
  let reached = position;
  if (take === 0) return { names, position };
  const beginning = { kind: 'after', position } as const;
  const subscription = await stream.subscribe(beginning, { clientId: undefined, kinds: undefined });
  assert.ok(subscription !== undefined);
  for await (const { told, isMissing } of subscription.batches()) {
    assert.ok(!isMissing, `after ${formatPosition(position)} everything is kept`);
    for (const { entry, position: place } of told.slice(0, take - names.length)) {
      names.push('clientId' in entry ? String(entry.clientId) : '');
      reached = place;
    }
    if (names.length === take) break;
  }
  return { names, position: reached };
}
