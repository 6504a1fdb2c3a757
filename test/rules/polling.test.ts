import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createHttpClient } from '@tidings/testing';
import { VERSIONS } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';

// Section 6: what no other test of polling shows.

const bank = await startBank({ clients: ['tpp-a'] });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});

const JSON_TYPE = { 'content-type': 'application/json' };

test('a poll without a client certificate ends in the handshake, however good its token [6 mutual-tls]', async () => {
  await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  const headers = { ...JSON_TYPE, authorization: `Bearer ${await tpp.token()}` };
  const stranger = createHttpClient(bank.service.apiUrl, { ca: bank.authority.certificatePem });
  for (const version of VERSIONS) {
    const path = `/open-banking/${version}/events`;
    const poll = { method: 'POST', headers, body: '{}' };
    assert.equal((await tpp.send(path, poll)).status, 200);
    await assert.rejects(stranger.send(path, poll), /certificate required|socket hang up|ECONNRESET|ERR_SSL_/i);
  }
  stranger.close();
  await tpp.clear();
});

for (const version of VERSIONS) {
  test(`the same x-idempotency-key on every call of ${version} changes no answer [6 no-idempotency-key]`, async () => {
    const headers = { ...JSON_TYPE, 'x-idempotency-key': 'the-same' };
    const id = await tpp.create(version, 'event-subscriptions', { Version: '3.1.2' });
    const jtis = [await bank.publish('tpp-a'), await bank.publish('tpp-a')];
    const given: string[] = [];
    for (const _ of jtis) given.push(...Object.keys((await tpp.poll({ maxEvents: 1 }, { version, headers })).sets));
    assert.deepEqual(given, jtis, 'a poll with the same key and body is another poll');

    for (const Version of ['3.1', '4.0']) {
      const body = JSON.stringify({ Data: { EventSubscriptionId: id, Version } });
      assert.equal((await tpp.call('PUT', version, `event-subscriptions/${id}`, { body, headers })).status, 200);
      assert.equal((await tpp.list(version, 'event-subscriptions'))[0]?.['Version'], Version);
    }
    const Url = 'https://tpp.example/open-banking/v4.0/event-notifications';
    const body = JSON.stringify({ Data: { Url, Version: '3.1' } });
    for (const status of [201, 409]) {
      assert.equal((await tpp.call('POST', version, 'callback-urls', { body, headers })).status, status);
    }
    for (const status of [204, 400]) {
      const answer = await tpp.call('DELETE', version, `event-subscriptions/${id}`, { headers });
      assert.equal(answer.status, status);
    }
    await tpp.clear();
  });
}
