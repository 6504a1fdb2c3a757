import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { bodyOf, errorOf } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp, type Resource } from '../support/tpp.ts';

// Release management: a registration of v4.0 is out of reach through v3.1; one of v3.1 can be used through v4.0.

const bank = await startBank({
  clients: ['tpp-a'],
  settings: { api: { prefix: '/bank/ob', publicUrl: 'https://api.bank.example/' } },
});
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});
afterEach(() => tpp.clear());

const URL = 'https://tpp.example/open-banking/v4.0/event-notifications';
const KINDS: readonly { resource: Resource; data: object; idName: string }[] = [
  { resource: 'event-subscriptions', data: { CallbackUrl: URL, Version: '4.0' }, idName: 'EventSubscriptionId' },
  { resource: 'callback-urls', data: { Url: URL, Version: '4.0' }, idName: 'CallbackUrlId' },
];

for (const { resource, data, idName } of KINDS) {
  const exists = { status: 409, code: 'UK.OBIE.Rules.ResourceAlreadyExists' };

  describe(`${resource} across versions`, () => {
    test('one of v4.0 is not read through v3.1: 200 with an empty list [2 v4-not-read-through-v3]', async () => {
      await tpp.create('v4.0', resource, data);
      assert.deepEqual(await tpp.list('v3.1', resource), []);
      assert.equal((await tpp.list('v4.0', resource)).length, 1);
    });

    test('one of v4.0 is not changed through v3.1: 403 [2 v4-not-changed-through-v3]', async () => {
      const id = await tpp.create('v4.0', resource, data);
      assert.deepEqual(errorOf(await tpp.put('v3.1', resource, id, { ...data, Version: '3.1' })), { status: 403 });
      assert.deepEqual(await tpp.list('v4.0', resource), [{ [idName]: id, ...data }]);
    });

    test('one of v4.0 is not deleted through v3.1: 403 [2 v4-not-deleted-through-v3]', async () => {
      const id = await tpp.create('v4.0', resource, data);
      assert.deepEqual(errorOf(await tpp.remove('v3.1', resource, id)), { status: 403 });
      assert.equal((await tpp.list('v4.0', resource)).length, 1);
    });

    test('POST through v3.1 is 409 when one of v4.0 exists [2 v4-blocks-post-through-v3]', async () => {
      await tpp.create('v4.0', resource, data);
      const answer = await tpp.call('POST', 'v3.1', resource, { body: JSON.stringify({ Data: data }) });
      assert.deepEqual(errorOf(answer), exists);
    });

    test('one of v3.1 is read and deleted through v4.0, and blocks a POST there [2 v3-used-through-v4]', async () => {
      const id = await tpp.create('v3.1', resource, data);
      assert.deepEqual(await tpp.list('v4.0', resource), [{ [idName]: id, ...data }]);
      const answer = await tpp.call('POST', 'v4.0', resource, { body: JSON.stringify({ Data: data }) });
      assert.deepEqual(errorOf(answer), { status: 409, code: 'U029' });
      assert.equal((await tpp.remove('v4.0', resource, id)).status, 204);
      assert.deepEqual(await tpp.list('v3.1', resource), []);
    });

    test('PUT through v4.0 of one of v3.1 lifts it: v3.1 has it no more [2 v4-put-upgrades]', async () => {
      const id = await tpp.create('v3.1', resource, data);
      assert.equal((await tpp.put('v3.1', resource, id, data)).status, 200);
      assert.equal((await tpp.list('v3.1', resource)).length, 1);
      assert.equal((await tpp.put('v4.0', resource, id, data)).status, 200);
      assert.deepEqual(await tpp.list('v3.1', resource), []);
      assert.deepEqual(errorOf(await tpp.remove('v3.1', resource, id)), { status: 403 });
      assert.deepEqual(await tpp.list('v4.0', resource), [{ [idName]: id, ...data }]);
    });

    test('the version of the API is kept apart from Data.Version [2 api-version-apart]', async () => {
      const id = await tpp.create('v4.0', resource, { ...data, Version: '3.1' });
      assert.deepEqual(await tpp.list('v3.1', resource), []);
      assert.equal((await tpp.remove('v4.0', resource, id)).status, 204);
      await tpp.create('v3.1', resource, { ...data, Version: '4.0' });
      assert.equal((await tpp.list('v3.1', resource)).length, 1);
    });

    for (const version of ['v3.1', 'v4.0'] as const) {
      test(`Links.Self is absolute, behind the prefix, under ${version} when that was called [2 links-self]`, async () => {
        const id = await tpp.create('v3.1', resource, data);
        const base = `https://api.bank.example/bank/ob/open-banking/${version}/${resource}`;
        assert.deepEqual(bodyOf(await tpp.call('GET', version, resource))['Links'], { Self: base });
        assert.deepEqual(bodyOf(await tpp.put(version, resource, id, data))['Links'], { Self: `${base}/${id}` });
      });
    }
  });
}
