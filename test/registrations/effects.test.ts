import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { claimsOf } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';

// What registrations mean for the events that are published.

const bank = await startBank({ clients: ['tpp-a'] });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver(bank);
});
afterEach(async () => {
  await tpp.clear();
  await receiver.close();
});

const RESOURCE_UPDATE = 'urn:uk:org:openbanking:events:resource-update';
const REVOKED = 'urn:uk:org:openbanking:events:consent-authorization-revoked';
const SUBSCRIBED = '/subscribed/v4.0/event-notifications';
const CALLBACK = '/callback/v4.0/event-notifications';
const BOTH = ['UK.OBIE.Resource-Update', 'UK.OBIE.Consent-Authorization-Revoked'];

/** The event types of the one SET that a poll gets, sorted; undefined when it gets none. */
async function polledTypes(): Promise<string[] | undefined> {
  const { sets } = await tpp.poll();
  const [set, ...more] = Object.values(sets);
  assert.deepEqual(more, []);
  return set === undefined ? undefined : Object.keys(claimsOf(set)['events'] as object).sort();
}

const state = async (jti = '') => (await bank.notification(jti))['state'];

describe('which events an event subscription gets', () => {
  for (const [what, EventTypes] of [
    ['omitted', undefined],
    ['empty', []],
    ['both by their codes', BOTH],
    ['both by their URNs', [RESOURCE_UPDATE, REVOKED]],
  ] as const) {
    test(`EventTypes ${what}: all of them [2 event-types-all]`, async () => {
      await tpp.create('v4.0', 'event-subscriptions', {
        Version: '4.0',
        ...(EventTypes !== undefined && { EventTypes }),
      });
      await bank.publish('tpp-a', { types: BOTH });
      assert.deepEqual(await polledTypes(), [REVOKED, RESOURCE_UPDATE]);
    });
  }

  test('only those in EventTypes [2 event-types-some]', async () => {
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', EventTypes: [REVOKED] });
    await bank.publish('tpp-a', { types: BOTH });
    assert.deepEqual(await polledTypes(), [REVOKED]);
    assert.equal(await bank.publish('tpp-a'), undefined, 'a token of which nothing is left is not made');
  });

  for (const Version of ['2.2', '3.1', '3.1.1']) {
    test(`Version ${Version}, below 3.1.2: resource-update alone, whatever EventTypes says [2 version-below-3.1.2]`, async () => {
      await tpp.create('v4.0', 'event-subscriptions', { Version, EventTypes: BOTH });
      await bank.publish('tpp-a', { types: BOTH });
      assert.deepEqual(await polledTypes(), [RESOURCE_UPDATE]);
    });
  }

  test('Version is a minimum: 3.1 gets events about v3 and v4, 4.0 none about v3 [2 version-minimum]', async () => {
    const id = await tpp.create('v4.0', 'event-subscriptions', { Version: '3.1' });
    assert.notEqual(await bank.publish('tpp-a', { version: '3.1' }), undefined);
    assert.notEqual(await bank.publish('tpp-a', { version: '4.0' }), undefined);
    await tpp.put('v4.0', 'event-subscriptions', id, { Version: '4.0' });
    assert.equal(await bank.publish('tpp-a', { version: '3.1' }), undefined);
    assert.notEqual(await bank.publish('tpp-a', { version: '4.0' }), undefined);
  });
});

