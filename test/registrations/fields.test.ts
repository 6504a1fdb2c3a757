import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { bodyOf, errorOf, VERSIONS, type Version } from '../support/answers.ts';
import { EVENT_TYPES_URL, startBank } from '../support/bank.ts';
import { makeTpp, type Resource } from '../support/tpp.ts';

// The fields of registrations: what is accepted, what is read back, and how each is refused.

const OWN = { urn: 'urn:example:bank:events:thing', subscribeCode: 'BANK.Thing' };
const bank = await startBank({ clients: ['tpp-a'], settings: { ownEventTypes: [OWN] } });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});
afterEach(() => tpp.clear());

const HOST = 'https://tpp.example';
const CODES = {
  'v4.0': { invalid: 'U002', missing: 'U004', format: 'U010', type: 'U024' },
  'v3.1': {
    invalid: 'UK.OBIE.Field.Invalid',
    missing: 'UK.OBIE.Field.Missing',
    format: 'UK.OBIE.Resource.InvalidFormat',
    type: 'UK.OBIE.Unsupported.EventType',
  },
} as const;

async function refusal(version: Version, resource: Resource, data: unknown) {
  const answer = await tpp.call('POST', version, resource, { body: JSON.stringify({ Data: data }) });
  assert.deepEqual(await tpp.list(version, resource), [], 'nothing was created');
  return errorOf(answer);
}

