import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditEntry } from '../../src/model/audit.ts';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { Store } from '../../src/store/store.ts';
import {
  callbackUrlIn,
  callbackUrlOf,
  jtiOf,
  subscriptionIn,
  subscriptionOf,
  tppOf,
  urlOf,
} from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  ceaseUntil,
  claim,
  claimOne,
  fail,
  jtisOf,
  LEASE_MS,
  look,
  numbered,
  type OpenFor,
  publish,
  register,
  retryAt,
  roundsOf,
  targetOf,
} from './opened.ts';

const NEW_URL = 'https://new.example/open-banking/v4.0/event-notifications';
const AUDIT: AuditEntry = { atMs: START_MS, actor: 'ops', action: 'callback-url-responsive', subject: 'a', detail: {} };

/** One that waits for a retry, one that ceased, and one that is still claimed; the callback URL is unresponsive. */
async function waitingCeasedClaimed(store: Store): Promise<{ claimed: ClaimedNotification }> {
  await register(store, ['a', 'b']);
  await publish(store, 'a', ['waiting', 'ceased', 'claimed']);
  await publish(store, 'b', ['of-b']);
  const [waiting, ceased, claimed] = await claim(store, { capacityFor: ({ clientId }) => (clientId === 'a' ? 9 : 0) });
  assert.ok(waiting && ceased && claimed);
  await fail(store, waiting, retryAt(50_000), 50);
  await fail(store, ceased, ceaseUntil(5000), 100);
  await fail(store, await claimOne(store), CEASE, 100);
  return { claimed };
}

/** Both that waited and that ceased are due, oldest first, with the whole retry policy before them. */
async function assertRecovered(store: Store, afterMs: number): Promise<void> {
  const { unresponsiveSinceMs, probeAtMs, probes, recoveredAtMs } = await targetOf(store, 'a');
  assert.deepEqual(
    [unresponsiveSinceMs, probeAtMs, probes, recoveredAtMs],
    [undefined, undefined, 0, START_MS + afterMs],
  );
  assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, undefined);
  assert.deepEqual(
    roundsOf(await claim(store, { afterMs })),
    ['waiting', 'ceased'].map((id) => [jtiOf(id), 1, 0, undefined, undefined]),
  );
  assert.equal((await subscriptionIn(store, 'b'))?.unresponsiveSinceMs, START_MS + 100);
}

/** The ways in which an unresponsive callback URL recovers. */
export function describeRecovery(open: OpenFor): void {
  describe('recovery', () => {
    describeByAcknowledgement(open);
    describeByRegistration(open);
    describeByOperator(open);
    describeRamp(open);
  });
}

