import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempt, RecentAttempts as Recent } from '../../src/model/attempt.ts';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { AttemptRecord } from '../../src/store/delivery.ts';
import { RECENT_ATTEMPTS, RecentAttempts } from '../../src/telemetry/recent-attempts.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

/** A store that keeps the last attempts of each process, and may fail. */
function fakeStore() {
  const kept = new Map<string, Recent>();
  const store = {
    isAway: false,
    writes: 0,
    keepRecentAttempts: async (recent: readonly Recent[]) => {
      store.writes += 1;
      if (store.isAway) throw new Error('away');
      for (const each of recent) kept.set(`${each.clientId} ${each.instance}`, each);
    },
    recentAttempts: async (clientIds: readonly string[]) => {
      return [...kept.values()].filter(({ clientId }) => clientIds.includes(clientId));
    },
  };
  return store;
}

const CLAIMED: ClaimedNotification = {
  ...{ jti: '', clientId: 'a', callbackUrl: 'https://a.example', set: undefined, publishedAtMs: START_MS },
  ...{ attempts: 0, round: 0, roundAttempts: 0, roundBeganAtMs: undefined, traceContext: undefined, retry: undefined },
  ...{ probe: undefined, leaseToken: 1 },
  claims: { iss: '', iat: 0, jti: '', sub: '', aud: '', txn: '', toe: 0, events: {} },
};

function attempted(watching: RecentAttempts, clientId: string, jti: string, afterMs: number): void {
  const attempt: Attempt = {
    ...{ startedAtMs: START_MS + afterMs, durationMs: 5, interactionId: 'i', callbackUrl: 'https://a.example' },
    outcome: { kind: 'refused', status: 500 },
  };
  const record: AttemptRecord = {
    ...{ claimed: { ...CLAIMED, clientId, jti }, attempt },
    next: { kind: 'retry', atMs: START_MS },
  };
  watching.record({ kind: 'attempted', atMs: START_MS, record, result: 'applied' });
}

function watchingAt(instance: string, store = fakeStore()) {
  const clock = new FakeClock();
  const watching = new RecentAttempts({ store, clock, log: { warn: () => undefined }, instance, writeMs: 5000 });
  const jtisOf = async (clientId: string) => (await watching.of([clientId])).get(clientId)?.map(({ jti }) => jti);
  return { store, clock, watching, jtisOf };
}

test('only the last attempts of each TPP are known, the newest first', async () => {
  const { watching, jtisOf } = watchingAt('one');
  for (let number = 0; number < RECENT_ATTEMPTS + 5; number += 1) attempted(watching, 'a', `j${number}`, number);
  attempted(watching, 'b', 'other', 0);
  const expected = Array.from({ length: RECENT_ATTEMPTS }, (_, at) => `j${RECENT_ATTEMPTS + 4 - at}`);
  assert.deepEqual(await jtisOf('a'), expected);
  assert.deepEqual(await jtisOf('b'), ['other']);
  assert.deepEqual(await jtisOf('never pushed to'), []);
  await watching.stop();
});

test('the store hears of many at once, and nothing when nothing was attempted', async () => {
  const { watching, clock, store } = watchingAt('one');
  await clock.advance(60_000);
  assert.equal(store.writes, 0);
  for (let number = 0; number < 100; number += 1) attempted(watching, `tpp-${number % 7}`, `j${number}`, number);
  await clock.advance(5000);
  assert.equal(store.writes, 1);
  await clock.advance(60_000);
  await watching.stop();
  assert.equal(store.writes, 1);
});

test('those of other processes, and of those that are gone, are known beside its own', async () => {
  const one = watchingAt('one');
  attempted(one.watching, 'a', 'first', 0);
  await one.watching.stop();
  const two = watchingAt('two', one.store);
  assert.deepEqual(await two.jtisOf('a'), ['first']);
  attempted(two.watching, 'a', 'second', 1);
  assert.deepEqual(await two.jtisOf('a'), ['second', 'first'], 'its own at once');
  await two.clock.advance(5000);
  assert.deepEqual(await two.jtisOf('a'), ['second', 'first'], 'and none twice');
  await two.watching.stop();
});

test('what the store could not keep is kept with what comes next', async () => {
  const { watching, clock, store } = watchingAt('one');
  store.isAway = true;
  attempted(watching, 'a', 'first', 0);
  await clock.advance(5000);
  store.isAway = false;
  attempted(watching, 'b', 'second', 0);
  await clock.advance(5000);
  assert.deepEqual(await watchingAt('two', store).jtisOf('a'), ['first']);
  await watching.stop();
});
