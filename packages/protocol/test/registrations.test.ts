import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  API_ERRORS,
  API_VERSIONS,
  ApiError,
  type ApiErrorCode,
  EventTypeCatalogue,
  readEventSubscription,
  readReplacedEventSubscription,
} from '../src/index.ts';
import { BYTE_ORDER_MARK, concat, json, utf8 } from './support/bytes.ts';
import { refusedWith } from './support/refusals.ts';
import { body, catalogue, DATA, EVENT_TYPES_URL, ID, OWN_TYPE, rulesOf } from './support/registrations.ts';

const onV40 = rulesOf('v4.0');
const onV31 = rulesOf('v3.1');

describe('the body of POST /event-subscriptions', () => {
  for (const rules of [onV31, onV40]) {
    test(`is read on ${rules.apiVersion}`, () => {
      assert.deepEqual(readEventSubscription(body(), rules), {
        callbackUrl: DATA.CallbackUrl,
        version: '4.0',
        eventTypes: DATA.EventTypes,
      });
    });
  }

  test('needs nothing but Version: a TPP that only polls has no CallbackUrl', () => {
    const read = readEventSubscription(json({ Data: { Version: '4.0' } }), onV40);
    assert.deepEqual(read, { callbackUrl: undefined, version: '4.0', eventTypes: undefined });
  });

  test('keeps unknown members of Data out of what is read', () => {
    const read = readEventSubscription(body({ Unknown: 1, EventSubscriptionId: 'x', Url: 'https://x.example' }), onV40);
    assert.deepEqual(Object.keys(read).sort(), ['callbackUrl', 'eventTypes', 'version']);
  });
});

describe('a body that is not parseable, or not of the schema, is ResourceInvalidFormat', () => {
  const texts = [
    '',
    '{',
    'null',
    '[]',
    '"Data"',
    '1',
    '{"Data":null}',
    '{"Data":[]}',
    '{"Data":"x"}',
    '[{"Data":{"Version":"4.0"}}]',
  ];
  for (const text of texts) {
    test(text === '' ? 'nothing' : text, () => {
      refusedWith('ResourceInvalidFormat', () => readEventSubscription(utf8(text), onV40));
      refusedWith('ResourceInvalidFormat', () => readReplacedEventSubscription(utf8(text), ID, onV40));
    });
  }

  const text = new TextDecoder().decode(body());
  const duplicates: Record<string, string> = {
    'a duplicate member': text.replace('{', '{"Data":{},'),
    'a duplicate member of Data': text.replace('"Version"', '"Version":"3.1","Version"'),
    'a duplicate member spelt with \\u escapes': text.replace('"Version"', '"\\u0056ersion":"3.1","Version"'),
  };
  for (const [what, duplicated] of Object.entries(duplicates)) {
    test(what, () => {
      const { message } = refusedWith('ResourceInvalidFormat', () => readEventSubscription(utf8(duplicated), onV40));
      assert.match(message, /twice/);
    });
  }

  test('a BOM, and another encoding than UTF-8', () => {
    refusedWith('ResourceInvalidFormat', () => readEventSubscription(concat(BYTE_ORDER_MARK, body()), onV40));
    const utf16 = new Uint8Array(Buffer.from(text, 'utf16le'));
    refusedWith('ResourceInvalidFormat', () => readEventSubscription(utf16, onV40));
  });

  for (const member of ['Unknown', 'Links', 'Meta', 'Risk', 'data', '', 'a/b~c', '0']) {
    test(`an unknown member beside Data: ${JSON.stringify(member)}`, () => {
      const bytes = json({ Data: DATA, [member]: {} });
      const { path } = refusedWith('ResourceInvalidFormat', () => readEventSubscription(bytes, onV40));
      assert.equal(path ?? '', member);
    });
  }

  test('an unknown member beside Data that is called __proto__', () => {
    const bytes = utf8(text.replace('{', '{"__proto__":{},'));
    const { path } = refusedWith('ResourceInvalidFormat', () => readEventSubscription(bytes, onV40));
    assert.equal(path, '__proto__');
  });

  test('a hundred unknown members beside Data, the message still naming one', () => {
    const unknown = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`Unknown${at}`, at]));
    const bytes = json({ Data: DATA, ...unknown });
    const { message, path } = refusedWith('ResourceInvalidFormat', () => readEventSubscription(bytes, onV40));
    assert.equal(path, 'Unknown0');
    assert.equal(message, 'Unknown0 is not expected.');
  });
});

