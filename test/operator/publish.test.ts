import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { checkProblem, PROBLEM_TYPE } from '../support/problem.ts';

const bank = await startBankWithTpps({
  clients: ['tpp-all', 'tpp-filtered', 'tpp-old', 'tpp-without'],
  settings: { ownEventTypes: [{ urn: 'urn:bank:event:statement-ready', subscribeCode: 'BANK.Statement-Ready' }] },
});
after(() => bank.stop());

before(async () => {
  // None has a callback URL, so that nothing is sent: delivery is tested elsewhere.
  for (const [clientId, data] of [
    ['tpp-all', { Version: '3.1' }],
    ['tpp-filtered', { Version: '4.0', EventTypes: ['UK.OBIE.Consent-Access-Revoked'] }],
    ['tpp-old', { Version: '4.0' }],
  ] as const) {
    assert.equal((await bank.tpp(clientId).subscribe(data)).status, 201);
  }
  // A version of which all types are sent.
  const tpp = bank.tpp('tpp-all');
  await tpp.clear();
  assert.equal((await tpp.subscribe({ Version: '3.1.2' })).status, 201);
});

const EVENTS = '/operator/v1/events';
const LINK = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/p-1';
const RESOURCE = {
  id: 'p-1',
  type: 'domestic-payment',
  version: '4.0',
  uri: LINK,
  links: [{ version: 'v4.0', link: LINK }],
};
const UPDATE = 'UK.OBIE.Resource-Update';
const REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';
const LINKED = 'UK.OBIE.Account-Access-Consent-Linked-Account-Update';

function event(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const occurredAt = new Date(Date.now() - 1000).toISOString();
  const whole = { id: randomUUID(), clientId: 'tpp-all', occurredAt, resource: RESOURCE, events: [{ type: UPDATE }] };
  return { ...whole, ...changes };
}

const publish = (body: unknown) => bank.operate('POST', EVENTS, body);

interface Outcome {
  readonly id: string;
  readonly outcome: string;
  readonly jti?: string;
  readonly reason?: string;
  readonly repeated: boolean;
}

