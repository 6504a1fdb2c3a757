import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bankEvent, deletionOf, jtiOf, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  acknowledged,
  CEASE,
  claim,
  claimOne,
  failed,
  LEASE_MS,
  listen,
  type OpenFor,
  POLL,
  publish,
  register,
} from './opened.ts';

const AUDIT = { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} };
const nothing = { offered: [], retargeted: [] };

/** What listeners are told. */
export function describeChanges(open: OpenFor): void {
  describe('listeners', () => {
    describeOffered(open);
    describeRetargeted(open);
  });
}

function describeOffered(open: OpenFor): void {
  test('are told of TPPs with something new, handed over or not, and no longer once they ended it', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    const told: string[][] = [];
    const end = store.onChange(({ offered }) => told.push([...offered].toSorted()));
    await publish(store, 'a', ['one']);
    await publish(store, 'a', ['one']);
    assert.deepEqual(told, [['a']], 'an event that was published before makes nothing new');
    const events = [bankEvent('a', 'two'), bankEvent('b', 'three')];
    await store.publish(events, notifyAll, START_MS, { leaseMs: LEASE_MS, limit: 9, capacityFor: () => 9 });
    assert.deepEqual(told, [['a'], ['a', 'b']]);
    end();
    await publish(store, 'b', ['four']);
    assert.equal(told.length, 2);
  });

  test('are told of what is redelivered, but not of a dry run', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['one']);
    const told = listen(store);
    const redelivery = {
      ...{ filter: {}, after: undefined, limit: 10, firstDueAtMs: START_MS, spacingMs: 0, audit: AUDIT },
    };
    await store.redeliver({ ...redelivery, isDryRun: true });
    assert.deepEqual(told(), nothing);
    await store.redeliver({ ...redelivery, isDryRun: false });
    assert.deepEqual(told(), { offered: ['a'], retargeted: [] });
  });

  test('hear nothing of claims, polls, retries and acknowledgements', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['one', 'two']);
    const told = listen(store);
    const [one] = await claim(store);
    assert.ok(one);
    await acknowledge(store, one);
    await store.poll({ ...POLL, clientId: 'a', acknowledged: [jtiOf('two')] });
    assert.deepEqual(told(), nothing);
  });
}

function describeRetargeted(open: OpenFor): void {
  test('are told when a TPP is suspended, resumed, removed, or its registration changes', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    const told = listen(store);
    const retargeted = { offered: [], retargeted: ['a'] };
    await store.createRegistration(subscriptionOf('a'), START_MS);
    assert.deepEqual(told(), retargeted);
    await store.createRegistration(subscriptionOf('a'), START_MS);
    assert.deepEqual(told(), nothing, 'it exists already');
    await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS);
    assert.deepEqual(told(), retargeted);
    await store.putTpp(tppOf('a'), START_MS);
    assert.deepEqual(told(), retargeted);
    await store.replaceRegistration(subscriptionOf('a'), START_MS);
    assert.deepEqual(told(), retargeted);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    assert.deepEqual(told(), retargeted);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    assert.deepEqual(told(), nothing);
    await store.removeTpp('a', START_MS);
    assert.deepEqual(told(), retargeted);
    await store.removeTpp('a', START_MS);
    assert.deepEqual(told(), nothing);
  });

  test('hear of a changed retry policy where there is something to push to, and nothing of a TPP that stays as it is', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    const told = listen(store);
    const retry = { delayMs: 500, delayMaxMs: 60_000, retriesMax: 4, intervalMaxMs: 3_600_000 };
    await store.putTpp({ ...tppOf('a'), retry }, START_MS);
    assert.deepEqual(told(), nothing, 'it has no callback URL');
    await store.createRegistration(subscriptionOf('a'), START_MS);
    told();
    await store.putTpp({ ...tppOf('a'), retry }, START_MS);
    assert.deepEqual(told(), nothing, 'it is as it was');
    await store.putTpp(tppOf('a'), START_MS);
    assert.deepEqual(told(), { offered: [], retargeted: ['a'] });
  });

  test('are told when a callback URL turns unresponsive, recovers, or is to be probed', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['one', 'two']);
    const [one, two] = await claim(store);
    assert.ok(one && two);
    const told = listen(store);
    const retargeted = { offered: [], retargeted: ['a'] };
    await store.recordAttempts([failed(one, CEASE)], START_MS);
    assert.deepEqual(told(), retargeted);
    await store.recover('a', 'probe-now', START_MS, AUDIT);
    assert.deepEqual(told(), retargeted);
    await store.recordAttempts([acknowledged(two)], START_MS);
    assert.deepEqual(told(), retargeted);
    await store.recordAttempts([failed(await claimOne(store), CEASE)], START_MS);
    assert.deepEqual(told(), retargeted);
    await store.recover('a', 'responsive', START_MS, AUDIT);
    assert.deepEqual(told(), retargeted);
    await store.recover('b', 'responsive', START_MS, AUDIT);
    assert.deepEqual(told(), nothing);
  });
}
