import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BulkResult, NotificationFilter, Redelivery } from '../../src/store/operations.ts';
import type { Store } from '../../src/store/store.ts';
import { deletionOf, jtiOf, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  claimOne,
  fail,
  jtisOf,
  LEASE_MS,
  look,
  numbered,
  type OpenFor,
  POLL,
  publish,
  register,
  retryAt,
} from './opened.ts';

const AUDIT = { atMs: START_MS + 1, actor: 'ops', action: 'redeliver', subject: 'a', detail: { why: 'asked for' } };

/** Redelivers, by default all at once and all there is, 10,000 ms after the start. */
function redeliver(store: Store, filter: NotificationFilter, changes: Partial<Redelivery> = {}): Promise<BulkResult> {
  return store.redeliver({
    ...{ filter, after: undefined, limit: 1000, firstDueAtMs: START_MS + 10_000, spacingMs: 0, isDryRun: false },
    ...{ audit: AUDIT, ...changes },
  });
}

/** All portions of a redelivery. @returns how many in all */
async function redeliverAll(store: Store, filter: NotificationFilter, limit: number): Promise<number> {
  let { count, next } = await redeliver(store, filter, { limit });
  for (let portions = 0; next !== undefined; portions += 1) {
    assert.ok(portions < 100, 'it comes to an end');
    const portion = await redeliver(store, filter, { limit, after: next });
    assert.ok(portion.count <= limit);
    count += portion.count;
    next = portion.next;
  }
  return count;
}

/** What is due then, in the order of claiming. */
async function dueAfter(store: Store, afterMs: number): Promise<string[]> {
  return jtisOf(await claim(store, { afterMs }));
}

/** Acknowledged, failed (waits for a retry until 50,000), reported as an error, not attempted yet; of two TPPs. */
async function several(store: Store): Promise<void> {
  await register(store, ['a', 'b']);
  for (const clientId of ['a', 'b']) {
    await publish(store, clientId, [`${clientId}-acknowledged`, `${clientId}-failed`], 100);
    const [acknowledges, fails] = await claim(store, { afterMs: 100 });
    assert.ok(acknowledges && fails);
    await acknowledge(store, acknowledges, 150);
    await fail(store, fails, retryAt(50_000), 150);
  }
  for (const clientId of ['a', 'b']) {
    await publish(store, clientId, [`${clientId}-reported`, `${clientId}-fresh`], 20_000);
    const errors = [{ jti: jtiOf(`${clientId}-reported`), err: 'jwtIss', description: 'unknown' }];
    await store.poll({ ...POLL, clientId, errors });
  }
}

const ALL = ['acknowledged', 'failed', 'reported', 'fresh'];
const ofA = (...names: readonly string[]) => names.map((name) => jtiOf(`a-${name}`));

/** Redelivery by the operator. */
export function describeRedelivery(open: OpenFor): void {
  describe('redelivery', () => {
    describeWhat(open);
    describeWhatNot(open);
    describeFilters(open);
    describePortions(open);
  });
}

