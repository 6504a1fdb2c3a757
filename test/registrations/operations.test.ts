import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { headerOf, isSignedWith } from '@tidings/testing';
import { bodyOf, errorOf, VERSIONS } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp, type Resource } from '../support/tpp.ts';

// What holds for both kinds of registrations, under both versions of the API.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b'] });
const tpp = await makeTpp(bank, 'tpp-a');
const other = await makeTpp(bank, 'tpp-b');
after(async () => {
  tpp.close();
  other.close();
  await bank.stop();
});
afterEach(async () => {
  await tpp.clear();
  await other.clear();
});

const URL_OF = (version: string) => `https://tpp.example/open-banking/${version}/event-notifications`;

/** The same for each kind: what is asked for first and then, and how the standard calls the id. */
const KINDS = [
  {
    resource: 'event-subscriptions',
    idName: 'EventSubscriptionId',
    listName: 'EventSubscription',
    first: { CallbackUrl: URL_OF('v4.0'), Version: '3.1.2', EventTypes: ['UK.OBIE.Resource-Update'] },
    second: { CallbackUrl: URL_OF('v3.1'), Version: '3.1' },
  },
  {
    resource: 'callback-urls',
    idName: 'CallbackUrlId',
    listName: 'CallbackUrl',
    first: { Url: URL_OF('v4.0'), Version: '3.1.2' },
    second: { Url: URL_OF('v3.1'), Version: '3.1' },
  },
] as const satisfies readonly { resource: Resource; idName: string; listName: string; first: object; second: object }[];

