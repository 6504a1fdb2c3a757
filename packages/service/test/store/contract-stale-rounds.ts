import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditEntry } from '../../src/model/audit.ts';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  acknowledged,
  CEASE,
  ceaseUntil,
  claim,
  claimOne,
  fail,
  failed,
  jtisOf,
  LEASE_MS,
  look,
  type OpenFor,
  publish,
  recordAll,
  register,
  roundsOf,
  targetOf,
} from './opened.ts';

const AUDIT: AuditEntry = { atMs: START_MS, actor: 'ops', action: 'callback-url-responsive', subject: 'a', detail: {} };

/** What makes a callback URL recover: the 202 of what is still under way, or what somebody does. */
type Recover = (store: Store, other: ClaimedNotification, afterMs: number) => Promise<unknown>;

const WAYS_TO_RECOVER: readonly (readonly [string, Recover])[] = [
  ['by the 202 of another', (store, other, afterMs) => acknowledge(store, other, afterMs)],
  ['by its registration', (store, _, afterMs) => store.replaceRegistration(subscriptionOf('a'), START_MS + afterMs)],
  ['by the operator', (store, _, afterMs) => store.recover('a', 'responsive', START_MS + afterMs, AUDIT)],
];

/** What was under way when a new round began has no say over it. */
export function describeStaleRounds(open: OpenFor): void {
  describe('stale rounds', () => {
    describeStaleAttempts(open);
    describeStaleProbes(open);
  });
}

function describeStaleAttempts(open: OpenFor): void {
  /** Three that are claimed; the first of them has made the callback URL unresponsive. */
  const underWay = async (store: Store) => {
    await register(store, ['a']);
    await publish(store, 'a', ['ceased', 'other', 'stale']);
    const [ceased, other, stale] = await claim(store);
    assert.ok(ceased && other && stale);
    await fail(store, ceased, ceaseUntil(5000), 100);
    return { other, stale };
  };

  for (const [how, recover] of WAYS_TO_RECOVER) {
    test(`what was under way when it recovered ${how} and ceases does not undo that: it is due again at once`, async (t) => {
      const { store } = await open(t);
      const { other, stale } = await underWay(store);
      await recover(store, other, 300);
      await claim(store, { afterMs: 300 });
      assert.equal(await fail(store, stale, ceaseUntil(9000), 400), 'applied');
      const { unresponsiveSinceMs, probeAtMs } = await targetOf(store, 'a');
      assert.deepEqual([unresponsiveSinceMs, probeAtMs], [undefined, undefined]);
      assert.deepEqual(roundsOf([await claimOne(store, 400)]), [[stale.jti, 1, 1, START_MS + 300, undefined]]);
    });
  }

  test('nor does one that ceases after a registration was replaced while all was well', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const stale = await claimOne(store);
    await store.replaceRegistration(subscriptionOf('a'), START_MS + 300);
    await publish(store, 'a', ['later'], 350);
    assert.equal(await fail(store, stale, CEASE, 400), 'applied');
    const [later, again] = await claim(store, { afterMs: 400 });
    assert.deepEqual([later?.jti, again?.jti], ['later', 'e1'].map(jtiOf), 'a retry goes after first attempts');
    assert.ok(again);
    assert.equal(await fail(store, again, CEASE, 500), 'became-unresponsive', 'that is of the new round');
  });

  test('nor one that began after it recovered, under a claim from before: the next decides', async (t) => {
    const { store } = await open(t);
    const { other, stale } = await underWay(store);
    await acknowledge(store, other, 300);
    const { attempt } = failed(stale, CEASE, 500);
    assert.ok(attempt.startedAtMs > START_MS + 300);
    assert.equal(await fail(store, stale, CEASE, 500), 'applied');
    const again = (await claim(store, { afterMs: 500 })).find(({ jti }) => jti === stale.jti);
    assert.ok(again);
    assert.deepEqual(roundsOf([again]), [[stale.jti, 1, 1, attempt.startedAtMs, undefined]], 'it counts');
    assert.equal(await fail(store, again, CEASE, 600), 'became-unresponsive');
  });

  test('nor one that is recorded at once with what makes it recover', async (t) => {
    const { store } = await open(t);
    const { other, stale } = await underWay(store);
    const records = [acknowledged(other, 300), failed(stale, CEASE, 300)];
    assert.deepEqual(await recordAll(store, records, START_MS + 300), ['recovered', 'applied']);
    assert.equal((await targetOf(store, 'a')).unresponsiveSinceMs, undefined);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 300 })), ['ceased', 'stale'].map(jtiOf));
  });

  test('while it is unresponsive again such a one is requeued at its original position, and the probe stays when it is', async (t) => {
    const { store } = await open(t);
    const { other, stale } = await underWay(store);
    await acknowledge(store, other, 300);
    const again = await claimOne(store, 300);
    assert.equal(await fail(store, again, ceaseUntil(7000), 400), 'became-unresponsive');
    assert.equal(await fail(store, stale, ceaseUntil(9000), 500), 'applied');
    const { unresponsiveSinceMs, probeAtMs } = await targetOf(store, 'a');
    assert.deepEqual([unresponsiveSinceMs, probeAtMs], [START_MS + 400, START_MS + 7000]);
    assert.deepEqual(await claim(store, { afterMs: 6999 }), []);
  });

  test('what was handed over at publishing is of the round of then', async (t) => {
    const { store } = await open(t);
    const { other } = await underWay(store);
    await acknowledge(store, other, 300);
    const handOver = { leaseMs: LEASE_MS, limit: 2, capacityFor: () => 2 };
    const events = ['e1', 'e2'].map((id) => bankEvent('a', id));
    const published = await store.publish(events, notifyAll, START_MS + 300, handOver);
    assert.ok(published.kind === 'published');
    const [first, second] = published.claimed;
    assert.ok(first && second);
    assert.equal(await fail(store, first, CEASE, 400), 'became-unresponsive');
    await store.recover('a', 'responsive', START_MS + 500, AUDIT);
    assert.equal(await fail(store, second, CEASE, 600), 'applied');
    assert.equal((await targetOf(store, 'a')).unresponsiveSinceMs, undefined);
  });
}

