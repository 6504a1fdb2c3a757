import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClaimedNotification, Target } from '../../src/model/notification.ts';
import { bankEvent, deletionOf, jtiOf, notifyAll, subscriptionOf, tppOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  ceaseUntil,
  claim,
  claimDue,
  claimOne,
  fail,
  jtisOf,
  LEASE_MS,
  look,
  nextDueAfterMs,
  numbered,
  type OpenFor,
  POLL,
  publish,
  register,
  retryAt,
  targetOf,
} from './opened.ts';

/** How many notifications of each TPP were claimed. */
function countsOf(claimed: readonly { readonly clientId: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { clientId } of claimed) counts[clientId] = (counts[clientId] ?? 0) + 1;
  return counts;
}

/** Claiming what is due. */
export function describeClaims(open: OpenFor): void {
  describe('claiming', () => describeClaiming(open));
  describe('retries that are overdue', () => describeOverdue(open));
  describe('a target on trial', () => describeTrials(open));
  describe('sharing among TPPs', () => describeSharing(open));
  describe('the next moment that something is due', () => describeNextDue(open));
}

function describeClaiming(open: OpenFor): void {
  test('a claim holds what the delivery needs', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    const { claims, leaseToken, round, ...claimed } = await claimOne(store);
    assert.deepEqual(claimed, {
      jti,
      clientId: 'a',
      callbackUrl: urlOf('a'),
      set: undefined,
      publishedAtMs: START_MS,
      attempts: 0,
      roundAttempts: 0,
      roundBeganAtMs: undefined,
      retry: undefined,
      probe: undefined,
      traceContext: undefined,
    });
    assert.deepEqual(claims, (await look(store, jti)).claims);
    assert.ok(leaseToken > 0 && round >= 0);
  });

  test('the trace of its event is claimed with a notification, handed over or not, and is no part of the event', async (t) => {
    const opened = await open(t);
    const { store } = opened;
    await register(store, ['a']);
    const traceContext = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'bank=1' };
    const traced = (id: string) => ({ ...bankEvent('a', id), traceContext });
    const offer = { leaseMs: LEASE_MS, limit: 1, capacityFor: () => 1 };
    const result = await store.publish([traced('e1'), traced('e2')], notifyAll, START_MS, offer);
    assert.ok(result.kind === 'published');
    assert.deepEqual(result.claimed[0]?.traceContext, traceContext);
    const again = await store.publish([bankEvent('a', 'e1')], notifyAll, START_MS);
    assert.ok(again.kind === 'published' && again.outcomes[0]?.repeated);
    const reopened = await opened.reopen();
    const claimed = await claim(reopened, { afterMs: LEASE_MS });
    assert.deepEqual(
      claimed.map((each) => each.traceContext),
      [traceContext, traceContext],
    );
  });

  test('only what is due is claimed, to the millisecond', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1'], 1000);
    assert.deepEqual(await claim(store, { afterMs: 999 }), []);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 1000 })), [jtiOf('e1')]);
  });

  test('first attempts go before retries, however long these are due; each in the order of publishing', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['retried-1', 'retried-2']);
    const [first, second] = await claim(store);
    assert.ok(first !== undefined && second !== undefined);
    await fail(store, first, retryAt(600));
    await fail(store, second, retryAt(500));
    await publish(store, 'a', ['early-2', 'early-1'], 700);
    await publish(store, 'a', ['late'], 900);
    const order = ['early-2', 'early-1', 'late', 'retried-2', 'retried-1'].map(jtiOf);
    for (const expected of order) {
      assert.deepEqual(jtisOf(await claim(store, { afterMs: 1000, limit: 1 })), [expected]);
    }
  });

  test('a claim has first attempts, then as many retries as there is room for', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('r', 3));
    for (const claimed of await claim(store)) await fail(store, claimed, retryAt(500));
    await publish(store, 'a', numbered('f', 2), 600);
    const claimed = await claim(store, { afterMs: 600, capacityFor: () => 4 });
    assert.deepEqual(jtisOf(claimed), ['f0', 'f1', 'r0', 'r1'].map(jtiOf));
  });

  test('what is due at a later time is not claimed before, though something published later is', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['ahead'], 10_000);
    await publish(store, 'a', ['now'], 0);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 1 })), [jtiOf('now')]);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 10_000 })), [jtiOf('ahead')]);
  });

  test('no more than the limit is claimed, and the rest remains', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 5));
    await publish(store, 'b', numbered('b', 5));
    assert.equal((await claim(store, { limit: 7 })).length, 7);
    assert.equal((await claim(store, { limit: 0 })).length, 0);
    assert.equal((await claim(store, { limit: 7 })).length, 3);
  });
}

