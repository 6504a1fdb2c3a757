import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { importSigningKeys, verifyDetached } from '@tidings/protocol';
import { headerOf } from '@tidings/testing';
import { errorOf } from '../support/answers.ts';
import { ORGANISATION_ID } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { CALLBACK_URL, SUBSCRIPTIONS } from '../support/tpp.ts';

const bank = await startBankWithTpps({ clients: ['tpp-a', 'tpp-b'] });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');
const other = bank.tpp('tpp-b');
beforeEach(async () => {
  await tpp.clear();
  await other.clear();
});

const WANTED = { CallbackUrl: CALLBACK_URL, Version: '4.0', EventTypes: ['UK.OBIE.Resource-Update'] };

/** Creates a subscription. @returns its id */
async function created(data: object = WANTED, by = tpp): Promise<string> {
  const answer = await by.subscribe(data);
  assert.equal(answer.status, 201, answer.body.toString());
  return JSON.parse(answer.body.toString()).Data.EventSubscriptionId;
}

const put = (id: string, data: object, by = tpp) =>
  by.request('PUT', `${SUBSCRIPTIONS}/${encodeURIComponent(id)}`, { body: JSON.stringify({ Data: data }) });

test('POST answers 201 with what was sent, an id, an absolute Links.Self and an empty Meta', async () => {
  const answer = await tpp.subscribe(WANTED);
  assert.equal(answer.status, 201);
  const { Data, ...more } = JSON.parse(answer.body.toString());
  const { EventSubscriptionId: id, ...data } = Data;
  assert.deepEqual(data, WANTED);
  assert.match(id, /^.{1,40}$/);
  assert.deepEqual(more, { Links: { Self: `${bank.service.apiUrl}${SUBSCRIPTIONS}/${id}` }, Meta: {} });
});

test('GET answers 200 with an empty list, then with the one subscription', async () => {
  const links = { Links: { Self: `${bank.service.apiUrl}${SUBSCRIPTIONS}` }, Meta: {} };
  const empty = await tpp.request('GET', SUBSCRIPTIONS);
  assert.equal(empty.status, 200);
  assert.deepEqual(JSON.parse(empty.body.toString()), { Data: { EventSubscription: [] }, ...links });
  const id = await created();
  const listed = await tpp.request('GET', SUBSCRIPTIONS);
  const expected = { Data: { EventSubscription: [{ EventSubscriptionId: id, ...WANTED }] }, ...links };
  assert.deepEqual(JSON.parse(listed.body.toString()), expected);
});

test('PUT answers 200 and replaces all of the subscription', async () => {
  const id = await created();
  const changed = { EventSubscriptionId: id, Version: '3.1.2' };
  const answer = await put(id, changed);
  assert.equal(answer.status, 200);
  const self = `${bank.service.apiUrl}${SUBSCRIPTIONS}/${id}`;
  assert.deepEqual(JSON.parse(answer.body.toString()), { Data: changed, Links: { Self: self }, Meta: {} });
  assert.deepEqual(await tpp.list(), [changed]);
});

test('PUT takes the whole body of an answer back, Links and Meta included', async () => {
  const answer = await tpp.subscribe(WANTED);
  const id = JSON.parse(answer.body.toString()).Data.EventSubscriptionId;
  const again = await tpp.request('PUT', `${SUBSCRIPTIONS}/${id}`, { body: answer.body });
  assert.equal(again.status, 200);
  assert.deepEqual(again.body, answer.body);
});

test('DELETE answers 204 without body or content type, and a subscription can be created again', async () => {
  const id = await created();
  const answer = await tpp.request('DELETE', `${SUBSCRIPTIONS}/${id}`);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers['content-type'], undefined);
  assert.deepEqual(await tpp.list(), []);
  assert.notEqual(await created(), id);
});

for (const [what, data] of [
  ['omitted', { CallbackUrl: CALLBACK_URL, Version: '4.0' }],
  ['empty', { CallbackUrl: CALLBACK_URL, Version: '4.0', EventTypes: [] }],
  [
    'a list with a URN and an old misspelling',
    {
      CallbackUrl: CALLBACK_URL,
      Version: '3.1.10',
      EventTypes: [
        'urn:uk:org:openbanking:events:resource-update',
        'UK.OBIE.Acount-Access-Consent-Linked-Account-Update',
        'UK.OBIE.Consent-Access-Revoked',
      ],
    },
  ],
] as const) {
  test(`EventTypes that is ${what} reads back as it was sent, by POST and by PUT`, async () => {
    const id = await created(data);
    assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, ...data }]);
    assert.equal((await put(id, { EventSubscriptionId: id, ...WANTED })).status, 200);
    assert.equal((await put(id, { EventSubscriptionId: id, ...data })).status, 200);
    assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, ...data }]);
  });
}

test('a TPP that only polls leaves CallbackUrl out and reads it back left out', async () => {
  const id = await created({ Version: '4.0' });
  assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, Version: '4.0' }]);
});

test('members of Data that the standard does not define are let be, and not kept', async () => {
  const id = await created({ ...WANTED, Colour: 'blue' });
  assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, ...WANTED }]);
});

for (const Version of ['2.2', '3', '3.1', '3.1.1', '3.1.11', '4.0', '4.0.1']) {
  test(`Version ${Version} is accepted`, async () => {
    const id = await created({ Version });
    assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, Version }]);
  });
}

test('a second POST answers 409 U029 and changes nothing', async () => {
  const id = await created();
  assert.deepEqual(errorOf(await tpp.subscribe({ Version: '3.1' })), { status: 409, code: 'U029' });
  assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, ...WANTED }]);
});

