import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import type { MappingSettings } from '../../src/config/intake.ts';
import { createRecordReader } from '../../src/intake/read-record.ts';
import type { IntakeRecord } from '../../src/intake/source.ts';
import type { BankEvent } from '../../src/model/event.ts';
import { Problem } from '../../src/operator/problem.ts';
import { MAPPING } from '../config/settings.ts';

const NOW_MS = Date.parse('2026-01-02T04:00:00Z');
const catalogue = new EventTypeCatalogue([]);
const encode = (text: string) => new TextEncoder().encode(text);

const uri = 'https://bank.example/aac-1';
const RESOURCE = {
  ...{ id: 'aac-1', type: 'account-access-consent', version: '4.0', uri },
  links: [{ version: 'v4.0', link: uri }],
};
const REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';
const PLAIN = {
  ...{ id: 'evt-1', clientId: 'tpp-1', occurredAt: '2026-01-02T03:04:05Z' },
  ...{ resource: RESOURCE, events: [{ type: REVOKED }] },
};
const ATTRIBUTES = { specversion: '1.0', source: '/core', id: 'evt-1', type: REVOKED, time: PLAIN.occurredAt };
const DATA = { clientId: 'tpp-1', resource: RESOURCE };

function recordOf(value: unknown, headers: Readonly<Record<string, string>> = {}, key = 'aac-1'): IntakeRecord {
  return {
    ...{ topic: 'consents', partition: 2, offset: 41n, timestampMs: NOW_MS, key: encode(key) },
    value: value === undefined ? undefined : encode(typeof value === 'string' ? value : JSON.stringify(value)),
    headers: Object.entries(headers).map(([name, text]) => [name, encode(text)] as const),
  };
}

function eventOf(record: IntakeRecord, mapping?: MappingSettings): BankEvent | undefined {
  return createRecordReader(mapping, catalogue)(record, NOW_MS);
}

/** The message and the field of what a record is refused with. */
function refusalOf(record: IntakeRecord, mapping?: MappingSettings): string {
  try {
    eventOf(record, mapping);
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    return error.message;
  }
  return assert.fail('it was accepted');
}

/** A copy of the mapping of the configuration tests with parts changed. */
const mapped = (changes: Partial<MappingSettings>): MappingSettings =>
  ({ ...structuredClone(MAPPING), ...changes }) as MappingSettings;

const BANKS_OWN = { id: 7, tpp: 'tpp-1', at: PLAIN.occurredAt, status: 'REVOKED', consent: 'aac-1' };

describe('a record is the same event', () => {
  const { fingerprint: _, ...expected } = eventOf(recordOf(PLAIN)) ?? assert.fail('no event');
  for (const [form, record, id] of [
    ['as JSON', recordOf(PLAIN), 'evt-1'],
    [
      'as a structured CloudEvent',
      recordOf({ ...ATTRIBUTES, data: DATA }, { 'content-type': 'application/cloudevents+json; charset=UTF-8' }),
      '/core|evt-1',
    ],
    [
      'as a binary CloudEvent',
      recordOf(DATA, Object.fromEntries(Object.entries(ATTRIBUTES).map(([name, text]) => [`ce_${name}`, text]))),
      '/core|evt-1',
    ],
  ] as const) {
    test(form, () => {
      const { fingerprint, ...event } = eventOf(record) ?? assert.fail('no event');
      assert.deepEqual(event, { ...expected, id });
      assert.match(fingerprint, /^[0-9a-f]{64}$/);
    });
  }

  test('whose trace context stands in its headers', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    assert.deepEqual(eventOf(recordOf(PLAIN, { traceparent }))?.traceContext, { traceparent });
  });

  test('whose headers without a value count as missing', () => {
    const names = ['content-type', 'ce_specversion', 'traceparent', 'tracestate'];
    const event = eventOf({ ...recordOf(PLAIN), headers: names.map((name) => [name, undefined] as const) });
    assert.deepEqual(event, eventOf(recordOf(PLAIN)));
  });
});

