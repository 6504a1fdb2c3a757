import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { isUuid, signDetached } from '@tidings/protocol';
import { makeParticipant, sendJson } from '@tidings/testing';
import type { BankError } from '@tidings/tpp';
import { type FakeBank, type Instead, NOW_MS, startBank } from './support/fake-bank.ts';
import { BANK_ORG_ID } from './support/sets.ts';

const CALLBACK_URL = 'https://tpp.example/open-banking/v4.0/event-notifications';
const WANTED = { callbackUrl: CALLBACK_URL, version: '4.0', eventTypes: ['UK.OBIE.Resource-Update'] };
const AT_BANK = { eventSubscriptionId: 'sub-1', ...WANTED };

/** Answers calls to the API, but not to the authorisation server, in place of the bank. */
function insteadOfApi(instead: Instead): Instead {
  return (seen, response) => seen.path.startsWith('/open-banking') && instead(seen, response);
}

function created(bank: FakeBank): object {
  const { EventSubscriptionId, ...data } = { EventSubscriptionId: 'sub-1', CallbackUrl: CALLBACK_URL, Version: '4.0' };
  return { Data: { EventSubscriptionId, ...data }, Links: { Self: `${bank.origin}/x` }, Meta: {} };
}

test('an event subscription is created, read, replaced and deleted, all signed as the standard requires', async (t) => {
  const bank = await startBank(t);
  const { eventSubscriptions } = bank.client;
  assert.equal(await eventSubscriptions.get(), undefined);
  assert.deepEqual(await eventSubscriptions.create(WANTED), AT_BANK);
  assert.deepEqual(await eventSubscriptions.get(), AT_BANK);
  const replaced = { eventSubscriptionId: 'sub-1', callbackUrl: undefined, version: '4.0', eventTypes: [] };
  assert.deepEqual(await eventSubscriptions.replace({ ...AT_BANK, callbackUrl: undefined, eventTypes: [] }), replaced);
  assert.deepEqual(bank.subscription, replaced);
  await eventSubscriptions.delete('sub-1');
  assert.equal(bank.subscription, undefined);
  assert.equal(bank.tokenRequests.length, 1);
});

test('a request carries token, a fresh interaction id, JSON headers, and a signature only with a body', async (t) => {
  const bank = await startBank(t);
  await bank.client.eventSubscriptions.create({ version: '4.0' });
  await bank.client.eventSubscriptions.get();
  await bank.client.eventSubscriptions.delete('sub-1');
  const [post, get, del] = bank.seen.slice(-3).map(({ headers }) => headers);
  assert.equal(post?.['content-type'], 'application/json; charset=utf-8');
  assert.equal(post?.accept, 'application/json');
  assert.equal(post?.authorization, 'Bearer token-1');
  assert.deepEqual(JSON.parse(String(bank.seen.at(-3)?.body)), { Data: { Version: '4.0' } });
  for (const headers of [get, del]) {
    assert.equal(headers?.['x-jws-signature'], undefined);
    assert.equal(headers?.['content-type'], undefined);
  }
  const ids = [post, get, del].map((headers) => String(headers?.['x-fapi-interaction-id']));
  assert.ok(ids.every(isUuid));
  assert.equal(new Set(ids).size, 3);
});

test('a missing echo of the interaction id is recorded and not an error', async (t) => {
  const bank = await startBank(t);
  await bank.client.eventSubscriptions.get();
  await bank.client.eventSubscriptions.delete('sub-1');
  assert.deepEqual(
    bank.exchanges.map(({ status, interactionIdEchoed }) => [status, interactionIdEchoed]),
    [
      [200, true],
      [204, false],
    ],
  );
});

test('a response without a signature is untrusted, although the call took effect', async (t) => {
  const bank = await startBank(t);
  bank.instead = insteadOfApi((_seen, response) => {
    bank.subscription = AT_BANK;
    sendJson(response, created(bank), 201);
    return true;
  });
  await assert.rejects(bank.client.eventSubscriptions.create(WANTED), { kind: 'untrusted', status: 201 });
  bank.instead = undefined;
  assert.deepEqual(await bank.client.eventSubscriptions.get(), AT_BANK);
});

test('a response that was altered, or signed by another party, is untrusted', async (t) => {
  const bank = await startBank(t);
  const stranger = await makeParticipant(BANK_ORG_ID, 'bank-key-1');
  const other = await makeParticipant('another bank', 'bank-key-1');
  const { signer } = await makeParticipant(BANK_ORG_ID, 'no-such-kid');
  for (const [by, suffix] of [
    [stranger.signer, ''],
    [other.signer, ''],
    [signer, ''],
    [stranger.signer, ' '],
  ] as const) {
    bank.instead = insteadOfApi(async (_seen, response) => {
      const body = JSON.stringify(created(bank));
      const signature = await signDetached(Buffer.from(body), by, NOW_MS / 1000);
      response.writeHead(201, { 'x-jws-signature': signature }).end(body + suffix);
      return true;
    });
    await assert.rejects(bank.client.eventSubscriptions.create(WANTED), { kind: 'untrusted', status: 201 });
  }
});