for (const version of VERSIONS) {
  const { invalid, missing, format, type } = CODES[version];
  const good = `${HOST}/open-banking/${version}/event-notifications`;

  describe(`callback URLs under ${version}`, () => {
    for (const [resource, name] of [
      ['event-subscriptions', 'CallbackUrl'],
      ['callback-urls', 'Url'],
    ] as const) {
      for (const url of [good, `${HOST}/a/b/v3.1/event-notifications`, `${HOST}:8443/v4.0/event-notifications`]) {
        test(`${resource}: ${url} is accepted and read back as sent [2 callback-url-suffix]`, async () => {
          await tpp.create(version, resource, { [name]: url, Version: '3.1' });
          assert.equal((await tpp.list(version, resource))[0]?.[name], url);
        });
      }

      for (const [url, why] of [
        ['http://tpp.example/open-banking/v4.0/event-notifications', 'callback-url-https'],
        [`${HOST}/open-banking/v4.0`, 'callback-url-suffix'],
        [`${HOST}/open-banking/v4.0/event-notifications/`, 'callback-url-suffix'],
        [`${HOST}/open-banking/v4.0/event-notifications?x=1`, 'callback-url-suffix'],
        [`${HOST}/open-banking/v4.0/callback-urls`, 'callback-url-suffix'],
        ['/open-banking/v4.0/event-notifications', 'callback-url-absolute'],
        ['https://user@tpp.example/v4.0/event-notifications', 'callback-url-no-user'],
      ] as const) {
        test(`${resource}: ${url} is 400, naming the field [2 ${why}]`, async () => {
          const refused = await refusal(version, resource, { [name]: url, Version: '3.1' });
          assert.deepEqual(refused, { status: 400, code: invalid, path: `Data.${name}` });
        });
      }

      for (const port of [22, 25, 53, 80, 444, 1023]) {
        test(`${resource}: a URL with port ${port} is 400, naming the field`, async () => {
          const url = `${HOST}:${port}/v4.0/event-notifications`;
          const refused = await refusal(version, resource, { [name]: url, Version: '3.1' });
          assert.deepEqual(refused, { status: 400, code: invalid, path: `Data.${name}` });
        });
      }

      test(`${resource}: a URL without a version segment is good on v3.1 alone (${version}) [2 v3-suffix-without-version]`, async () => {
        const data = { [name]: `${HOST}/open-banking/event-notifications`, Version: '3.1' };
        if (version === 'v3.1') await tpp.create(version, resource, data);
        else assert.deepEqual((await refusal(version, resource, data)).code, invalid);
      });
    }

    test('an event subscription without CallbackUrl is one of a TPP that only polls [2 callback-url-optional]', async () => {
      const id = await tpp.create(version, 'event-subscriptions', { Version: '3.1' });
      assert.deepEqual(await tpp.list(version, 'event-subscriptions'), [{ EventSubscriptionId: id, Version: '3.1' }]);
    });

    test('it is called CallbackUrl in event subscriptions, and Url in callback-urls [2 callback-url-name]', async () => {
      await tpp.create(version, 'event-subscriptions', { CallbackUrl: good, Version: '3.1', Url: 'ignored' });
      await tpp.create(version, 'callback-urls', { Url: good, Version: '3.1' });
      const [subscription] = await tpp.list(version, 'event-subscriptions');
      const [callbackUrl] = await tpp.list(version, 'callback-urls');
      assert.deepEqual([subscription?.['CallbackUrl'], subscription?.['Url']], [good, undefined]);
      assert.deepEqual([callbackUrl?.['Url'], callbackUrl?.['CallbackUrl']], [good, undefined]);
    });

    test('a callback-url without Url is 400 [7 field-missing]', async () => {
      const refused = await refusal(version, 'callback-urls', { Version: '3.1' });
      assert.deepEqual(refused, { status: 400, code: missing, path: 'Data.Url' });
    });
  });

  describe(`Version under ${version}`, () => {
    for (const [resource, more] of [
      ['event-subscriptions', {}],
      ['callback-urls', { Url: good }],
    ] as const) {
      for (const Version of ['2.2', '3.1', '3.1.1', '3.1.2', '3.1.11', '4.0', '4.0.1']) {
        test(`${resource}: ${Version} is accepted and read back [2 version-accepted]`, async () => {
          await tpp.create(version, resource, { ...more, Version });
          assert.equal((await tpp.list(version, resource))[0]?.['Version'], Version);
        });
      }

      for (const Version of ['4.0.2', '4.1', '5.0', '10.0', 'v3.1', '3.1.', '.1', '3,1', 'x', '', '3.1.111.111', 3.1]) {
        test(`${resource}: the version ${JSON.stringify(Version)} is 400 [2 version-refused]`, async () => {
          const refused = await refusal(version, resource, { ...more, Version });
          assert.deepEqual(refused, { status: 400, code: invalid, path: 'Data.Version' });
        });
      }

      test(`${resource}: a body without Version, or without Data, is 400 [7 field-missing]`, async () => {
        assert.deepEqual(await refusal(version, resource, more), { status: 400, code: missing, path: 'Data.Version' });
        const answer = await tpp.call('POST', version, resource, { body: '{}' });
        assert.deepEqual(errorOf(answer), { status: 400, code: missing, path: 'Data' });
      });

      for (const body of [
        '',
        '{',
        'null',
        '[]',
        '"x"',
        '{"Data":[]}',
        '{"Data":{"Version":"3.1","Version":"3.1"}}',
        '\ufeff{}',
      ]) {
        test(`${resource}: the body ${JSON.stringify(body)} is 400 [7 body-not-parseable]`, async () => {
          assert.equal(errorOf(await tpp.call('POST', version, resource, { body })).code, format);
        });
      }
    }
  });

  describe(`EventTypes under ${version}`, () => {
    const subscribed = async (EventTypes: unknown) => {
      const id = await tpp.create(version, 'event-subscriptions', {
        Version: '3.1.2',
        ...(EventTypes !== undefined && { EventTypes }),
      });
      const [found] = await tpp.list(version, 'event-subscriptions');
      assert.equal(found?.['EventSubscriptionId'], id);
      return found;
    };

    test('omitted stays omitted, and empty stays empty, when read back [2 event-types-read-back]', async () => {
      assert.equal('EventTypes' in ((await subscribed(undefined)) ?? {}), false);
      await tpp.clear();
      assert.deepEqual((await subscribed([]))?.['EventTypes'], []);
    });

    for (const name of [
      'UK.OBIE.Resource-Update',
      'UK.OBIE.Consent-Authorization-Revoked',
      'UK.OBIE.Account-Access-Consent-Linked-Account-Update',
      'UK.OBIE.Consent-Access-Revoked',
      'UK.OBIE.Acount-Access-Consent-Linked-Account-Update',
      'urn:uk:org:openbanking:events:resource-update',
      'urn:uk:org:openbanking:events:consent-access-revoked',
      OWN.subscribeCode,
      OWN.urn,
    ]) {
      test(`${name} is accepted, and read back as it was sent [2 event-types-names]`, async () => {
        assert.deepEqual((await subscribed([name]))?.['EventTypes'], [name]);
      });
    }

    test('an unknown type is 400 with its Path and the Url of the supported ones [2 event-type-unknown]', async () => {
      const EventTypes = ['UK.OBIE.Resource-Update', 'UK.OBIE.Unknown'];
      const refused = await refusal(version, 'event-subscriptions', { Version: '3.1.2', EventTypes });
      assert.deepEqual(refused, { status: 400, code: type, path: 'Data.EventTypes[1]', url: EVENT_TYPES_URL });
    });
  });

  describe(`the id in the body of PUT under ${version}`, () => {
    test('is required [2 put-id-required]', async () => {
      const id = await tpp.create(version, 'event-subscriptions', { Version: '3.1' });
      const body = JSON.stringify({ Data: { Version: '4.0' } });
      const answer = await tpp.call('PUT', version, `event-subscriptions/${id}`, { body });
      assert.deepEqual(errorOf(answer), { status: 400, code: missing, path: 'Data.EventSubscriptionId' });
    });

    test('must equal the one in the path [2 put-id-equals-path]', async () => {
      const id = await tpp.create(version, 'event-subscriptions', { Version: '3.1' });
      const body = JSON.stringify({ Data: { EventSubscriptionId: 'another', Version: '4.0' } });
      const answer = await tpp.call('PUT', version, `event-subscriptions/${id}`, { body });
      assert.deepEqual(errorOf(answer), { status: 400, code: invalid, path: 'Data.EventSubscriptionId' });
      assert.equal((await tpp.list(version, 'event-subscriptions'))[0]?.['Version'], '3.1');
    });

    test('is named by the answer that a TPP may send back as it is [2 put-takes-answer-back]', async () => {
      const body = JSON.stringify({ Data: { Version: '3.1' } });
      const created = await tpp.call('POST', version, 'event-subscriptions', { body });
      const { EventSubscriptionId: id } = bodyOf(created)['Data'] as Record<string, unknown>;
      const again = await tpp.call('PUT', version, `event-subscriptions/${id}`, { body: created.body });
      assert.deepEqual([again.status, again.body.toString()], [200, created.body.toString()]);
    });
  });
}