describe('a mandatory field that is missing is FieldMissing, with its Path', () => {
  test('Data', () => {
    for (const value of [{}, { Version: '4.0' }]) {
      const { path } = refusedWith('FieldMissing', () => readEventSubscription(json(value), onV40));
      assert.equal(path, 'Data');
    }
  });

  test('Data.Version', () => {
    const { path, message } = refusedWith('FieldMissing', () => readEventSubscription(json({ Data: {} }), onV40));
    assert.equal(path, 'Data.Version');
    assert.equal(message, 'Data.Version is missing.');
  });

  test('Data.EventSubscriptionId of a PUT', () => {
    const { path } = refusedWith('FieldMissing', () => readReplacedEventSubscription(body(), ID, onV40));
    assert.equal(path, 'Data.EventSubscriptionId');
  });
});

describe('a field that is invalid is FieldInvalid, with its Path', () => {
  const invalid: readonly (readonly [string, Record<string, unknown>])[] = [
    ['Data.Version', { Version: 4 }],
    ['Data.Version', { Version: null }],
    ['Data.Version', { Version: '' }],
    ['Data.Version', { Version: ['4.0'] }],
    ['Data.Version', { Version: '1.1.1.1.1.1' }],
    ['Data.Version', { Version: 'v4.0' }],
    ['Data.Version', { Version: '4.' }],
    ['Data.Version', { Version: '4.0 ' }],
    ['Data.Version', { Version: '4.0\n' }],
    ['Data.CallbackUrl', { CallbackUrl: null }],
    ['Data.CallbackUrl', { CallbackUrl: '' }],
    ['Data.CallbackUrl', { CallbackUrl: 5 }],
    ['Data.CallbackUrl', { CallbackUrl: [DATA.CallbackUrl] }],
    ['Data.CallbackUrl', { CallbackUrl: 'http://tpp.example/open-banking/v4.0/event-notifications' }],
    ['Data.CallbackUrl', { CallbackUrl: 'https://tpp.example/open-banking/v4.0' }],
    ['Data.CallbackUrl', { CallbackUrl: `https://tpp.example/${'x'.repeat(3000)}/v4.0/event-notifications` }],
    ['Data.EventTypes', { EventTypes: null }],
    ['Data.EventTypes', { EventTypes: {} }],
    ['Data.EventTypes', { EventTypes: 'UK.OBIE.Resource-Update' }],
    ['Data.EventTypes[0]', { EventTypes: [null] }],
    ['Data.EventTypes[1]', { EventTypes: ['UK.OBIE.Resource-Update', 1] }],
  ];
  for (const [path, changes] of invalid) {
    test(`${path}: ${JSON.stringify(changes).slice(0, 70)}`, () => {
      for (const rules of [onV31, onV40]) {
        const detail = refusedWith('FieldInvalid', () => readEventSubscription(body(changes), rules));
        assert.equal(detail.path, path);
        assert.ok(detail.message.startsWith(path));
        const put = body({ ...changes, EventSubscriptionId: ID });
        assert.equal(refusedWith('FieldInvalid', () => readReplacedEventSubscription(put, ID, rules)).path, path);
      }
    });
  }
});

