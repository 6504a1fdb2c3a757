import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditEntry } from '../../src/model/audit.ts';
import type { Store } from '../../src/store/store.ts';
import { jtiOf, subscriptionIn, subscriptionOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  CEASE,
  ceaseUntil,
  claim,
  claimOne,
  fail,
  jtisOf,
  LEASE_MS,
  look,
  nextDueAfterMs,
  type OpenFor,
  POLL,
  publish,
  register,
  retryAt,
  targetOf,
} from './opened.ts';

const AUDIT: AuditEntry = { atMs: START_MS, actor: 'ops', action: 'probe-now', subject: 'a', detail: {} };

/** Callback URLs past a limit of the retry policy, and how they are probed. */
export function describeUnresponsive(open: OpenFor): void {
  describe('an unresponsive callback URL', () => {
    describeCeasing(open);
    describeProbing(open);
    describeFailedProbes(open);
  });
}

/** A TPP with a callback URL that was declared unresponsive 100 ms after the start; its next probe is due at 5000. */
async function unresponsive(store: Store, eventIds: readonly string[] = ['e1']): Promise<void> {
  await register(store, ['a']);
  await publish(store, 'a', eventIds);
  const [first] = await claim(store, { limit: 1 });
  assert.ok(first);
  assert.equal(await fail(store, first, ceaseUntil(5000), 100), 'became-unresponsive');
}

function describeCeasing(open: OpenFor): void {
  test('has what ceased awaiting, and is marked with the end of the attempt', async (t) => {
    const { store, reopen } = await open(t);
    await unresponsive(store);
    await register(store, ['b']);
    const { state, nextAttemptAtMs } = await look(store, jtiOf('e1'));
    assert.deepEqual([state, nextAttemptAtMs], ['awaiting', undefined]);
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, START_MS + 100);
    assert.equal((await subscriptionIn(store, 'b'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(await store.counts(), { awaiting: 1 });
    const states = { healthy: 1, failing: 0, unresponsive: 1, suspended: 0, 'polling-only': 0 };
    assert.deepEqual(await store.deliveryStates(), states);
    const { callbackUrl, ...target } = await targetOf(await reopen(), 'a');
    assert.equal(callbackUrl, subscriptionOf('a').callbackUrl);
    assert.deepEqual(target, {
      ...{ clientId: 'a', retry: undefined, unresponsiveSinceMs: START_MS + 100, probeAtMs: START_MS + 5000 },
      ...{ probes: 0, recoveredAtMs: undefined, claimedSinceRecovery: 0 },
      ...{ failingSinceMs: START_MS + 100, failures: 1, acknowledgedAtMs: undefined },
      lastFailure: { atMs: START_MS + 100, class: 'refused-5xx', status: 500 },
    });
  });

  test('is sent nothing more, neither what was published before nor what is published later', async (t) => {
    const { store } = await open(t);
    await unresponsive(store, ['e1', 'e2']);
    await publish(store, 'a', ['later'], 1000);
    assert.deepEqual(await claim(store, { afterMs: 4999 }), []);
    assert.equal((await look(store, jtiOf('later'))).nextAttemptAtMs, undefined);
  });

  test('stays unresponsive since the first time, and keeps its probe, whatever else fails', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1', 'e2', 'e3']);
    const [first, second, third] = await claim(store);
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    await fail(store, first, ceaseUntil(5000), 400);
    assert.equal(await fail(store, second, ceaseUntil(90_000), 900), 'applied');
    assert.equal(await fail(store, third, retryAt(2000), 1000), 'applied');
    const { unresponsiveSinceMs, probeAtMs, probes } = await targetOf(store, 'a');
    assert.deepEqual([unresponsiveSinceMs, probeAtMs, probes], [START_MS + 400, START_MS + 5000, 0]);
    assert.deepEqual(await claim(store, { afterMs: 4999 }), [], 'the retry does not come either');
    assert.equal((await look(store, second.jti)).attempts.length, 1);
  });

  test('can become so by one that was claimed in an older lease only while that claim stands', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const older = await claimOne(store);
    const newer = await claimOne(store, LEASE_MS);
    assert.equal(await fail(store, older, CEASE, LEASE_MS), 'overtaken');
    assert.equal((await store.deliveryStates()).unresponsive, 0);
    assert.equal(await fail(store, newer, CEASE, LEASE_MS), 'became-unresponsive');
  });
}

