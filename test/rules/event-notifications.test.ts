import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { base64url, claimsOf, HEADER_IAT, HEADER_ISS, HEADER_TAN, headerOf, isSignedWith } from '@tidings/testing';
import { ISSUER, ORGANISATION_ID, startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';

// Section 3: the SETs of the service, as a TPP sees them that knows nothing of this software.

const OWN_TYPE = { urn: 'urn:com:examplebank:events:limit-changed', subscribeCode: 'EXAMPLEBANK.Limit-Changed' };
const bank = await startBank({ clients: ['tpp-a'], settings: { ownEventTypes: [OWN_TYPE] } });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});
afterEach(() => tpp.clear());

const STANDARD = 'urn:uk:org:openbanking:events:';
const RESOURCE_UPDATE = `${STANDARD}resource-update`;
const REVOKED = `${STANDARD}consent-authorization-revoked`;
const ACCESS_REVOKED = `${STANDARD}consent-access-revoked`;
const LINKED_ACCOUNT = `${STANDARD}account-access-consent-linked-account-update`;
const VRP_LINKED_ACCOUNT = `${STANDARD}domestic-vrp-consent-linked-account-update`;
const URI = 'https://bank.example/open-banking/v4.0/aisp/account-access-consents/aac-1';
const LINKS = [
  { version: 'v3.1', link: URI.replace('v4.0', 'v3.1') },
  { version: 'v4.0', link: URI },
  { version: 'v4.0.1', link: `${URI}?version=4.0.1` },
];
const RESOURCE = { id: 'aac-1', type: 'account-access-consent', version: '4.0', uri: URI, links: LINKS };
const SUBJECT = {
  subject_type: 'http://openbanking.org.uk/rid_http://openbanking.org.uk/rty',
  'http://openbanking.org.uk/rid': 'aac-1',
  'http://openbanking.org.uk/rty': 'account-access-consent',
  'http://openbanking.org.uk/rlk': LINKS,
};

let published = 0;
/** Publishes an event of the consent. @returns the status, and the field or jti that came back */
async function publish(changes: Readonly<Record<string, unknown>> = {}) {
  published += 1;
  const event = {
    id: `of-section-3-${published}`,
    clientId: 'tpp-a',
    occurredAt: '2026-01-02T03:04:05.678Z',
    resource: RESOURCE,
    events: [{ type: RESOURCE_UPDATE }],
    ...changes,
  };
  const { status, body } = await bank.operate('POST', '/operator/v1/events', event);
  const [outcome] = (body['outcomes'] ?? []) as { outcome: string; jti?: string }[];
  return { status, outcome: outcome?.outcome, jti: outcome?.jti ?? '', detail: String(body['detail']) };
}

/** The SET of an event that is published now, as a poll gets it. */
async function setOf(changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { jti, status } = await publish(changes);
  assert.equal(status, 200);
  const { sets } = await tpp.poll({ maxEvents: 100 });
  return sets[jti] ?? assert.fail(`no SET of ${jti} was polled`);
}

async function eventsOf(changes: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
  return claimsOf(await setOf(changes))['events'] as Record<string, unknown>;
}

const subscribe = (more: object = {}) => tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', ...more });
const typed = (...types: readonly (string | { type: string; reason: string })[]) => ({
  events: types.map((type) => (typeof type === 'string' ? { type } : type)),
});