describe('Data.Version', () => {
  for (const version of [
    '2.2',
    '3.0',
    '3.1',
    '3.1.1',
    '3.1.2',
    '3.1.10',
    '3.1.11',
    '4',
    '4.0',
    '4.0.0',
    '4.0.1',
    '4.0.1.0',
  ]) {
    test(`${version} is accepted on both versions of the API, and kept as it was sent`, () => {
      for (const rules of [onV31, onV40]) {
        assert.equal(readEventSubscription(body({ Version: version }), rules).version, version);
      }
    });
  }

  for (const version of ['4.0.2', '4.0.10', '4.1', '5.0', '10.0', '9999999999']) {
    test(`${version} is above what is supported: FieldInvalid`, () => {
      const { path } = refusedWith('FieldInvalid', () => readEventSubscription(body({ Version: version }), onV40));
      assert.equal(path, 'Data.Version');
    });
  }
});

describe('Data.CallbackUrl', () => {
  const early = 'https://tpp.example/open-banking/event-notifications';

  test('without a version segment is accepted on v3.1 and refused on v4.0', () => {
    assert.equal(readEventSubscription(body({ CallbackUrl: early }), onV31).callbackUrl, early);
    const { path } = refusedWith('FieldInvalid', () => readEventSubscription(body({ CallbackUrl: early }), onV40));
    assert.equal(path, 'Data.CallbackUrl');
  });

  test('is used as it is: the suffix is never appended a second time', () => {
    for (const url of [
      DATA.CallbackUrl,
      DATA.CallbackUrl.replace('tpp.example', 'tpp.example:8443'),
      `${DATA.CallbackUrl}/v3.1/event-notifications`,
    ]) {
      assert.equal(readEventSubscription(body({ CallbackUrl: url }), onV40).callbackUrl, url);
    }
  });
});

describe('Data.EventTypes', () => {
  const accepted = [
    'UK.OBIE.Resource-Update',
    'UK.OBIE.Consent-Authorization-Revoked',
    'UK.OBIE.Account-Access-Consent-Linked-Account-Update',
    'UK.OBIE.Acount-Access-Consent-Linked-Account-Update',
    'UK.OBIE.Consent-Access-Revoked',
    ...catalogue.all.map(({ urn }) => urn),
    OWN_TYPE.subscribeCode,
  ];
  for (const name of accepted) {
    test(`${name} is accepted`, () => {
      assert.deepEqual(readEventSubscription(body({ EventTypes: [name] }), onV40).eventTypes, [name]);
    });
  }

  for (const name of [
    'UK.OBIE.Unknown',
    'uk.obie.resource-update',
    ' UK.OBIE.Resource-Update',
    '__proto__',
    'toString',
    '*',
  ]) {
    test(`${JSON.stringify(name)} is UnsupportedEventType, with Path and Url`, () => {
      const bytes = body({ EventTypes: ['UK.OBIE.Resource-Update', name] });
      const detail = refusedWith('UnsupportedEventType', () => readEventSubscription(bytes, onV40));
      assert.deepEqual([detail.path, detail.url], ['Data.EventTypes[1]', EVENT_TYPES_URL]);
    });
  }

  test('has no Url in its error where the ASPSP has no page for it', () => {
    const rules = { ...onV40, eventTypesUrl: undefined };
    const detail = refusedWith('UnsupportedEventType', () => readEventSubscription(body({ EventTypes: ['x'] }), rules));
    assert.equal('url' in detail, false);
  });

  test('of an ASPSP without own types has none of them', () => {
    const rules = { ...onV40, catalogue: new EventTypeCatalogue() };
    refusedWith('UnsupportedEventType', () => readEventSubscription(body({ EventTypes: [OWN_TYPE.urn] }), rules));
  });
});

