import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import type { Attempt, ClaimedNotification, Store } from '../../src/store/store.ts';
import { jtiOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  attemptAt,
  CEASE,
  claim,
  claimOne,
  fail,
  jtisOf,
  LEASE_MS,
  look,
  type OpenFor,
  publish,
  register,
  retryAt,
} from './opened.ts';

const NOBODY: ReadonlySet<string> = new Set();

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

/** How many notifications of each TPP were claimed. */
function countsOf(claimed: readonly { readonly clientId: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { clientId } of claimed) counts[clientId] = (counts[clientId] ?? 0) + 1;
  return counts;
}

/** Claiming, attempting, acknowledging. */
export function describeDeliveries(open: OpenFor): void {
  describe('claiming', () => describeClaiming(open));
  describe('sharing among TPPs', () => describeSharing(open));
  describe('leases', () => describeLeases(open));
  describe('recording', () => describeRecording(open));
  describe('the next moment that something is due', () => describeNextDue(open));
}

function describeClaiming(open: OpenFor): void {
  test('a claim holds what the delivery needs', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    const { claims, leaseToken, ...claimed } = await claimOne(store);
    assert.deepEqual(claimed, {
      jti,
      clientId: 'a',
      callbackUrl: urlOf('a'),
      set: undefined,
      attempts: 0,
      roundAttempts: 0,
      roundBeganAtMs: undefined,
    });
    assert.deepEqual(claims, (await look(store, jti)).claims);
    assert.ok(leaseToken > 0);
  });

  test('only what is due is claimed, to the millisecond', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1'], 1000);
    assert.deepEqual(await claim(store, { afterMs: 999 }), []);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 1000 })), [jtiOf('e1')]);
  });

  test('what is due first is claimed first, and of what is due together, what was published first', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['retried']);
    await fail(store, await claimOne(store), retryAt(500));
    await publish(store, 'a', ['late'], 900);
    await publish(store, 'a', ['early-2', 'early-1'], 100);
    const order = ['early-2', 'early-1', 'retried', 'late'].map(jtiOf);
    for (const expected of order) {
      assert.deepEqual(jtisOf(await claim(store, { afterMs: 1000, limit: 1 })), [expected]);
    }
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

