import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Attempt, Outcome } from '../../src/model/attempt.ts';
import { subscriptionIn } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  acknowledged,
  attemptAt,
  CEASE,
  claim,
  claimDue,
  claimOne,
  fail,
  failed,
  jtisOf,
  LEASE_MS,
  look,
  numbered,
  type OpenFor,
  POLL,
  publish,
  recordAll,
  register,
  retryAt,
} from './opened.ts';

/** Leases, and what is recorded of claims. */
export function describeDeliveries(open: OpenFor): void {
  describe('leases', () => describeLeases(open));
  describe('recording', () => describeRecording(open));
}

function describeLeases(open: OpenFor): void {
  test('what is claimed is not claimed again before its lease has run out', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const first = await claimOne(store);
    assert.deepEqual(await claim(store, { afterMs: LEASE_MS - 1 }), []);
    const second = await claimOne(store, LEASE_MS);
    assert.equal(second.jti, first.jti);
    assert.ok(second.leaseToken > first.leaseToken);
  });

  test('a claim tells how many it took over from whoever let a lease run out, and those that were handed back are none', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 3));
    const first = await claimDue(store, { limit: 2 });
    assert.deepEqual([first.claimed.length, first.takenOver], [2, 0]);
    await store.release(first.claimed.slice(0, 1), START_MS);
    const later = await claimDue(store, { afterMs: LEASE_MS });
    assert.deepEqual([later.claimed.length, later.takenOver], [3, 1]);
  });

  test('claims made at the same time never share a notification', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 30));
    await publish(store, 'b', numbered('b', 30));
    const claims = await Promise.all(
      Array.from({ length: 10 }, () => claim(store, { limit: 7, capacityFor: () => 5 })),
    );
    const jtis = claims.flatMap(jtisOf);
    assert.equal(jtis.length, 60);
    assert.equal(new Set(jtis).size, jtis.length);
  });

  test('the retry of a claim that was taken over is ignored, but its attempt is kept', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const older = await claimOne(store);
    const newer = await claimOne(store, LEASE_MS);
    assert.equal(await fail(store, older, retryAt(LEASE_MS + 5), LEASE_MS + 1), 'overtaken');
    assert.deepEqual(await claim(store, { afterMs: LEASE_MS + 5 }), []);
    assert.equal((await look(store, older.jti)).attempts.length, 1);
    assert.equal(await fail(store, newer, retryAt(LEASE_MS + 500), LEASE_MS + 10), 'applied');
    const record = await look(store, newer.jti);
    assert.equal(record.nextAttemptAtMs, START_MS + LEASE_MS + 500);
    assert.equal(record.attempts.length, 2);
  });

  test('a claim that was taken over can neither cease nor release', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const older = await claimOne(store);
    const newer = await claimOne(store, LEASE_MS);
    assert.equal(await fail(store, older, CEASE, LEASE_MS + 1), 'overtaken');
    await store.release([older], START_MS + LEASE_MS + 2);
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(await claim(store, { afterMs: LEASE_MS + 3 }), []);
    assert.equal(await acknowledge(store, newer, LEASE_MS + 4), 'applied');
  });

  test('the acknowledgement of a claim that was taken over counts', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const older = await claimOne(store);
    const newer = await claimOne(store, LEASE_MS);
    assert.equal(await acknowledge(store, older, LEASE_MS + 1), 'applied');
    const { state, acknowledgedAtMs } = await look(store, older.jti);
    assert.deepEqual([state, acknowledgedAtMs], ['acknowledged', START_MS + LEASE_MS + 1]);
    assert.equal(await fail(store, newer, retryAt(LEASE_MS + 5), LEASE_MS + 5), 'overtaken');
    assert.equal(await acknowledge(store, newer, LEASE_MS + 6), 'overtaken');
    assert.equal((await look(store, older.jti)).acknowledgedAtMs, START_MS + LEASE_MS + 1);
    assert.deepEqual(await claim(store, { afterMs: 10 * LEASE_MS }), []);
  });

  test('what is released is due at once, and no attempt is counted', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 3));
    await publish(store, 'b', ['b']);
    const claimed = await claim(store);
    await store.release(claimed.slice(0, 3), START_MS + 50);
    const again = await claim(store, { afterMs: 50 });
    assert.deepEqual(jtisOf(again), jtisOf(claimed.slice(0, 3)));
    assert.deepEqual(
      again.map(({ attempts, roundAttempts }) => [attempts, roundAttempts]),
      [0, 1, 2].map(() => [0, 0]),
    );
    await store.release([], START_MS);
  });

  test('a claim that was released can no longer schedule a retry', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const claimed = await claimOne(store);
    await store.release([claimed], START_MS);
    assert.equal(await fail(store, claimed, retryAt(90_000)), 'overtaken');
    assert.deepEqual(jtisOf(await claim(store)), [claimed.jti]);
  });

  test('what was claimed when the store closed is claimed again, at the latest when its lease has run out', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['retried', 'claimed']);
    const [retried, claimed] = await claim(store);
    assert.ok(retried !== undefined && claimed !== undefined);
    await fail(store, retried, retryAt(5000));
    const reopened = await reopen();
    const again = await claim(reopened, { afterMs: LEASE_MS });
    assert.deepEqual(jtisOf(again).toSorted(), [claimed.jti, retried.jti].toSorted());
    assert.deepEqual(
      again.map(({ jti, attempts, roundAttempts }) => [jti, attempts, roundAttempts]).toSorted(),
      [
        [claimed.jti, 0, 0],
        [retried.jti, 1, 1],
      ].toSorted(),
    );
  });
}