function describeByAcknowledgement(open: OpenFor): void {
  test('an acknowledged probe makes it responsive: retry waits end, and a new round begins', async (t) => {
    const { store } = await open(t);
    await waitingCeasedClaimed(store);
    await publish(store, 'a', ['later'], 4000);
    const probe = await claimOne(store, 5000);
    assert.equal(probe.jti, jtiOf('ceased'), 'first attempts and what ceased go before retries');
    assert.equal(await acknowledge(store, probe, 5200), 'recovered');
    const due = await claim(store, { afterMs: 5200 });
    assert.deepEqual(jtisOf(due), ['waiting', 'later'].map(jtiOf));
    assert.deepEqual([due[0]?.roundAttempts, due[0]?.roundBeganAtMs], [0, undefined]);
    assert.equal((await targetOf(store, 'a')).recoveredAtMs, START_MS + 5200);
  });

  test('so does one that was still under way; other claims stand', async (t) => {
    const { store, reopen } = await open(t);
    const { claimed } = await waitingCeasedClaimed(store);
    assert.equal(await acknowledge(store, claimed, 300), 'recovered');
    await assertRecovered(store, 300);
    const reopened = await reopen();
    assert.equal((await targetOf(reopened, 'a')).recoveredAtMs, START_MS + 300);
  });

  test('so does a late one, of a claim that was taken over, and one of what is not awaiting any more', async (t) => {
    const { store } = await open(t);
    const { claimed } = await waitingCeasedClaimed(store);
    assert.equal(await acknowledge(store, claimed, LEASE_MS + 300), 'recovered');
    const [again] = await claim(store, { afterMs: LEASE_MS + 300 });
    assert.ok(again);
    await fail(store, again, CEASE, LEASE_MS + 400);
    assert.equal(await acknowledge(store, claimed, LEASE_MS + 500), 'recovered');
    assert.equal((await store.deliveryStates()).unresponsive, 1, 'that of b');
  });

  test('an acknowledgement while it is responsive changes nothing for the others', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['waits', 'acknowledged']);
    const [waits, acknowledges] = await claim(store);
    assert.ok(waits && acknowledges);
    await fail(store, waits, retryAt(50_000), 100);
    assert.equal(await acknowledge(store, acknowledges, 200), 'applied');
    assert.equal((await targetOf(store, 'a')).recoveredAtMs, undefined);
    assert.deepEqual(await claim(store, { afterMs: 49_999 }), []);
    assert.equal((await claimOne(store, 50_000)).roundAttempts, 1);
  });

  test('what ceased, recovered and ceased again has had two whole rounds', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1', 'e2']);
    const [first, second] = await claim(store);
    assert.ok(first && second);
    await fail(store, first, ceaseUntil(5000), 100);
    await acknowledge(store, second, 1100);
    const again = await claimOne(store, 1100);
    await fail(store, again, retryAt(3000), 2100);
    const third = await claimOne(store, 3000);
    assert.deepEqual([third.roundAttempts, third.roundBeganAtMs, third.attempts], [1, START_MS + 2000, 2]);
    await fail(store, third, CEASE, 3100);
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, START_MS + 3100);
  });
}

function describeByRegistration(open: OpenFor): void {
  for (const [name, callbackUrl] of [
    ['the same', urlOf('a')],
    ['another', NEW_URL],
  ] as const) {
    test(`a replaced event subscription with ${name} callback URL makes it responsive`, async (t) => {
      const { store } = await open(t);
      const { claimed } = await waitingCeasedClaimed(store);
      await store.replaceRegistration(subscriptionOf('a', { callbackUrl }), START_MS + 300);
      if (callbackUrl === NEW_URL) assert.equal(await acknowledge(store, claimed, 300), 'applied');
      await assertRecovered(store, 300);
    });
  }

  test('so does an event subscription that takes the place of the callback URL resource', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    const callbackUrl = callbackUrlOf('a');
    await store.createRegistration(callbackUrl, START_MS);
    await publish(store, 'a', ['e1']);
    await fail(store, await claimOne(store), CEASE, 100);
    assert.equal((await callbackUrlIn(store, 'a'))?.unresponsiveSinceMs, START_MS + 100);
    await store.createRegistration(subscriptionOf('a'), START_MS + 300);
    assert.deepEqual(roundsOf(await claim(store, { afterMs: 300 })), [[jtiOf('e1'), 1, 0, undefined, undefined]]);
    assert.equal((await callbackUrlIn(store, 'a'))?.unresponsiveSinceMs, undefined);
  });

  test('a callback URL resource that is superseded brings nothing back', async (t) => {
    const { store } = await open(t);
    await waitingCeasedClaimed(store);
    const callbackUrl = callbackUrlOf('a', { callbackUrl: NEW_URL });
    await store.createRegistration(callbackUrl, START_MS + 300);
    await store.replaceRegistration(callbackUrlOf('a'), START_MS + 300);
    assert.equal((await targetOf(store, 'a')).unresponsiveSinceMs, START_MS + 100);
    assert.equal((await callbackUrlIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(await claim(store, { afterMs: 4999 }), []);
  });

  test('a registration that is replaced while all is well begins a new round too', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['waits']);
    await fail(store, await claimOne(store), retryAt(50_000), 100);
    await store.replaceRegistration(subscriptionOf('a'), START_MS + 300);
    assert.deepEqual(roundsOf(await claim(store, { afterMs: 300 })), [[jtiOf('waits'), 1, 0, undefined, undefined]]);
    assert.equal((await targetOf(store, 'a')).recoveredAtMs, undefined, 'it never was away');
  });
}

