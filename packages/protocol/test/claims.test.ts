import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  buildSetClaims,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  EventTypeCatalogue,
  filterEventTypes,
  parseSetClaims,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
  SetError,
  SUBJECT_TYPE,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '../src/index.ts';
import { BYTE_ORDER_MARK, concat, json, utf8 } from './support/bytes.ts';
import { CLIENT_ID, CONSENT_URI, claims, claimsInput, ISSUER, JTI, rule, subject } from './support/events.ts';
import { NOW_SECONDS } from './support/parties.ts';

const REVOKED_TYPES = [CONSENT_AUTHORIZATION_REVOKED, CONSENT_ACCESS_REVOKED];
const LINKED_TYPES = [ACCOUNT_LINKED_ACCOUNT_UPDATE, VRP_LINKED_ACCOUNT_UPDATE];
const STANDARD_TYPES = [RESOURCE_UPDATE, ...REVOKED_TYPES, ...LINKED_TYPES];

const builtSubject = {
  subject_type: 'http://openbanking.org.uk/rid_http://openbanking.org.uk/rty',
  'http://openbanking.org.uk/rid': '88379',
  'http://openbanking.org.uk/rty': 'account-access-consent',
  'http://openbanking.org.uk/rlk': [
    { version: 'v3.1', link: CONSENT_URI.replace('v4.0', 'v3.1') },
    { version: 'v4.0', link: CONSENT_URI },
  ],
};

function built(...urns: readonly string[]): ReturnType<typeof buildSetClaims> {
  return buildSetClaims(claimsInput({ events: urns.map((urn) => ({ type: rule(urn) })) }));
}

describe('the claims that are made', () => {
  test('are those of section 3 and no other: there is no exp', () => {
    assert.deepEqual(built(RESOURCE_UPDATE), {
      iss: ISSUER,
      iat: NOW_SECONDS,
      jti: JTI,
      aud: CLIENT_ID,
      sub: CONSENT_URI,
      txn: JTI,
      toe: NOW_SECONDS - 5,
      events: { [RESOURCE_UPDATE]: { subject: builtSubject } },
    });
  });

  test('have iat and toe as whole seconds, whatever the milliseconds', () => {
    const milliseconds = fc.integer({ min: 0, max: 8.64e15 });
    fc.assert(
      fc.property(milliseconds, milliseconds, (nowMs, occurredAtMs) => {
        const events = [{ type: rule(RESOURCE_UPDATE) }];
        const { iat, toe } = buildSetClaims(claimsInput({ nowMs, occurredAtMs, events }));
        assert.ok(Number.isInteger(iat) && iat * 1000 <= nowMs && nowMs < (iat + 1) * 1000);
        assert.ok(Number.isInteger(toe) && toe * 1000 <= occurredAtMs && occurredAtMs < (toe + 1) * 1000);
      }),
    );
  });

  test('have the interaction id of the call that caused the change as txn, else the jti', () => {
    const events = [{ type: rule(RESOURCE_UPDATE) }];
    const transactionId = '93bac548-d2de-4546-b106-880a5018460d';
    assert.equal(buildSetClaims(claimsInput({ transactionId, events })).txn, transactionId);
    assert.equal(buildSetClaims(claimsInput({ transactionId: undefined, events })).txn, JTI);
  });

  test('of an AIS consent revoked at the bank are consent-authorization-revoked alone, with its subject', () => {
    const { events } = built(CONSENT_AUTHORIZATION_REVOKED);
    assert.deepEqual(events, { [CONSENT_AUTHORIZATION_REVOKED]: { subject: builtSubject } });
  });

  test('of a funds confirmation consent revoked are one token with two events, of which revoked is {}', () => {
    for (const types of [
      [RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED],
      [CONSENT_AUTHORIZATION_REVOKED, RESOURCE_UPDATE],
    ]) {
      const { events } = built(...types);
      assert.deepEqual(events, { [RESOURCE_UPDATE]: { subject: builtSubject }, [CONSENT_AUTHORIZATION_REVOKED]: {} });
    }
  });

  test('have the subject moved where a filter removed the resource-update', () => {
    const types = [rule(RESOURCE_UPDATE), rule(CONSENT_AUTHORIZATION_REVOKED)];
    const eventTypes = ['UK.OBIE.Consent-Authorization-Revoked'];
    const left = filterEventTypes(types, { version: '4.0', eventTypes }, new EventTypeCatalogue());
    const { events } = buildSetClaims(claimsInput({ events: left.map((type) => ({ type })) }));
    assert.deepEqual(events, { [CONSENT_AUTHORIZATION_REVOKED]: { subject: builtSubject } });
  });

  for (const urn of LINKED_TYPES) {
    test(`carry the subject in ${urn.slice(31)}, also beside a resource-update`, () => {
      assert.deepEqual(built(RESOURCE_UPDATE, urn).events[urn], { subject: builtSubject });
      assert.deepEqual(built(urn).events[urn], { subject: builtSubject });
    });
  }

  test('carry the reason where the type has one, and never in a resource-update', () => {
    const events = STANDARD_TYPES.map((urn) => ({ type: rule(urn), reason: 'UK.OBIE.CASS' }));
    const made = buildSetClaims(claimsInput({ events })).events;
    assert.equal(made[RESOURCE_UPDATE]?.reason, undefined);
    for (const urn of [...REVOKED_TYPES, ...LINKED_TYPES]) assert.equal(made[urn]?.reason, 'UK.OBIE.CASS');
  });

  test('hold nothing of a link but version and link', () => {
    const link = { version: 'v4.0', link: CONSENT_URI, secret: 'x' };
    const input = claimsInput({ events: [{ type: rule(RESOURCE_UPDATE) }] });
    const made = buildSetClaims({ ...input, resource: { ...input.resource, links: [link] } });
    const links = made.events[RESOURCE_UPDATE]?.subject?.[RESOURCE_LINKS];
    assert.deepEqual(links, [{ version: 'v4.0', link: CONSENT_URI }]);
  });

  test('can all be read back, for any types of the standard', () => {
    fc.assert(
      fc.property(fc.subarray(STANDARD_TYPES, { minLength: 1 }), fc.boolean(), (urns, hasReason) => {
        const reason = hasReason ? 'UK.OBIE.AccountClosure' : undefined;
        const made = buildSetClaims(claimsInput({ events: urns.map((urn) => ({ type: rule(urn), reason })) }));
        assert.deepEqual(readBack(json(made)), made);
      }),
    );
  });
});

