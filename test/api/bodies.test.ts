import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { errorOf } from '../support/answers.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { CALLBACK_URL, SUBSCRIPTIONS } from '../support/tpp.ts';

const bank = await startBankWithTpps({ clients: ['tpp-a'] });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');

const GOOD = { CallbackUrl: CALLBACK_URL, Version: '4.0' };
const post = (body: string | Uint8Array) => tpp.request('POST', SUBSCRIPTIONS, { body });
const UNREADABLE = { status: 400, code: 'U010' };
const ofData = (data: unknown) => JSON.stringify({ Data: data });

/** Bodies that are refused, signed as they are, and the error they get. */
const REFUSED: readonly (readonly [string, string | Uint8Array, object])[] = [
  ['no body', '', UNREADABLE],
  ['no JSON', 'Data=1', UNREADABLE],
  ['JSON that is cut off', ofData(GOOD).slice(0, -1), UNREADABLE],
  ['JSON with more behind it', `${ofData(GOOD)}{}`, UNREADABLE],
  ['a byte order mark', `\uFEFF${ofData(GOOD)}`, UNREADABLE],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), UNREADABLE],
  ['UTF-16', Buffer.from(ofData(GOOD), 'utf16le'), UNREADABLE],
  ['Data twice', `{"Data":${JSON.stringify(GOOD)},"Data":{}}`, UNREADABLE],
  ['Version twice', '{"Data":{"Version":"4.0","Version":"4.0"}}', UNREADABLE],
  ['Version twice, once in escapes', '{"Data":{"Version":"4.0","\\u0056ersion":"3.1"}}', UNREADABLE],
  ['nesting without end', '['.repeat(5000) + ']'.repeat(5000), UNREADABLE],
  ['null', 'null', UNREADABLE],
  ['an array', `[${ofData(GOOD)}]`, UNREADABLE],
  ['a text', '"Data"', UNREADABLE],
  ['a member beside Data', JSON.stringify({ Data: GOOD, Risk: {} }), { ...UNREADABLE, path: 'Risk' }],
  ['Links in a POST', JSON.stringify({ Data: GOOD, Links: { Self: 'x' } }), { ...UNREADABLE, path: 'Links' }],
  [
    'a member named __proto__ beside Data',
    `{"Data":${JSON.stringify(GOOD)},"__proto__":{}}`,
    { ...UNREADABLE, path: '__proto__' },
  ],
  ['Data that is null', ofData(null), { ...UNREADABLE, path: 'Data' }],
  ['Data that is an array', ofData([GOOD]), { ...UNREADABLE, path: 'Data' }],
  ['no Data', '{}', { status: 400, code: 'U004', path: 'Data' }],
  ['no Version', ofData({ CallbackUrl: CALLBACK_URL }), { status: 400, code: 'U004', path: 'Data.Version' }],
  ['Data that is empty', ofData({}), { status: 400, code: 'U004', path: 'Data.Version' }],
];

for (const [what, body, expected] of REFUSED) {
  test(`a signed body that is or holds ${what} answers ${JSON.stringify(expected)}`, async () => {
    assert.deepEqual(errorOf(await post(body)), expected);
    assert.deepEqual(await tpp.list(), []);
  });
}

for (const Version of [
  '',
  '4.0.2',
  '4.1',
  '5.0',
  '10.0',
  'v4.0',
  '4.0-rc1',
  '4..0',
  '.4',
  '4.',
  ' 4.0',
  '4,0',
  '3.1.11.0.0.1',
  4,
  null,
  ['4.0'],
]) {
  test(`Version ${JSON.stringify(Version)} answers 400 U002`, async () => {
    const answer = await post(ofData({ ...GOOD, Version }));
    assert.deepEqual(errorOf(answer), { status: 400, code: 'U002', path: 'Data.Version' });
    assert.deepEqual(await tpp.list(), []);
  });
}

