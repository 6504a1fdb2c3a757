import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Outcome } from '../../src/model/attempt.ts';
import { ACKNOWLEDGED_RESOLUTION_MS, type AttemptHealth, NO_ATTEMPTS } from '../../src/model/attempt-health.ts';
import { BY_SERVICE } from '../../src/model/audit.ts';
import { callbackUrlStateOf } from '../../src/model/callback-url.ts';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { Store } from '../../src/store/store.ts';
import { subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  acknowledged,
  attemptAt,
  CEASE,
  ceaseUntil,
  claim,
  fail,
  failed,
  numbered,
  type OpenFor,
  publish,
  register,
  retryAt,
  targetOf,
} from './opened.ts';

const RETRY = retryAt(1_000_000);
const REFUSED_500 = { class: 'refused-5xx', status: 500 } as const;

/** Publishes to TPP `a`, which is registered, and claims all of it. */
async function claimed(store: Store, count: number): Promise<readonly ClaimedNotification[]> {
  await register(store, ['a']);
  await publish(store, 'a', numbered('e', count));
  return claim(store);
}

async function healthOf(store: Store): Promise<AttemptHealth & { readonly state: string }> {
  const target = await targetOf(store, 'a');
  const { failingSinceMs, failures, lastFailure, acknowledgedAtMs } = target;
  return { state: callbackUrlStateOf(target), failingSinceMs, failures, lastFailure, acknowledgedAtMs };
}