/** Reads claims, with the prototypes that a literal has, for comparison. */
function readBack(payload: Uint8Array): unknown {
  return structuredClone(parseSetClaims(payload));
}

/** Checks that the claims are refused as an invalid request with a message that names what is wrong. */
function refuses(payload: Uint8Array, naming?: RegExp): void {
  assert.throws(
    () => parseSetClaims(payload),
    (error) => {
      assert.ok(error instanceof SetError, String(error));
      assert.equal(error.code, 'invalid_request');
      if (naming !== undefined) assert.match(error.message, naming);
      return true;
    },
  );
}

describe('the claims that are read', () => {
  test('are accepted when valid', () => {
    assert.deepEqual(readBack(json(claims())), claims());
  });

  test('omit claims that the standard does not define', () => {
    assert.deepEqual(readBack(json(claims({ nbf: 1, sub_id: {}, unknown: [1] }))), claims());
  });

  for (const claim of ['iss', 'iat', 'jti', 'aud', 'sub', 'txn', 'toe', 'events']) {
    test(`need ${claim}`, () => {
      refuses(json(claims({ [claim]: undefined })), new RegExp(`^${claim} `));
      refuses(json(claims({ [claim]: null })), new RegExp(`^${claim} `));
    });
  }

  for (const claim of ['iss', 'jti', 'aud', 'sub', 'txn']) {
    for (const value of ['', 1, true, ['x'], { x: 'x' }]) {
      test(`have no ${claim} of ${JSON.stringify(value)}`, () => refuses(json(claims({ [claim]: value }))));
    }
  }

  for (const claim of ['jti', 'aud', 'txn']) {
    test(`have a ${claim} of at most 128 characters`, () => {
      parseSetClaims(json(claims({ [claim]: 'x'.repeat(128) })));
      refuses(json(claims({ [claim]: 'x'.repeat(129) })), /128/);
      // In code points, as they were counted when they were published.
      parseSetClaims(json(claims({ [claim]: '\u{1f3e6}'.repeat(128) })));
      refuses(json(claims({ [claim]: '\u{1f3e6}'.repeat(129) })), /128/);
    });
  }

  for (const claim of ['iat', 'toe']) {
    for (const value of ['1760000000', 1.5, -1, true, [1], {}, 2 ** 60, Number.MAX_VALUE]) {
      test(`have no ${claim} of ${JSON.stringify(value)}`, () => refuses(json(claims({ [claim]: value }))));
    }
    test(`have no ${claim} beyond every number`, () => {
      refuses(utf8(JSON.stringify(claims({ [claim]: 7 })).replace(`"${claim}":7`, `"${claim}":1e999`)));
    });
  }

  for (const events of [{}, [], null, 'urn:x', [{ [RESOURCE_UPDATE]: { subject: subject() } }]]) {
    test(`have no events of ${JSON.stringify(events).slice(0, 30)}`, () =>
      refuses(json(claims({ events })), /^events/));
  }

  for (const text of ['', '[]', 'null', '"x"', '1', '{', '{}{}', 'undefined']) {
    test(`are one JSON object, not ${text === '' ? 'nothing' : text}`, () => refuses(utf8(text)));
  }
});

