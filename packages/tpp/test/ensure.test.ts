import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendJson } from '@tidings/testing';
import { type FakeBank, type Instead, startBank } from './support/fake-bank.ts';

const CALLBACK_URL = 'https://tpp.example/open-banking/v4.0/event-notifications';
const TYPES = ['UK.OBIE.Resource-Update', 'UK.OBIE.Consent-Authorization-Revoked'];
const WANTED = { callbackUrl: CALLBACK_URL, version: '4.0', eventTypes: TYPES };
const AT_BANK = { eventSubscriptionId: 'sub-1', ...WANTED };

/** The calls of the API that changed something, or tried to. */
function changes(bank: FakeBank): string[] {
  return bank.seen.flatMap(({ method, path }) =>
    /^(POST|PUT)$/.test(method) && path.startsWith('/open-banking') ? method : [],
  );
}

/** Lets something happen at the bank right before the first request of a method, as somebody else would do it. */
function before(method: string, happen: () => void): Instead {
  let hasHappened = false;
  return (seen) => {
    if (seen.method !== method || !seen.path.startsWith('/open-banking') || hasHappened) return false;
    hasHappened = true;
    happen();
    return false;
  };
}

test('ensure creates an event subscription, then leaves it, then replaces it when it differs', async (t) => {
  const bank = await startBank(t);
  const { eventSubscriptions } = bank.client;
  assert.deepEqual(await eventSubscriptions.ensure(WANTED), { subscription: AT_BANK, did: 'created' });
  assert.deepEqual(await eventSubscriptions.ensure(WANTED), { subscription: AT_BANK, did: 'nothing' });
  for (const change of [{ callbackUrl: `${CALLBACK_URL.replace('v4.0', 'v3.1')}` }, { version: '3.1' }]) {
    const subscription = { ...AT_BANK, ...change };
    assert.deepEqual(await eventSubscriptions.ensure({ ...WANTED, ...change }), { subscription, did: 'replaced' });
    assert.deepEqual(bank.subscription, subscription);
    await eventSubscriptions.ensure(WANTED);
  }
  const polling = { eventSubscriptionId: 'sub-1', version: '4.0', callbackUrl: undefined, eventTypes: undefined };
  assert.deepEqual(await eventSubscriptions.ensure({ version: '4.0' }), { subscription: polling, did: 'replaced' });
  assert.deepEqual(changes(bank), ['POST', 'PUT', 'PUT', 'PUT', 'PUT', 'PUT']);
});

const SAME: readonly { name: string; held: readonly string[] | undefined; wanted: string[] | undefined }[] = [
  { name: 'in another order', held: TYPES, wanted: TYPES.toReversed() },
  { name: 'with repetitions', held: TYPES, wanted: [...TYPES, ...TYPES] },
  { name: 'left out and empty', held: undefined, wanted: [] },
  { name: 'empty and left out', held: [], wanted: undefined },
];

for (const { name, held, wanted } of SAME) {
  test(`event types ${name} are the same to ensure`, async (t) => {
    const bank = await startBank(t);
    bank.subscription = { ...AT_BANK, eventTypes: held };
    assert.equal((await bank.client.eventSubscriptions.ensure({ ...WANTED, eventTypes: wanted })).did, 'nothing');
    assert.deepEqual(changes(bank), []);
  });
}

test('additional, missing or different event types are a difference to ensure', async (t) => {
  const bank = await startBank(t);
  const [first = '', second = ''] = TYPES;
  for (const [held, wanted] of [
    [TYPES, [first]],
    [[first], TYPES],
    [[first], [second]],
    [TYPES, undefined],
    [undefined, TYPES],
  ] as const) {
    bank.subscription = { ...AT_BANK, eventTypes: held };
    assert.equal((await bank.client.eventSubscriptions.ensure({ ...WANTED, eventTypes: wanted })).did, 'replaced');
  }
});

const RACES: readonly { name: string; there: object; did: string; tried: string[] }[] = [
  { name: 'the same', there: {}, did: 'nothing', tried: ['POST'] },
  { name: 'another', there: { version: '3.1' }, did: 'replaced', tried: ['POST', 'PUT'] },
];

for (const { name, there, did, tried } of RACES) {
  test(`when somebody else creates ${name} in between, ensure reads once more: ${did}`, async (t) => {
    const bank = await startBank(t);
    bank.instead = before('POST', () => {
      bank.subscription = { ...AT_BANK, ...there };
    });
    assert.deepEqual(await bank.client.eventSubscriptions.ensure(WANTED), { subscription: AT_BANK, did });
    assert.deepEqual(changes(bank), tried);
  });
}

for (const version of ['v3.1', 'v4.0'] as const) {
  test(`after a concurrent deletion ensure creates it, on ${version}`, async (t) => {
    const bank = await startOn(t, version);
    bank.subscription = { ...AT_BANK, version: '3.1' };
    bank.instead = before('PUT', () => {
      bank.subscription = undefined;
    });
    assert.equal((await bank.client.eventSubscriptions.ensure(WANTED)).did, 'created');
    assert.deepEqual(changes(bank), ['PUT', 'POST']);
  });
}

test('a persistent 409 is thrown with its code: on v3.1 a registration of v4.0 exists and is not visible', async (t) => {
  const bank = await startOn(t, 'v3.1');
  const code = 'UK.OBIE.Rules.ResourceAlreadyExists';
  bank.instead = (seen, response) => {
    if (seen.method !== 'POST' || !seen.path.startsWith('/open-banking')) return false;
    sendJson(response, { Code: '409 Conflict', Message: 'no', Errors: [{ ErrorCode: code, Message: 'no' }] }, 409);
    return true;
  };
  const { eventSubscriptions } = bank.client;
  await assert.rejects(eventSubscriptions.ensure(WANTED), { kind: 'refused', status: 409, codes: [code] });
  assert.deepEqual(changes(bank), ['POST', 'POST']);
});

test('any other refusal ends ensure at once', async (t) => {
  const bank = await startBank(t);
  bank.instead = (seen, response) => {
    if (seen.method !== 'POST' || !seen.path.startsWith('/open-banking')) return false;
    sendJson(response, { Errors: [{ ErrorCode: 'U002' }] }, 400);
    return true;
  };
  await assert.rejects(bank.client.eventSubscriptions.ensure(WANTED), { kind: 'refused', status: 400 });
  assert.deepEqual(changes(bank), ['POST']);
});

test('after a lost response ensure looks up what took effect, and does not create it again', async (t) => {
  const bank = await startBank(t);
  let posts = 0;
  let isStored = true;
  bank.instead = (seen, response) => {
    if (seen.method !== 'POST' || !seen.path.startsWith('/open-banking')) return false;
    posts += 1;
    if (isStored) bank.subscription = AT_BANK;
    response.destroy();
    return true;
  };
  const ensured = { subscription: AT_BANK, did: 'created' };
  assert.deepEqual(await bank.client.eventSubscriptions.ensure(WANTED), ensured);
  assert.deepEqual(await bank.client.eventSubscriptions.ensure(WANTED), { subscription: AT_BANK, did: 'nothing' });
  assert.equal(posts, 1);
  isStored = false;
  bank.subscription = undefined;
  await assert.rejects(bank.client.eventSubscriptions.ensure(WANTED), { kind: 'unreachable' });
  assert.equal(posts, 2);
});

async function startOn(t: Parameters<typeof startBank>[0], version: 'v3.1' | 'v4.0'): Promise<FakeBank> {
  return await startBank(t, (origin) => ({ baseUrl: `${origin}/open-banking/${version}` }));
}