function describeOverdue(open: OpenFor): void {
  test('retries that have been due for a minute may take a quarter of the room, rounded up, before first attempts', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const retried = await publish(store, 'a', numbered('r', 6));
    for (const claimed of await claim(store)) await fail(store, claimed, retryAt(1000));
    const fresh = await publish(store, 'a', numbered('f', 20), 2000);
    const before = jtisOf(await claim(store, { afterMs: 60_999, capacityFor: () => 3 }));
    assert.deepEqual(before, fresh.slice(0, 3));
    const five = jtisOf(await claim(store, { afterMs: 61_000, capacityFor: () => 5 }));
    assert.deepEqual(five, [...retried.slice(0, 2), ...fresh.slice(3, 6)]);
    const one = jtisOf(await claim(store, { afterMs: 61_000, capacityFor: () => 1 }));
    assert.deepEqual(one, retried.slice(2, 3));
  });
}

function describeSharing(open: OpenFor): void {
  test('no TPP gets more than there is room for, and each is asked about as its target is', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b', 'c', 'd']);
    for (const clientId of ['a', 'b', 'c', 'd']) await publish(store, clientId, numbered(clientId, 6));
    const room = new Map([
      ['a', 3],
      ['b', 1],
      ['c', 0],
      ['d', -2],
    ]);
    const asked: Target[] = [];
    const capacityFor = (target: Target) => {
      asked.push(target);
      return room.get(target.clientId) ?? 0;
    };
    assert.deepEqual(countsOf(await claim(store, { capacityFor })), { a: 3, b: 1 });
    assert.deepEqual(asked.map(({ clientId }) => clientId).toSorted(), ['a', 'b', 'c', 'd']);
    assert.deepEqual(
      asked.find(({ clientId }) => clientId === 'a'),
      await targetOf(store, 'a'),
    );
  });

  test('a TPP with thousands due does not keep back one that has one', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b', 'c']);
    await publish(store, 'b', numbered('b', 3000));
    await publish(store, 'a', ['of-a'], 5);
    await publish(store, 'c', ['of-c'], 5);
    const options = { afterMs: 10, limit: 8, capacityFor: () => 8 };
    const claimed = [...(await claim(store, options)), ...(await claim(store, options))];
    assert.ok(jtisOf(claimed).includes(jtiOf('of-a')));
    assert.ok(jtisOf(claimed).includes(jtiOf('of-c')));
  });

  test('claims of one at a time go round the TPPs', async (t) => {
    const { store } = await open(t);
    const clientIds = ['a', 'b', 'c', 'd'];
    await register(store, clientIds);
    for (const clientId of clientIds) await publish(store, clientId, numbered(clientId, 10));
    const claimed: ClaimedNotification[] = [];
    for (let at = 0; at < 8; at += 1) claimed.push(...(await claim(store, { limit: 1, capacityFor: () => 8 })));
    assert.deepEqual(countsOf(claimed), { a: 2, b: 2, c: 2, d: 2 });
  });

  test('a TPP that has no room takes nothing of the limit', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 10));
    await publish(store, 'b', numbered('b', 10));
    const claimed = await claim(store, { limit: 4, capacityFor: ({ clientId }) => (clientId === 'a' ? 0 : 4) });
    assert.deepEqual(countsOf(claimed), { b: 4 });
  });
}