describe('the payload is refused', () => {
  const text = JSON.stringify(claims());

  test('with a duplicate JSON member, at any depth and however spelt', () => {
    refuses(utf8(text.replace('{', `{"iss":"${ISSUER}",`)), /"iss" twice/);
    refuses(utf8(text.replace('{', '{"\\u0069ss":"https://stranger.example/",')), /"iss" twice/);
    refuses(utf8(text.replace('"subject":{', '"subject":{"subject_type":"x",')), /"subject_type" twice/);
    refuses(utf8(text.replace('"link":', '"version":"v3.1","link":')), /"version" twice/);
  });

  test('with a BOM', () => refuses(concat(BYTE_ORDER_MARK, utf8(text))));

  test('in another encoding than UTF-8', () => {
    refuses(new Uint8Array(Buffer.from(text, 'utf16le')));
    refuses(new Uint8Array(Buffer.from(text.replace('88379', 'é'), 'latin1')));
  });
});

describe('an event of the standard', () => {
  const withEvent = (urn: string, content: unknown): Uint8Array => json(claims({ events: { [urn]: content } }));
  const withTwo = (urn: string, content: unknown): Uint8Array =>
    json(claims({ events: { [urn]: content, [RESOURCE_UPDATE]: { subject: subject() } } }));

  for (const urn of STANDARD_TYPES) {
    const name = urn.slice(31);

    test(`${name} is accepted with a subject, without a resource-update in the token`, () => {
      parseSetClaims(withEvent(urn, { subject: subject() }));
    });

    test(`${name} is refused without a subject, where nothing else carries it`, () => {
      refuses(withEvent(urn, {}), /subject is missing/);
    });

    test(`${name} keeps members that are not known`, () => {
      const { events } = parseSetClaims(withEvent(urn, { subject: subject(), extra: { a: [1] } }));
      assert.deepEqual(events[urn]?.['extra'], { a: [1] });
    });

    for (const content of [null, [], 'x', 1, true]) {
      test(`${name} is an object, not ${JSON.stringify(content)}`, () => refuses(withEvent(urn, content)));
    }

    for (const reason of [null, 1, '', {}]) {
      test(`${name} has no reason of ${JSON.stringify(reason)}`, () => {
        refuses(withEvent(urn, { subject: subject(), reason }), /reason/);
      });
    }
  }

  for (const urn of REVOKED_TYPES) {
    test(`${urn.slice(31)} may be {} beside a resource-update, and may carry subject and reason`, () => {
      for (const content of [{}, { reason: 'UK.OBIE.X' }, { subject: subject(), reason: 'UK.OBIE.X' }]) {
        assert.deepEqual(parseSetClaims(withTwo(urn, content)).events[urn], content);
      }
    });
  }

  for (const urn of LINKED_TYPES) {
    test(`${urn.slice(31)} needs its subject also beside a resource-update`, () => {
      refuses(withTwo(urn, {}), /subject is missing/);
      parseSetClaims(withTwo(urn, { subject: subject(), reason: 'UK.OBIE.AccountClosure' }));
    });
  }
});

describe('an event whose URN is not known', () => {
  for (const urn of ['urn:com:examplebank:events:limit-changed', 'urn:x', '', '__proto__', 'constructor', 'toString']) {
    test(`is accepted: ${JSON.stringify(urn)}`, () => {
      const text = JSON.stringify(claims()).replace('"events":{', `"events":{${JSON.stringify(urn)}:{"a":1},`);
      const { events } = parseSetClaims(utf8(text));
      assert.deepEqual(Object.keys(events).sort(), [urn, RESOURCE_UPDATE].sort());
      assert.deepEqual(Object.getOwnPropertyDescriptor(events, urn)?.value, { a: 1 });
    });
  }

  test('is accepted alone, without a subject', () => {
    const events = { 'urn:com:examplebank:events:limit-changed': {} };
    assert.deepEqual(readBack(json(claims({ events }))), claims({ events }));
  });

  test('is an object all the same, and named shortly when it is not', () => {
    refuses(json(claims({ events: { 'urn:x': 1 } })), /urn:x/);
    const urn = '\u0000'.repeat(10_000);
    assert.throws(
      () => parseSetClaims(json(claims({ events: { [urn]: 1 } }))),
      (error) => error instanceof SetError && error.message.length <= 256,
    );
  });
});

