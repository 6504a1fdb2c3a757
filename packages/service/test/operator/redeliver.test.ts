import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { inTime } from '@tidings/testing';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { redeliver } from '../../src/operator/bulk.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import type { BulkResult, Redelivery } from '../../src/store/operations.ts';
import type { Store } from '../../src/store/store.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { Quiet } from '../support/quiet.ts';

const AUDIT = { actor: 'alice', action: 'redeliver', subject: 'tpp-1', detail: {} };
const ORDER = { filter: { clientId: 'tpp-1' }, isDryRun: false, ratePerSecond: 50, from: undefined } as const;

/** A store with that many notifications that are meant; each portion takes a while. */
function storeOf(total: number, clock: FakeClock, portionMs = 0) {
  const portions: Redelivery[] = [];
  const store = {
    redeliver: async (asked: Redelivery): Promise<BulkResult> => {
      portions.push(asked);
      const done = Number(asked.after ?? '0');
      const count = Math.min(asked.limit, total - done);
      if (portionMs > 0) await new Promise<void>((resolve) => clock.after(portionMs, resolve));
      return { count, next: done + count < total ? String(done + count) : undefined };
    },
  };
  return { portions, store };
}

function runOf(total: number, portionMs = 0) {
  const quiet = new Quiet();
  const clock = new FakeClock(() => quiet.settle());
  const { portions, store } = storeOf(total, clock, portionMs);
  const run = (order: Parameters<typeof redeliver>[0] = ORDER, isWanted = () => true) =>
    redeliver(order, AUDIT, { store, clock }, isWanted);
  return { clock, portions, run };
}

test('portions follow each other with a pause, and the rate holds from one to the next', async () => {
  const { clock, portions, run } = runOf(1200);
  const running = run();
  await clock.advance(0);
  assert.equal(portions.length, 1, 'the second portion waits');
  await clock.advance(100);
  const { count, lastDueAtMs, next } = await running;
  assert.deepEqual([count, next], [1200, undefined]);
  assert.deepEqual(
    portions.map(({ limit, spacingMs }) => [limit, spacingMs]),
    [1, 2, 3].map(() => [500, 20]),
  );
  assert.deepEqual(
    portions.map(({ firstDueAtMs }) => firstDueAtMs),
    [START_MS, START_MS + 500 * 20, START_MS + 1000 * 20],
  );
  assert.equal(lastDueAtMs, START_MS + 1199 * 20);
});

test('a rate that does not divide a second is rounded down, never up', async () => {
  for (const [ratePerSecond, spacingMs] of [
    [1, 1000],
    [3, 334],
    [300, 4],
    [1000, 1],
  ] as const) {
    const { portions, run } = runOf(1);
    await run({ ...ORDER, ratePerSecond });
    assert.equal(portions[0]?.spacingMs, spacingMs);
  }
});

test('a long redelivery ends after a while with a place, from which the next part goes on at the same rate', async () => {
  const { clock, portions, run } = runOf(3000, 2000);
  const running = run();
  await clock.advance(20_000);
  const part = await running;
  assert.equal(part.count, 1500);
  assert.deepEqual(part.next, { after: '1500', nextDueAtMs: START_MS + 1500 * 20 });
  const rest = run({ ...ORDER, from: part.next });
  await clock.advance(20_000);
  assert.deepEqual(await rest, {
    count: 1500,
    lastDueAtMs: START_MS + 2999 * 20,
    next: undefined,
  });
  assert.equal(portions[3]?.firstDueAtMs, START_MS + 1500 * 20);
});

test('whoever hangs up ends it after the portion under way', async () => {
  const { clock, portions, run } = runOf(3000);
  const { count, next } = await run(ORDER, () => false);
  await clock.advance(1000);
  assert.deepEqual([count, next?.after, portions.length], [500, '500', 1]);
});

test('when nothing is meant there is no last due time', async () => {
  const { run } = runOf(0);
  assert.deepEqual(await run(), { count: 0, lastDueAtMs: undefined, next: undefined });
});

test('a second redelivery while one is under way is answered 429, and one after it is not', async () => {
  const held = Promise.withResolvers<BulkResult>();
  const asked = Promise.withResolvers<void>();
  let calls = 0;
  const store = new Proxy({} as Store, {
    get: (_store, name) => {
      if (name !== 'redeliver') return undefined;
      return () => {
        calls += 1;
        asked.resolve();
        return held.promise;
      };
    },
  });
  const app = buildOperatorApi({
    ...{ store, catalogue: new EventTypeCatalogue([]), clock: systemClock, log: pino({ level: 'silent' }) },
    ...{ tls: undefined, bodyBytesMax: 10_000, ...CONNECTIONS, publish: () => Promise.reject(new Error('not here')) },
    // SHA-256 of "token".
    tokens: new OperatorTokens([
      {
        name: 'alice',
        sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0',
        role: 'administrator',
      },
    ]),
  });
  const post = () =>
    app.inject({
      ...{ method: 'POST', url: '/operator/v1/redeliveries', payload: { clientId: 'tpp-1' } },
      headers: { authorization: 'Bearer token' },
    });
  const first = post();
  await inTime(asked.promise, 'the redelivery at the store');
  const second = await post();
  assert.equal(second.statusCode, 429);
  assert.match(String(second.headers['retry-after']), /^\d+$/);
  assert.equal(calls, 1);
  held.resolve({ count: 0, next: undefined });
  assert.equal((await first).statusCode, 200);
  assert.equal((await post()).statusCode, 200);
  await app.close();
});