function describeByOperator(open: OpenFor): void {
  test('the operator says that it is responsive, and that is on record', async (t) => {
    const { store } = await open(t);
    await waitingCeasedClaimed(store);
    assert.equal(await store.recover('a', 'responsive', START_MS + 300, AUDIT), true);
    await assertRecovered(store, 300);
    const [entry, ...others] = await store.auditEntries(undefined, 10);
    assert.deepEqual({ ...entry, id: '' }, { ...AUDIT, id: '' });
    assert.deepEqual(others, []);
  });

  test('the operator has it probed now; it stays unresponsive until a probe is acknowledged', async (t) => {
    const { store } = await open(t);
    await waitingCeasedClaimed(store);
    assert.equal(await store.recover('a', 'probe-now', START_MS + 300, AUDIT), true);
    assert.equal((await targetOf(store, 'a')).unresponsiveSinceMs, START_MS + 100);
    const probe = await claimOne(store, 300);
    assert.deepEqual([probe.jti, probe.probe], [jtiOf('ceased'), 0]);
    assert.equal((await store.auditEntries(undefined, 10)).length, 1);
  });

  test('nothing recovers of a TPP that is responsive, suspended, only polls, or is not known', async (t) => {
    const { store } = await open(t);
    await waitingCeasedClaimed(store);
    await register(store, ['well']);
    await register(store, ['polls'], { callbackUrl: undefined });
    await store.putTpp({ ...tppOf('b'), isSuspended: true }, START_MS);
    for (const clientId of ['well', 'polls', 'b', 'nobody']) {
      for (const how of ['responsive', 'probe-now'] as const) {
        assert.equal(await store.recover(clientId, how, START_MS + 300, AUDIT), false, clientId);
      }
    }
    assert.deepEqual(await store.auditEntries(undefined, 10), []);
  });
}

function describeRamp(open: OpenFor): void {
  test('what is claimed since it recovered is counted for whoever ramps up', async (t) => {
    const { store } = await open(t);
    const { claimed } = await waitingCeasedClaimed(store);
    await publish(store, 'a', numbered('e', 5));
    await acknowledge(store, claimed, 300);
    const seen: number[] = [];
    const capacityFor = (room: number) => (target: { claimedSinceRecovery: number }) => {
      seen.push(target.claimedSinceRecovery);
      return room;
    };
    await claim(store, { afterMs: 300, capacityFor: capacityFor(2) });
    await claim(store, { afterMs: 301, capacityFor: capacityFor(3) });
    await claim(store, { afterMs: 302, capacityFor: capacityFor(0) });
    assert.deepEqual(seen, [0, 2, 5]);
    assert.equal((await targetOf(store, 'a')).claimedSinceRecovery, 5);
  });

  test('a second recovery begins to count again from nothing', async (t) => {
    const { store } = await open(t);
    const { claimed } = await waitingCeasedClaimed(store);
    await acknowledge(store, claimed, 300);
    const [first, second] = await claim(store, { afterMs: 300 });
    assert.ok(first && second);
    await fail(store, first, CEASE, 400);
    assert.equal(await acknowledge(store, second, 500), 'recovered');
    const { recoveredAtMs, claimedSinceRecovery } = await targetOf(store, 'a');
    assert.deepEqual([recoveredAtMs, claimedSinceRecovery], [START_MS + 500, 0]);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 500 })), [first.jti]);
    assert.equal((await look(store, first.jti)).attempts.length, 2);
  });
}
