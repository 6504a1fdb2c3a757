import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONSENT_AUTHORIZATION_REVOKED,
  EventTypeCatalogue,
  isUuid,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
  type SetClaims,
  SUBJECT_TYPE,
  signCompact,
} from '@tidings/protocol';
import { makeParticipant, type Participant } from '@tidings/testing';
import { createReceiver, type EventNotification, NotificationError, REFUSALS, type Refusal } from '@tidings/tpp';
import {
  BANK_ORG_ID,
  CLIENT_ID,
  delivery,
  INTERACTION_ID,
  ISSUER,
  makeClaims,
  makeSet,
  NOW_MS,
  receiverOptions,
  testBank,
} from './support/sets.ts';

const FRESH_ID = '00000000-0000-4000-8000-000000000001';

test('a good notification reaches the handler and is acknowledged with 202 and no body', async () => {
  const taken: EventNotification[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: (each) => void taken.push(each) }));
  const set = await makeSet();
  const response = await receiver.handle(delivery(set));
  assert.equal(response.status, 202);
  assert.equal(await response.text(), '');
  assert.equal(response.headers.get('x-fapi-interaction-id'), INTERACTION_ID);
  const claims = makeClaims();
  const event = {
    kind: 'resource-update',
    eventType: RESOURCE_UPDATE,
    resourceId: 'pmt-7290-003',
    resourceType: 'domestic-payment',
    reason: undefined,
    links: [{ version: 'v4.0', link: claims.sub }],
    content: claims.events[RESOURCE_UPDATE],
  };
  assert.deepEqual(taken, [
    {
      ...event,
      events: [event],
      jti: claims.jti,
      eventTypes: [RESOURCE_UPDATE],
      resourceUri: claims.sub,
      links: [{ version: 'v4.0', link: claims.sub }],
      claims,
      set,
      interactionId: INTERACTION_ID,
    },
  ]);
});

test('the media type may have parameters and any case', async () => {
  const receiver = createReceiver(await receiverOptions());
  for (const type of [
    'application/jwt; charset=utf-8',
    'Application/JWT',
    ' application/jwt ;x=y',
    'application/jwt;',
    'application/jwt;;charset=utf-8;',
  ]) {
    assert.equal((await receiver.handle(delivery(await makeSet(), { 'content-type': type }))).status, 202);
  }
});

test('another media type is 415, and the body is not read', async () => {
  const receiver = createReceiver(await receiverOptions());
  for (const type of [
    'application/json',
    'text/plain',
    'application/jwtx',
    'application/jwt, application/jwt',
    'application/jwt;x',
  ]) {
    const request = delivery(await makeSet(), { 'content-type': type });
    assert.equal((await receiver.handle(request)).status, 415);
    assert.equal(request.bodyUsed, false);
  }
  const withoutType = new Request('https://tpp.example/', { method: 'POST', body: new Uint8Array(3) });
  assert.equal((await receiver.handle(withoutType)).status, 415);
});

test('a content coding is 415 with Accept-Encoding identity, and the body is not read', async () => {
  const refusals: Refusal[] = [];
  const receiver = createReceiver(await receiverOptions({ onRefused: (refusal) => refusals.push(refusal) }));
  for (const coding of ['gzip', 'BR', 'x-gzip', 'identity, gzip', 'nonsense']) {
    const request = delivery(await makeSet(), { 'content-encoding': coding });
    const response = await receiver.handle(request);
    assert.equal(response.status, 415, coding);
    assert.equal(response.headers.get('accept-encoding'), 'identity');
    assert.equal(request.bodyUsed, false);
    assert.equal(refusals.at(-1)?.code, 'unsupported_content_coding');
  }
  for (const coding of ['identity', 'IDENTITY', 'identity, identity', '']) {
    const request = delivery(await makeSet(), { 'content-encoding': coding });
    assert.equal((await receiver.handle(request)).status, 202, coding);
  }
});