const HOST = 'https://tpp.example';
for (const CallbackUrl of [
  '',
  'event-notifications',
  '/open-banking/v4.0/event-notifications',
  'http://tpp.example/open-banking/v4.0/event-notifications',
  'ftp://tpp.example/open-banking/v4.0/event-notifications',
  'https:///open-banking/v4.0/event-notifications',
  'https:/tpp.example/v4.0/event-notifications',
  'https://user:secret@tpp.example/open-banking/v4.0/event-notifications',
  'https://@tpp.example/open-banking/v4.0/event-notifications',
  'https://tpp.example:99999/open-banking/v4.0/event-notifications',
  'https://exa mple/open-banking/v4.0/event-notifications',
  'https://[::1/open-banking/v4.0/event-notifications',
  `${HOST}/open-banking/event-notifications`,
  `${HOST}/open-banking/v4/event-notifications`,
  `${HOST}/open-banking/v4.0/event-notification`,
  `${HOST}/open-banking/v4.0/event-notifications/`,
  `${HOST}/open-banking/v4.0/Event-Notifications`,
  `${HOST}/open-banking/v4.0/event-notifications?tpp=1`,
  `${HOST}/open-banking/v4.0/event-notifications?`,
  `${HOST}/open-banking/v4.0/event-notifications#here`,
  `${HOST}/x?/v4.0/event-notifications`,
  `${HOST}#/v4.0/event-notifications`,
  `${HOST}/a/v4.0/event-notifications\n`,
  `${HOST}/a\u0000/v4.0/event-notifications`,
  `${HOST}/ä/v4.0/event-notifications`,
  `${HOST}\\v4.0\\event-notifications`,
  `${HOST}/v4.0/x/../event-notifications`,
  `${HOST}/x/../v4.0/event-notifications`,
  `${HOST}/%2e%2e/v4.0/event-notifications`,
  `${HOST}:443/v4.0/event-notifications`,
  'HTTPS://TPP.example/open-banking/v4.0/event-notifications',
  `${HOST}/${'x'.repeat(2048)}/v4.0/event-notifications`,
  null,
  7,
  { url: CALLBACK_URL },
]) {
  test(`CallbackUrl ${JSON.stringify(CallbackUrl).slice(0, 90)} answers 400 U002`, async () => {
    const answer = await post(ofData({ ...GOOD, CallbackUrl }));
    assert.deepEqual(errorOf(answer), { status: 400, code: 'U002', path: 'Data.CallbackUrl' });
    assert.deepEqual(await tpp.list(), []);
  });
}

for (const CallbackUrl of [
  `${HOST}/open-banking/v4.0/event-notifications`,
  `${HOST}/v3.1/event-notifications`,
  `${HOST}:8443/prefix/open-banking/v3.1.10/event-notifications`,
  'https://93.184.215.14/open-banking/v4.0/event-notifications',
  'https://[2606:4700::1111]/open-banking/v4.0/event-notifications',
]) {
  test(`CallbackUrl ${CallbackUrl} is accepted and reads back as it was sent`, async () => {
    assert.equal((await post(ofData({ ...GOOD, CallbackUrl }))).status, 201);
    assert.equal((await tpp.list())[0]?.['CallbackUrl'], CallbackUrl);
    await tpp.clear();
  });
}

test('an event type that is not supported answers 400 U024 with its path and the URL of the list', async () => {
  for (const unknown of [
    'UK.OBIE.Unknown',
    'uk.obie.resource-update',
    'resource-update',
    '__proto__',
    'UK.OBIE.Resource-Update ',
    '',
    'x'.repeat(300),
    '\u{1f3e6}'.repeat(10_000),
  ]) {
    const answer = await post(ofData({ ...GOOD, EventTypes: ['UK.OBIE.Resource-Update', unknown] }));
    assert.deepEqual(errorOf(answer), {
      status: 400,
      code: 'U024',
      path: 'Data.EventTypes[1]',
      url: 'https://bank.example/event-types',
    });
  }
  assert.deepEqual(await tpp.list(), []);
});