function describeStaleProbes(open: OpenFor): void {
  /** A probe that is under way when its callback URL recovers, and is so still when that turns unresponsive again. */
  const probeUnderWay = async (store: Store, recover: Recover) => {
    await register(store, ['a']);
    await publish(store, 'a', ['probe', 'other']);
    const [ceased, other] = await claim(store);
    assert.ok(ceased && other);
    await fail(store, ceased, ceaseUntil(5000), 100);
    const probe = await claimOne(store, 5000);
    assert.deepEqual([probe.jti, probe.probe], [ceased.jti, 0]);
    await recover(store, other, 5100);
    await publish(store, 'a', ['again'], 5150);
    const again = await claimOne(store, 5150);
    return { probe, again };
  };
  const faredOf = async (store: Store) => {
    const { unresponsiveSinceMs, probeAtMs, probes } = await targetOf(store, 'a');
    return [unresponsiveSinceMs, probeAtMs, probes];
  };
  const FARED_AGAIN = [START_MS + 5200, START_MS + 20_000, 0];

  for (const [how, recover] of WAYS_TO_RECOVER) {
    test(`a probe from before it recovered ${how}, and turned unresponsive again, counts for no probe when it fails`, async (t) => {
      const { store, reopen } = await open(t);
      const { probe, again } = await probeUnderWay(store, recover);
      assert.equal(await fail(store, again, ceaseUntil(20_000), 5200), 'became-unresponsive');
      assert.equal(await fail(store, probe, ceaseUntil(90_000), 5300), 'applied');
      assert.deepEqual(await faredOf(store), FARED_AGAIN);
      assert.equal((await look(store, probe.jti)).attempts.length, 2, 'it is on record');
      const reopened = await reopen();
      assert.deepEqual(await faredOf(reopened), FARED_AGAIN);
      assert.deepEqual(await claim(reopened, { afterMs: 19_999 }), []);
      const next = await claimOne(reopened, 20_000);
      assert.deepEqual([next.jti, next.probe], [probe.jti, 0], 'it has its original position');
    });
  }

  test('nor when it is handed back: no other probe is made for it', async (t) => {
    const { store } = await open(t);
    const { probe, again } = await probeUnderWay(store, (to) => to.recover('a', 'responsive', START_MS + 5100, AUDIT));
    await fail(store, again, ceaseUntil(20_000), 5200);
    await store.release([probe], START_MS + 5300);
    assert.deepEqual(await faredOf(store), FARED_AGAIN);
    assert.deepEqual(await claim(store, { afterMs: 19_999 }), []);
  });

  test('a probe of the round that is counts, however old the claims of others are', async (t) => {
    const { store } = await open(t);
    const { again } = await probeUnderWay(store, (to) => to.recover('a', 'responsive', START_MS + 5100, AUDIT));
    await fail(store, again, ceaseUntil(20_000), 5200);
    const [probe] = await claim(store, { afterMs: 20_000 });
    assert.ok(probe);
    assert.equal(await fail(store, probe, ceaseUntil(40_000), 20_100), 'applied');
    assert.deepEqual(await faredOf(store), [START_MS + 5200, START_MS + 40_000, 1]);
  });
}