function describeNextDue(open: OpenFor): void {
  test('an empty store has nothing due', async (t) => {
    const { store } = await open(t);
    assert.equal(await nextDueAfterMs(store), undefined);
  });

  test('the earliest of all TPPs counts; what is due already is left out', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'b', ['of-b'], 700);
    await publish(store, 'a', ['of-a'], 300);
    assert.equal(await nextDueAfterMs(store, 299), 300);
    assert.equal(await nextDueAfterMs(store, 300), 700);
    assert.equal(await nextDueAfterMs(store, 700), undefined);
  });

  test('a lease counts with the moment it runs out, a retry with its own', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['of-a']);
    await publish(store, 'b', ['of-b']);
    const { claimed, nextDueAtMs } = await claimDue(store, { afterMs: 1000 });
    assert.equal(nextDueAtMs, START_MS + 1000 + LEASE_MS);
    const [first, second] = claimed;
    assert.ok(first !== undefined && second !== undefined);
    await fail(store, first, retryAt(9000), 1200);
    assert.equal(await nextDueAfterMs(store, 1200), 9000);
    await fail(store, second, retryAt(5000), 1200);
    assert.equal(await nextDueAfterMs(store, 1200), 5000);
    assert.equal(await nextDueAfterMs(store, 5000), 9000);
  });

  test('what was acknowledged, withdrawn, or has nowhere to go does not count', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b', 'c', 'd']);
    for (const clientId of ['a', 'b', 'c', 'd']) await publish(store, clientId, [`of-${clientId}`], 300);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [jtiOf('of-a')] });
    assert.equal(await nextDueAfterMs(store), 300);
    await store.deleteRegistration(deletionOf(subscriptionOf('b')), START_MS);
    await store.putTpp({ ...tppOf('c'), isSuspended: true }, START_MS);
    assert.equal(await nextDueAfterMs(store), 300);
    await store.replaceRegistration(subscriptionOf('d', { callbackUrl: undefined }), START_MS);
    assert.equal(await nextDueAfterMs(store), undefined);
  });

  test('what was named and is gone since does not count any more, however it went', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 3));
    await publish(store, 'b', ['b0']);
    const waits = new Map(['a0', 'a1', 'a2', 'b0'].map((id, at) => [jtiOf(id), 5000 + 1000 * at]));
    for (const one of await claim(store)) await fail(store, one, retryAt(waits.get(one.jti) ?? 0));
    assert.equal(await nextDueAfterMs(store), 5000);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [jtiOf('a0')] });
    assert.equal(await nextDueAfterMs(store), 6000);
    await store.expireAwaiting(START_MS + 1, 1, START_MS);
    assert.equal(await nextDueAfterMs(store), 7000);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    assert.equal(await nextDueAfterMs(store), 8000);
    await store.putTpp({ ...tppOf('b'), isSuspended: true }, START_MS);
    assert.equal(await nextDueAfterMs(store), undefined);
  });

  test('for an unresponsive callback URL its next probe counts while something is awaiting', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['one', 'two']);
    const [one, two] = await claim(store);
    assert.ok(one !== undefined && two !== undefined);
    await acknowledge(store, two);
    await fail(store, one, ceaseUntil(5000), 100);
    assert.equal(await nextDueAfterMs(store, 100), 5000);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [one.jti] });
    assert.equal(await nextDueAfterMs(store, 100), undefined);
  });

  test('what a claim leaves behind can be waited for: the moments it names, one after another, empty the store', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 3), 100);
    await publish(store, 'b', numbered('b', 3), 200);
    for (const claimed of await claim(store, { afterMs: 200 })) {
      await fail(store, claimed, retryAt(1000 + 137 * Number(claimed.jti.at(-1))), 300);
    }
    let at = await nextDueAfterMs(store, 300);
    for (let steps = 0; at !== undefined && steps < 20; steps += 1) {
      const { claimed, nextDueAtMs } = await claimDue(store, { afterMs: at });
      assert.ok(claimed.length > 0, `something was due ${at} ms after the start`);
      for (const one of claimed) await acknowledge(store, one, at);
      at = nextDueAtMs === undefined ? undefined : await nextDueAfterMs(store, at);
    }
    assert.equal(at, undefined);
    assert.equal((await store.counts()).awaiting, 0);
  });
}

function describeTrials(open: OpenFor): void {
  const trial = (afterMs: number) => ({ afterMs, capacityFor: () => 1, isOnTrial: () => true });

  test('has its oldest notification claimed that is due, a retry before first attempts too', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 4));
    const [first, second] = await claim(store, { limit: 2 });
    assert.ok(first && second);
    await fail(store, first, retryAt(3000), 100);
    await fail(store, second, retryAt(2000), 100);
    const claimed = async (afterMs: number) => jtisOf(await claim(store, trial(afterMs)));
    assert.deepEqual(await claimed(1000), [jtiOf('e2')], 'both older ones wait for their retry');
    assert.deepEqual(await claimed(2000), [jtiOf('e1')]);
    assert.deepEqual(await claimed(3000), [jtiOf('e0')], 'the oldest of all, once it is due');
    assert.deepEqual(await claimed(4000), [jtiOf('e3')], 'the others are leased');
    assert.deepEqual(await claimed(5000), []);
  });

  test('has the oldest claimed whose lease ran out, and what is withheld from polls', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 2));
    await claim(store, { limit: 1, leaseMs: 1000 });
    const poll = { ...POLL, clientId: 'a', maxEvents: 1 };
    assert.equal((await store.poll(poll)).notifications.length, 1);
    const [claimed] = await claim(store, trial(1000));
    assert.equal(claimed?.jti, jtiOf('e0'));
  });

  test('has what its capacity leaves claimed in the usual order', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 3));
    const [first] = await claim(store, { limit: 1 });
    assert.ok(first);
    await fail(store, first, retryAt(1000), 100);
    const claimed = await claim(store, { ...trial(2000), capacityFor: () => 3 });
    assert.deepEqual(jtisOf(claimed), ['e0', 'e1', 'e2'].map(jtiOf));
  });

  test('is not on trial while it is unresponsive: it is probed', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    await fail(store, await claimOne(store), ceaseUntil(5000));
    assert.deepEqual(await claim(store, trial(4000)), []);
    assert.equal((await claim(store, trial(5000)))[0]?.probe, 0);
  });
}