test('of twenty POSTs at once exactly one creates a subscription', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => tpp.subscribe(WANTED)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [201, ...Array.from({ length: 19 }, () => 409)]);
  assert.equal((await tpp.list()).length, 1);
});

test('each TPP has its own subscription and sees no other', async () => {
  const id = await created();
  assert.deepEqual(await other.list(), []);
  const otherId = await created({ Version: '3.1' }, other);
  assert.notEqual(otherId, id);
  assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, ...WANTED }]);
});

test('the id of another TPP answers 403 without a body to PUT and DELETE, and nothing changes', async () => {
  const id = await created({ Version: '3.1' }, other);
  assert.deepEqual(errorOf(await put(id, { EventSubscriptionId: id, ...WANTED })), { status: 403 });
  assert.deepEqual(errorOf(await tpp.request('DELETE', `${SUBSCRIPTIONS}/${id}`)), { status: 403 });
  assert.deepEqual(await other.list(), [{ EventSubscriptionId: id, Version: '3.1' }]);
});

for (const id of ['no-such-id', '00000000-0000-4000-8000-000000000000', 'a/b', "' OR 1=1 --", 'ü']) {
  test(`the unknown id ${id} answers 400 U011 to PUT and DELETE`, async () => {
    const unknown = { status: 400, code: 'U011', path: 'EventSubscriptionId' };
    assert.deepEqual(errorOf(await put(id, { EventSubscriptionId: id, ...WANTED })), unknown);
    assert.deepEqual(errorOf(await tpp.request('DELETE', `${SUBSCRIPTIONS}/${encodeURIComponent(id)}`)), unknown);
  });
}

test('PUT with another id in the body than in the path answers 400 U002 and changes nothing', async () => {
  const id = await created();
  const answer = await put(id, { EventSubscriptionId: 'another', Version: '3.1' });
  assert.deepEqual(errorOf(answer), { status: 400, code: 'U002', path: 'Data.EventSubscriptionId' });
  const missing = await put(id, { Version: '3.1' });
  assert.deepEqual(errorOf(missing), { status: 400, code: 'U004', path: 'Data.EventSubscriptionId' });
  assert.deepEqual(await tpp.list(), [{ EventSubscriptionId: id, ...WANTED }]);
});

test('a deleted id is unknown, also when it is deleted again', async () => {
  const id = await created();
  assert.equal((await tpp.request('DELETE', `${SUBSCRIPTIONS}/${id}`)).status, 204);
  assert.equal(errorOf(await tpp.request('DELETE', `${SUBSCRIPTIONS}/${id}`)).code, 'U011');
});

test('GET and DELETE need no signature and ignore one that is not good', async () => {
  const id = await created();
  assert.equal((await tpp.request('GET', SUBSCRIPTIONS, { signature: 'no signature at all' })).status, 200);
  assert.equal((await tpp.request('DELETE', `${SUBSCRIPTIONS}/${id}`, { signature: ['a', 'b'] })).status, 204);
});

test('an x-idempotency-key is ignored', async () => {
  const body = JSON.stringify({ Data: WANTED });
  const headers = { 'content-type': 'application/json', 'x-idempotency-key': 'the-same' };
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { body, headers })).status, 201);
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { body, headers })).status, 409);
});

test('any one of the three scopes is enough', async () => {
  for (const scope of ['accounts', 'payments', 'fundsconfirmations']) {
    assert.equal((await tpp.request('GET', SUBSCRIPTIONS, { token: await tpp.token(scope) })).status, 200);
  }
});

test('the JWKS holds the public half of the signing key alone, and verifies the answers', async () => {
  const answer = await tpp.request('GET', SUBSCRIPTIONS);
  const jwksAnswer = await tpp.fetchJwks();
  assert.equal(jwksAnswer.status, 200);
  assert.equal(jwksAnswer.headers['content-type'], 'application/jwk-set+json');
  const jwks: { keys: [object] } = JSON.parse(jwksAnswer.body.toString());
  assert.deepEqual(jwks, { keys: [bank.signingKey.jwk] });
  assert.deepEqual(Object.keys(jwks.keys[0]).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
  const signature = String(answer.headers['x-jws-signature']);
  const header = await verifyDetached(signature, answer.body, {
    iss: ORGANISATION_ID,
    trustAnchors: ['openbanking.org.uk'],
    nowSeconds: bank.clock.nowMs() / 1000,
    clockSkewSeconds: 0,
    typesAccepted: [],
    unencodedPayloadAccepted: false,
    keys: await importSigningKeys(jwks),
  });
  assert.equal(header.kid, 'bank-signing-1');
});

test('the JOSE header of an answer has the members of the standard and no more', async () => {
  const { headers } = await tpp.request('GET', SUBSCRIPTIONS);
  const { 'http://openbanking.org.uk/iat': iat, ...header } = headerOf(String(headers['x-jws-signature']));
  assert.ok(Number.isInteger(iat) && Math.abs(Number(iat) - bank.clock.nowMs() / 1000) < 5, String(iat));
  const crit = ['http://openbanking.org.uk/iat', 'http://openbanking.org.uk/iss', 'http://openbanking.org.uk/tan'];
  assert.deepEqual(header, {
    alg: 'PS256',
    kid: 'bank-signing-1',
    'http://openbanking.org.uk/iss': ORGANISATION_ID,
    'http://openbanking.org.uk/tan': 'openbanking.org.uk',
    crit,
  });
});
