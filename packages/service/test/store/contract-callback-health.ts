import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RecentAttempts } from '../../src/model/attempt.ts';
import type { CallbackUrlState } from '../../src/model/callback-url.ts';
import type { Store } from '../../src/store/store.ts';
import { callbackUrlOf, subscriptionOf, tppOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  claimOne,
  fail,
  numbered,
  type OpenFor,
  publish,
  REFUSED,
  register,
  retryAt,
} from './opened.ts';

const DAY_MS = 86_400_000;

function recentOf(clientId: string, instance: string, jti: string): RecentAttempts {
  const attempt = { startedAtMs: START_MS, durationMs: 5, interactionId: 'i', callbackUrl: urlOf(clientId) };
  return { clientId, instance, attempts: [{ ...attempt, jti, outcome: REFUSED }] };
}

/** What all TPPs registered, and how their callback URLs fare. */
export function describeCallbackHealth(open: OpenFor): void {
  describe('registrations of all TPPs', () => {
    test('are listed in the order of the client_ids, both of a TPP together, page by page', async (t) => {
      const { store } = await open(t);
      await register(store, ['d', 'b']);
      for (const clientId of ['a', 'c', 'none']) await store.putTpp(tppOf(clientId), START_MS);
      for (const clientId of ['b', 'c']) await store.createRegistration(callbackUrlOf(clientId), START_MS);
      await store.putTpp({ ...tppOf('d'), isSuspended: true }, START_MS);
      const unresponsiveSinceMs = undefined;
      const ofB = {
        ...{ clientId: 'b', isSuspended: false },
        registrations: [subscriptionOf('b'), callbackUrlOf('b')].map((one) => ({ ...one, unresponsiveSinceMs })),
      };
      const ofC = {
        ...ofB,
        clientId: 'c',
        registrations: [{ ...callbackUrlOf('c'), unresponsiveSinceMs }],
      };
      const ofD = {
        ...{ clientId: 'd', isSuspended: true },
        registrations: [{ ...subscriptionOf('d'), unresponsiveSinceMs }],
      };
      const listed = async (after: string) =>
        (await store.registrations(after, 2)).map(({ target, ...others }) => ({ ...others, url: target?.callbackUrl }));
      assert.deepEqual(await listed(''), [
        { ...ofB, url: urlOf('b') },
        { ...ofC, url: urlOf('c') },
      ]);
      assert.deepEqual(await listed('c'), [{ ...ofD, url: undefined }]);
      assert.deepEqual(await store.registrations('d', 2), []);
    });
  });

  describe('how callback URLs fare', () => {
    test('they are listed by their state, page by page', async (t) => {
      const { store } = await open(t);
      const clientIds = ['a', 'b', 'c', 'd'];
      await register(store, clientIds);
      for (const clientId of ['b', 'd']) await publish(store, clientId, [`of-${clientId}`]);
      for (const claimed of await claim(store)) assert.equal(await fail(store, claimed, CEASE), 'became-unresponsive');
      await publish(store, 'c', ['of-c']);
      await fail(store, await claimOne(store), retryAt(5000));
      const listed = async (only?: CallbackUrlState, after = '', limit = 9) =>
        (await store.targets(after, limit, only)).map(({ clientId }) => clientId);
      assert.deepEqual(await listed(), clientIds);
      assert.deepEqual(await listed('healthy'), ['a']);
      assert.deepEqual(await listed('failing'), ['c']);
      assert.deepEqual(await listed('unresponsive'), ['b', 'd']);
      assert.deepEqual(await listed('unresponsive', '', 1), ['b']);
      assert.deepEqual(await listed('unresponsive', 'b', 1), ['d']);
    });

    test('what is awaiting is counted for each, not for ever', async (t) => {
      const { store } = await open(t);
      await register(store, ['a', 'b', 'c']);
      await publish(store, 'a', numbered('a', 5));
      await publish(store, 'b', numbered('b', 2));
      const [first] = await claim(store, { capacityFor: ({ clientId }) => (clientId === 'b' ? 1 : 0) });
      assert.ok(first);
      await acknowledge(store, first);
      const backlogs = await store.backlogsOf(['c', 'a', 'b'], 3);
      assert.ok((backlogs.get('a')?.awaiting ?? 0) > 3);
      const atStart = { oldestAwaitingAtMs: START_MS, dueAtMs: START_MS };
      assert.deepEqual(backlogs.get('b'), { awaiting: 1, ...atStart });
      assert.deepEqual(backlogs.get('c'), { awaiting: 0, oldestAwaitingAtMs: undefined, dueAtMs: undefined });
    });

    test('the last attempts of each process are kept, in place of those before', async (t) => {
      const { store, reopen } = await open(t);
      await store.keepRecentAttempts([recentOf('b', 'one', 'j1'), recentOf('a', 'one', 'j2')], START_MS);
      await store.keepRecentAttempts([recentOf('a', 'two', 'j3')], START_MS + 1);
      await store.keepRecentAttempts([recentOf('a', 'one', 'j4\u0000')], START_MS + 2);
      const ofA = sorted(await (await reopen()).recentAttempts(['a', 'unknown']));
      assert.deepEqual(
        ofA.map(({ instance, attempts }) => [instance, attempts[0]?.jti.slice(0, 2)]),
        [
          ['one', 'j4'],
          ['two', 'j3'],
        ],
      );
      assert.deepEqual(ofA[1], recentOf('a', 'two', 'j3'));
    });

    test('those of processes that are gone are dropped when another one goes on', async (t) => {
      const { store } = await open(t);
      const instances = async (of: Store) =>
        sorted(await of.recentAttempts(['a', 'b'])).map(({ clientId, instance }) => `${clientId} ${instance}`);
      await store.keepRecentAttempts([recentOf('a', 'one', 'j1'), recentOf('b', 'one', 'j2')], START_MS);
      await store.keepRecentAttempts([recentOf('a', 'two', 'j3')], START_MS + DAY_MS);
      assert.deepEqual(await instances(store), ['a one', 'a two', 'b one']);
      await store.keepRecentAttempts([recentOf('a', 'two', 'j3')], START_MS + DAY_MS + 1);
      assert.deepEqual(await instances(store), ['a two', 'b one']);
    });
  });
}

function sorted(recent: readonly RecentAttempts[]): RecentAttempts[] {
  const keyOf = ({ clientId, instance }: RecentAttempts) => `${clientId} ${instance}`;
  return recent.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}