test('a SET has the claims of the standard and no other, each as it should be [3 claims]', async () => {
  await subscribe();
  const beforeSeconds = Math.floor(Date.now() / 1000);
  const set = await setOf({ transactionId: '93bac548-d2de-4546-b106-880a5018460d' });
  const { iat, jti, ...others } = claimsOf(set);
  assert.deepEqual(others, {
    iss: ISSUER,
    aud: 'tpp-a',
    sub: URI,
    txn: '93bac548-d2de-4546-b106-880a5018460d',
    toe: Date.parse('2026-01-02T03:04:05Z') / 1000,
    events: { [RESOURCE_UPDATE]: { subject: SUBJECT } },
  });
  assert.ok(Number(iat) >= beforeSeconds && Number(iat) <= Date.now() / 1000);
  assert.match(String(jti), /^.{1,128}$/);
  const text = Buffer.from(set.split('.')[1] ?? '', 'base64url').toString();
  for (const claim of ['iat', 'toe']) assert.match(text, new RegExp(`"${claim}":[0-9]{10}[,}]`));
  const withoutTransaction = claimsOf(await setOf());
  assert.equal(withoutTransaction['txn'], withoutTransaction['jti']);
});

test('a SET is a compact JWS of PS256, with the header of section 5 and no typ [3 signed]', async () => {
  await subscribe();
  const set = await setOf();
  assert.match(set, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  const { [HEADER_IAT]: iat, crit, ...others } = headerOf(set);
  assert.deepEqual(others, {
    alg: 'PS256',
    kid: bank.signingKey.kid,
    [HEADER_ISS]: ORGANISATION_ID,
    [HEADER_TAN]: 'openbanking.org.uk',
  });
  assert.ok(Number.isInteger(iat));
  assert.deepEqual((crit as string[]).toSorted(), [HEADER_IAT, HEADER_ISS, HEADER_TAN].toSorted());
  assert.ok(isSignedWith(set, bank.signingKey.jwk));
  const [header, , signature] = set.split('.');
  const altered = base64url(JSON.stringify({ ...claimsOf(set), aud: 'tpp-b' }));
  assert.ok(!isSignedWith(`${header}.${altered}.${signature}`, bank.signingKey.jwk));
});

for (const [name, longest, changesOf] of [
  ['transactionId', 128, (text: string) => ({ transactionId: text })],
  ['resource.id', 128, (text: string) => ({ resource: { ...RESOURCE, id: text } })],
  ['resource.type', 128, (text: string) => ({ resource: { ...RESOURCE, type: text } })],
  [
    'resource.links[0].version',
    10,
    (text: string) => ({ resource: { ...RESOURCE, links: [{ version: text, link: URI }] } }),
  ],
] as const) {
  test(`${name} of ${longest} characters is in the SET as it was published, one more is 400 [3 lengths]`, async () => {
    await subscribe();
    const text = 'x'.repeat(longest);
    const payload = JSON.stringify(claimsOf(await setOf(changesOf(text))));
    assert.ok(payload.includes(`"${text}"`));
    const refused = await publish(changesOf(`${text}x`));
    assert.equal(refused.status, 400);
    assert.ok(refused.detail.includes(name), refused.detail);
  });
}

test('sub and links are URIs, of which there is one at least, and all are in the SET [3 links]', async () => {
  await subscribe();
  const events = await eventsOf({});
  assert.deepEqual(events[RESOURCE_UPDATE], { subject: SUBJECT });
  for (const changes of [{ uri: 'nowhere' }, { links: [] }, { links: [{ version: 'v4.0', link: 'nowhere' }] }]) {
    assert.equal((await publish({ resource: { ...RESOURCE, ...changes } })).status, 400, JSON.stringify(changes));
  }
});

const VRP_RESOURCE = { ...RESOURCE, type: 'domestic-vrp-consent' };
const VRP_SUBJECT = { ...SUBJECT, 'http://openbanking.org.uk/rty': 'domestic-vrp-consent' };
for (const [what, changes, expected] of [
  ['resource-update: the subject', typed(RESOURCE_UPDATE), { [RESOURCE_UPDATE]: { subject: SUBJECT } }],
  [
    'consent-authorization-revoked alone, as of an AIS consent: the subject',
    typed(REVOKED),
    { [REVOKED]: { subject: SUBJECT } },
  ],
  [
    'consent-authorization-revoked with a reason: both',
    typed({ type: REVOKED, reason: 'BANK.Closed' }),
    { [REVOKED]: { reason: 'BANK.Closed', subject: SUBJECT } },
  ],
  [
    'both, as of a funds confirmation consent: one token, and the revocation is empty',
    typed(RESOURCE_UPDATE, REVOKED),
    { [RESOURCE_UPDATE]: { subject: SUBJECT }, [REVOKED]: {} },
  ],
  [
    'consent-access-revoked: as consent-authorization-revoked',
    typed(RESOURCE_UPDATE, ACCESS_REVOKED),
    { [RESOURCE_UPDATE]: { subject: SUBJECT }, [ACCESS_REVOKED]: {} },
  ],
  [
    'linked-account-update: reason and subject',
    typed({ type: LINKED_ACCOUNT, reason: 'UK.OBIE.AccountClosure' }),
    { [LINKED_ACCOUNT]: { reason: 'UK.OBIE.AccountClosure', subject: SUBJECT } },
  ],
  [
    'linked-account-update after a switch: the other reason of the standard',
    typed({ type: LINKED_ACCOUNT, reason: 'UK.OBIE.CASS' }),
    { [LINKED_ACCOUNT]: { reason: 'UK.OBIE.CASS', subject: SUBJECT } },
  ],
  [
    'domestic-vrp-consent-linked-account-update: as the one of accounts',
    { ...typed({ type: VRP_LINKED_ACCOUNT, reason: 'UK.OBIE.CASS' }), resource: VRP_RESOURCE },
    { [VRP_LINKED_ACCOUNT]: { reason: 'UK.OBIE.CASS', subject: VRP_SUBJECT } },
  ],
  [
    'a type of the ASPSP: under its own URN',
    typed({ type: OWN_TYPE.subscribeCode, reason: 'BANK.Raised' }),
    { [OWN_TYPE.urn]: { reason: 'BANK.Raised', subject: SUBJECT } },
  ],
] as const) {
  test(`events hold of ${what} [3 contents]`, async () => {
    await subscribe();
    assert.deepEqual(await eventsOf(changes), expected);
  });
}

test('linked-account-update is about the consent, by its URI and type, whatever account changed [3 linked-account]', async () => {
  await subscribe();
  const claims = claimsOf(await setOf(typed(LINKED_ACCOUNT)));
  assert.equal(claims['sub'], URI);
  const refused = await publish({ ...typed(LINKED_ACCOUNT), resource: { ...RESOURCE, type: 'account' } });
  assert.equal(refused.status, 400);
  assert.match(refused.detail, /resource\.type.*account-access-consent/);
});

test('where EventTypes takes resource-update away, the subject moves into what is left [3 subject-moves]', async () => {
  await subscribe({ EventTypes: ['UK.OBIE.Consent-Authorization-Revoked'] });
  assert.deepEqual(await eventsOf(typed(RESOURCE_UPDATE, REVOKED)), { [REVOKED]: { subject: SUBJECT } });
  assert.equal((await publish(typed(RESOURCE_UPDATE))).outcome, 'none', 'a token of which nothing is left is not made');
});

test('the VRP type has no code: it goes to registrations for all types, or to one that names its URN [3 vrp]', async () => {
  const vrp = { ...typed(VRP_LINKED_ACCOUNT), resource: VRP_RESOURCE };
  const codes = ['Resource-Update', 'Consent-Access-Revoked', 'Account-Access-Consent-Linked-Account-Update'];
  const id = await subscribe({ EventTypes: codes.map((code) => `UK.OBIE.${code}`) });
  assert.equal((await publish(vrp)).outcome, 'none');
  for (const EventTypes of [undefined, [], [VRP_LINKED_ACCOUNT]]) {
    await tpp.put('v4.0', 'event-subscriptions', id, {
      Version: '4.0',
      ...(EventTypes !== undefined && { EventTypes }),
    });
    assert.equal((await publish(vrp)).outcome, 'notification');
  }
});