test('a request whose body was used or is locked is 500, and onRefused says so', async () => {
  const refusals: Refusal[] = [];
  const receiver = createReceiver(await receiverOptions({ onRefused: (refusal) => refusals.push(refusal) }));
  const used = delivery(await makeSet());
  await used.text();
  const locked = delivery(await makeSet());
  locked.body?.getReader();
  for (const request of [used, locked]) {
    assert.equal((await receiver.handle(request)).status, 500);
    assert.equal(refusals.pop()?.code, 'body_already_read');
  }
});

test('another method is 405, and Allow names POST', async () => {
  const receiver = createReceiver(await receiverOptions());
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
    const response = await receiver.handle(delivery('', {}, method));
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'POST');
    assert.equal(response.headers.get('x-fapi-interaction-id'), INTERACTION_ID);
  }
});

test('a missing or invalid interaction id gets a fresh one in the response', async () => {
  const receiver = createReceiver(await receiverOptions({ randomUuid: () => FRESH_ID }));
  for (const sent of ['', 'not-a-uuid', `${INTERACTION_ID}, ${INTERACTION_ID}`]) {
    const response = await receiver.handle(delivery(await makeSet(), { 'x-fapi-interaction-id': sent }));
    assert.equal(response.headers.get('x-fapi-interaction-id'), FRESH_ID);
  }
  const byDefault = createReceiver(await receiverOptions());
  const response = await byDefault.handle(delivery(await makeSet(), { 'x-fapi-interaction-id': '' }));
  assert.ok(isUuid(response.headers.get('x-fapi-interaction-id') ?? ''));
});

test('x-fapi-financial-id is neither required nor rejected', async () => {
  const receiver = createReceiver(await receiverOptions());
  const withId = delivery(await makeSet({ jti: 'other' }), { 'x-fapi-financial-id': 'anything' });
  assert.equal((await receiver.handle(withId)).status, 202);
});

test('a body over the limit is 413: by Content-Length before a byte is read, else where the limit is exceeded', async () => {
  const receiver = createReceiver(await receiverOptions({ bodyBytesMax: 1000 }));
  const told = delivery('x', { 'content-length': '1001' });
  assert.equal((await receiver.handle(told)).status, 413);
  assert.equal(told.bodyUsed, false);

  let pulled = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled += 1;
      controller.enqueue(new Uint8Array(100));
    },
    cancel: () => {
      cancelled = true;
    },
  });
  const response = await receiver.handle(delivery(endless));
  assert.equal(response.status, 413);
  assert.equal(await response.text(), '');
  assert.ok(cancelled);
  assert.ok(pulled <= 13, `read on for ${pulled} chunks of 100 bytes`);
});

test('a body of exactly the limit is read, one byte more is not', async () => {
  const set = await makeSet();
  const exact = createReceiver(await receiverOptions({ bodyBytesMax: set.length }));
  assert.equal((await exact.handle(delivery(set))).status, 202);
  const short = createReceiver(await receiverOptions({ bodyBytesMax: set.length - 1 }));
  assert.equal((await short.handle(delivery(set))).status, 413);
});

test('a sender that disconnects within the body is not mistaken for a short token', async () => {
  const receiver = createReceiver(await receiverOptions());
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error('reset')),
  });
  assert.equal((await receiver.handle(delivery(broken))).status, 400);
});

interface Refused {
  readonly name: string;
  readonly err: string;
  set(): Promise<string | Uint8Array<ArrayBuffer>>;
}

async function setOf(claims: unknown, by?: Participant): Promise<string> {
  const { signer } = by ?? (await testBank());
  return await signCompact(new TextEncoder().encode(JSON.stringify(claims)), signer, NOW_MS / 1000);
}

async function setBy(iss: string, kid: string, tan?: string): Promise<string> {
  return await setOf(makeClaims(), await makeParticipant(iss, kid, tan));
}