describe('a mapping', () => {
  test('takes values by path, from a table, and from beside the value', () => {
    const mapping = mapped({
      id: '{topic}/{partition}/{offset}',
      clientId: '{headers.tpp}',
      occurredAt: '{$.when.ms|epochMs}',
      transactionId: "{{{$.ids[1]['an id']}}}",
      events: [{ type: '{$.status|types}', reason: '{$.why}' }],
      resource: {
        ...structuredClone(MAPPING.resource),
        ...{ id: '{key}', uri: 'https://bank.example/{offset}' },
        links: [{ version: 'v4.0', link: 'https://bank.example/{key}' }],
      },
    });
    const value = { status: 'REVOKED', when: { ms: 1_767_323_045_000 }, ids: [{}, { 'an id': 'x' }] };
    const event = eventOf(recordOf(value, { tpp: 'tpp-9' }), mapping);
    assert.equal(event?.id, 'consents/2/41');
    assert.equal(event?.clientId, 'tpp-9');
    assert.equal(event?.occurredAtMs, 1_767_323_045_000);
    assert.equal(event?.transactionId, '{x}');
    assert.equal(event?.events[0]?.reason, undefined);
    assert.equal(event?.resource.id, 'aac-1');
    assert.equal(event?.resource.uri, 'https://bank.example/41');
    assert.equal(event?.events[0]?.type.subscribeCode, REVOKED);
  });

  test('passes over records that do not meet its conditions, those that lack the value too', () => {
    for (const status of ['CREATED', undefined, null]) {
      assert.equal(eventOf(recordOf({ ...BANKS_OWN, status }), mapped({})), undefined);
    }
    assert.equal(eventOf(recordOf(BANKS_OWN), mapped({}))?.id, '7');
  });

  for (const [what, changes, value, message] of [
    [
      'a record without a value that it needs',
      {},
      { ...BANKS_OWN, tpp: undefined },
      'clientId is mapped from {$.tpp}, which the record lacks.',
    ],
    ['a value that is no text', {}, { ...BANKS_OWN, id: ['x'] }, '{$.id} must be a text, a number or a boolean.'],
    [
      'a number that readers round',
      {},
      JSON.stringify(BANKS_OWN).replace('"id":7', '"id":9007199254740993'),
      '{$.id} is a number with more digits than JSON readers keep; write it as a text.',
    ],
    [
      'a value that its table lacks',
      { when: [] },
      { ...BANKS_OWN, status: 'PAUSED' },
      '{$.status|types} has a value that the table "types" lacks.',
    ],
    [
      'what does not make an event',
      { clientId: '{$.long}' },
      { ...BANKS_OWN, long: 'x'.repeat(129) },
      /^clientId must /,
    ],
    [
      'a record whose header has no value',
      { clientId: '{headers.empty}' },
      BANKS_OWN,
      'clientId is mapped from {headers.empty}, which the record lacks.',
    ],
    ['a time that is none', { occurredAt: '{$.at|epochMs}' }, BANKS_OWN, '{$.at|epochMs} must be a time as a number.'],
  ] as const) {
    test(`refuses ${what}`, () => {
      const record = { ...recordOf(value), headers: [['empty', undefined] as const] };
      const told = refusalOf(record, mapped(changes as Partial<MappingSettings>));
      if (typeof message === 'string') assert.equal(told, message);
      else assert.match(told, message);
    });
  }
});

for (const [what, record, message] of [
  ['no value', recordOf(undefined), 'The body is missing: the record has no value.'],
  ['no JSON', recordOf('{"id":'), /^The body /],
  ['a member too many', recordOf({ ...PLAIN, more: 1 }), 'more is not a known field; remove it.'],
  [
    'a type that nobody knows',
    recordOf({ ...PLAIN, events: [{ type: 'x' }] }),
    /^events\[0\]\.type is not an event type/,
  ],
  [
    'a header of a CloudEvent that is no UTF-8',
    headerOfCloudEvent('ce_source', Uint8Array.of(0xff)),
    'ce_source must be UTF-8.',
  ],
  ['a header of a CloudEvent that has no value', headerOfCloudEvent('ce_id', undefined), 'ce_id is missing.'],
] as const) {
  test(`a record with ${what} is refused with its reason`, () => {
    const told = refusalOf(record);
    if (typeof message === 'string') assert.equal(told, message);
    else assert.match(told, message);
  });
}

function headerOfCloudEvent(name: string, bytes: Uint8Array | undefined): IntakeRecord {
  const record = recordOf(DATA, { ce_specversion: '1.0' });
  return { ...record, headers: [...record.headers, [name, bytes]] };
}
