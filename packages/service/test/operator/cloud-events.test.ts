import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import fc from 'fast-check';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import type { BankEvent } from '../../src/model/event.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { cloudIdentityOf, eventIdOf } from '../../src/operator/cloud-events.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import type { Store } from '../../src/store/store.ts';
import { CONNECTIONS } from '../support/connections.ts';

// CloudEvents through the front door of the operator API; what was read is caught where it would be published.

const TOKENS = [
  {
    name: 'alice',
    role: 'publisher',
    sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0',
  } as const,
];
const ONE = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';

let caught: readonly BankEvent[] = [];
const app = buildOperatorApi({
  ...{ store: {} as Store, catalogue: new EventTypeCatalogue([]), clock: systemClock, log: pino({ level: 'silent' }) },
  ...{ tls: undefined, bodyBytesMax: 1_000_000, ...CONNECTIONS, tokens: new OperatorTokens(TOKENS) },
  publish: async (events) => {
    caught = events;
    return { kind: 'published', outcomes: [], claimed: [] };
  },
});
after(() => app.close());

async function post(body: unknown, type = 'application/json', headers: Readonly<Record<string, string>> = {}) {
  caught = [];
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const all = { authorization: 'Bearer token', 'content-type': type, ...headers };
  const answer = await app.inject({ method: 'POST', url: '/operator/v1/events', headers: all, payload });
  const told: Record<string, unknown> = JSON.parse(answer.body);
  return { status: answer.statusCode, told };
}

/** What came of a body that is taken. */
async function read(body: unknown, type?: string, headers?: Readonly<Record<string, string>>) {
  const { status, told } = await post(body, type, headers);
  assert.equal(status, 200, JSON.stringify(told));
  return caught;
}

async function assertRefused(field: string, ...sent: Parameters<typeof post>) {
  const { status, told } = await post(...sent);
  assert.equal(status, 400, JSON.stringify(told));
  assert.equal(told['field'], field, JSON.stringify(told));
  assert.ok(String(told['detail']).startsWith(`${field} `), JSON.stringify(told));
  return String(told['detail']);
}

const uri = 'https://bank.example/open-banking/v4.0/aisp/account-access-consents/aac-1';
const RESOURCE = {
  ...{ id: 'aac-1', type: 'account-access-consent', version: '4.0', uri },
  links: [{ version: 'v4.0', link: uri }],
};
const REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';
const UPDATE = 'urn:uk:org:openbanking:events:resource-update';
const CLOUD = {
  ...{ specversion: '1.0', source: '/core/consents', id: 'evt-1', type: REVOKED, time: '2026-01-02T03:04:05Z' },
  data: { clientId: 'tpp-1', transactionId: 'txn-1', resource: RESOURCE },
};
const JSON_FORM = {
  ...{ id: '/core/consents|evt-1', clientId: 'tpp-1', transactionId: 'txn-1', occurredAt: '2026-01-02T03:04:05Z' },
  ...{ resource: RESOURCE, events: [{ type: REVOKED }] },
};

interface Published {
  readonly id: string;
  readonly occurredAt: string;
  readonly resource: { readonly id: string };
  readonly events: readonly { readonly type: string; readonly reason?: string }[];
  readonly [name: string]: unknown;
}

/** Any event as a CloudEvent. @param isShort leaves out what the attributes say already, where they do */
function toCloudEvent({ id, occurredAt, events, ...data }: Published, isShort: boolean): Record<string, unknown> {
  const { id: subject, ...rest } = data.resource;
  const [first, ...more] = events;
  const isPlainType = more.length === 0 && first?.reason === undefined;
  const attributes = { specversion: '1.0', ...cloudIdentityOf(id), type: first?.type, time: occurredAt };
  if (!isShort) return { ...attributes, data: { ...data, events } };
  return { ...attributes, subject, data: { ...data, resource: rest, ...(!isPlainType && { events }) } };
}

