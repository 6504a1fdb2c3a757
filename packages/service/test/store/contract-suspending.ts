import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callbackUrlIn, callbackUrlOf, jtiOf, subscriptionIn, tppOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  ceaseUntil,
  claim,
  claimOne,
  fail,
  jtisOf,
  look,
  nextDueAfterMs,
  type OpenFor,
  publish,
  register,
  retryAt,
  targetOf,
} from './opened.ts';

/** Suspended and removed TPPs, with what was claimed for them. */
export function describeSuspending(open: OpenFor): void {
  describe('a TPP', () => {
    describeSuspended(open);
    describeRemoved(open);
    describeOverrides(open);
  });
}

function describeSuspended(open: OpenFor): void {
  test('that is suspended is sent nothing, its events are kept, and resuming makes them due', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    const [before = ''] = await publish(store, 'a', ['before']);
    const claimed = await claimOne(store);
    await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS);
    const [during = ''] = await publish(store, 'a', ['during']);
    assert.equal(
      await fail(store, claimed, { kind: 'retry', atMs: START_MS }),
      'overtaken',
      'the claim was taken back',
    );
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    assert.equal((await look(store, during)).state, 'awaiting');
    await store.putTpp(tppOf('a'), START_MS + 5);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 5 })).sort(), [before, during].sort());
  });

  test('that is suspended has no target, and one again when it is resumed, with a new round', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['retried']);
    await fail(store, await claimOne(store), retryAt(50_000));
    await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS);
    assert.deepEqual(await store.targets('', 10), []);
    assert.equal((await look(store, jtiOf('retried'))).nextAttemptAtMs, undefined);
    assert.equal(await nextDueAfterMs(store), undefined);
    await store.putTpp(tppOf('a'), START_MS + 10);
    assert.equal((await targetOf(store, 'a')).callbackUrl, urlOf('a'));
    const claimed = await claimOne(store, 10);
    assert.deepEqual([claimed.attempts, claimed.roundAttempts, claimed.roundBeganAtMs], [1, 0, undefined]);
  });

  test('that is suspended while its callback URL is unresponsive finds it so when it is resumed', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['one']);
    await fail(store, await claimOne(store), ceaseUntil(5000), 100);
    await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS);
    assert.deepEqual(await claim(store, { afterMs: 5000 }), []);
    assert.equal((await store.deliveryStates()).unresponsive, 0);
    await store.putTpp(tppOf('a'), START_MS + 6000);
    assert.equal((await store.deliveryStates()).unresponsive, 1);
    assert.equal((await claimOne(store, 6000)).probe, 0);
  });

  test('that is put again unchanged keeps its claims, waits and rounds', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['waits', 'claimed']);
    const [waits, claimed] = await claim(store);
    assert.ok(waits && claimed);
    await fail(store, waits, retryAt(50_000));
    await store.putTpp({ ...tppOf('a'), organisationId: 'renamed' }, START_MS + 10);
    assert.deepEqual(await claim(store, { afterMs: 49_999 }), []);
    assert.equal(await acknowledge(store, claimed), 'applied');
    assert.equal((await claimOne(store, 50_000)).roundAttempts, 1);
  });

  test('that is suspended has no say any more over what it was sent, but its acknowledgement counts', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['ceases', 'acknowledged']);
    const [ceases, acknowledges] = await claim(store);
    assert.ok(ceases && acknowledges);
    await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS);
    assert.equal(await fail(store, ceases, CEASE), 'overtaken');
    assert.equal(await acknowledge(store, acknowledges), 'applied');
    assert.equal((await store.deliveryStates()).unresponsive, 0);
    assert.equal((await look(store, acknowledges.jti)).state, 'acknowledged');
  });
}

function describeRemoved(open: OpenFor): void {
  test('that is removed loses its registrations, and what is awaiting is withdrawn; others keep theirs', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    const [ofA = ''] = await publish(store, 'a', ['of-a']);
    const [ofB = ''] = await publish(store, 'b', ['of-b']);
    assert.equal(await store.removeTpp('a', START_MS), true);
    assert.equal(await store.removeTpp('a', START_MS), false);
    assert.equal(await store.tpp('a'), undefined);
    assert.equal(await subscriptionIn(store, 'a'), undefined);
    assert.equal(await callbackUrlIn(store, 'a'), undefined);
    assert.equal((await look(store, ofA)).state, 'withdrawn');
    assert.deepEqual(jtisOf(await claim(store)), [ofB]);
  });

  test('that is removed leaves no claim with a say, and begins again when it is added again', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['ceased', 'claimed']);
    const [ceased, claimed] = await claim(store);
    assert.ok(ceased && claimed);
    await fail(store, ceased, CEASE);
    await store.removeTpp('a', START_MS);
    assert.equal(await fail(store, claimed, retryAt(5)), 'overtaken');
    assert.equal(await acknowledge(store, claimed), 'overtaken');
    await store.release([claimed], START_MS);
    assert.deepEqual(await store.counts(), { awaiting: 0 });
    await register(store, ['a']);
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    const { unresponsiveSinceMs, recoveredAtMs, probes } = await targetOf(store, 'a');
    assert.deepEqual([unresponsiveSinceMs, recoveredAtMs, probes], [undefined, undefined, 0]);
  });
}

function describeOverrides(open: OpenFor): void {
  test('has its own settings of the retry policy in its target and in what is claimed', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a', 'b']);
    const retry = { delayMs: 250, retriesMax: 2 };
    await store.putTpp({ ...tppOf('a'), retry }, START_MS);
    assert.deepEqual((await targetOf(store, 'a')).retry, retry);
    assert.equal((await targetOf(store, 'b')).retry, undefined);
    await publish(store, 'a', ['of-a']);
    await publish(store, 'b', ['of-b']);
    const overrides = (await claim(store)).map((one) => [one.clientId, one.retry]);
    assert.deepEqual(Object.fromEntries(overrides), { a: retry, b: undefined });
    const reopened = await reopen();
    assert.deepEqual((await reopened.tpp('a'))?.retry, retry);
    await reopened.putTpp(tppOf('a'), START_MS);
    assert.equal((await targetOf(reopened, 'a')).retry, undefined);
  });
}