function describeProbing(open: OpenFor): void {
  test('is probed when the time has come, with the oldest, and with one at a time', async (t) => {
    const { store } = await open(t);
    await unresponsive(store, ['oldest', 'e2', 'e3']);
    await publish(store, 'a', ['later'], 1000);
    assert.deepEqual(await claim(store, { afterMs: 4999 }), []);
    assert.equal(await nextDueAfterMs(store, 1000), 5000);
    assert.equal(await nextDueAfterMs(store, 5000), undefined, 'it is due already');
    const probe = await claimOne(store, 5000);
    assert.deepEqual([probe.jti, probe.probe, probe.attempts], [jtiOf('oldest'), 0, 1]);
    assert.deepEqual(await claim(store, { afterMs: 5000 + LEASE_MS - 1 }), []);
    assert.equal(await nextDueAfterMs(store, 5000), 5000 + LEASE_MS);
  });

  test('is not asked about before its probe is due, and not probed where there is no room', async (t) => {
    const { store } = await open(t);
    await unresponsive(store);
    const asked: (number | undefined)[] = [];
    const capacityFor = (room: number) => (target: { unresponsiveSinceMs: number | undefined }) => {
      asked.push(target.unresponsiveSinceMs);
      return room;
    };
    await claim(store, { afterMs: 4999, capacityFor: capacityFor(5) });
    assert.deepEqual(asked, []);
    assert.deepEqual(await claim(store, { afterMs: 5000, capacityFor: capacityFor(0) }), []);
    assert.equal((await claim(store, { afterMs: 5000, capacityFor: capacityFor(5) })).length, 1);
    assert.deepEqual(asked, [START_MS + 100, START_MS + 100]);
  });

  test('waits for its own time while another one is probed', async (t) => {
    const { store } = await open(t);
    await register(store, ['b']);
    await publish(store, 'b', ['of-b']);
    await fail(store, await claimOne(store), ceaseUntil(9000), 50);
    await unresponsive(store);
    assert.equal((await claimOne(store, 5000)).clientId, 'a');
    assert.equal((await targetOf(store, 'b')).probeAtMs, START_MS + 9000);
    assert.equal((await claimOne(store, 9000)).clientId, 'b');
  });

  test('is probed again when the lease of a probe has run out, by whoever claims then', async (t) => {
    const { store } = await open(t);
    await unresponsive(store);
    const lost = await claimOne(store, 5000);
    const again = await claimOne(store, 5000 + LEASE_MS);
    assert.deepEqual([again.jti, again.probe], [lost.jti, 0]);
    assert.equal(await fail(store, lost, ceaseUntil(500_000), 5000 + LEASE_MS), 'overtaken');
    assert.equal((await targetOf(store, 'a')).probes, 0);
  });

  test('whose probe is handed back is probed again at once', async (t) => {
    const { store } = await open(t);
    await unresponsive(store);
    await store.release([await claimOne(store, 5000)], START_MS + 5100);
    const { probe, jti } = await claimOne(store, 5100);
    assert.deepEqual([probe, jti], [0, jtiOf('e1')]);
  });

  test('is probed with what waits for its retry when nothing else is left', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['ceased', 'waits']);
    const [ceased, waits] = await claim(store);
    assert.ok(ceased && waits);
    await fail(store, waits, retryAt(500_000), 100);
    await fail(store, ceased, ceaseUntil(5000), 100);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [ceased.jti] });
    assert.equal(await nextDueAfterMs(store, 1000), 5000, 'at the time of the probe, not of the retry');
    assert.deepEqual(await claim(store, { afterMs: 4999 }), []);
    const probe = await claimOne(store, 5000);
    assert.deepEqual([probe.jti, probe.probe, probe.roundAttempts], [waits.jti, 0, 1]);
  });

  test('is probed with another while a probe is under way and the operator asks for one', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['ceased', 'waits']);
    const [ceased, waits] = await claim(store);
    assert.ok(ceased && waits);
    await fail(store, waits, retryAt(500_000), 100);
    await fail(store, ceased, ceaseUntil(5000), 100);
    const first = await claimOne(store, 5000);
    await store.recover('a', 'probe-now', START_MS + 5050, AUDIT);
    const second = await claimOne(store, 5050);
    assert.deepEqual([first.jti, second.jti, second.probe], [ceased.jti, waits.jti, 0]);
    assert.equal(await fail(store, first, ceaseUntil(15_000), 5100), 'applied');
    assert.equal(await fail(store, second, ceaseUntil(15_000), 5100), 'applied');
    assert.equal((await targetOf(store, 'a')).probes, 1, 'they count as one');
  });

  test('is not probed with nothing awaiting, and with what comes next when the time is past', async (t) => {
    const { store } = await open(t);
    await unresponsive(store);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [jtiOf('e1')] });
    assert.deepEqual(await claim(store, { afterMs: 6000 }), []);
    assert.equal(await nextDueAfterMs(store, 1000), undefined);
    await publish(store, 'a', ['next'], 7000);
    const { probe, jti } = await claimOne(store, 7000);
    assert.deepEqual([probe, jti], [0, jtiOf('next')]);
  });

  test('takes one of the limit for its probe, and leaves the rest to others', async (t) => {
    const { store } = await open(t);
    await unresponsive(store, ['a1', 'a2']);
    await register(store, ['b']);
    await publish(store, 'b', ['b1', 'b2'], 5000);
    const claimed = await claim(store, { afterMs: 5000, limit: 3 });
    assert.deepEqual(jtisOf(claimed).toSorted(), ['a1', 'b1', 'b2'].map(jtiOf));
  });
}