test('one byte more or less than what the bank signed is untrusted', async (t) => {
  const bank = await startBank(t);
  for (const alter of [(body: string) => `${body} `, (body: string) => body.replace('sub-1', 'sub-2')]) {
    bank.instead = insteadOfApi(async (seen, response) => {
      const end = response.end.bind(response);
      response.end = ((body: Buffer) => end(alter(body.toString()))) as typeof response.end;
      await bank.answer(seen, response, 201, created(bank));
      return true;
    });
    await assert.rejects(bank.client.eventSubscriptions.create(WANTED), (error: BankError) => {
      assert.equal(error.kind, 'untrusted');
      assert.match(error.message, /does not verify/);
      assert.ok(isUuid(error.interactionId ?? ''));
      return true;
    });
  }
});

test('a response with two signatures is untrusted', async (t) => {
  const bank = await startBank(t);
  bank.instead = insteadOfApi(async (seen, response) => {
    const writeHead = response.writeHead.bind(response);
    response.writeHead = ((status: number, headers: Record<string, string>) => {
      const signature = headers['x-jws-signature'] ?? '';
      return writeHead(status, { ...headers, 'x-jws-signature': [signature, signature] });
    }) as typeof response.writeHead;
    await bank.answer(seen, response, 201, created(bank));
    return true;
  });
  await assert.rejects(bank.client.eventSubscriptions.create(WANTED), { kind: 'untrusted' });
});

test('a response is untrusted while the keys of the bank are unavailable', async (t) => {
  const cause = new Error('JWKS down');
  const bank = await startBank(t, { bank: { signer: BANK_ORG_ID, keys: { keyFor: () => Promise.reject(cause) } } });
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'untrusted', cause });
});

const SHAPES: readonly { name: string; body: unknown }[] = [
  { name: 'without an id', body: { Data: { Version: '4.0' } } },
  { name: 'with an id of 41 characters', body: { Data: { EventSubscriptionId: 'x'.repeat(41), Version: '4.0' } } },
  { name: 'without Data', body: {} },
  { name: 'that is a list', body: [] },
];

for (const { name, body } of SHAPES) {
  test(`a signed answer ${name} is untrusted`, async (t) => {
    const bank = await startBank(t);
    bank.instead = insteadOfApi(async (seen, response) => {
      await bank.answer(seen, response, 201, body);
      return true;
    });
    await assert.rejects(bank.client.eventSubscriptions.create(WANTED), { kind: 'untrusted', status: 201 });
  });
}

test('a replacement response about another id and a list of two are untrusted', async (t) => {
  const bank = await startBank(t);
  const entry = { EventSubscriptionId: 'sub-9', Version: '4.0' };
  bank.instead = insteadOfApi(async (seen, response) => {
    const body = seen.method === 'PUT' ? { Data: entry } : { Data: { EventSubscription: [entry, entry] } };
    await bank.answer(seen, response, 200, body);
    return true;
  });
  await assert.rejects(bank.client.eventSubscriptions.replace(AT_BANK), { kind: 'untrusted' });
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'untrusted' });
});

test('a list without entries or without the member means no subscription', async (t) => {
  const bank = await startBank(t);
  for (const body of [{ Data: {} }, { Data: { EventSubscription: [] } }]) {
    bank.instead = insteadOfApi(async (seen, response) => {
      await bank.answer(seen, response, 200, body);
      return true;
    });
    assert.equal(await bank.client.eventSubscriptions.get(), undefined);
  }
});

const ENTRY = { Message: 'exists', Path: 'Data', Url: 'https://bank.example/errors' };
const DETAIL = { message: 'exists', path: 'Data', url: 'https://bank.example/errors' };
const V31_CODE = 'UK.OBIE.Rules.ResourceAlreadyExists';
const ERROR_BODIES: readonly { name: string; body: unknown; details: unknown }[] = [
  { name: 'v4.0', body: { Errors: [{ ErrorCode: 'U029', ...ENTRY }] }, details: [{ code: 'U029', ...DETAIL }] },
  {
    name: 'v3.1',
    body: { Code: '409 Conflict', Id: 'x', Message: 'no', Errors: [{ ErrorCode: V31_CODE, Message: 'exists' }] },
    details: [{ code: V31_CODE, message: 'exists' }],
  },
  {
    name: 'v3.1 without entries',
    body: { Code: '409 Conflict', Message: 'no', Errors: [] },
    details: [{ code: '409 Conflict', message: 'no' }],
  },
  { name: 'no known shape', body: { error: 'x', Errors: ['text', null, { ErrorCode: 7 }] }, details: [] },
  {
    name: 'a very long kind',
    body: { Errors: [{ ErrorCode: 'x'.repeat(900) }] },
    details: [{ code: 'x'.repeat(500) }],
  },
];