function describeWhat(open: OpenFor): void {
  test('makes what was acknowledged awaiting again, under the same jti and with the same SET, for push and poll', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    await store.poll({ ...POLL, clientId: 'a', maxEvents: 1 });
    await store.keepSets([{ jti, set: 'kept' }]);
    await acknowledge(store, await claimOne(store), 100);
    assert.deepEqual(await redeliver(store, { clientId: 'a' }), { count: 1, next: undefined });
    const reopened = await reopen();
    const { state, acknowledgedAtMs, acknowledgedBy, attempts, nextAttemptAtMs } = await look(reopened, jti);
    assert.deepEqual(
      [state, acknowledgedAtMs, acknowledgedBy, attempts.length, nextAttemptAtMs],
      ['awaiting', undefined, undefined, 1, START_MS + 10_000],
    );
    assert.deepEqual(await dueAfter(reopened, 9999), []);
    const again = await claimOne(reopened, 10_000);
    assert.deepEqual(
      [again.jti, again.set, again.attempts, again.roundAttempts, again.roundBeganAtMs],
      [jti, 'kept', 1, 0, undefined],
    );
    const { notifications } = await reopened.poll({ ...POLL, clientId: 'a', maxEvents: 1 });
    assert.deepEqual(
      notifications.map((offered) => [offered.jti, offered.set]),
      [[jti, 'kept']],
    );
    assert.equal(await acknowledge(reopened, again, 10_100), 'applied');
    assert.equal((await reopened.counts()).awaiting, 0);
  });

  test('gives what waits for a retry a new round, before the retries of others', async (t) => {
    const { store } = await open(t);
    await several(store);
    await redeliver(store, { jtis: ofA('failed') });
    const [first] = await claim(store, { afterMs: 10_000, capacityFor: ({ clientId }) => (clientId === 'a' ? 1 : 0) });
    assert.deepEqual([first?.jti, first?.attempts, first?.roundAttempts], [jtiOf('a-failed'), 1, 0]);
  });

  test('spaces what it makes due, in the order of publishing', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 4));
    for (const claimed of await claim(store)) await acknowledge(store, claimed);
    await redeliver(store, {}, { firstDueAtMs: START_MS + 1000, spacingMs: 50 });
    for (const [at, jti] of numbered('e', 4).map(jtiOf).entries()) {
      assert.deepEqual(await dueAfter(store, 1000 + 50 * at - 1), []);
      assert.deepEqual(await dueAfter(store, 1000 + 50 * at), [jti]);
    }
  });

  test('is on record with how many, in the same breath', async (t) => {
    const { store } = await open(t);
    await several(store);
    await redeliver(store, { clientId: 'a' }, { isDryRun: true });
    await redeliver(store, { clientId: 'nobody' });
    assert.deepEqual(await store.auditEntries(undefined, 10), [], 'nothing was changed');
    await redeliver(store, { clientId: 'a' });
    const entries = await store.auditEntries(undefined, 10);
    assert.deepEqual(
      entries.map(({ id: _, ...entry }) => entry),
      [{ ...AUDIT, detail: { why: 'asked for', count: 4 } }],
    );
  });
}

function describeWhatNot(open: OpenFor): void {
  test('leaves alone what is under way, withdrawn or expired', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    const [expired = ''] = await publish(store, 'a', ['expired']);
    await store.expireAwaiting(START_MS + 1, 10, START_MS);
    await publish(store, 'b', ['withdrawn']);
    await store.deleteRegistration(deletionOf(subscriptionOf('b')), START_MS);
    await store.createRegistration(subscriptionOf('b', { id: 'new' }), START_MS);
    await publish(store, 'a', ['claimed']);
    const claimed = await claimOne(store);
    assert.deepEqual(await redeliver(store, {}), { count: 0, next: undefined });
    assert.equal((await look(store, expired)).state, 'expired');
    assert.equal(await acknowledge(store, claimed), 'applied');
  });

  test('takes what is claimed under a lease that has run out, or leaves it alone, but never both', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const old = await claimOne(store);
    assert.equal((await claim(store, { afterMs: LEASE_MS, capacityFor: () => 0 })).length, 0);
    const { count } = await redeliver(store, {}, { firstDueAtMs: START_MS + LEASE_MS });
    assert.equal(await fail(store, old, retryAt(900_000), LEASE_MS), count === 1 ? 'overtaken' : 'applied');
  });

  test('an older claim of what was acknowledged and redelivered has no say, but its acknowledgement counts', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const first = await claimOne(store);
    await acknowledge(store, first);
    await redeliver(store, {});
    assert.equal(await fail(store, first, CEASE, 10_000), 'overtaken');
    const second = await claimOne(store, 10_000);
    assert.equal(await fail(store, first, retryAt(90_000), 10_000), 'overtaken');
    assert.equal(await acknowledge(store, first, 10_100), 'applied');
    assert.equal(await acknowledge(store, second, 10_200), 'overtaken');
  });

  test('leaves alone what was for a TPP that has no registration any more; keeps it for one that is suspended', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['of-a']);
    await publish(store, 'b', ['of-b']);
    for (const claimed of await claim(store)) await acknowledge(store, claimed);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    await store.putTpp({ ...tppOf('b'), isSuspended: true }, START_MS);
    assert.equal((await redeliver(store, {})).count, 1);
    assert.equal((await look(store, jtiOf('of-a'))).state, 'acknowledged');
    assert.deepEqual(await dueAfter(store, 10_000), []);
    await store.putTpp(tppOf('b'), START_MS);
    assert.deepEqual(await dueAfter(store, 10_000), [jtiOf('of-b')]);
  });

  test('a dry run counts and changes nothing', async (t) => {
    const { store } = await open(t);
    await several(store);
    const before = await Promise.all(ofA(...ALL).map((jti) => look(store, jti)));
    const dry = await redeliver(store, { clientId: 'a' }, { isDryRun: true });
    assert.deepEqual(await Promise.all(ofA(...ALL).map((jti) => look(store, jti))), before);
    assert.deepEqual(await redeliver(store, { clientId: 'a' }), dry);
    assert.equal(dry.count, 4);
  });
}

