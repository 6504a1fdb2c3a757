import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  API_VERSIONS,
  type EventSubscription,
  readEventSubscription,
  readReplacedEventSubscription,
  writeEventSubscription,
  writeEventSubscriptions,
} from '../src/index.ts';
import { json } from './support/bytes.ts';
import { body, catalogue, DATA, ID, rulesOf } from './support/registrations.ts';

const onV40 = rulesOf('v4.0');

describe('a TPP reads back what it sent', () => {
  const names = fc.constantFrom(
    'UK.OBIE.Acount-Access-Consent-Linked-Account-Update',
    ...catalogue.all.flatMap(({ urn, subscribeCode }) => [urn, subscribeCode ?? urn]),
  );
  const data = fc.record(
    {
      CallbackUrl: fc.constantFrom(DATA.CallbackUrl, 'https://tpp.example:8443/x/v3.1.2/event-notifications'),
      Version: fc.constantFrom('2.2', '3.1', '3.1.11', '4.0', '04.0', '4.0.1'),
      EventTypes: fc.array(names, { maxLength: 10 }),
    },
    { requiredKeys: ['Version'] },
  );

  test('in the answers to POST, PUT and GET, for any registration', () => {
    fc.assert(
      fc.property(data, fc.constantFrom(...API_VERSIONS), (sent, apiVersion) => {
        const rules = rulesOf(apiVersion);
        const created = { eventSubscriptionId: ID, ...readEventSubscription(json({ Data: sent }), rules) };
        const self = `https://examplebank.example/open-banking/${apiVersion}/event-subscriptions/${ID}`;
        const Data = { EventSubscriptionId: ID, ...sent };
        const answer = writeEventSubscription(created, self);
        assert.deepEqual(answer, { Data, Links: { Self: self }, Meta: {} });
        const list = { Data: { EventSubscription: [Data] }, Links: { Self: self }, Meta: {} };
        assert.deepEqual(writeEventSubscriptions([created], self), list);
        // A TPP may send what it read as the body of a PUT.
        assert.deepEqual(readReplacedEventSubscription(json(answer), ID, rules), created);
      }),
    );
  });

  test('omitted stays omitted, [] stays []', () => {
    const written = (changes: Record<string, unknown>): unknown => {
      const read = readEventSubscription(body(changes), onV40);
      return writeEventSubscription({ eventSubscriptionId: ID, ...read }, 'https://x.example/').Data;
    };
    assert.equal(Object.hasOwn(written({ EventTypes: undefined }) as object, 'EventTypes'), false);
    assert.deepEqual(written({ EventTypes: [] }), { EventSubscriptionId: ID, ...DATA, EventTypes: [] });
    assert.equal(Object.hasOwn(written({ CallbackUrl: undefined }) as object, 'CallbackUrl'), false);
  });

  test('no registration is an empty list', () => {
    const self = 'https://examplebank.example/open-banking/v4.0/event-subscriptions';
    const empty = { Data: { EventSubscription: [] }, Links: { Self: self }, Meta: {} };
    assert.deepEqual(writeEventSubscriptions([], self), empty);
  });

  test('nothing else of a registration is written', () => {
    const stored: EventSubscription & { secret: string } = {
      eventSubscriptionId: ID,
      callbackUrl: undefined,
      version: '4.0',
      eventTypes: undefined,
      secret: 'x',
    };
    assert.deepEqual(writeEventSubscription(stored, 'https://x.example/').Data, {
      EventSubscriptionId: ID,
      Version: '4.0',
    });
  });
});
