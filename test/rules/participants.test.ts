import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { claimsOf, HEADER_ISS } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';

// Section 1: what the flow of the sandbox does not show, because it has one TPP.

const ORGANISATION = 'org-of-both';
const bank = await startBank({ clients: ['tpp-a', 'tpp-b', 'tpp-c'] });
const [accounts, payments, stranger] = await Promise.all([
  makeTpp(bank, 'tpp-a', { registration: { organisationId: ORGANISATION } }),
  makeTpp(bank, 'tpp-b', { registration: { organisationId: ORGANISATION } }),
  makeTpp(bank, 'tpp-c'),
]);
after(async () => {
  for (const party of [accounts, payments, stranger]) party.close();
  await bank.stop();
});
afterEach(async () => {
  for (const party of [accounts, payments, stranger]) await party.clear();
});

/** POST of an event subscription, signed as one of the organisation's pieces of software. */
async function subscribe(party: Tpp): Promise<void> {
  const issuer = party === stranger ? `org-of-${party.clientId}` : ORGANISATION;
  const joseHeader = { [HEADER_ISS]: `${issuer}/software-of-${party.clientId}` };
  const body = JSON.stringify({ Data: { Version: '4.0' } });
  const answer = await party.call('POST', 'v4.0', 'event-subscriptions', { body, joseHeader });
  assert.equal(answer.status, 201, answer.body.toString());
}

test('an event makes one notification, for the TPP that owns the resource and for nobody else [1 owner]', async () => {
  for (const party of [accounts, payments, stranger]) await subscribe(party);
  const jti = (await bank.publish('tpp-b')) ?? assert.fail('no notification was made');
  const { sets } = await payments.poll();
  assert.deepEqual(Object.keys(sets), [jti]);
  assert.equal(claimsOf(sets[jti] ?? '')['aud'], 'tpp-b');
  for (const party of [accounts, stranger]) assert.deepEqual((await party.poll()).sets, {});
});

test('two client_ids of one organisation are two TPPs: registrations, keys and events apart [1 one-client-id]', async () => {
  await subscribe(accounts);
  assert.deepEqual(await payments.list('v4.0', 'event-subscriptions'), []);
  await subscribe(payments);
  const jtis = await bank.publishAll(['tpp-a', 'tpp-b']);
  for (const [at, party] of [accounts, payments].entries()) {
    assert.deepEqual(Object.keys((await party.poll()).sets), [jtis[at]]);
  }

  const body = JSON.stringify({
    Data: { Url: 'https://tpp.example/open-banking/v4.0/event-notifications', Version: '4.0' },
  });
  const joseHeader = { [HEADER_ISS]: `${ORGANISATION}/software-of-tpp-b`, kid: payments.signing.kid };
  const refused = await accounts.call('POST', 'v4.0', 'callback-urls', { body, joseHeader });
  assert.equal(refused.status, 400, 'the other software of the organisation signs for itself alone');
});