// What counts is code points, so none that combine.
const name = (max = 128) => fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: max });
const eventIds = fc.oneof(
  name(),
  fc.tuple(fc.constantFrom('/core', 'tidings:event', 'urn:a:b', 'no source', ''), name(20)).map((two) => two.join('|')),
);
const anEvent: fc.Arbitrary<Published> = fc.record(
  {
    id: eventIds,
    clientId: name(),
    transactionId: name(),
    occurredAt: fc
      .date({ min: new Date(0), max: new Date('2026-01-01'), noInvalidDate: true })
      .map((at) => at.toISOString()),
    resource: fc.record({
      id: name(),
      type: fc.constant('account-access-consent'),
      version: fc.constantFrom('4.0', 'v3.1.11'),
      uri: fc.webUrl(),
      links: fc.array(fc.record({ version: name(10), link: fc.webUrl() }), { minLength: 1, maxLength: 3 }),
    }),
    events: fc.oneof(
      fc.subarray([{ type: REVOKED }, { type: UPDATE }], { minLength: 1 }),
      fc
        .record({ type: fc.constant(REVOKED), reason: fc.constantFrom('UK.OBIE.CASS', 'BANK.Other') })
        .map((one) => [one]),
    ),
  },
  { requiredKeys: ['id', 'clientId', 'occurredAt', 'resource', 'events'] },
);

test('any event is, as a CloudEvent, the same event with the same fingerprint', async () => {
  await fc.assert(
    fc.asyncProperty(anEvent, fc.boolean(), async (event, isShort) => {
      const [plain] = await read(event);
      const cloud = toCloudEvent(event, isShort);
      assert.deepEqual((await read(cloud, ONE))[0], plain);
      assert.deepEqual((await read([cloud], BATCH))[0], plain);
    }),
    { numRuns: 60 },
  );
});

test('no two CloudEvents that differ in source or id are the same event, and every id is one CloudEvent', () => {
  fc.assert(
    fc.property(eventIds, (id) => {
      assert.equal(eventIdOf(cloudIdentityOf(id)), id);
    }),
  );
  const identities = fc.record({
    source: fc.constantFrom('/', '/a', 'a:b', 'tidings:event'),
    id: fc.string({ unit: fc.constantFrom('|', 'a', '/'), minLength: 1, maxLength: 4 }),
  });
  fc.assert(
    fc.property(identities, identities, (one, other) => {
      // Those that stand for another one are refused, which the next test shows.
      for (const each of [one, other]) fc.pre(cloudIdentityOf(eventIdOf(each)).source === each.source);
      const isSame = one.source === other.source && one.id === other.id;
      assert.equal(eventIdOf(one) === eventIdOf(other), isSame);
    }),
  );
});

test('an id under the plain source that holds a source of its own is refused, as it would be another event', async () => {
  await assertRefused('id', { ...CLOUD, source: 'tidings:event', id: '/core/consents|evt-1' }, ONE);
  assert.equal((await read({ ...CLOUD, source: 'tidings:event', id: 'a b|c' }, ONE))[0]?.id, 'a b|c');
});

test('a CloudEvent is the same event as its JSON: structured, in a batch, and with its attributes as headers', async () => {
  const [plain] = await read(JSON_FORM);
  assert.deepEqual(await read(CLOUD, `${ONE}; charset=utf-8`), [plain]);
  assert.deepEqual(await read([CLOUD, CLOUD], BATCH.toUpperCase()), [plain, plain]);
  const { data, ...attributes } = CLOUD;
  const headers = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`ce-${key}`, value]));
  assert.deepEqual(await read(data, 'application/json', headers), [plain]);
  const encoded = { ...headers, 'ce-id': 'caf%C3%A9' };
  assert.equal((await read(data, 'application/json', encoded))[0]?.id, '/core/consents|café');
});

test('attributes that are null are left out, and extensions are taken without being kept', async () => {
  const more = {
    subject: null,
    dataschema: null,
    datacontenttype: 'application/json; charset=utf-8',
    partitionkey: 'k',
    sampled: true,
  };
  assert.deepEqual(await read({ ...CLOUD, ...more }, ONE), await read(CLOUD, ONE));
});

test('the trace context is handed on beside the content, and one of no use is no reason to refuse', async () => {
  const traceContext = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'bank=1' };
  const [plain] = await read(CLOUD, ONE);
  assert.deepEqual((await read({ ...CLOUD, ...traceContext }, ONE))[0], { ...plain, traceContext });
  assert.deepEqual((await read({ ...CLOUD, tracestate: 'x' }, ONE))[0], plain);
  for (const traceparent of [
    'x',
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  ]) {
    assert.deepEqual((await read({ ...CLOUD, traceparent }, ONE))[0], plain, traceparent);
  }
});

