import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { RESOURCE_UPDATE } from '@tidings/protocol';
import { temporaryFolder } from '@tidings/testing';
import type { SearchFilter } from '../../src/store/search.ts';
import { indexFor } from '../../src/store/sqlite/search.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { acknowledged, claim, numbered, publish, register } from './opened.ts';

function fileFor(t: TestContext): string {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  return join(folder.path, 'tidings.db');
}

async function jtisFound(store: Store, filter: SearchFilter): Promise<string[]> {
  const jtis: string[] = [];
  let after: string | undefined;
  do {
    const page = await store.search({ filter, after, limit: 700 });
    jtis.push(...page.notifications.map(({ jti }) => jti));
    after = page.next;
  } while (after !== undefined);
  return jtis;
}

const FILTERS: readonly SearchFilter[] = [
  {},
  { clientId: 'a' },
  { eventType: RESOURCE_UPDATE },
  { state: 'awaiting' },
  { state: 'awaiting', clientId: 'a' },
  { transactionId: 'of-all' },
];

test('what is in the indexes and the newest, which are not, are found as one, in their order, before and after a restart', async (t) => {
  const file = fileFor(t);
  let store = openSqliteStore({ file });
  t.after(() => store.close());
  await register(store, ['a']);
  const ids = numbered('e', 5000);
  for (let at = 0; at < ids.length; at += 1000) {
    const events = ids.slice(at, at + 1000).map((id) => bankEvent('a', id, { transactionId: 'of-all' }));
    // The clock is set back now and then.
    await store.publish(events, notifyAll, START_MS - (at % 2000));
  }
  const late = (at: number) => (Math.floor(at / 1000) % 2 === 1 ? 1 : 0);
  const expected = ids
    .map((id, at) => ({ jti: jtiOf(id), at }))
    .sort((left, right) => late(left.at) - late(right.at) || right.at - left.at)
    .map(({ jti }) => jti);
  for (const filter of FILTERS) assert.deepEqual(await jtisFound(store, filter), expected, JSON.stringify(filter));
  await store.close();
  const inIndexes = rowsIn(file);
  assert.ok(inIndexes >= 2000 && inIndexes < 5000, `${inIndexes} are in the indexes, the newest are not`);
  store = openSqliteStore({ file });
  for (const filter of FILTERS) assert.deepEqual(await jtisFound(store, filter), expected, JSON.stringify(filter));
});

// What narrows a search most goes first, whatever else it names: the page of a large store depends on it.
for (const [filter, index] of [
  [{ jti: 'j', eventId: 'e', transactionId: 't', resourceId: 'r', clientId: 'a', state: 'failed' }, 'jti'],
  [{ eventId: 'e', transactionId: 't', resourceId: 'r', clientId: 'a', state: 'failed' }, 'eventId'],
  [{ transactionId: 't', resourceId: 'r', clientId: 'a', state: 'failed' }, 'txn'],
  [{ resourceId: 'r', clientId: 'a', state: 'failed' }, 'resource'],
  [{ clientId: 'a', state: 'failed', eventType: RESOURCE_UPDATE }, 'failedOfClient'],
  [{ state: 'failed', eventType: RESOURCE_UPDATE }, 'failed'],
  [{ clientId: 'a', state: 'withdrawn' }, 'endedOfClient'],
  [{ clientId: 'a', state: 'expired' }, 'endedOfClient'],
  [{ state: 'withdrawn', eventType: RESOURCE_UPDATE }, 'ended'],
  [{ state: 'expired' }, 'ended'],
  [{ clientId: 'a', state: 'awaiting' }, 'awaitingOfClient'],
  [{ state: 'awaiting' }, 'awaitingOfClient'],
  [{ clientId: 'a', state: 'acknowledged', eventType: RESOURCE_UPDATE }, 'client'],
  [{ state: 'acknowledged', eventType: RESOURCE_UPDATE }, 'types'],
  [{}, 'types'],
] as const satisfies readonly (readonly [SearchFilter, string])[]) {
  test(`a search for ${Object.keys(filter).join(', ') || 'everything'} comes by the index ${index}`, () => {
    assert.equal(indexFor(filter), index);
  });
}

test('what is dropped leaves the indexes with it', async (t) => {
  const file = fileFor(t);
  const store = openSqliteStore({ file });
  await register(store, ['a']);
  for (let at = 0; at < 4; at += 1) await publish(store, 'a', numbered(`e${at}-`, 1000));
  const claimed = await claim(store);
  await store.recordAttempts(
    claimed.map((one) => acknowledged(one)),
    START_MS,
  );
  const retention = { notificationsBeforeMs: START_MS + 1000, eventsBeforeMs: 0, limit: 3900 };
  assert.equal(await store.dropHistory(retention), 3900);
  assert.equal((await jtisFound(store, { clientId: 'a' })).length, 100);
  assert.equal(await store.dropHistory(retention), 100);
  for (const filter of FILTERS) assert.deepEqual(await jtisFound(store, filter), []);
  await store.close();
  assert.equal(rowsIn(file), 0);
});

function rowsIn(file: string): number {
  const database = new DatabaseSync(file);
  try {
    return Number(database.prepare('SELECT count(*) AS rows FROM search').get()?.['rows']);
  } finally {
    database.close();
  }
}
