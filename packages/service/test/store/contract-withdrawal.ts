import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BulkPortion, BulkResult } from '../../src/store/operations.ts';
import type { Store } from '../../src/store/store.ts';
import { jtiOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  claim,
  claimOne,
  fail,
  LEASE_MS,
  listen,
  look,
  numbered,
  type OpenFor,
  POLL,
  publish,
  register,
  retryAt,
} from './opened.ts';

const AUDIT = { atMs: START_MS + 1, actor: 'ops', action: 'withdraw', subject: 'a', detail: { why: 'asked for' } };

/** Withdraws, by default all at once. */
function withdraw(
  store: Store,
  filter: BulkPortion['filter'],
  changes: Partial<BulkPortion> = {},
): Promise<BulkResult> {
  return store.withdraw({ filter, after: undefined, limit: 1000, isDryRun: false, audit: AUDIT, ...changes });
}

/** Withdrawal by the operator. */
export function describeWithdrawal(open: OpenFor): void {
  describe('withdrawal', () => {
    test('ends what is awaiting: it is neither pushed nor offered any more, and is on record', async (t) => {
      const { store, reopen } = await open(t);
      await register(store, ['a', 'b']);
      await publish(store, 'a', ['e1', 'e2']);
      await publish(store, 'b', ['e3']);
      const told = listen(store);
      assert.deepEqual(await withdraw(store, { clientId: 'a' }), { count: 2, next: undefined });
      assert.deepEqual(told(), { offered: [], retargeted: [] }, 'there is nothing to do for anybody');
      const reopened = await reopen();
      assert.deepEqual(await jtisDue(reopened), [jtiOf('e3')]);
      const { notifications } = await reopened.poll({ ...POLL, clientId: 'a', maxEvents: 5 });
      assert.deepEqual(notifications, []);
      assert.equal((await look(reopened, jtiOf('e1'))).state, 'withdrawn');
      assert.equal((await reopened.counts()).awaiting, 1);
      const [{ id: _, ...entry } = {}, ...others] = await reopened.auditEntries(undefined, 10);
      assert.deepEqual([entry, others], [{ ...AUDIT, detail: { why: 'asked for', count: 2 } }, []]);
    });

    test('leaves alone what is under way until its lease has run out, and what has ended', async (t) => {
      const { store } = await open(t);
      await register(store, ['a']);
      await publish(store, 'a', ['e1']);
      await acknowledge(store, await claimOne(store));
      await publish(store, 'a', ['e2']);
      const claimed = await claimOne(store);
      assert.equal((await withdraw(store, {})).count, 0);
      assert.deepEqual(await store.auditEntries(undefined, 10), []);
      await claim(store, { afterMs: LEASE_MS, limit: 0 });
      const late = { audit: { ...AUDIT, atMs: START_MS + LEASE_MS } };
      assert.equal((await withdraw(store, {}, late)).count, 1);
      assert.equal((await look(store, jtiOf('e1'))).state, 'acknowledged');
      // Whoever held it may still say that the TPP has it: that changes nothing any more.
      assert.equal(await acknowledge(store, claimed, LEASE_MS + 1), 'overtaken');
      assert.equal((await look(store, jtiOf('e2'))).state, 'withdrawn');
    });

    test('as a dry run counts and changes nothing', async (t) => {
      const { store } = await open(t);
      await register(store, ['a']);
      await publish(store, 'a', ['e1', 'e2']);
      assert.deepEqual(await withdraw(store, { clientId: 'a' }, { isDryRun: true }), { count: 2, next: undefined });
      assert.deepEqual(await store.auditEntries(undefined, 10), []);
      assert.deepEqual(await jtisDue(store), [jtiOf('e1'), jtiOf('e2')]);
    });

    describeFilters(open);
  });
}

async function jtisDue(store: Store): Promise<string[]> {
  return (await claim(store)).map(({ jti }) => jti).sort();
}

function describeFilters(open: OpenFor): void {
  test('means what all of the filter says, offered in a poll or not', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['a1', 'a2'], 100);
    await publish(store, 'b', ['b1'], 100);
    await publish(store, 'a', ['a3'], 200);
    const [first] = await claim(store, {
      afterMs: 100,
      limit: 1,
      capacityFor: ({ clientId }) => (clientId === 'a' ? 1 : 0),
    });
    assert.ok(first?.jti === jtiOf('a1'));
    await fail(store, first, retryAt(500), 150);
    await store.poll({ ...POLL, clientId: 'a', maxEvents: 1 });
    await store.poll({ ...POLL, clientId: 'b', errors: [{ jti: jtiOf('b1'), err: 'jws', description: 'no' }] });
    const count = async (filter: BulkPortion['filter']) => (await withdraw(store, filter, { isDryRun: true })).count;
    assert.equal(await count({}), 4);
    assert.equal(await count({ clientId: 'a' }), 3);
    assert.equal(await count({ only: 'failed' }), 2);
    assert.equal(await count({ only: 'failed', clientId: 'a' }), 1);
    assert.equal(await count({ publishedFromMs: START_MS + 101 }), 1);
    assert.equal(await count({ publishedBeforeMs: START_MS + 200, clientId: 'a' }), 2);
    assert.equal(await count({ jtis: [jtiOf('a1'), jtiOf('b1'), 'unknown'] }), 2);
    assert.equal(await count({ jtis: [jtiOf('a1'), jtiOf('b1')], clientId: 'b' }), 1);
    assert.equal(await count({ clientId: 'nobody' }), 0);
  });

  test('goes on in portions, the oldest first, until there is no next', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    for (const [at, id] of numbered('e', 7).entries()) await publish(store, at % 2 === 0 ? 'a' : 'b', [id], at);
    const counts: number[] = [];
    let after: string | undefined;
    do {
      const portion = await withdraw(store, {}, { limit: 3, after });
      counts.push(portion.count);
      after = portion.next;
      if (counts.length === 1) assert.equal((await look(store, jtiOf('e2'))).state, 'withdrawn');
      if (counts.length === 1) assert.equal((await look(store, jtiOf('e3'))).state, 'awaiting');
    } while (after !== undefined);
    assert.deepEqual(counts, [3, 3, 1]);
    const entries = await store.auditEntries(undefined, 10);
    assert.deepEqual(
      entries.map(({ detail }) => detail['count']),
      [1, 3, 3],
    );
  });
}