const inData = (changes: object) => ({ data: { ...CLOUD.data, ...changes } });
const inResource = (changes: object) => inData({ resource: { ...RESOURCE, ...changes } });

/** What is wrong with a CloudEvent, the field that the answer must name, and the header or field in binary mode. */
const BAD: readonly (readonly [string, object, string?])[] = [
  ...['id', 'source', 'type', 'time'].map((key) => [key, { [key]: undefined }] as const),
  ['specversion', { specversion: undefined }],
  ['specversion', { specversion: '0.3' }],
  ['id', { id: '' }],
  ['id', { id: 'x'.repeat(114) }],
  ['source', { source: 'a|b' }],
  ['source', { source: 'two words' }],
  ['time', { time: 'yesterday' }],
  ['time', { time: '1969-12-31T23:59:59Z' }],
  ['time', { time: new Date(Date.now() + 120_000).toISOString() }],
  ['type', { type: 'com.example.any' }],
  ['type', { ...inData({ events: [{ type: UPDATE }] }) }],
  ['subject', { subject: 'another' }],
  ['clientId', { clientId: 'tpp-1' }],
  ['data_base64', { data_base64: 'e30=' }],
  ['datacontenttype', { datacontenttype: 'application/xml' }],
  ['extension', { extension: { a: 1 } }],
  ['data', { data: undefined }],
  ['data', { data: '{}' }],
  ['data.clientId', inData({ clientId: undefined })],
  ['data.id', inData({ id: 'evt-1' })],
  ['data.occurredAt', inData({ occurredAt: '2026-01-02T03:04:05Z' })],
  ['data.__proto__', { data: JSON.parse(JSON.stringify(CLOUD.data).replace('{', '{"__proto__":{},')) }],
  ['data.resource.id', inResource({ id: undefined })],
  ['data.resource.version', inResource({ version: 'four' })],
  ['data.resource.uri', inResource({ uri: 'nowhere' })],
  ['data.events[0].type', inData({ events: [{ type: 'any' }, { type: REVOKED }] })],
  ['data.events[0].reason', inData({ events: [{ type: REVOKED, reason: 'UK.OBIE.Any' }] })],
  [
    'data.resource.type',
    { type: 'UK.OBIE.Account-Access-Consent-Linked-Account-Update', ...inResource({ type: 'x' }) },
  ],
];

for (const [field, changes] of BAD) {
  test(`a CloudEvent with ${JSON.stringify(changes).slice(0, 90)} answers 400 that names ${field}, alone and in a batch`, async () => {
    const bad = { ...CLOUD, ...changes };
    await assertRefused(field, bad, ONE);
    await assertRefused(`[1].${field}`, [CLOUD, bad], BATCH);
    assert.deepEqual(caught, [], 'nothing was published');
  });
}

test('what is wrong in binary mode is named as the header, or the field of the body, that it stands in', async () => {
  const { data, ...attributes } = CLOUD;
  const headers = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`ce-${key}`, value]));
  const json = 'application/json';
  await assertRefused('ce-time', data, json, { ...headers, 'ce-time': 'yesterday' });
  await assertRefused('ce-specversion', data, json, { ...headers, 'ce-specversion': '2.0' });
  await assertRefused('ce-id', data, json, { ...headers, 'ce-id': '%zz' });
  await assertRefused('ce-data', data, json, { ...headers, 'ce-data': 'x' });
  await assertRefused('resource.version', { ...data, resource: { ...RESOURCE, version: 'x' } }, json, headers);
});

test('a body of another form than its type says answers 400 or 415 that says which one it must be', async () => {
  assert.match(String((await post([CLOUD], ONE)).told['detail']), /cloudevents-batch\+json/);
  assert.match(String((await post(CLOUD, BATCH)).told['detail']), /must be an array/);
  assert.match(String((await post([], BATCH)).told['detail']), /at least one/);
  assert.equal(
    (
      await post(
        Array.from({ length: 1001 }, () => CLOUD),
        BATCH,
      )
    ).status,
    400,
  );
  for (const type of ['application/cloudevents+xml', 'application/cloudevents-other+json', 'text/plain']) {
    const { status, told } = await post('x', type);
    assert.equal(status, 415, type);
    assert.match(String(told['detail']), /application\/cloudevents\+json/);
  }
  // A CloudEvent as plain JSON: what is no field there is named.
  await assertRefused('specversion', { ...JSON_FORM, specversion: '1.0' });
});