function describeSharing(open: OpenFor): void {
  test('no TPP has more under way than perTppMax, those in flight counted', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b', 'c', 'd']);
    for (const clientId of ['a', 'b', 'c', 'd']) await publish(store, clientId, numbered(clientId, 6));
    const inFlight = new Map([
      ['b', 1],
      ['c', 3],
      ['d', 4],
    ]);
    assert.deepEqual(countsOf(await claim(store, { perTppMax: 3, inFlight })), { a: 3, b: 2 });
  });

  test('a TPP with thousands due does not keep back one that has one', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b', 'c']);
    await publish(store, 'b', numbered('b', 3000));
    await publish(store, 'a', ['of-a'], 5);
    await publish(store, 'c', ['of-c'], 5);
    const options = { afterMs: 10, limit: 8, perTppMax: 8 };
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
    for (let at = 0; at < 8; at += 1) claimed.push(...(await claim(store, { limit: 1, perTppMax: 8 })));
    assert.deepEqual(countsOf(claimed), { a: 2, b: 2, c: 2, d: 2 });
  });

  test('a TPP whose attempts are all in flight takes nothing of the limit', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 10));
    await publish(store, 'b', numbered('b', 10));
    const claimed = await claim(store, { limit: 4, perTppMax: 4, inFlight: new Map([['a', 4]]) });
    assert.deepEqual(countsOf(claimed), { b: 4 });
  });
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

  test('claims made at the same time never share a notification', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', numbered('a', 30));
    await publish(store, 'b', numbered('b', 30));
    const claims = await Promise.all(Array.from({ length: 10 }, () => claim(store, { limit: 7, perTppMax: 5 })));
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
    assert.equal(await fail(store, older, retryAt(LEASE_MS + 5), LEASE_MS + 1), false);
    assert.deepEqual(await claim(store, { afterMs: LEASE_MS + 5 }), []);
    assert.equal((await look(store, older.jti)).attempts.length, 1);
    assert.equal(await fail(store, newer, retryAt(LEASE_MS + 500), LEASE_MS + 10), true);
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
    assert.equal(await fail(store, older, CEASE, LEASE_MS + 1), false);
    await store.release([older], START_MS + LEASE_MS + 2);
    assert.equal((await store.subscriptionOf('a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(await claim(store, { afterMs: LEASE_MS + 3 }), []);
    assert.equal(await acknowledge(store, newer, LEASE_MS + 4), true);
  });

  test('the acknowledgement of a claim that was taken over counts', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const older = await claimOne(store);
    const newer = await claimOne(store, LEASE_MS);
    assert.equal(await acknowledge(store, older, LEASE_MS + 1), true);
    const { state, acknowledgedAtMs } = await look(store, older.jti);
    assert.deepEqual([state, acknowledgedAtMs], ['acknowledged', START_MS + LEASE_MS + 1]);
    assert.equal(await fail(store, newer, retryAt(LEASE_MS + 5), LEASE_MS + 5), false);
    assert.equal(await acknowledge(store, newer, LEASE_MS + 6), false);
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
    assert.equal(await fail(store, claimed, retryAt(90_000)), false);
    assert.equal((await look(store, claimed.jti)).nextAttemptAtMs, START_MS);
  });

  test('what was claimed when the store closed is claimed again, at the latest when its lease has run out', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['retried', 'claimed']);
    const [retried, claimed] = await claim(store);
    assert.ok(retried !== undefined && claimed !== undefined);
    await fail(store, retried, retryAt(5000));
    const reopened = await reopen(START_MS + 10);
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
    assert.equal(await acknowledge(store, claimed, 250), true);
    const record = await look(store, claimed.jti);
    assert.deepEqual(
      [record.state, record.acknowledgedAtMs, record.nextAttemptAtMs],
      ['acknowledged', START_MS + 250, undefined],
    );
    await store.release([claimed], START_MS + 300);
    assert.deepEqual(await claim(store, { afterMs: 100 * LEASE_MS }), []);
    assert.deepEqual(await claim(await reopen(START_MS + 500), { afterMs: 100 * LEASE_MS }), []);
  });

  test('a retry is due when it was put, and counts its attempt and the beginning of the round', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    assert.equal(await fail(store, await claimOne(store), retryAt(2000), 150), true);
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
      await store.recordAttempt(claimed, attempt, next);
    }
    assert.deepEqual((await look(store, jti)).attempts, attempts);
    assert.deepEqual((await look(await reopen(START_MS), jti)).attempts, attempts);
  });

  test('a notification that was never made is not found', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.notification('never'), undefined);
  });

  test('the first SET that is kept is the only one, also over a restart', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1', 'e2']);
    assert.deepEqual(await Promise.all([store.keepSet(jti, 'first'), store.keepSet(jti, 'second')]), [
      'first',
      'first',
    ]);
    const reopened = await reopen(START_MS);
    assert.equal(await reopened.keepSet(jti, 'third'), 'first');
    assert.equal((await look(reopened, jti)).set, 'first');
    const claimed = await claim(reopened, { afterMs: LEASE_MS });
    assert.deepEqual(
      claimed.map(({ set }) => set),
      ['first', undefined],
    );
  });
}

async function registerTwo(store: Store): Promise<void> {
  await register(store, ['a', 'b']);
  await publish(store, 'b', ['of-b'], 700);
  await publish(store, 'a', ['of-a'], 300);
}

function describeNextDue(open: OpenFor): void {
  test('an empty store has nothing due', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.nextDueAtMs(NOBODY), undefined);
  });

  test('the earliest counts, of all TPPs but those left out', async (t) => {
    const { store } = await open(t);
    await registerTwo(store);
    assert.equal(await store.nextDueAtMs(NOBODY), START_MS + 300);
    assert.equal(await store.nextDueAtMs(new Set(['a'])), START_MS + 700);
    assert.equal(await store.nextDueAtMs(new Set(['b', 'nobody'])), START_MS + 300);
    assert.equal(await store.nextDueAtMs(new Set(['a', 'b'])), undefined);
  });

  test('a lease counts with the moment it runs out, and a retry with its own', async (t) => {
    const { store } = await open(t);
    await registerTwo(store);
    const claimed = await claim(store, { afterMs: 1000 });
    assert.equal(await store.nextDueAtMs(NOBODY), START_MS + 1000 + LEASE_MS);
    for (const one of claimed) await fail(store, one, retryAt(one.clientId === 'a' ? 9000 : 5000), 1200);
    assert.equal(await store.nextDueAtMs(NOBODY), START_MS + 5000);
  });

  test('what was acknowledged or has ceased is not due', async (t) => {
    const { store } = await open(t);
    await registerTwo(store);
    for (const one of await claim(store, { afterMs: 1000 })) {
      if (one.clientId === 'a') await acknowledge(store, one, 1100);
      else await fail(store, one, CEASE, 1100);
    }
    assert.equal(await store.nextDueAtMs(NOBODY), undefined);
  });
}