describe('the body of PUT /event-subscriptions/{EventSubscriptionId}', () => {
  const put = (changes: Record<string, unknown> = {}) => body({ EventSubscriptionId: ID, ...changes });

  test('is read with its id', () => {
    assert.equal(readReplacedEventSubscription(put(), ID, onV40).eventSubscriptionId, ID);
  });

  test('may carry the Links and Meta that the TPP read', () => {
    const bytes = json({ Data: { EventSubscriptionId: ID, ...DATA }, Links: { Self: 'https://x.example/' }, Meta: {} });
    readReplacedEventSubscription(bytes, ID, onV40);
  });

  test('has an id that equals the one in the path, else FieldInvalid', () => {
    for (const other of ['another', ID.toUpperCase(), `${ID} `, ID.slice(1)]) {
      const read = () => readReplacedEventSubscription(put({ EventSubscriptionId: other }), ID, onV40);
      assert.equal(refusedWith('FieldInvalid', read).path, 'Data.EventSubscriptionId');
    }
  });

  for (const id of ['', 'x'.repeat(41), null, 5, {}]) {
    test(`has an id of 1 to 40 characters, not ${JSON.stringify(id).slice(0, 12)}`, () => {
      const read = () => readReplacedEventSubscription(put({ EventSubscriptionId: id }), String(id), onV40);
      assert.equal(refusedWith('FieldInvalid', read).path, 'Data.EventSubscriptionId');
    });
  }

  test('may have an id of 40 characters', () => {
    const id = 'x'.repeat(40);
    assert.equal(readReplacedEventSubscription(put({ EventSubscriptionId: id }), id, onV40).eventSubscriptionId, id);
  });

  test('is checked as the body of POST is', () => {
    refusedWith('UnsupportedEventType', () => readReplacedEventSubscription(put({ EventTypes: ['x'] }), ID, onV40));
    refusedWith('FieldInvalid', () => readReplacedEventSubscription(put({ Version: '5.0' }), ID, onV40));
    refusedWith('FieldMissing', () => readReplacedEventSubscription(put({ Version: undefined }), ID, onV40));
    const unknown = json({ Data: { EventSubscriptionId: ID, ...DATA }, Unknown: 1 });
    refusedWith('ResourceInvalidFormat', () => readReplacedEventSubscription(unknown, ID, onV40));
  });
});

describe('any body is parsed or rejected with an ApiError of 400', () => {
  const codes: readonly ApiErrorCode[] = [
    'ResourceInvalidFormat',
    'FieldMissing',
    'FieldInvalid',
    'UnsupportedEventType',
  ];
  const readOrRefused = (bytes: Uint8Array): void => {
    const reads = API_VERSIONS.flatMap((version) => [
      () => readEventSubscription(bytes, rulesOf(version)),
      () => readReplacedEventSubscription(bytes, ID, rulesOf(version)),
    ]);
    for (const read of reads) {
      try {
        assert.equal(typeof read().version, 'string');
      } catch (error) {
        assert.ok(error instanceof ApiError, String(error));
        assert.ok(codes.includes(error.code), error.code);
        assert.equal(API_ERRORS[error.code].status, 400);
        assert.ok(error.detail.message.length > 0);
      }
    }
  };
  const run = <T>(values: fc.Arbitrary<T>, bytesOf: (value: T) => Uint8Array): void => {
    fc.assert(
      fc.property(values, (value) => readOrRefused(bytesOf(value))),
      { numRuns: 400 },
    );
  };
  const member = (name: keyof typeof DATA) => fc.oneof(fc.constant<unknown>(DATA[name]), fc.jsonValue());
  const data = fc.record(
    {
      EventSubscriptionId: fc.oneof(fc.constant(ID), fc.jsonValue()),
      CallbackUrl: fc.oneof(member('CallbackUrl'), fc.webUrl({ validSchemes: ['https'] })),
      Version: fc.oneof(member('Version'), fc.string({ unit: fc.constantFrom('0', '4', '.', '9') })),
      EventTypes: fc.oneof(member('EventTypes'), fc.array(fc.string({ unit: 'binary' }))),
    },
    { requiredKeys: [] },
  );

  test('any bytes', () => run(fc.uint8Array(), (bytes) => bytes));
  test('any JSON', () => run(fc.json(), utf8));
  test('any Data', () => run(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (Data) => json({ Data })));
  test('any members of Data', () => run(data, (Data) => json({ Data })));
  test('any members of Data, and any beside it', () => {
    const beside = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue());
    run(fc.tuple(data, beside), ([Data, more]) => json({ Data, ...more }));
  });
});