for (const { name, body, details } of ERROR_BODIES) {
  test(`a 409 with an error body of ${name} is refused, with the codes of the bank`, async (t) => {
    const bank = await startBank(t);
    bank.instead = insteadOfApi((_seen, response) => {
      sendJson(response, body, 409);
      return true;
    });
    await assert.rejects(bank.client.eventSubscriptions.create(WANTED), (error: BankError) => {
      assert.equal(error.kind, 'refused');
      assert.equal(error.status, 409);
      assert.deepEqual(error.details, details);
      assert.deepEqual(
        error.codes,
        error.details.map(({ code }) => code),
      );
      return true;
    });
  });
}

test('the message of a refusal has the call and the reasons of the bank, in one line and without tokens', async (t) => {
  const bank = await startBank(t);
  const token = 'eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl';
  const Errors = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
    ErrorCode: 'U002',
    Message: `no\n${name} for ${token}`,
    Path: `Data.${name}`,
  }));
  bank.instead = ({ path }, response) => {
    if (!path.endsWith('/event-subscriptions')) return false;
    sendJson(response, { Errors }, 400);
    return true;
  };
  await assert.rejects(bank.client.eventSubscriptions.create(WANTED), ({ message }: Error) => {
    assert.match(message, /^POST https:\S+\/open-banking\/v4\.0\/event-subscriptions: status 400\. /);
    const detail = (name: string) => `U002: no ${name} for [token] (Data.${name})`;
    assert.ok(message.endsWith(` ${detail('a')}; ${detail('b')}; ${detail('c')}; and 2 more`), message);
    return true;
  });
});

test('a 403 without a body, and a 500 with HTML, are refused without codes', async (t) => {
  const bank = await startBank(t);
  for (const [status, body] of [
    [403, ''],
    [500, '<html>'],
  ] as const) {
    bank.instead = insteadOfApi((_seen, response) => {
      response.writeHead(status).end(body);
      return true;
    });
    await assert.rejects(bank.client.eventSubscriptions.delete('sub-1'), { kind: 'refused', status, details: [] });
  }
});

test('after one 401 the request is retried with a fresh token; a second 401 is unauthorised', async (t) => {
  const bank = await startBank(t);
  await bank.client.token();
  bank.token.value = 'token-2';
  assert.deepEqual(await bank.client.eventSubscriptions.create(WANTED), AT_BANK);
  assert.equal(bank.tokenRequests.length, 2);
  const ids = bank.seen.flatMap(({ method, headers }) => (method === 'POST' ? headers['x-fapi-interaction-id'] : []));
  assert.equal(new Set(ids.filter(Boolean)).size, 2);

  let calls = 0;
  bank.instead = insteadOfApi((_seen, response) => {
    calls += 1;
    response.writeHead(401).end();
    return true;
  });
  await assert.rejects(bank.client.eventSubscriptions.get(), (error: BankError) => {
    assert.equal(error.kind, 'unauthorised');
    assert.equal(error.status, 401);
    assert.doesNotMatch(inspect(error, { depth: 10 }), /token-\d/);
    return true;
  });
  assert.equal(calls, 2);
});

test('a bank that hangs is unreachable at the deadline, without revealing the token', async (t) => {
  const bank = await startBank(t, { requestTimeoutMs: 300 });
  await bank.client.token();
  bank.instead = insteadOfApi(() => true);
  await assert.rejects(bank.client.eventSubscriptions.create(WANTED), (error: BankError) => {
    assert.equal(error.kind, 'unreachable');
    assert.ok(isUuid(error.interactionId ?? ''));
    assert.doesNotMatch(inspect(error, { depth: 10 }), /token-1/);
    return true;
  });
});

test('a redirect is a refusal, and is not followed', async (t) => {
  const bank = await startBank(t);
  bank.instead = insteadOfApi((_seen, response) => {
    response.writeHead(307, { location: `${bank.origin}/elsewhere` }).end();
    return true;
  });
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'refused', status: 307 });
  assert.ok(bank.seen.every(({ path }) => path !== '/elsewhere'));
});

test('a response over the limit is untrusted', async (t) => {
  const bank = await startBank(t, { responseBytesMax: 5_000 });
  bank.instead = insteadOfApi(async (seen, response) => {
    await bank.answer(seen, response, 200, { Data: {}, Meta: { x: 'x'.repeat(5_000) } });
    return true;
  });
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'untrusted' });
});

test('an id is one path segment, and a malformed id is rejected before anything is sent', async (t) => {
  const bank = await startBank(t);
  await bank.client.eventSubscriptions.delete('a/b?c#d');
  assert.equal(bank.seen.at(-1)?.path, '/open-banking/v4.0/event-subscriptions/a%2Fb%3Fc%23d');
  const before = bank.seen.length;
  for (const id of ['', '.', '..', 'x'.repeat(41)]) {
    await assert.rejects(bank.client.eventSubscriptions.delete(id), TypeError);
  }
  assert.equal(bank.seen.length, before);
});

test('after close calls fail as unreachable', async (t) => {
  const bank = await startBank(t);
  await bank.client.token();
  bank.client.close();
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'unreachable' });
});
