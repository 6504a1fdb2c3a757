import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { checked, HAS_OFFICIAL_FILES } from '../support/official.ts';
import { CALLBACK_URL, type Tpp, type TppRequest } from '../support/tpp.ts';

// Requests that are wrong in some way, at every endpoint of both versions, against the live listener: none may give a 5xx,
// hang (the client gives up after ten seconds), or change a registration. They are others each time. Again:
// MALFORMED_SEED=1 node --test test/api/malformed.long.test.ts

const SEED = Number(process.env['MALFORMED_SEED'] ?? Date.now() % 2 ** 31);
const AT_ONCE = 16;

interface Malformed extends TppRequest {
  readonly method: string;
  readonly path: string;
}

const version = fc.constantFrom('v3.1', 'v4.0');
const id = fc.oneof(fc.uuid(), fc.webPath(), fc.string({ minLength: 1, maxLength: 60 }).map(encodeURIComponent));
const collection = fc.constantFrom('event-subscriptions', 'callback-urls', 'events');
const path = fc
  .tuple(version, collection, fc.option(id, { freq: 3 }))
  .map(([v, name, below]) => `/open-banking/${v}/${name}${below === null ? '' : `/${below}`}`);

// Never one that is good for both a registration and a poll: Version is never a version, maxEvents never a whole number.
const data = fc.record(
  {
    CallbackUrl: fc.oneof(fc.webUrl(), fc.jsonValue()),
    Url: fc.oneof(fc.webUrl(), fc.jsonValue()),
    Version: fc.oneof(fc.string({ minLength: 11, maxLength: 20 }), fc.constant('9.9'), fc.array(fc.jsonValue())),
    EventTypes: fc.jsonValue(),
    EventSubscriptionId: fc.jsonValue(),
  },
  { requiredKeys: ['Version'] },
);
const json = fc
  .oneof(fc.record({ Data: data }), fc.jsonValue(), fc.record({ maxEvents: fc.double(), ack: fc.jsonValue() }))
  .map((value) => JSON.stringify(value));
const broken = fc.tuple(json, fc.nat(300), fc.string({ maxLength: 5 })).map(([text, at, put]) => {
  const cut = at % (text.length + 1);
  return `${text.slice(0, cut)}${put}${text.slice(cut + 1)}`;
});
const body = fc.oneof(json, broken, fc.uint8Array({ maxLength: 200 }));
// What an HTTP header can carry; what it cannot, no client sends.
const headerText = fc.string({ minLength: 1, maxLength: 80, unit: fc.constantFrom(...'abcXYZ019 .-_=/+:;,"{}[]<>%$') });
const signature = fc.option(
  fc.oneof(
    headerText,
    fc.array(fc.base64String({ maxLength: 40 }), { minLength: 1, maxLength: 5 }).map((s) => s.join('.')),
  ),
  { freq: 4 },
);
const headers = fc.dictionary(
  fc.constantFrom(
    'accept',
    'content-type',
    'x-fapi-interaction-id',
    'x-fapi-auth-date',
    'x-idempotency-key',
    'expect-ct',
  ),
  headerText,
  { maxKeys: 2 },
);
const malformed: fc.Arbitrary<Malformed> = fc.record({
  method: fc.constantFrom('POST', 'PUT', 'GET', 'DELETE', 'PATCH'),
  ...{ path, body, signature, headers },
});

async function send(tpp: Tpp, request: Malformed): Promise<string | undefined> {
  const { method, path: where, ...rest } = request;
  const sent = method === 'GET' || method === 'DELETE' ? { ...rest, body: '' } : rest;
  const { status } = await tpp.request(method, where, sent);
  return status < 500 ? undefined : `${method} ${where} → ${status}: ${JSON.stringify(rest)}`;
}

/** Asserts that of so many malformed requests none gives a 5xx, a hang or a change of state. */
export async function checkMalformed(t: TestContext, count: number): Promise<void> {
  const bank = await startBankWithTpps({
    clients: ['tpp-a', 'tpp-b'],
    settings: { api: { requestsPerMinutePerTppMax: 1_000_000 } },
  });
  const tpp = bank.tpp('tpp-a');
  t.after(() => bank.stop());
  t.diagnostic(`seed ${SEED}`);
  assert.equal((await tpp.subscribe({ CallbackUrl: CALLBACK_URL, Version: '4.0' })).status, 201);
  const before = await tpp.list();
  const requests = fc.sample(malformed, { numRuns: count, seed: SEED });
  assert.equal(requests.length, count);
  const faults: string[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < requests.length; at = next++) {
      const fault = await send(tpp, requests[at] as Malformed);
      if (fault !== undefined) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  assert.deepEqual(faults.slice(0, 5), []);
  // Where the official OpenAPI files are, every body was checked against them.
  assert.ok(!HAS_OFFICIAL_FILES || checked.bodies > count / 20, `only ${checked.bodies} bodies were checked`);
  assert.deepEqual(await tpp.list(), before, 'the registration is as it was');
  assert.equal((await bank.tpp('tpp-b').subscribe({ Version: '4.0' })).status, 201, 'the service still works');
}