function describeFailedProbes(open: OpenFor): void {
  test('counts the probes that failed, and waits as long as it is told', async (t) => {
    const { store, reopen } = await open(t);
    await unresponsive(store, ['e1', 'e2']);
    const first = await claimOne(store, 5000);
    assert.equal(await fail(store, first, ceaseUntil(15_000), 5100), 'applied');
    assert.equal((await targetOf(store, 'a')).unresponsiveSinceMs, START_MS + 100);
    assert.deepEqual(await claim(store, { afterMs: 14_999 }), []);
    const second = await claimOne(store, 15_000);
    assert.deepEqual([second.probe, second.jti, second.attempts], [1, jtiOf('e1'), 2]);
    await fail(store, second, ceaseUntil(40_000), 15_100);
    const reopened = await reopen();
    assert.deepEqual(await claim(reopened, { afterMs: 39_999 }), []);
    assert.equal((await claimOne(reopened, 40_000)).probe, 2);
  });

  test('a probe that fails when its notification was polled meanwhile counts too, and the next one need not wait for its lease', async (t) => {
    const { store, reopen } = await open(t);
    await unresponsive(store, ['e1', 'e2']);
    const probe = await claimOne(store, 5000);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [probe.jti], nowMs: START_MS + 5050 });
    assert.equal(await fail(store, probe, ceaseUntil(15_000), 5100), 'overtaken');
    const { probes, probeAtMs } = await targetOf(store, 'a');
    assert.deepEqual([probes, probeAtMs], [1, START_MS + 15_000]);
    const reopened = await reopen();
    assert.deepEqual(await claim(reopened, { afterMs: 14_999 }), []);
    const next = await claimOne(reopened, 15_000);
    assert.deepEqual([next.jti, next.probe], [jtiOf('e2'), 1]);
  });

  test('a probe that fails long after another one took its place changes nothing', async (t) => {
    const { store } = await open(t);
    await unresponsive(store, ['e1']);
    const lost = await claimOne(store, 5000);
    const again = await claimOne(store, 5000 + LEASE_MS);
    await fail(store, again, ceaseUntil(200_000), 70_000);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [lost.jti], nowMs: START_MS + 71_000 });
    assert.equal(await fail(store, lost, ceaseUntil(80_000), 72_000), 'overtaken');
    const { probes, probeAtMs } = await targetOf(store, 'a');
    assert.deepEqual([probes, probeAtMs], [1, START_MS + 200_000]);
  });

  test('a probe that fails after the operator said it is responsive does not undo that', async (t) => {
    const { store } = await open(t);
    await unresponsive(store);
    const probe = await claimOne(store, 5000);
    const audit = { atMs: START_MS, actor: 'ops', action: 'callback-url-responsive', subject: 'a', detail: {} };
    await store.recover('a', 'responsive', START_MS + 5050, audit);
    assert.equal(await fail(store, probe, ceaseUntil(90_000), 5100), 'applied');
    assert.equal((await targetOf(store, 'a')).unresponsiveSinceMs, undefined);
    const again = await claimOne(store, 5100);
    assert.deepEqual([again.jti, again.probe, again.roundAttempts], [probe.jti, undefined, 1]);
  });
}
