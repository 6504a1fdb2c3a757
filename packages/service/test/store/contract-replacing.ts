import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { Store } from '../../src/store/store.ts';
import { jtiOf, subscriptionIn, subscriptionOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  claimOne,
  fail,
  jtisOf,
  look,
  nextDueAfterMs,
  type OpenFor,
  PROBE_AFTER_MS,
  publish,
  register,
  retryAt,
} from './opened.ts';

const NEW_URL = 'https://new.example/open-banking/v4.0/event-notifications';

async function replaceUrl(store: Store, callbackUrl: string | undefined, afterMs: number): Promise<void> {
  const result = await store.replaceRegistration(subscriptionOf('a', { callbackUrl }), START_MS + afterMs);
  assert.equal(result, 'changed');
}

/** Registers a and b, and brings one notification of a to each state; b has one that is claimed and one that ceased. */
async function inEveryState(store: Store) {
  await register(store, ['a', 'b']);
  await publish(store, 'a', ['acknowledged', 'ceased', 'waiting', 'claimed']);
  await publish(store, 'b', ['of-b-ceased', 'of-b']);
  const [acknowledged, ceased, waiting, claimed, ofBCeased, ofB] = await claim(store);
  assert.ok(acknowledged && ceased && waiting && claimed && ofBCeased && ofB);
  await acknowledge(store, acknowledged, 100);
  await fail(store, waiting, retryAt(50_000), 200);
  await fail(store, ceased, CEASE, 300);
  await fail(store, ofBCeased, CEASE, 400);
  return { claimed, ofB };
}

async function assertBUntouched(store: Store, ofB: ClaimedNotification): Promise<void> {
  assert.equal((await subscriptionIn(store, 'b'))?.unresponsiveSinceMs, START_MS + 400);
  assert.equal((await look(store, jtiOf('of-b-ceased'))).nextAttemptAtMs, undefined);
  assert.equal((await look(store, ofB.jti)).state, 'awaiting');
  assert.equal(await fail(store, ofB, retryAt(50_000), 2000), 'applied', 'its claim stands');
}

function summary(claimed: readonly ClaimedNotification[]): unknown[] {
  return claimed.map((one) => [one.jti, one.callbackUrl, one.roundAttempts, one.roundBeganAtMs]);
}

/** What replacing an event subscription does to what is awaiting. */
export function describeReplacing(open: OpenFor): void {
  describe('replacing an event subscription', () => {
    describeOtherUrl(open);
    describeSameUrl(open);
    describeNoUrl(open);
  });
}

function describeOtherUrl(open: OpenFor): void {
  test('by one with another callback URL makes all that is awaiting due there at once, in a new round', async (t) => {
    const { store } = await open(t);
    const { ofB } = await inEveryState(store);
    await replaceUrl(store, NEW_URL, 1000);
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(
      summary(await claim(store, { afterMs: 1000 })),
      ['ceased', 'waiting', 'claimed'].map((id) => [jtiOf(id), NEW_URL, 0, undefined]),
    );
    assert.equal((await look(store, jtiOf('acknowledged'))).state, 'acknowledged');
    await assertBUntouched(store, ofB);
  });

  test('leaves an attempt under way to the old callback URL no say over the new one', async (t) => {
    const { store } = await open(t);
    const { claimed } = await inEveryState(store);
    await replaceUrl(store, NEW_URL, 1000);
    assert.equal(await fail(store, claimed, CEASE, 1100), 'overtaken');
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.equal((await look(store, claimed.jti)).attempts.length, 1);
    assert.deepEqual(
      summary(await claim(store, { afterMs: 1200 })),
      ['ceased', 'waiting', 'claimed'].map((id) => [jtiOf(id), NEW_URL, 0, undefined]),
    );
  });

  test('lets a retry of the old callback URL neither postpone nor shorten the round at the new one', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const old = await claimOne(store);
    await replaceUrl(store, NEW_URL, 1000);
    const anew = await claimOne(store, 1000);
    assert.equal(await fail(store, old, retryAt(90_000), 1100), 'overtaken');
    assert.equal(await fail(store, anew, retryAt(2000), 1200), 'applied');
    const second = await claimOne(store, 2000);
    assert.deepEqual([second.attempts, second.roundAttempts, second.roundBeganAtMs], [2, 1, START_MS + 1100]);
  });

  test('still counts an acknowledgement from the old callback URL', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const claimed = await claimOne(store);
    await replaceUrl(store, NEW_URL, 1000);
    assert.equal(await acknowledge(store, claimed, 1100), 'applied');
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
  });

  test('an acknowledgement from the old callback URL does not make the new one responsive', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['old', 'e2']);
    const [old] = await claim(store, { limit: 1 });
    assert.ok(old);
    await replaceUrl(store, NEW_URL, 1000);
    for (const claimed of await claim(store, { afterMs: 1000 })) await fail(store, claimed, CEASE, 1100);
    await acknowledge(store, old, 1200);
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, START_MS + 1100);
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
  });
}