async function withAlteredSignature(): Promise<string> {
  const [header, payload, signature = ''] = (await makeSet()).split('.');
  return `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
}

const { toe: _toe, ...withoutToe } = makeClaims();
const REFUSED: readonly Refused[] = [
  { name: "a kid that is not the bank's", err: 'invalid_key', set: () => setBy(BANK_ORG_ID, 'stranger') },
  { name: 'a header signed by somebody else', err: 'invalid_issuer', set: () => setBy('someone', 'bank-key-1') },
  { name: 'another trust anchor', err: 'invalid_issuer', set: () => setBy(BANK_ORG_ID, 'bank-key-1', 'evil.example') },
  { name: 'another iss claim', err: 'invalid_issuer', set: () => makeSet({ iss: 'https://other.example/' }) },
  { name: 'another audience', err: 'invalid_audience', set: () => makeSet({ aud: 'tpp-client-2' }) },
  { name: 'another key under the same kid', err: 'authentication_failed', set: () => setBy(BANK_ORG_ID, 'bank-key-1') },
  { name: 'an altered signature', err: 'authentication_failed', set: withAlteredSignature },
  { name: 'an empty body', err: 'invalid_request', set: async () => '' },
  { name: 'no token at all', err: 'invalid_request', set: async () => '{"hello":"world"}' },
  { name: 'a token with a line feed after it', err: 'invalid_request', set: async () => `${await makeSet()}\n` },
  { name: 'a token with a byte order mark', err: 'invalid_request', set: async () => `\uFEFF${await makeSet()}` },
  { name: 'bytes that are no text', err: 'invalid_request', set: async () => new Uint8Array([0xff, 0xfe, 0x00]) },
  { name: 'a missing claim', err: 'invalid_request', set: () => setOf(withoutToe) },
  { name: 'no event', err: 'invalid_request', set: () => makeSet({ events: {} }) },
  { name: 'an iat in the future', err: 'invalid_request', set: () => makeSet({ iat: NOW_MS / 1000 + 61 }) },
];

for (const { name, err, set } of REFUSED) {
  test(`${name} is refused with ${err} and the body of RFC 8935`, async () => {
    const taken: string[] = [];
    const refusals: Refusal[] = [];
    const options = await receiverOptions({
      onNotification: ({ jti }) => void taken.push(jti),
      onRefused: (refusal) => void refusals.push(refusal),
    });
    const response = await createReceiver(options).handle(delivery(await set()));
    assert.equal(response.status, 400);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.equal(response.headers.get('content-language'), 'en');
    assert.equal(response.headers.get('x-fapi-interaction-id'), INTERACTION_ID);
    const body: unknown = await response.json();
    assert.deepEqual(body, { err, description: refusals[0]?.message });
    const { message, remedy } = refusals[0] ?? {};
    assert.ok(remedy);
    assert.deepEqual(refusals, [{ code: err, status: 400, message, remedy, interactionId: INTERACTION_ID }]);
    assert.deepEqual(taken, []);
  });
}

test('the limits of the options apply', async () => {
  const ahead = await makeSet({ iat: NOW_MS / 1000 + 90 });
  const lenient = createReceiver(await receiverOptions({ clockSkewSeconds: 90 }));
  assert.equal((await lenient.handle(delivery(ahead))).status, 202);
  const anchored = createReceiver(await receiverOptions({ trustAnchors: ['anchor.example'] }));
  assert.equal((await anchored.handle(delivery(await makeSet()))).status, 400);
});

test('event types and links that the standard does not define reach the handler without harm', async () => {
  const link = { version: 'v9', link: 'https://bank.example/9' };
  const events = {
    'urn:example:own': { subject: { [RESOURCE_LINKS]: [link, link, { version: 1 }, 'text', null] } },
    'urn:example:odd': { subject: 'no object' },
    'urn:example:bare': {},
  };
  const taken: EventNotification[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: (each) => void taken.push(each) }));
  assert.equal((await receiver.handle(delivery(await setOf({ ...makeClaims(), events })))).status, 202);
  assert.deepEqual(taken[0]?.eventTypes, Object.keys(events));
  assert.deepEqual(taken[0]?.links, [link]);
  assert.deepEqual(
    [taken[0]?.kind, taken[0]?.eventType, taken[0]?.resourceId],
    ['other', 'urn:example:own', undefined],
  );
});

test('every event type of the standard has its kind, with resource and reason', async () => {
  const links = [{ version: '4.0', link: 'https://bank.example/aac-1' }];
  const subject = { subject_type: SUBJECT_TYPE, [RESOURCE_ID]: 'r-1', [RESOURCE_LINKS]: links };
  const taken: EventNotification[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: (each) => void taken.push(each) }));
  for (const { urn, reasonAllowed, resourceType = 'account-access-consent' } of new EventTypeCatalogue().all) {
    const content = {
      subject: { ...subject, [RESOURCE_TYPE]: `${resourceType}s` },
      ...(reasonAllowed && { reason: 'why' }),
    };
    await receiver.handle(delivery(await setOf({ ...makeClaims(), jti: urn, events: { [urn]: content } })));
    const got = taken.pop();
    assert.equal(got?.kind, urn.split(':').at(-1));
    const { resourceId, resourceType: type, reason } = got ?? {};
    // The plural of some banks is the same type.
    assert.deepEqual([resourceId, type, reason], ['r-1', resourceType, reasonAllowed ? 'why' : undefined]);
    assert.deepEqual(got?.links, links);
  }
});

test('of several events the notification is the revocation, with the resource of the resource-update', async () => {
  const { events } = makeClaims();
  const taken: EventNotification[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: (each) => void taken.push(each) }));
  const several = { 'urn:example:own': { reason: 7 }, ...events, [CONSENT_AUTHORIZATION_REVOKED]: {} };
  await receiver.handle(delivery(await setOf({ ...makeClaims(), events: several })));
  const [got] = taken;
  assert.ok(got?.kind === 'consent-authorization-revoked');
  // Narrowed: the resource of a standard event is always known, which TypeScript checks here.
  const id: string = got.resourceId;
  assert.deepEqual([id, got.resourceType, got.reason], ['pmt-7290-003', 'domestic-payment', undefined]);
  assert.deepEqual(
    got.events.map(({ kind, reason }) => [kind, reason]),
    [
      ['other', undefined],
      ['resource-update', undefined],
      ['consent-authorization-revoked', undefined],
    ],
  );
});

test('unavailable keys are 500, so that the bank retries', async () => {
  const refusals: Refusal[] = [];
  const cause = new Error('secret host name');
  const options = await receiverOptions({
    keys: { keyFor: () => Promise.reject(cause) },
    onRefused: (refusal) => void refusals.push(refusal),
  });
  const response = await createReceiver(options).handle(delivery(await makeSet()));
  assert.equal(response.status, 500);
  assert.equal(await response.text(), '');
  assert.equal(refusals[0]?.code, 'keys_unavailable');
  assert.equal(refusals[0]?.cause, cause);
});

test('a log that throws does not prevent the response', async () => {
  const options = await receiverOptions({
    onRefused: () => {
      throw new Error('disk full');
    },
  });
  assert.equal((await createReceiver(options).handle(delivery('nonsense'))).status, 400);
});

test('every refusal has a status that does not acknowledge', () => {
  for (const status of Object.values(REFUSALS)) assert.ok(status >= 400);
});

test('the claims handed over are those that were signed', async () => {
  const taken: SetClaims[] = [];
  const receiver = createReceiver(await receiverOptions({ onNotification: ({ claims }) => void taken.push(claims) }));
  await receiver.handle(delivery(await makeSet({ txn: 'transaction-9' })));
  assert.equal(taken[0]?.txn, 'transaction-9');
  assert.equal(taken[0]?.iss, ISSUER);
  assert.equal(taken[0]?.aud, CLIENT_ID);
});

test('a handler that is behind is answered 503 with Retry-After, and the TPP sees why', async () => {
  const { onNotification: _, seen: __, ...settings } = await receiverOptions();
  const refusals: Refusal[] = [];
  const behind = new NotificationError('handler_behind', 'Too many notifications wait.', { retryAfterSeconds: 30 });
  const handler = { handle: () => Promise.reject(behind) };
  const receiver = createReceiver({ ...settings, handler, onRefused: (refusal) => void refusals.push(refusal) });
  const response = await receiver.handle(delivery(await makeSet()));
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '30']);
  assert.deepEqual([refusals[0]?.code, refusals[0]?.retryAfterSeconds], ['handler_behind', 30]);
});