describe('a subject', () => {
  const withSubject = (changes: Record<string, unknown>): Uint8Array =>
    json(claims({ events: { [RESOURCE_UPDATE]: { subject: subject(changes) } } }));

  for (const rty of [
    'account-access-consent',
    'account-access-consents',
    'domestic-payment',
    'domestic-payments',
    'x',
  ]) {
    test(`has rty in the singular or the plural: ${rty}`, () => {
      const { events } = parseSetClaims(withSubject({ [RESOURCE_TYPE]: rty }));
      assert.equal(events[RESOURCE_UPDATE]?.subject?.[RESOURCE_TYPE], rty);
    });
  }

  for (const version of ['v3.1', '3.1', 'v4.0', '9.9', 'x']) {
    test(`may have any rlk version: ${version}`, () => {
      parseSetClaims(withSubject({ [RESOURCE_LINKS]: [{ version, link: CONSENT_URI }] }));
    });
  }

  const refused: readonly (readonly [string, Record<string, unknown>])[] = [
    ['no subject_type', { subject_type: undefined }],
    ['another subject_type', { subject_type: `${SUBJECT_TYPE}x` }],
    ['no rid', { [RESOURCE_ID]: undefined }],
    ['an empty rid', { [RESOURCE_ID]: '' }],
    ['a rid over 128 characters', { [RESOURCE_ID]: 'x'.repeat(129) }],
    ['a rid that is a number', { [RESOURCE_ID]: 88379 }],
    ['no rty', { [RESOURCE_TYPE]: undefined }],
    ['a rty over 128 characters', { [RESOURCE_TYPE]: 'x'.repeat(129) }],
    ['no rlk', { [RESOURCE_LINKS]: undefined }],
    ['an empty rlk', { [RESOURCE_LINKS]: [] }],
    ['a rlk that is no array', { [RESOURCE_LINKS]: { version: 'v4.0', link: CONSENT_URI } }],
    ['a link that is a text', { [RESOURCE_LINKS]: [CONSENT_URI] }],
    ['a link without version', { [RESOURCE_LINKS]: [{ link: CONSENT_URI }] }],
    ['a link without link', { [RESOURCE_LINKS]: [{ version: 'v4.0' }] }],
    ['a version over 10 characters', { [RESOURCE_LINKS]: [{ version: '12345678901', link: CONSENT_URI }] }],
    ['a second link that is wrong', { [RESOURCE_LINKS]: [{ version: 'v4.0', link: CONSENT_URI }, null] }],
  ];
  for (const [what, changes] of refused) {
    test(`is refused with ${what}`, () => refuses(withSubject(changes), /subject/));
  }

  for (const value of [null, [], 'x', 1]) {
    test(`is an object, not ${JSON.stringify(value)}`, () => {
      refuses(json(claims({ events: { [RESOURCE_UPDATE]: { subject: value } } })), /subject/);
    });
  }

  test('may hold ids of 128 characters and any number of links', () => {
    const links = Array.from({ length: 50 }, () => ({ version: '1234567890', link: CONSENT_URI }));
    const longest = 'x'.repeat(128);
    parseSetClaims(withSubject({ [RESOURCE_ID]: longest, [RESOURCE_TYPE]: longest, [RESOURCE_LINKS]: links }));
  });
});

describe('any payload is parsed or rejected with a SetError', () => {
  const readOrRefused = (payload: Uint8Array): void => {
    try {
      const { iat, toe, events } = parseSetClaims(payload);
      assert.ok(Number.isSafeInteger(iat) && Number.isSafeInteger(toe) && Object.keys(events).length > 0);
    } catch (error) {
      assert.ok(error instanceof SetError, String(error));
      assert.ok(error.message.length <= 256, error.message);
    }
  };

  test('any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), readOrRefused), { numRuns: 500 });
  });

  test('any JSON', () => {
    fc.assert(
      fc.property(fc.json(), (text) => readOrRefused(utf8(text))),
      { numRuns: 500 },
    );
  });

  test('good claims with anything changed', () => {
    const names = fc.constantFrom(...Object.keys(claims()));
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue()), (changes) => readOrRefused(json(claims(changes)))),
      { numRuns: 500 },
    );
  });

  test('good claims with any events, subjects and links', () => {
    const anyOf = (good: unknown) => fc.oneof(fc.constant(good), fc.jsonValue());
    const link = fc.dictionary(fc.constantFrom('version', 'link'), fc.jsonValue());
    const anySubject = fc.record({
      subject_type: anyOf(SUBJECT_TYPE),
      [RESOURCE_ID]: anyOf('1'),
      [RESOURCE_TYPE]: anyOf('x'),
      [RESOURCE_LINKS]: fc.oneof(fc.array(fc.oneof(link, fc.jsonValue())), fc.jsonValue()),
    });
    const content = fc.oneof(fc.jsonValue(), fc.record({ subject: fc.oneof(anySubject, fc.jsonValue()) }));
    const urn = fc.oneof(fc.constantFrom(...STANDARD_TYPES), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(fc.dictionary(urn, content), (events) => readOrRefused(json(claims({ events })))),
      { numRuns: 500 },
    );
  });
});