for (const [EventTypes, path] of [
  ['UK.OBIE.Resource-Update', 'Data.EventTypes'],
  [{ 0: 'UK.OBIE.Resource-Update' }, 'Data.EventTypes'],
  [null, 'Data.EventTypes'],
  [[7], 'Data.EventTypes[0]'],
] as const) {
  test(`EventTypes ${JSON.stringify(EventTypes).slice(0, 40)} answers 400 U002 at ${path}`, async () => {
    assert.deepEqual(errorOf(await post(ofData({ ...GOOD, EventTypes }))), { status: 400, code: 'U002', path });
  });
}

test('as many event types as the body holds are accepted and read back, the same ones again too', async () => {
  const EventTypes = Array.from({ length: 2000 }, () => 'UK.OBIE.Resource-Update');
  assert.equal((await post(ofData({ ...GOOD, EventTypes }))).status, 201);
  assert.deepEqual((await tpp.list())[0]?.['EventTypes'], EventTypes);
  await tpp.clear();
  const rest = Buffer.byteLength(ofData({ ...GOOD, EventTypes: [''] }));
  const full = (length: number) => ofData({ ...GOOD, EventTypes: ['x'.repeat(length - rest)] });
  assert.equal(errorOf(await post(full(65_536))).code, 'U024');
  assert.deepEqual(errorOf(await post(full(65_537))), { status: 413 });
});

test('PUT refuses the same bodies, and the subscription stays as it was', async () => {
  assert.equal((await post(ofData(GOOD))).status, 201);
  const [before] = await tpp.list();
  const id = String(before?.['EventSubscriptionId']);
  const put = (body: string) => tpp.request('PUT', `${SUBSCRIPTIONS}/${id}`, { body });
  const data = { EventSubscriptionId: id, Version: '4.0' };
  for (const [body, code] of [
    ['{', 'U010'],
    [JSON.stringify({ Data: data, Risk: {} }), 'U010'],
    [ofData({ EventSubscriptionId: id }), 'U004'],
    [ofData({ ...data, EventSubscriptionId: '' }), 'U002'],
    [ofData({ ...data, EventSubscriptionId: 'x'.repeat(41) }), 'U002'],
    [ofData({ ...data, Version: '9.0' }), 'U002'],
    [ofData({ ...data, CallbackUrl: 'http://tpp.example/v4.0/event-notifications' }), 'U002'],
    [ofData({ ...data, EventTypes: ['UK.OBIE.Unknown'] }), 'U024'],
    ...[
      { Meta: { x: 1 } },
      { Meta: [] },
      { Meta: null },
      { Meta: { TotalPages: '1' } },
      { Meta: { TotalPages: 1.5 } },
      { Meta: { TotalPages: 2 ** 31 } },
      { Meta: { FirstAvailableDateTime: 'yesterday' } },
      { Meta: { LastAvailableDateTime: 1 } },
      { Links: {} },
      { Links: null },
      { Links: { Self: 'not a URI' } },
      { Links: { Self: '/relative' } },
      { Links: { Self: 'https://bank.example/', Own: 'https://bank.example/' } },
      { Links: { Self: 'https://bank.example/', Next: '' } },
    ].map(
      (more) =>
        [
          JSON.stringify({ Data: data, ...more }),
          'Links' in more && more.Links !== null && !('Self' in more.Links) ? 'U004' : 'U010',
        ] as const,
    ),
  ] as const) {
    assert.equal(errorOf(await put(body)).code, code, body);
  }
  assert.deepEqual(await tpp.list(), [before]);
  const Links = { Self: 'https://bank.example/a', First: 'https://bank.example/1', Last: 'urn:x' };
  const Meta = { TotalPages: 1, FirstAvailableDateTime: '2026-01-02T03:04:05Z' };
  for (const more of [{}, { Links, Meta }, { Meta: {} }, { Links: { Self: 'https://bank.example/' } }]) {
    assert.equal((await put(JSON.stringify({ Data: data, ...more }))).status, 200, JSON.stringify(more));
  }
  await tpp.clear();
});