for (const { resource, idName, listName, first, second } of KINDS) {
  for (const version of VERSIONS) {
    const self = `${bank.service.apiUrl}/open-banking/${version}/${resource}`;
    const unknown = (path: string) => ({
      status: 400,
      code: version === 'v4.0' ? 'U011' : 'UK.OBIE.Resource.NotFound',
      path,
    });

    describe(`${resource} under ${version}`, () => {
      test('POST creates it: 201 with what was sent, an id, Links.Self and an empty Meta [2 create-201]', async () => {
        const answer = await tpp.call('POST', version, resource, { body: JSON.stringify({ Data: first }) });
        assert.equal(answer.status, 201);
        const { Data, ...more } = bodyOf(answer);
        const { [idName]: id, ...data } = Data as Record<string, unknown>;
        assert.deepEqual(data, first);
        assert.match(String(id), /^.{1,40}$/);
        assert.deepEqual(more, { Links: { Self: `${self}/${id}` }, Meta: {} });
      });

      test('a second POST is 409, and changes nothing [2 one-per-tpp]', async () => {
        const id = await tpp.create(version, resource, first);
        const again = await tpp.call('POST', version, resource, { body: JSON.stringify({ Data: second }) });
        const code = version === 'v4.0' ? 'U029' : 'UK.OBIE.Rules.ResourceAlreadyExists';
        assert.deepEqual(errorOf(again), { status: 409, code });
        assert.deepEqual(await tpp.list(version, resource), [{ [idName]: id, ...first }]);
      });

      test('of ten POSTs at once exactly one creates [2 one-per-tpp-at-once]', async () => {
        const body = JSON.stringify({ Data: first });
        const answers = await Promise.all(
          Array.from({ length: 10 }, () => tpp.call('POST', version, resource, { body })),
        );
        const statuses = answers.map(({ status }) => status).sort();
        assert.deepEqual(statuses, [201, ...Array.from({ length: 9 }, () => 409)]);
      });

      test('each TPP has its own, and sees no other [2 per-client]', async () => {
        const id = await tpp.create(version, resource, first);
        assert.deepEqual(await other.list(version, resource), []);
        assert.notEqual(await other.create(version, resource, second), id);
        assert.deepEqual(await tpp.list(version, resource), [{ [idName]: id, ...first }]);
      });

      test('GET is 200 with a list of zero, then of one [2 get-list]', async () => {
        const links = { Links: { Self: self }, Meta: {} };
        assert.deepEqual(bodyOf(await tpp.call('GET', version, resource)), { Data: { [listName]: [] }, ...links });
        const id = await tpp.create(version, resource, first);
        const one = { Data: { [listName]: [{ [idName]: id, ...first }] }, ...links };
        assert.deepEqual(bodyOf(await tpp.call('GET', version, resource)), one);
      });

      test('PUT is 200 and replaces all of it [2 put-200]', async () => {
        const id = await tpp.create(version, resource, first);
        const answer = await tpp.put(version, resource, id, second);
        assert.equal(answer.status, 200);
        const data = { [idName]: id, ...second };
        assert.deepEqual(bodyOf(answer), { Data: data, Links: { Self: `${self}/${id}` }, Meta: {} });
        assert.deepEqual(await tpp.list(version, resource), [data]);
      });

      test('DELETE is 204 without a body, and another can be created [2 delete-204]', async () => {
        const id = await tpp.create(version, resource, first);
        const answer = await tpp.remove(version, resource, id);
        assert.deepEqual([answer.status, answer.headers['content-type']], [204, undefined]);
        assert.deepEqual(await tpp.list(version, resource), []);
        assert.deepEqual(errorOf(await tpp.remove(version, resource, id)), unknown(idName));
        assert.notEqual(await tpp.create(version, resource, first), id);
      });
    });

    describe(`ids of ${resource} under ${version}`, () => {
      test('the id of another TPP is 403 without a body, to PUT and DELETE [2 id-of-another-tpp]', async () => {
        const id = await other.create(version, resource, second);
        assert.deepEqual(errorOf(await tpp.put(version, resource, id, first)), { status: 403 });
        assert.deepEqual(errorOf(await tpp.remove(version, resource, id)), { status: 403 });
        assert.deepEqual(await other.list(version, resource), [{ [idName]: id, ...second }]);
      });

      for (const id of ['no-such-id', '00000000-0000-4000-8000-000000000000', '%27%20OR%201=1', '..%2f', '%C3%BC']) {
        test(`the unknown id ${id} is 400, not 404, to PUT and DELETE [7 id-unknown-400]`, async () => {
          const body = JSON.stringify({
            Data: { ...second, ...(resource === 'event-subscriptions' && { [idName]: decodeURIComponent(id) }) },
          });
          assert.deepEqual(errorOf(await tpp.call('PUT', version, `${resource}/${id}`, { body })), unknown(idName));
          assert.deepEqual(errorOf(await tpp.remove(version, resource, id)), unknown(idName));
        });
      }

      test('there is no GET by id: 405, although Links.Self points there [2 no-get-by-id]', async () => {
        const id = await tpp.create(version, resource, first);
        const answer = await tpp.call('GET', version, `${resource}/${id}`);
        assert.deepEqual([answer.status, answer.headers.allow], [405, 'PUT, DELETE']);
      });
    });

    describe(`bodies and signatures of ${resource} under ${version}`, () => {
      test('an unknown member beside Data is 400 to POST and PUT [2 top-level-closed]', async () => {
        const code = version === 'v4.0' ? 'U010' : 'UK.OBIE.Resource.InvalidFormat';
        const body = JSON.stringify({ Data: first, Extra: 1 });
        assert.deepEqual(errorOf(await tpp.call('POST', version, resource, { body })), {
          status: 400,
          code,
          path: 'Extra',
        });
        const id = await tpp.create(version, resource, first);
        const put = JSON.stringify({
          Data: { ...(resource === 'event-subscriptions' && { [idName]: id }), ...second },
          Extra: 1,
        });
        const answer = await tpp.call('PUT', version, `${resource}/${id}`, { body: put });
        assert.deepEqual(errorOf(answer), { status: 400, code, path: 'Extra' });
      });

      test('POST and PUT without a signature are 400 [2 post-put-signed]', async () => {
        const code = version === 'v4.0' ? 'U019' : 'UK.OBIE.Signature.Missing';
        const missing = { status: 400, code, path: 'x-jws-signature' };
        const body = JSON.stringify({ Data: first });
        assert.deepEqual(errorOf(await tpp.call('POST', version, resource, { body, signature: null })), missing);
        const id = await tpp.create(version, resource, first);
        const put = await tpp.call('PUT', version, `${resource}/${id}`, { body, signature: null });
        assert.deepEqual(errorOf(put), missing);
      });

      test('answers to POST, PUT and GET are signed with the bank’s key, over their bytes [2 answers-signed]', async () => {
        const body = JSON.stringify({ Data: first });
        const posted = await tpp.call('POST', version, resource, { body });
        const id = String((bodyOf(posted)['Data'] as Record<string, unknown>)[idName]);
        const put = await tpp.put(version, resource, id, second);
        for (const answer of [posted, put, await tpp.call('GET', version, resource)]) {
          const signature = String(answer.headers['x-jws-signature']);
          assert.ok(isSignedWith(signature, bank.signingKey.jwk, answer.body));
          assert.equal(headerOf(signature)['b64'], undefined);
        }
      });

      test('GET and DELETE need no signature, and ignore one; the answer to DELETE has none [2 delete-unsigned]', async () => {
        const id = await tpp.create(version, resource, first);
        assert.equal((await tpp.call('GET', version, resource, { signature: 'none at all' })).status, 200);
        const answer = await tpp.call('DELETE', version, `${resource}/${id}`, { signature: ['a', 'b'] });
        assert.deepEqual([answer.status, answer.headers['x-jws-signature']], [204, undefined]);
      });

      for (const scope of ['accounts', 'payments', 'fundsconfirmations']) {
        test(`the scope ${scope} is enough for all four operations [2 any-scope]`, async () => {
          const body = JSON.stringify({ Data: first });
          const created = await tpp.call('POST', version, resource, { body, scope });
          assert.equal(created.status, 201);
          assert.equal((await tpp.call('GET', version, resource, { scope })).status, 200);
          const id = String((bodyOf(created)['Data'] as Record<string, unknown>)[idName]);
          const put = JSON.stringify({
            Data: { ...(resource === 'event-subscriptions' && { [idName]: id }), ...second },
          });
          assert.equal((await tpp.call('PUT', version, `${resource}/${id}`, { body: put, scope })).status, 200);
          assert.equal((await tpp.call('DELETE', version, `${resource}/${id}`, { scope })).status, 204);
        });
      }
    });
  }
}
