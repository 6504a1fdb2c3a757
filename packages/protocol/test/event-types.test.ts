import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  EventTypeCatalogue,
  type EventTypeFilter,
  filterEventTypes,
  RESOURCE_UPDATE,
  standardEventType,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '../src/index.ts';

const OWN_TYPE = { urn: 'urn:com:examplebank:events:limit-changed', subscribeCode: 'EXAMPLEBANK.Limit-Changed' };
const catalogue = new EventTypeCatalogue([OWN_TYPE]);

// Section 3 of the rules, by URN and subscribe code.
const TABLE: readonly (readonly [string, string | undefined])[] = [
  ['urn:uk:org:openbanking:events:resource-update', 'UK.OBIE.Resource-Update'],
  ['urn:uk:org:openbanking:events:consent-authorization-revoked', 'UK.OBIE.Consent-Authorization-Revoked'],
  [
    'urn:uk:org:openbanking:events:account-access-consent-linked-account-update',
    'UK.OBIE.Account-Access-Consent-Linked-Account-Update',
  ],
  ['urn:uk:org:openbanking:events:consent-access-revoked', 'UK.OBIE.Consent-Access-Revoked'],
  ['urn:uk:org:openbanking:events:domestic-vrp-consent-linked-account-update', undefined],
];

/** URNs of all supported types that a registration gets. */
function gets(filter: EventTypeFilter): readonly string[] {
  return filterEventTypes(catalogue.all, filter, catalogue).map(({ urn }) => urn);
}

describe('the event types of the standard', () => {
  test('are those of the table, with their subscribe codes', () => {
    const found = new EventTypeCatalogue().all.map(({ urn, subscribeCode }) => [urn, subscribeCode]);
    assert.deepEqual(found, TABLE);
  });

  for (const [urn, code] of TABLE) {
    test(`${urn.slice(31)} is found by its URN${code === undefined ? '' : ` and by ${code}`}`, () => {
      assert.equal(catalogue.find(urn)?.urn, urn);
      assert.equal(standardEventType(urn)?.urn, urn);
      if (code !== undefined) assert.equal(catalogue.find(code)?.urn, urn);
    });
  }

  test('are found by the misspelt code of 3.1.2 and 3.1.3', () => {
    const found = catalogue.find('UK.OBIE.Acount-Access-Consent-Linked-Account-Update');
    assert.equal(found?.urn, ACCOUNT_LINKED_ACCOUNT_UPDATE);
  });

  test('are not found by any other name', () => {
    const names = [
      '',
      'uk.obie.resource-update',
      'UK.OBIE.Resource-Update ',
      'Resource-Update',
      '__proto__',
      'toString',
    ];
    for (const name of [...names, 'urn:uk:org:openbanking:events:unknown', 'UK.OBIE.AccountClosure']) {
      assert.equal(catalogue.find(name), undefined, name);
      assert.equal(standardEventType(name), undefined, name);
    }
  });

  test('need a subject always, save for the two revocations beside a resource-update', () => {
    const unlessResourceUpdate = catalogue.all.filter(({ subject }) => subject === 'unless-resource-update');
    assert.deepEqual(
      unlessResourceUpdate.map(({ urn }) => urn),
      [CONSENT_AUTHORIZATION_REVOKED, CONSENT_ACCESS_REVOKED],
    );
  });

  test('have a reason, save for the resource-update', () => {
    const without = catalogue.all.filter(({ reasonAllowed }) => !reasonAllowed).map(({ urn }) => urn);
    assert.deepEqual(without, [RESOURCE_UPDATE]);
  });

  test('of linked accounts are about one resource type each', () => {
    assert.equal(standardEventType(ACCOUNT_LINKED_ACCOUNT_UPDATE)?.resourceType, 'account-access-consent');
    assert.equal(standardEventType(VRP_LINKED_ACCOUNT_UPDATE)?.resourceType, 'domestic-vrp-consent');
    assert.equal(standardEventType(RESOURCE_UPDATE)?.resourceType, undefined);
  });
});

describe('event types of the ASPSP', () => {
  test('are found by URN and subscribe code, after those of the standard', () => {
    assert.equal(catalogue.find(OWN_TYPE.urn)?.subscribeCode, OWN_TYPE.subscribeCode);
    assert.equal(catalogue.find(OWN_TYPE.subscribeCode)?.urn, OWN_TYPE.urn);
    assert.equal(catalogue.all.at(-1)?.urn, OWN_TYPE.urn);
    assert.equal(standardEventType(OWN_TYPE.urn), undefined);
  });

  test('may have their URN as subscribe code', () => {
    const { urn } = OWN_TYPE;
    assert.equal(new EventTypeCatalogue([{ urn, subscribeCode: urn }]).find(urn)?.urn, urn);
  });

  const refused = [
    ['under the URN namespace of the standard', [{ urn: 'urn:uk:org:openbanking:events:own', subscribeCode: 'X' }]],
    ['under the code namespace of the standard', [{ urn: 'urn:x', subscribeCode: 'UK.OBIE.Own' }]],
    ['twice the same URN', [OWN_TYPE, { ...OWN_TYPE, subscribeCode: 'X' }]],
    ['twice the same code', [OWN_TYPE, { ...OWN_TYPE, urn: 'urn:x' }]],
    ['a code that is the URN of another', [OWN_TYPE, { urn: 'urn:x', subscribeCode: OWN_TYPE.urn }]],
  ] as const;
  for (const [how, types] of refused) {
    test(`are refused ${how}`, () => assert.throws(() => new EventTypeCatalogue(types), TypeError));
  }
});