/** What attempts say about callback URLs. */
export function describeAttemptHealth(open: OpenFor): void {
  describe('the health of a callback URL, by its attempts', () => {
    test('is unknown at first, and failing from the first failure after an acknowledgement on', async (t) => {
      const { store, reopen } = await open(t);
      const [one, two, three] = await claimed(store, 3);
      assert.ok(one && two && three);
      assert.deepEqual(await healthOf(store), { state: 'healthy', ...NO_ATTEMPTS });
      await acknowledge(store, one, 100);
      assert.deepEqual(await healthOf(store), { state: 'healthy', ...NO_ATTEMPTS, acknowledgedAtMs: START_MS + 100 });
      await fail(store, two, RETRY, 200);
      await fail(store, three, RETRY, 300);
      const failing = {
        ...{ state: 'failing', failingSinceMs: START_MS + 200, failures: 2, acknowledgedAtMs: START_MS + 100 },
        lastFailure: { atMs: START_MS + 300, ...REFUSED_500 },
      };
      assert.deepEqual(await healthOf(store), failing);
      assert.deepEqual(await healthOf(await reopen()), failing, 'after a restart');
    });

    test('is healthy again with an acknowledgement; the last failure stays known', async (t) => {
      const { store } = await open(t);
      const [one, two] = await claimed(store, 2);
      assert.ok(one && two);
      await fail(store, one, RETRY, 200);
      await acknowledge(store, two, 300);
      assert.deepEqual(await healthOf(store), {
        ...{ state: 'healthy', failingSinceMs: undefined, failures: 0, acknowledgedAtMs: START_MS + 300 },
        lastFailure: { atMs: START_MS + 200, ...REFUSED_500 },
      });
    });

    test('keeps why the last attempt failed: the error that the TPP named, or the code where there was no response', async (t) => {
      const { store } = await open(t);
      const [one, two] = await claimed(store, 2);
      assert.ok(one && two);
      const ends: readonly [ClaimedNotification, Outcome][] = [
        [one, { kind: 'refused', status: 400, err: 'invalid_key', description: 'kid is unknown' }],
        [two, { kind: 'unreachable', errorClass: 'connect', detail: 'ECONNREFUSED' }],
      ];
      const kept: AttemptHealth['lastFailure'][] = [];
      for (const [notification, outcome] of ends) {
        const attempt = attemptAt(notification, outcome, 100);
        await store.recordAttempts([{ claimed: notification, attempt, next: RETRY }], START_MS + 100);
        kept.push((await healthOf(store)).lastFailure);
      }
      const atMs = START_MS + 100;
      assert.deepEqual(kept, [
        { atMs, class: 'refused-4xx', status: 400, err: 'invalid_key', description: 'kid is unknown' },
        { atMs, class: 'unreachable-connect', code: 'ECONNREFUSED' },
      ]);
    });

    test('goes by the order of a batch, and tells of a turn only where the batch as a whole makes one', async (t) => {
      const { store } = await open(t);
      const all = await claimed(store, 7);
      const [a, b, c, d, e, f, g] = all;
      assert.ok(a && b && c && d && e && f && g);
      const record = async (...records: Parameters<typeof store.recordAttempts>[0]) =>
        (await store.recordAttempts(records, START_MS)).turns;
      assert.deepEqual(await record(failed(a, RETRY, 100), acknowledged(b, 200)), []);
      const failure = { atMs: START_MS + 500, ...REFUSED_500 };
      assert.deepEqual(await record(acknowledged(c, 300), failed(d, RETRY, 400), failed(e, RETRY, 500)), [
        { clientId: 'a', atMs: START_MS + 400, to: 'failing', failure },
      ]);
      assert.deepEqual(await record(failed(f, RETRY, 600)), []);
      assert.deepEqual((await healthOf(store)).failures, 3);
      assert.deepEqual(await record(acknowledged(g, 700)), [
        { clientId: 'a', atMs: START_MS + 700, to: 'healthy', failingSinceMs: START_MS + 400 },
      ]);
    });

    test('writes when the last acknowledgement came now and then only, while all goes well', async (t) => {
      const { store } = await open(t);
      const [one, two, three] = await claimed(store, 3);
      assert.ok(one && two && three);
      await acknowledge(store, one, 0);
      await acknowledge(store, two, ACKNOWLEDGED_RESOLUTION_MS - 1);
      assert.equal((await healthOf(store)).acknowledgedAtMs, START_MS);
      await acknowledge(store, three, ACKNOWLEDGED_RESOLUTION_MS);
      assert.equal((await healthOf(store)).acknowledgedAtMs, START_MS + ACKNOWLEDGED_RESOLUTION_MS);
    });

    test('counts failed probes too, and an acknowledged one ends both, as one turn', async (t) => {
      const { store } = await open(t);
      const [one] = await claimed(store, 1);
      assert.ok(one);
      await fail(store, one, ceaseUntil(1000), 100);
      const [probe] = await claim(store, { afterMs: 1000 });
      assert.ok(probe);
      await fail(store, probe, ceaseUntil(2000), 1100);
      const { state, failures, failingSinceMs } = await healthOf(store);
      assert.deepEqual([state, failures, failingSinceMs], ['unresponsive', 2, START_MS + 100]);
      const [last] = await claim(store, { afterMs: 2000 });
      assert.ok(last);
      const { results, turns } = await store.recordAttempts([acknowledged(last, 2100)], START_MS + 2100);
      assert.deepEqual([results, turns], [['recovered'], []]);
      assert.equal((await healthOf(store)).state, 'healthy');
    });

    test('begins again with another registration, and goes on after a suspension', async (t) => {
      const { store } = await open(t);
      const [one, two] = await claimed(store, 2);
      assert.ok(one && two);
      await fail(store, one, RETRY, 100);
      await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS);
      assert.deepEqual(await store.troubledTargets(9, 9), []);
      await store.putTpp(tppOf('a'), START_MS);
      assert.equal((await healthOf(store)).failures, 1);
      const moved = { callbackUrl: 'https://new.example/v4.0/event-notifications' };
      await store.replaceRegistration(subscriptionOf('a', moved), START_MS);
      assert.deepEqual(await healthOf(store), { state: 'healthy', ...NO_ATTEMPTS });
      await fail(store, two, RETRY, 200);
      assert.equal(
        (await healthOf(store)).state,
        'healthy',
        'an attempt to the former URL says nothing of the new one',
      );
    });

    test('is healthy when the operator says that the callback URL is responsive, until an attempt fails', async (t) => {
      const { store } = await open(t);
      const [one] = await claimed(store, 1);
      assert.ok(one);
      await fail(store, one, CEASE, 100);
      const audit = { ...BY_SERVICE, atMs: START_MS, action: 'callback-url-responsive', subject: 'a', detail: {} };
      assert.ok(await store.recover('a', 'responsive', START_MS + 200, audit));
      const { lastFailure, ...health } = await healthOf(store);
      assert.deepEqual(health, {
        ...{ state: 'healthy', failingSinceMs: undefined, failures: 0, acknowledgedAtMs: undefined },
      });
      assert.equal(lastFailure?.atMs, START_MS + 100);
    });
  });

  describe('callback URLs that need attention', () => {
    test('are those that fail or are unresponsive, with what is awaiting, the largest backlog first', async (t) => {
      const { store, reopen } = await open(t);
      await register(store, ['good', 'small', 'large', 'dead']);
      await publish(store, 'small', ['s1']);
      await publish(store, 'dead', ['d1', 'd2']);
      await publish(store, 'large', numbered('l', 5), 50);
      const capacityFor = ({ clientId }: { readonly clientId: string }) => (clientId === 'good' ? 0 : 1);
      for (const one of await claim(store, { capacityFor, afterMs: 50 })) {
        await fail(store, one, one.clientId === 'dead' ? CEASE : retryAt(9000), 100);
      }
      const listed = async (limit: number, countMax: number, of = store) =>
        (await of.troubledTargets(limit, countMax)).map((target) => [
          ...[target.clientId, callbackUrlStateOf(target), target.failures, target.awaiting],
          (target.oldestAwaitingAtMs ?? 0) - START_MS,
        ]);
      const all = [
        ['large', 'failing', 1, 5, 50],
        ['dead', 'unresponsive', 1, 2, 0],
        ['small', 'failing', 1, 1, 0],
      ];
      assert.deepEqual(await listed(9, 9), all);
      assert.deepEqual(await listed(9, 9, await reopen()), all, 'after a restart');
    });

    test('are listed up to a limit, and are counted by their state beside the others', async (t) => {
      const { store } = await open(t);
      await register(store, ['a', 'b', 'c', 'd']);
      await store.createRegistration(subscriptionOf('p', { callbackUrl: undefined }), START_MS);
      await store.putTpp({ ...tppOf('d'), isSuspended: true }, START_MS);
      await store.putTpp(tppOf('e'), START_MS);
      for (const clientId of ['a', 'b']) await publish(store, clientId, [clientId]);
      for (const one of await claim(store)) await fail(store, one, one.clientId === 'a' ? CEASE : RETRY);
      assert.deepEqual(
        (await store.troubledTargets(1, 9)).map(({ clientId }) => clientId),
        ['a'],
      );
      const states = { healthy: 1, failing: 1, unresponsive: 1, suspended: 1, 'polling-only': 1 };
      assert.deepEqual(await store.deliveryStates(), states);
    });
  });
}