describe('delivery', () => {
  test('real time goes to the CallbackUrl as it is: nothing is appended [2 callback-url-not-appended]', async () => {
    await tpp.create('v4.0', 'event-subscriptions', { CallbackUrl: `${receiver.origin}${SUBSCRIBED}`, Version: '4.0' });
    await bank.publish('tpp-a');
    await receiver.untilReceived(1);
    assert.equal(receiver.received[0]?.path, SUBSCRIBED);
  });

  test('without a CallbackUrl nothing is sent, and polling gets it [2 delivery-by-polling]', async () => {
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const jti = await bank.publish('tpp-a');
    assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
    assert.deepEqual((await bank.notification(jti ?? ''))['attempts'], []);
  });

  test('with a CallbackUrl too, what was not acknowledged can be polled for [2 polling-in-either-case]', async () => {
    receiver.status = 500;
    await tpp.create('v4.0', 'event-subscriptions', { CallbackUrl: `${receiver.origin}${SUBSCRIBED}`, Version: '4.0' });
    const jti = await bank.publish('tpp-a');
    await receiver.untilReceived(1);
    assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
  });

  test('a callback-url gets resource-update alone, in real time alone [2 callback-url-resource-update]', async () => {
    await tpp.create('v4.0', 'callback-urls', { Url: `${receiver.origin}${CALLBACK}`, Version: '4.0' });
    await bank.publish('tpp-a', { types: BOTH });
    await receiver.untilReceived(1);
    const { path, body } = receiver.received[0] ?? { path: '', body: '' };
    assert.deepEqual([path, Object.keys(claimsOf(body)['events'] as object)], [CALLBACK, [RESOURCE_UPDATE]]);
    assert.equal(await bank.publish('tpp-a', { types: ['UK.OBIE.Consent-Authorization-Revoked'] }), undefined);
    assert.equal((await tpp.call('POST', 'v4.0', 'events', { body: '{}' })).status, 403, 'not by polling');
  });
});

describe('two registrations, and changes', () => {
  test('an event subscription supersedes the callback-url; deleted, that is effective again [2 supersedes]', async () => {
    await tpp.create('v4.0', 'callback-urls', { Url: `${receiver.origin}${CALLBACK}`, Version: '4.0' });
    const wanted = { CallbackUrl: `${receiver.origin}${SUBSCRIBED}`, Version: '4.0' };
    const id = await tpp.create('v4.0', 'event-subscriptions', wanted);
    await bank.publish('tpp-a', { types: BOTH });
    await receiver.untilReceived(1);
    await tpp.remove('v4.0', 'event-subscriptions', id);
    await bank.publish('tpp-a');
    await receiver.untilReceived(2);
    assert.deepEqual(
      receiver.received.map(({ path }) => path),
      [SUBSCRIBED, CALLBACK],
    );
    assert.equal(Object.keys(claimsOf(receiver.received[0]?.body ?? '')['events'] as object).length, 2);
  });

  test('what is awaiting goes to the new callback URL, as the same token [2 change-takes-effect]', async () => {
    receiver.status = 500;
    const wanted = { CallbackUrl: `${receiver.origin}${SUBSCRIBED}`, Version: '4.0' };
    const id = await tpp.create('v4.0', 'event-subscriptions', wanted);
    await bank.publish('tpp-a');
    await receiver.untilReceived(3);
    receiver.status = 202;
    await tpp.put('v4.0', 'event-subscriptions', id, { ...wanted, CallbackUrl: `${receiver.origin}${CALLBACK}` });
    await receiver.untilReceived(4);
    assert.equal(receiver.received[3]?.path, CALLBACK);
    assert.equal(new Set(receiver.received.map(({ body }) => body)).size, 1, 'the same bytes each time');
  });

  for (const resource of ['event-subscriptions', 'callback-urls'] as const) {
    test(`deleting ${resource} withdraws what is awaiting, which stays on record [2 delete-withdraws]`, async () => {
      receiver.status = 500;
      const url = `${receiver.origin}${CALLBACK}`;
      const data = resource === 'callback-urls' ? { Url: url, Version: '4.0' } : { CallbackUrl: url, Version: '4.0' };
      const id = await tpp.create('v4.0', resource, data);
      const jti = await bank.publish('tpp-a');
      await receiver.untilReceived(1);
      await tpp.remove('v4.0', resource, id);
      assert.equal(await state(jti), 'withdrawn');
    });
  }

  test('an event subscription without a CallbackUrl takes over what a callback-url had awaiting [2 supersedes-awaiting]', async () => {
    receiver.status = 500;
    await tpp.create('v4.0', 'callback-urls', { Url: `${receiver.origin}${CALLBACK}`, Version: '4.0' });
    const jti = await bank.publish('tpp-a');
    await receiver.untilReceived(1);
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
  });
});