const FILTERS: readonly (readonly [string, NotificationFilter, readonly string[]])[] = [
  ['all of a TPP', { clientId: 'a' }, ofA(...ALL)],
  ['some by their jtis', { jtis: [...ofA('fresh', 'acknowledged'), 'unknown'] }, ofA('acknowledged', 'fresh')],
  ['only those of the TPP among the jtis', { jtis: ofA('failed'), clientId: 'b' }, []],
  ['none of an empty list', { jtis: [] }, []],
  ['from a time on', { clientId: 'a', publishedFromMs: START_MS + 20_000 }, ofA('reported', 'fresh')],
  ['from just after a time on', { clientId: 'a', publishedFromMs: START_MS + 20_001 }, []],
  ['before a time', { clientId: 'a', publishedBeforeMs: START_MS + 20_000 }, ofA('acknowledged', 'failed')],
  ['within a range that is empty', { publishedFromMs: START_MS + 5, publishedBeforeMs: START_MS + 5 }, []],
  ['only failed', { clientId: 'a', only: 'failed' }, ofA('failed', 'reported')],
  ['only awaiting', { clientId: 'a', only: 'awaiting' }, ofA('failed', 'reported', 'fresh')],
  ['failed ones by their jtis', { jtis: ofA(...ALL), only: 'failed' }, ofA('failed', 'reported')],
  ['everything', {}, ALL.flatMap((name) => ['a', 'b'].map((tpp) => jtiOf(`${tpp}-${name}`)))],
];

function describeFilters(open: OpenFor): void {
  for (const [name, filter, expected] of FILTERS) {
    test(`means ${name}`, async (t) => {
      const { store } = await open(t);
      await several(store);
      const { count } = await redeliver(store, filter, { firstDueAtMs: START_MS + 300_000 });
      assert.equal(count, expected.length);
      const moved: string[] = [];
      for (const jti of ALL.flatMap((state) => ['a', 'b'].map((tpp) => jtiOf(`${tpp}-${state}`)))) {
        if ((await look(store, jti)).nextAttemptAtMs === START_MS + 300_000) moved.push(jti);
      }
      assert.deepEqual(moved.toSorted(), [...expected].toSorted());
    });
  }

  test('counts an acknowledged attempt not as a failure', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    await acknowledge(store, await claimOne(store));
    await redeliver(store, {});
    assert.equal((await redeliver(store, { only: 'failed' })).count, 0);
    assert.equal((await redeliver(store, { only: 'awaiting' })).count, 1);
  });
}

function describePortions(open: OpenFor): void {
  for (const filter of [{ clientId: 'a' }, { only: 'awaiting' }, { jtis: numbered('e', 9).map(jtiOf) }] as const) {
    test(`goes on where the last portion ended: ${JSON.stringify(Object.keys(filter))}`, async (t) => {
      const { store } = await open(t);
      await register(store, ['a', 'b']);
      for (const id of numbered('e', 9)) {
        await publish(store, 'b', [`b-${id}`]);
        await publish(store, 'a', [id]);
      }
      const total = 'only' in filter ? 18 : 9;
      assert.equal(await redeliverAll(store, filter, 4), total);
      assert.equal((await claim(store, { afterMs: 9999 })).length, 18 - total);
      assert.equal((await claim(store, { afterMs: 10_000 })).length, total);
    });
  }

  test('a dry run in portions counts each once', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 7));
    let total = 0;
    let after: string | undefined;
    do {
      const portion: BulkResult = await redeliver(store, {}, { isDryRun: true, limit: 3, after });
      total += portion.count;
      after = portion.next;
    } while (after !== undefined);
    assert.equal(total, 7);
  });
}