async function outcomesOf(body: unknown): Promise<readonly Outcome[]> {
  const answer = await publish(body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(Object.keys(answer.body), ['outcomes']);
  return answer.body['outcomes'] as Outcome[];
}

test('one event makes one notification, told by its jti', async () => {
  const published = event();
  const [outcome, ...more] = await outcomesOf(published);
  assert.deepEqual(more, []);
  assert.deepEqual({ ...outcome, jti: '' }, { id: published['id'], outcome: 'notification', jti: '', repeated: false });
  assert.match(String(outcome?.jti), /^[0-9a-f-]{36}$/);
});

test('a batch has one outcome for each event, in its order', async () => {
  const batch = Array.from({ length: 1000 }, () => event());
  const outcomes = await outcomesOf(batch);
  assert.deepEqual(
    outcomes.map(({ id }) => id),
    batch.map(({ id }) => id),
  );
  assert.equal(new Set(outcomes.map(({ jti }) => jti)).size, 1000);
});

test('an event that makes no notification says why', async () => {
  const old = { ...RESOURCE, version: '3.1' };
  const batch = [
    event({ clientId: 'tpp-unknown' }),
    event({ clientId: 'tpp-without' }),
    event({ clientId: 'tpp-filtered' }),
    event({ clientId: 'tpp-old', resource: old }),
    event({ clientId: 'tpp-old' }),
  ];
  const said = (await outcomesOf(batch)).map(({ outcome, reason }) => reason ?? outcome);
  const expected = ['unknown-client', 'no-registration', 'type-filtered', 'version-below-minimum', 'notification'];
  assert.deepEqual(said, expected);
});

test('publishing the same event again tells the same outcome, repeated, however it is spelt', async () => {
  const first = event({ occurredAt: '2026-01-02T03:04:05Z' });
  const [outcome] = await outcomesOf(first);
  const spelt = {
    ...first,
    occurredAt: '2026-01-02T04:04:05.000+01:00',
    events: [{ type: 'urn:uk:org:openbanking:events:resource-update' }],
  };
  const reordered = Object.fromEntries(Object.entries(spelt).reverse());
  for (const again of [first, spelt, reordered]) {
    assert.deepEqual(await outcomesOf(again), [{ ...outcome, repeated: true }]);
  }
});

test('an event that made nothing gets the same answer again, also when it would make something by now', async () => {
  const early = event({ clientId: 'tpp-without' });
  const none = { id: early['id'], outcome: 'none', reason: 'no-registration' };
  assert.deepEqual(await outcomesOf(early), [{ ...none, repeated: false }]);
  const tpp = bank.tpp('tpp-without');
  assert.equal((await tpp.subscribe({ Version: '4.0' })).status, 201);
  assert.deepEqual(await outcomesOf(early), [{ ...none, repeated: true }]);
  await tpp.clear();
});

test('the same event twice in one batch makes one notification', async () => {
  const twice = event();
  const [first, second] = await outcomesOf([twice, twice]);
  assert.deepEqual(second, { ...first, repeated: true });
});

test('other content under the id of an earlier event answers 409 with the ids, and nothing of the batch is kept', async () => {
  const earlier = event();
  await outcomesOf(earlier);
  const fresh = event();
  const changed = { ...earlier, transactionId: 'another' };
  const answer = await publish([fresh, changed]);
  assert.equal(answer.status, 409);
  checkProblem(answer.body, 409);
  assert.deepEqual(answer.body['ids'], [earlier['id']]);
  assert.match(String(answer.body['detail']), new RegExp(String(earlier['id'])));
  const [outcome] = await outcomesOf(fresh);
  assert.equal(outcome?.repeated, false, 'the rest of the batch was not kept');
});

// One fact each that differs from what was published under the id.
for (const [what, changes] of [
  ['another TPP', { clientId: 'tpp-old' }],
  ['another time', { occurredAt: '2026-01-02T03:04:06Z' }],
  ['another transactionId', { transactionId: 'another' }],
  ['no transactionId', { transactionId: undefined }],
  ['another resource', { resource: { ...RESOURCE, id: 'p-2' } }],
  ['another type of resource', { resource: { ...RESOURCE, type: 'domestic-payment-consent' } }],
  ['another version of the resource', { resource: { ...RESOURCE, version: '4.0.1' } }],
  ['another URI', { resource: { ...RESOURCE, uri: `${LINK}/2` } }],
  ['another link', { resource: { ...RESOURCE, links: [{ version: 'v4.0', link: `${LINK}/2` }] } }],
  ['a link of another version', { resource: { ...RESOURCE, links: [{ version: 'v3.1', link: LINK }] } }],
  ['one link more', { resource: { ...RESOURCE, links: [...RESOURCE.links, { version: 'v3.1', link: LINK }] } }],
  ['another event type', { events: [{ type: UPDATE }] }],
  ['one event type more', { events: [{ type: REVOKED, reason: 'BANK.One' }, { type: UPDATE }] }],
  ['another reason', { events: [{ type: REVOKED, reason: 'BANK.Another' }] }],
  ['no reason', { events: [{ type: REVOKED }] }],
] as const) {
  test(`an event with ${what} is not the earlier one of the same id`, async () => {
    const occurredAt = '2026-01-02T03:04:05Z';
    const earlier = event({ occurredAt, transactionId: 'one', events: [{ type: REVOKED, reason: 'BANK.One' }] });
    await outcomesOf(earlier);
    const answer = await publish({ ...earlier, ...changes });
    assert.equal(answer.status, 409, JSON.stringify(answer.body));
    assert.deepEqual(answer.body['ids'], [earlier['id']]);
  });
}

test('of many ids with other content the sentence names the first ten, and ids all', async () => {
  const many = Array.from({ length: 11 }, () => event());
  await outcomesOf(many);
  const answer = await publish(many.map((each) => ({ ...each, transactionId: 'another' })));
  assert.equal(answer.status, 409);
  const ids = many.map(({ id }) => String(id));
  assert.deepEqual(answer.body['ids'], ids);
  assert.ok(String(answer.body['detail']).includes(`(${ids.slice(0, 10).join(', ')})`));
});

test('one id with two contents in one batch answers 409, and neither is kept', async () => {
  const one = event();
  const answer = await publish([one, { ...one, transactionId: 'another' }]);
  assert.equal(answer.status, 409);
  assert.deepEqual(answer.body['ids'], [one['id']]);
  assert.equal((await outcomesOf(one))[0]?.repeated, false);
});

test('of the same event published twenty times at once one is new', async () => {
  const same = event();
  const outcomes = (await Promise.all(Array.from({ length: 20 }, () => outcomesOf(same)))).flat();
  assert.equal(outcomes.filter(({ repeated }) => !repeated).length, 1);
  assert.equal(new Set(outcomes.map(({ jti }) => jti)).size, 1);
});

for (const [what, changes] of [
  ['an event type by its URN', { events: [{ type: 'urn:uk:org:openbanking:events:consent-access-revoked' }] }],
  [
    'a type of the VRP profile, which has a URN only',
    {
      resource: { ...RESOURCE, type: 'domestic-vrp-consent' },
      events: [{ type: 'urn:uk:org:openbanking:events:domestic-vrp-consent-linked-account-update' }],
    },
  ],
  ['a type of the bank’s own', { events: [{ type: 'BANK.Statement-Ready', reason: 'BANK.Monthly' }] }],
  ['two types in one event', { events: [{ type: UPDATE }, { type: REVOKED }] }],
  [
    'a reason of the standard',
    {
      resource: { ...RESOURCE, type: 'account-access-consent' },
      events: [{ type: LINKED, reason: 'UK.OBIE.CASS' }],
    },
  ],
  ['a reason of the bank’s own', { events: [{ type: REVOKED, reason: 'BANK.Customer-Died' }] }],
  ['a version with a v', { resource: { ...RESOURCE, version: 'v4.0' } }],
  ['a transactionId', { transactionId: 'txn-1' }],
  ['a time a little ahead', { occurredAt: new Date(Date.now() + 10_000).toISOString() }],
] as const) {
  test(`an event with ${what} is published`, async () => {
    assert.equal((await outcomesOf(event(changes)))[0]?.outcome, 'notification');
  });
}

const without = (name: string) => ({ [name]: undefined });
const inResource = (changes: object) => ({ resource: { ...RESOURCE, ...changes } });
const LONG = 'x'.repeat(129);

/** What is wrong with an event, and the field that the answer must name. */
const BAD: readonly (readonly [string, Record<string, unknown>])[] = [
  ...['id', 'clientId', 'occurredAt', 'resource', 'events'].map((name) => [name, without(name)] as const),
  ...['id', 'clientId', 'occurredAt', 'transactionId', 'resource', 'events'].map(
    (name) => [name, { [name]: null }] as const,
  ),
  ...['id', 'clientId', 'transactionId'].flatMap((name) => [
    [name, { [name]: '' }] as const,
    [name, { [name]: LONG }] as const,
    [name, { [name]: 7 }] as const,
  ]),
  ...[
    '',
    'yesterday',
    '2026-01-02',
    '2026-01-02T03:04:05',
    '2026-13-02T03:04:05Z',
    '1969-12-31T23:59:59Z',
    1_700_000_000,
  ].map((occurredAt) => ['occurredAt', { occurredAt }] as const),
  ['occurredAt', { occurredAt: new Date(Date.now() + 120_000).toISOString() }],
  ['colour', { colour: 'blue' }],
  ['__proto__', JSON.parse('{"__proto__":{}}')],
  ...['id', 'type', 'version', 'uri', 'links'].map((name) => [`resource.${name}`, inResource(without(name))] as const),
  ['resource.id', inResource({ id: '' })],
  ['resource.type', inResource({ type: LONG })],
  ['resource.version', inResource({ version: 'four' })],
  ['resource.version', inResource({ version: 'vv4.0' })],
  ['resource.version', inResource({ version: 'v4.0.0.0.0.0' })],
  ['resource.uri', inResource({ uri: 'not a URI' })],
  ['resource.uri', inResource({ uri: `https://bank.example/${'x'.repeat(2048)}` })],
  ['resource.links', inResource({ links: [] })],
  ['resource.links', inResource({ links: Array.from({ length: 21 }, () => RESOURCE.links[0]) })],
  ['resource.links[0].link', inResource({ links: [{ version: 'v4.0', link: 'nowhere' }] })],
  ['resource.links[1].version', inResource({ links: [...RESOURCE.links, { link: LINK }] })],
  ['resource.links[0].rel', inResource({ links: [{ version: 'v4.0', link: LINK, rel: 'self' }] })],
  ['resource.colour', inResource({ colour: 'blue' })],
  ['events', { events: [] }],
  ['events', { events: 'all' }],
  ['events', { events: Array.from({ length: 21 }, () => ({ type: UPDATE })) }],
  ['events[0].type', { events: [{}] }],
  ['events[0].type', { events: [{ type: 'UK.OBIE.Unknown' }] }],
  ['events[0].type', { events: [{ type: '__proto__' }] }],
  ['events[1].type', { events: [{ type: UPDATE }, { type: 'urn:uk:org:openbanking:events:resource-update' }] }],
  ['events[0].colour', { events: [{ type: UPDATE, colour: 'blue' }] }],
  ['events[0].reason', { events: [{ type: UPDATE, reason: 'BANK.Any' }] }],
  ['events[0].reason', { events: [{ type: REVOKED, reason: 'UK.OBIE.Any' }] }],
  ['events[0].reason', { events: [{ type: REVOKED, reason: '' }] }],
  ['resource.type', { events: [{ type: LINKED }] }],
  [
    'resource.type',
    {
      ...inResource({ type: 'account-access-consent' }),
      events: [{ type: 'urn:uk:org:openbanking:events:domestic-vrp-consent-linked-account-update' }],
    },
  ],
];

for (const [field, changes] of BAD) {
  test(`${JSON.stringify(changes).slice(0, 80)} answers 400 that names ${field}, alone and in a batch`, async () => {
    const bad = event(changes);
    const alone = await publish(bad);
    assert.equal(alone.status, 400);
    checkProblem(alone.body, 400, field);
    const good = event();
    const inBatch = await publish([good, event(), event(), bad]);
    checkProblem(inBatch.body, 400, `[3].${field}`);
    assert.equal((await outcomesOf(good))[0]?.repeated, false, 'nothing of the batch was kept');
  });
}

for (const [what, body] of [
  ['nothing', ''],
  ['no JSON', '{'],
  ['a byte order mark', `\uFEFF${JSON.stringify(event())}`],
  ['a member twice', JSON.stringify(event()).replace('{', '{"id":"a",')],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ['a text', '"event"'],
  ['null', 'null'],
  ['an empty array', '[]'],
  ['1001 events', JSON.stringify(Array.from({ length: 1001 }, () => event()))],
] as const) {
  test(`a body that holds ${what} answers 400 that says so`, async () => {
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' };
    const answer = await bank.operator.send(EVENTS, { method: 'POST', headers, body });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers['content-type'], PROBLEM_TYPE);
    checkProblem(JSON.parse(answer.body.toString()), 400);
  });
}

test('an element of a batch that is no event is named by its place', async () => {
  const answer = await publish([event(), 7]);
  assert.equal(answer.status, 400);
  checkProblem(answer.body, 400, '[1]');
});