function describeSameUrl(open: OpenFor): void {
  test('by one with the same callback URL makes all due that waits or has ceased, in a new round', async (t) => {
    const { store } = await open(t);
    const { ofB } = await inEveryState(store);
    await replaceUrl(store, urlOf('a'), 1000);
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(
      summary(await claim(store, { afterMs: 1000 })),
      ['ceased', 'waiting'].map((id) => [jtiOf(id), urlOf('a'), 0, undefined]),
    );
    await assertBUntouched(store, ofB);
  });

  test('leaves an attempt under way to the same callback URL to finish', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const claimed = await claimOne(store);
    await replaceUrl(store, urlOf('a'), 1000);
    assert.deepEqual(await claim(store, { afterMs: 1000 }), []);
    assert.equal(await fail(store, claimed, retryAt(3000), 1100), 'applied');
    const again = await claimOne(store, 3000);
    assert.deepEqual([again.roundAttempts, again.attempts], [1, 1]);
  });

  test('changes nothing of the notifications that are made, whatever the new EventTypes', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    await store.keepSets([{ jti, set: 'kept' }]);
    const before = await look(store, jti);
    const narrower = subscriptionOf('a', { eventTypes: ['UK.OBIE.Consent-Access-Revoked'], callbackUrl: NEW_URL });
    await store.replaceRegistration(narrower, START_MS);
    assert.deepEqual(await look(store, jti), before);
    const claimed = await claimOne(store);
    assert.deepEqual([claimed.claims, claimed.set], [before.claims, 'kept']);
  });
}

function describeNoUrl(open: OpenFor): void {
  test('by one without a callback URL leaves all awaiting, and nothing due', async (t) => {
    const { store } = await open(t);
    const { claimed, ofB } = await inEveryState(store);
    await replaceUrl(store, undefined, 1000);
    assert.equal(await fail(store, claimed, retryAt(2000), 1100), 'overtaken');
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 55_000 })), []);
    assert.equal(await nextDueAfterMs(store, 55_000), PROBE_AFTER_MS, 'only b is probed');
    const states = await Promise.all(['ceased', 'waiting', 'claimed'].map((id) => look(store, jtiOf(id))));
    assert.deepEqual(
      states.map(({ state }) => state),
      ['awaiting', 'awaiting', 'awaiting'],
    );
    await assertBUntouched(store, ofB);
  });

  test('a lease does not survive the callback URL: neither its end nor its release makes anything due', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const claimed = await claimOne(store);
    await replaceUrl(store, undefined, 1000);
    await store.release([claimed], START_MS + 1100);
    assert.equal(await fail(store, claimed, CEASE, 1200), 'overtaken');
    assert.equal((await subscriptionIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.equal(await nextDueAfterMs(store), undefined);
    assert.equal(await acknowledge(store, claimed, 1300), 'applied');
  });

  test('by one that has a callback URL again makes everything awaiting due there', async (t) => {
    const { store } = await open(t);
    const { ofB } = await inEveryState(store);
    await replaceUrl(store, undefined, 1000);
    await publish(store, 'a', ['later'], 1500);
    await replaceUrl(store, NEW_URL, 2000);
    assert.deepEqual(
      summary(await claim(store, { afterMs: 2000 })),
      ['ceased', 'waiting', 'claimed', 'later'].map((id) => [jtiOf(id), NEW_URL, 0, undefined]),
    );
    await assertBUntouched(store, ofB);
  });
}