function describeRecording(open: OpenFor): void {
  test('after an acknowledgement nothing more is due, ever', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const claimed = await claimOne(store);
    assert.equal(await acknowledge(store, claimed, 250), 'applied');
    const record = await look(store, claimed.jti);
    assert.deepEqual(
      [record.state, record.acknowledgedAtMs, record.nextAttemptAtMs],
      ['acknowledged', START_MS + 250, undefined],
    );
    await store.release([claimed], START_MS + 300);
    assert.deepEqual(await claim(store, { afterMs: 100 * LEASE_MS }), []);
    assert.deepEqual(await claim(await reopen(), { afterMs: 100 * LEASE_MS }), []);
  });

  test('a retry is due when it was put, and counts its attempt and the beginning of the round', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    assert.equal(await fail(store, await claimOne(store), retryAt(2000), 150), 'applied');
    assert.deepEqual(await claim(store, { afterMs: 1999 }), []);
    const second = await claimOne(store, 2000);
    assert.deepEqual([second.attempts, second.roundAttempts, second.roundBeganAtMs], [1, 1, START_MS + 50]);
    await fail(store, second, retryAt(6000), 2100);
    const third = await claimOne(store, 6000);
    assert.deepEqual([third.attempts, third.roundAttempts, third.roundBeganAtMs], [2, 2, START_MS + 50]);
  });

  test('attempts are shown in the order in which they were recorded, each as it was', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    const outcomes: Outcome[] = [
      { kind: 'refused', status: 503, retryAfterMs: 120_000 },
      { kind: 'unreachable', errorClass: 'tls', detail: 'CERT_HAS_EXPIRED' },
      { kind: 'refused', status: 410 },
      { kind: 'acknowledged', status: 202, interactionIdEchoed: false },
    ];
    const attempts: Attempt[] = [];
    for (const [at, outcome] of outcomes.entries()) {
      const claimed = await claimOne(store, at * 1000);
      const attempt = attemptAt(claimed, outcome, at * 1000 + 200);
      attempts.push(attempt);
      const next = outcome.kind === 'acknowledged' ? ({ kind: 'acknowledged' } as const) : retryAt((at + 1) * 1000);
      await recordAll(store, [{ claimed, attempt, next }], START_MS + at * 1000 + 200);
    }
    assert.deepEqual((await look(store, jti)).attempts, attempts);
    assert.deepEqual((await look(await reopen(), jti)).attempts, attempts);
  });

  test('a notification that was never made is not found', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.notification('never'), undefined);
  });

  test('the first SET that is kept is the only one, also within a batch and over a restart', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const [one = '', two = '', three = ''] = await publish(store, 'a', ['e1', 'e2', 'e3']);
    const both = [store.keepSets([{ jti: one, set: 'first' }]), store.keepSets([{ jti: one, set: 'second' }])];
    // On connections of their own either may be the first; which it is holds for both.
    const [[kept] = [], again] = await Promise.all(both);
    assert.ok(kept === 'first' || kept === 'second');
    assert.deepEqual(again, [kept]);
    const batch = [
      { jti: two, set: 'of-two' },
      { jti: one, set: 'third' },
      { jti: two, set: 'of-two-again' },
    ];
    assert.deepEqual(await store.keepSets(batch), ['of-two', kept, 'of-two']);
    assert.deepEqual(await store.keepSets([]), []);
    const reopened = await reopen();
    assert.deepEqual(await reopened.keepSets([{ jti: one, set: 'fourth' }]), [kept]);
    assert.equal((await look(reopened, one)).set, kept);
    assert.equal((await look(reopened, three)).set, undefined);
    const claimed = await claim(reopened, { afterMs: LEASE_MS });
    assert.deepEqual(
      claimed.map(({ set }) => set),
      [kept, 'of-two', undefined],
    );
  });

  test('a batch of records has a result for each, in its order, whatever the others came to', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['a1', 'a2', 'a3']);
    await publish(store, 'b', ['b1', 'b2']);
    const [a1, a2, a3] = await claim(store, { capacityFor: ({ clientId }) => (clientId === 'a' ? 3 : 0) });
    const [b1, b2] = await claim(store);
    assert.ok(a1 && a2 && a3 && b1 && b2);
    await store.poll({ ...POLL, clientId: 'b', acknowledged: [b2.jti] });
    const records = [
      acknowledged(a2),
      failed(b1, CEASE),
      failed(b2, CEASE),
      failed(a1, retryAt(500)),
      acknowledged(a3),
    ];
    assert.deepEqual(await recordAll(store, records, START_MS), [
      ...['applied', 'became-unresponsive', 'overtaken', 'applied', 'applied'],
    ]);
    const states = await Promise.all([a1, a2, a3, b1, b2].map(({ jti }) => look(store, jti)));
    assert.deepEqual(
      states.map(({ state, attempts, nextAttemptAtMs }) => [state, attempts.length, nextAttemptAtMs]),
      [
        ['awaiting', 1, START_MS + 500],
        ['acknowledged', 1, undefined],
        ['acknowledged', 1, undefined],
        ['awaiting', 1, undefined],
        ['acknowledged', 1, undefined],
      ],
    );
    assert.deepEqual(await recordAll(store, [], START_MS), []);
  });

  test('records of one callback URL in one batch act one after the other: it turns unresponsive, and recovers', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 5));
    const [e0, e1, e2, e3, e4] = await claim(store);
    assert.ok(e0 && e1 && e2 && e3 && e4);
    const records = [
      failed(e0, CEASE, 10),
      failed(e1, CEASE, 20),
      failed(e2, retryAt(90_000), 30),
      acknowledged(e3, 40),
      failed(e4, retryAt(70_000), 50),
    ];
    assert.deepEqual(await recordAll(store, records, START_MS + 60), [
      ...['became-unresponsive', 'applied', 'applied', 'recovered', 'applied'],
    ]);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 60 })), [e0.jti, e1.jti, e2.jti]);
    assert.equal((await look(store, e4.jti)).nextAttemptAtMs, START_MS + 70_000);
  });

  test('a notification that is recorded twice in one batch is acknowledged once, and both attempts are kept', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const older = await claimOne(store);
    const newer = await claimOne(store, LEASE_MS);
    const records = [failed(older, retryAt(5)), acknowledged(older, 10), acknowledged(newer, 20)];
    assert.deepEqual(await recordAll(store, records, START_MS + LEASE_MS), ['overtaken', 'applied', 'overtaken']);
    const { attempts, acknowledgedAtMs } = await look(store, older.jti);
    assert.deepEqual([attempts.length, acknowledgedAtMs], [3, START_MS + 10]);
    assert.equal((await store.counts()).awaiting, 0);
  });
}
