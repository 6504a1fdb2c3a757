import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegistrationToStore } from '../../src/model/registration.ts';
import { deletionOf, jtiOf, subscriptionIn, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  claim,
  claimOne,
  jtisOf,
  look,
  nextDueAfterMs,
  type OpenFor,
  publish,
  register,
} from './opened.ts';

const READ_BACK: readonly (readonly [string, Partial<RegistrationToStore>])[] = [
  ['without EventTypes', { eventTypes: undefined }],
  ['with empty EventTypes', { eventTypes: [] }],
  [
    'with a list of EventTypes',
    { eventTypes: ['UK.OBIE.Resource-Update', 'UK.OBIE.Acount-Access-Consent-Linked-Account-Update'] },
  ],
  ['without a callback URL', { callbackUrl: undefined }],
  ['made through v3.1', { apiVersion: 'v3.1', version: '3.1.2' }],
  ['with text that is not ASCII', { eventTypes: ['Grüße \u{1f3e6} \u0000 "\'\\'] }],
];

/** TPPs and their one event subscription each. */
export function describeRegistrations(open: OpenFor): void {
  test('a TPP that was never put is unknown', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.tpp('nobody'), undefined);
    assert.equal(await subscriptionIn(store, 'nobody'), undefined);
  });

  test('a TPP is read back as it was put last', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.putTpp(tppOf('b'), START_MS);
    const changed = { ...tppOf('a'), organisationId: 'other', jwks: { keys: [{ kty: 'RSA', kid: 'k', n: 'ü' }] } };
    await store.putTpp(changed, START_MS);
    assert.deepEqual(await store.tpp('a'), changed);
    assert.deepEqual(await store.tpp('b'), tppOf('b'));
  });

  for (const [name, changes] of READ_BACK) {
    test(`an event subscription ${name} is read back exactly, when created and when replaced`, async (t) => {
      const { store } = await open(t);
      const subscription = subscriptionOf('a', changes);
      const expected = { ...subscription, unresponsiveSinceMs: undefined };
      assert.equal(await store.createRegistration(subscription, START_MS), 'created');
      assert.deepEqual(await subscriptionIn(store, 'a'), expected);
      await store.createRegistration(subscriptionOf('b', { apiVersion: subscription.apiVersion }), START_MS);
      const replaced = { ...subscription, clientId: 'b', id: 'sub-b' };
      assert.equal(await store.replaceRegistration(replaced, START_MS), 'changed');
      assert.deepEqual(await subscriptionIn(store, 'b'), { ...replaced, unresponsiveSinceMs: undefined });
    });
  }

  test('a second event subscription of a TPP is refused and changes nothing', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.createRegistration(subscriptionOf('a'), START_MS), 'created');
    const second = subscriptionOf('a', { id: 'second', callbackUrl: undefined });
    assert.equal(await store.createRegistration(second, START_MS), 'exists');
    assert.deepEqual(await subscriptionIn(store, 'a'), { ...subscriptionOf('a'), unresponsiveSinceMs: undefined });
  });

  test('of two creations at the same time one wins', async (t) => {
    const { store } = await open(t);
    const ids = ['first', 'second'];
    const both = ids.map((id) => store.createRegistration(subscriptionOf('a', { id: id }), START_MS));
    const results = await Promise.all(both);
    assert.deepEqual(results.toSorted(), ['created', 'exists']);
    const kept = await subscriptionIn(store, 'a');
    assert.equal(kept?.id, ids[results.indexOf('created')]);
  });

  test('each TPP has an event subscription of its own', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.createRegistration(subscriptionOf('a'), START_MS), 'created');
    assert.equal(await store.createRegistration(subscriptionOf('b'), START_MS), 'created');
    assert.equal((await subscriptionIn(store, 'a'))?.id, 'sub-a');
    assert.equal((await subscriptionIn(store, 'b'))?.id, 'sub-b');
  });

  test('an event subscription of another TPP can be neither replaced nor deleted', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'b', ['of-b']);
    const stolen = subscriptionOf('a', { id: 'sub-b', version: '3.1' });
    assert.equal(await store.replaceRegistration(stolen, START_MS), 'of-another-tpp');
    assert.equal(
      await store.deleteRegistration(
        { kind: 'event-subscription', clientId: 'a', id: 'sub-b', through: 'v4.0' },
        START_MS,
      ),
      'of-another-tpp',
    );
    assert.deepEqual(await subscriptionIn(store, 'a'), { ...subscriptionOf('a'), unresponsiveSinceMs: undefined });
    assert.deepEqual(await subscriptionIn(store, 'b'), { ...subscriptionOf('b'), unresponsiveSinceMs: undefined });
    assert.equal((await look(store, jtiOf('of-b'))).state, 'awaiting');
  });

  test('an id that nobody has is unknown, also to a TPP that has another', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const unknown = subscriptionOf('a', { id: 'unknown', version: '3.1' });
    assert.equal(await store.replaceRegistration(unknown, START_MS), 'unknown');
    assert.equal(
      await store.deleteRegistration(
        { kind: 'event-subscription', clientId: 'a', id: 'unknown', through: 'v4.0' },
        START_MS,
      ),
      'unknown',
    );
    assert.equal(
      await store.deleteRegistration(
        { kind: 'event-subscription', clientId: 'nobody', id: 'unknown', through: 'v4.0' },
        START_MS,
      ),
      'unknown',
    );
    assert.equal((await subscriptionIn(store, 'a'))?.version, '4.0');
  });

  test('a deleted event subscription is gone, and a new one can take its place', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    assert.equal(await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS), 'changed');
    assert.equal(await subscriptionIn(store, 'a'), undefined);
    assert.equal(await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS), 'unknown');
    assert.equal(await store.createRegistration(subscriptionOf('a', { id: 'new' }), START_MS), 'created');
    assert.equal((await subscriptionIn(store, 'a'))?.id, 'new');
    assert.equal((await subscriptionIn(store, 'b'))?.id, 'sub-b');
    assert.deepEqual(await store.tpp('a'), tppOf('a'));
  });

  test('deleting withdraws what is awaiting, of this TPP only, and leaves what was acknowledged', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['done']);
    await acknowledge(store, await claimOne(store));
    await publish(store, 'a', ['due']);
    await publish(store, 'b', ['of-b']);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    const states = await Promise.all(['done', 'due', 'of-b'].map((id) => look(store, jtiOf(id))));
    assert.deepEqual(
      states.map(({ state, nextAttemptAtMs }) => [state, nextAttemptAtMs]),
      [
        ['acknowledged', undefined],
        ['withdrawn', undefined],
        ['awaiting', START_MS],
      ],
    );
  });

  test('what was withdrawn does not come back with a new event subscription', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['leased']);
    const leased = await claimOne(store);
    await publish(store, 'a', ['due']);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    await store.createRegistration(subscriptionOf('a', { id: 'new' }), START_MS);
    await store.replaceRegistration(subscriptionOf('a', { id: 'new', version: '3.1' }), START_MS);
    assert.equal(await acknowledge(store, leased), 'overtaken');
    assert.equal((await look(store, leased.jti)).state, 'withdrawn');
    assert.equal((await look(store, leased.jti)).attempts.length, 1);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 10 * 60_000 })), []);
    assert.equal(await nextDueAfterMs(store), undefined);
  });

  test('TPPs and event subscriptions are there after the store was reopened', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a'], { eventTypes: [] });
    const reopened = await reopen();
    assert.deepEqual(await reopened.tpp('a'), tppOf('a'));
    const expected = { ...subscriptionOf('a', { eventTypes: [] }), unresponsiveSinceMs: undefined };
    assert.deepEqual(await subscriptionIn(reopened, 'a'), expected);
  });
}