describe('a registration gets', () => {
  const every = catalogue.all.map(({ urn }) => urn);

  test('all supported types when EventTypes is omitted', () => {
    assert.deepEqual(gets({ version: '4.0', eventTypes: undefined }), every);
  });

  test('all supported types when EventTypes is empty', () => {
    assert.deepEqual(gets({ version: '4.0', eventTypes: [] }), every);
  });

  test('the types it names, by code, alias or URN', () => {
    const names = [
      'UK.OBIE.Acount-Access-Consent-Linked-Account-Update',
      CONSENT_ACCESS_REVOKED,
      OWN_TYPE.subscribeCode,
    ];
    const wanted = [ACCOUNT_LINKED_ACCOUNT_UPDATE, CONSENT_ACCESS_REVOKED, OWN_TYPE.urn];
    assert.deepEqual(gets({ version: '4.0', eventTypes: names }), wanted);
  });

  test('a type once, however often and by whatever names it asks', () => {
    const names = [RESOURCE_UPDATE, 'UK.OBIE.Resource-Update', RESOURCE_UPDATE];
    assert.deepEqual(gets({ version: '4.0', eventTypes: names }), [RESOURCE_UPDATE]);
  });

  test('nothing for names that are no longer supported', () => {
    assert.deepEqual(gets({ version: '4.0', eventTypes: ['EXAMPLEBANK.Withdrawn'] }), []);
  });

  test('the VRP type, which has no code, when it is for all types, or names the URN', () => {
    const codes = TABLE.flatMap(([, code]) => code ?? []);
    assert.ok(gets({ version: '4.0', eventTypes: undefined }).includes(VRP_LINKED_ACCOUNT_UPDATE));
    assert.ok(gets({ version: '4.0', eventTypes: [] }).includes(VRP_LINKED_ACCOUNT_UPDATE));
    assert.ok(!gets({ version: '4.0', eventTypes: codes }).includes(VRP_LINKED_ACCOUNT_UPDATE));
    assert.deepEqual(gets({ version: '4.0', eventTypes: [VRP_LINKED_ACCOUNT_UPDATE] }), [VRP_LINKED_ACCOUNT_UPDATE]);
  });

  for (const version of ['2.2', '3.0', '3.1', '3.1.0', '3.1.1', '3', '0']) {
    test(`resource-update only for version ${version}, whatever EventTypes says`, () => {
      for (const eventTypes of [undefined, [], ['UK.OBIE.Consent-Authorization-Revoked'], [RESOURCE_UPDATE]]) {
        assert.deepEqual(gets({ version, eventTypes }), [RESOURCE_UPDATE]);
      }
    });
  }

  for (const version of ['3.1.2', '3.1.10', '3.1.11', '3.2', '4', '4.0', '4.0.1', '10.0']) {
    test(`what it asks for with version ${version}`, () => {
      assert.deepEqual(gets({ version, eventTypes: undefined }), every);
      const eventTypes = ['UK.OBIE.Consent-Authorization-Revoked'];
      assert.deepEqual(gets({ version, eventTypes }), [CONSENT_AUTHORIZATION_REVOKED]);
    });
  }

  test('nothing of a token from which the filter removes everything', () => {
    const types = catalogue.all.filter(({ urn }) => urn === CONSENT_AUTHORIZATION_REVOKED);
    assert.deepEqual(filterEventTypes(types, { version: '3.1', eventTypes: undefined }, catalogue), []);
    const filter = { version: '4.0', eventTypes: ['UK.OBIE.Resource-Update'] };
    assert.deepEqual(filterEventTypes(types, filter, catalogue), []);
  });

  test('never a type that the event has not, and never in another order', () => {
    const names = fc.constantFrom(...catalogue.all.flatMap(({ urn, subscribeCode }) => [urn, subscribeCode ?? urn]));
    const filter = fc.record({
      version: fc.constantFrom('2.2', '3.1', '3.1.2', '4.0'),
      eventTypes: fc.option(fc.array(names), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.subarray([...catalogue.all]), filter, (types, any) => {
        const left = filterEventTypes(types, any, catalogue);
        assert.deepEqual(
          left,
          types.filter((type) => left.includes(type)),
        );
      }),
    );
  });
});
