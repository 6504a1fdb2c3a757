import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorOf, VERSIONS } from '../support/answers.ts';
import type { Tpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// What an ASPSP does not offer: 404 for an endpoint, U005 for a field.

const URL = 'https://tpp.example/open-banking/v4.0/event-notifications';
const RESOURCES = ['event-subscriptions', 'callback-urls'] as const;

const statusOf = async (tpp: Tpp, method: string, version: 'v3.1' | 'v4.0', path: string) =>
  (await tpp.call(method, version, path, { body: method === 'POST' ? '{}' : undefined })).status;

describe('operation modes', () => {
  test('real time alone: POST /events is 404, registrations are offered [2 real-time-only]', async () => {
    await withBank({ settings: { polling: { isOffered: false } } }, async (tpp) => {
      for (const version of VERSIONS) {
        assert.equal(await statusOf(tpp, 'POST', version, 'events'), 404);
        assert.equal(await statusOf(tpp, 'PUT', version, 'events'), 404);
        for (const resource of RESOURCES) assert.equal(await statusOf(tpp, 'GET', version, resource), 200);
      }
      await tpp.create('v4.0', 'event-subscriptions', { CallbackUrl: URL, Version: '4.0' });
    });
  });

  test('polling alone: callback-urls is 404, and nothing is sent [2 polling-only]', async () => {
    await withBank({ settings: { realTime: { isOffered: false } } }, async (tpp, bank) => {
      for (const version of VERSIONS) {
        assert.equal(await statusOf(tpp, 'GET', version, 'callback-urls'), 404);
        assert.equal(await statusOf(tpp, 'DELETE', version, 'callback-urls/x'), 404);
      }
      await tpp.create('v3.1', 'event-subscriptions', { Version: '3.1' });
      const jti = await bank.publish('tpp-a');
      assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
      assert.deepEqual((await bank.notification(jti ?? ''))['attempts'], []);
    });
  });

  test('polling alone: a CallbackUrl is a field that is not expected, in POST and PUT [7 field-unexpected]', async () => {
    await withBank({ settings: { realTime: { isOffered: false } } }, async (tpp) => {
      for (const version of VERSIONS) {
        const code = version === 'v4.0' ? 'U005' : 'UK.OBIE.Field.Unexpected';
        const unexpected = { status: 400, code, path: 'Data.CallbackUrl' };
        const body = JSON.stringify({ Data: { CallbackUrl: URL, Version: '3.1' } });
        assert.deepEqual(errorOf(await tpp.call('POST', version, 'event-subscriptions', { body })), unexpected);
        const id = await tpp.create(version, 'event-subscriptions', { Version: '3.1' });
        const put = await tpp.put(version, 'event-subscriptions', id, { CallbackUrl: URL, Version: '3.1' });
        assert.deepEqual(errorOf(put), unexpected);
        await tpp.remove(version, 'event-subscriptions', id);
      }
    });
  });

  test('callback URLs switched off: callback-urls is 404, event subscriptions may have one [2 callback-urls-off]', async () => {
    await withBank({ settings: { callbackUrls: { isOffered: false } } }, async (tpp) => {
      for (const version of VERSIONS) assert.equal(await statusOf(tpp, 'GET', version, 'callback-urls'), 404);
      await tpp.create('v4.0', 'event-subscriptions', { CallbackUrl: URL, Version: '4.0' });
    });
  });

  test('both base paths lie behind the prefix, and nothing beside them [2 base-paths]', async () => {
    await withBank({ settings: { api: { prefix: '/a/b' } } }, async (tpp, bank) => {
      for (const version of VERSIONS) assert.equal(await statusOf(tpp, 'GET', version, 'event-subscriptions'), 200);
      const headers = { authorization: `Bearer ${await tpp.token()}` };
      for (const path of ['/open-banking/v4.0', '/a/b/open-banking/v3.0', '/a/b/open-banking/v4.1', '/a/b/v4.0']) {
        assert.equal((await tpp.send(`${path}/event-subscriptions`, { headers })).status, 404, path);
      }
      assert.equal(bank.prefix, '/a/b');
    });
  });
});
