import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONSENT_AUTHORIZATION_REVOKED,
  EventTypeCatalogue,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
  SUBJECT_TYPE,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '@tidings/protocol';
import type { BankEvent, FanOut } from '../../src/model/event.ts';
import type { RegistrationToStore } from '../../src/model/registration.ts';
import { fanOut } from '../../src/notify/fan-out.ts';
import { bankEvent, eventType, ISSUER, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';

const OWN = { urn: 'urn:example:bank:closed', subscribeCode: 'Example.Closed' };
const catalogue = new EventTypeCatalogue([OWN]);

/** An event with these types, without reasons. */
function eventOf(...urns: readonly string[]): BankEvent {
  const events = urns.map((urn) => ({ type: catalogue.find(urn) ?? eventType(urn), reason: undefined }));
  return bankEvent('a', 'e1', { events });
}

function decide(event: BankEvent, changes: Partial<RegistrationToStore> = {}): FanOut {
  const context = { issuer: ISSUER, catalogue, nowMs: START_MS + 999, newJti: () => 'new-jti' };
  return fanOut(context, event, tppOf('a'), {
    ...subscriptionOf('a', changes),
    unresponsiveSinceMs: undefined,
  });
}

/** The URNs that are left of an event. */
function left(event: BankEvent, changes: Partial<RegistrationToStore> = {}): string[] | string {
  const decided = decide(event, changes);
  return decided.kind === 'none' ? decided.reason : Object.keys(decided.claims.events);
}

test('an event for a TPP that is not registered at all makes none: unknown-client', () => {
  const context = { issuer: ISSUER, catalogue, nowMs: START_MS, newJti: () => assert.fail('a jti was made') };
  const expected = { kind: 'none', reason: 'unknown-client' };
  assert.deepEqual(fanOut(context, eventOf(RESOURCE_UPDATE), undefined, undefined), expected);
});

test('an event for a TPP without an event subscription makes none: no-registration', () => {
  const context = { issuer: ISSUER, catalogue, nowMs: START_MS, newJti: () => assert.fail('a jti was made') };
  const expected = { kind: 'none', reason: 'no-registration' };
  assert.deepEqual(fanOut(context, eventOf(RESOURCE_UPDATE), tppOf('a'), undefined), expected);
});

test('an event of which the filter leaves no type makes none: type-filtered', () => {
  const eventTypes = ['UK.OBIE.Consent-Access-Revoked'];
  assert.deepEqual(decide(eventOf(RESOURCE_UPDATE), { eventTypes }), { kind: 'none', reason: 'type-filtered' });
});

test('an event about a resource below the Version minimum makes none: version-below-minimum', () => {
  const event = eventOf(RESOURCE_UPDATE);
  const older = { ...event, resource: { ...event.resource, version: '3.1' } };
  assert.deepEqual(decide(older, { version: '4.0' }), { kind: 'none', reason: 'version-below-minimum' });
});

const MINIMA: readonly (readonly [string, string, boolean])[] = [
  ['3.1', '3.1', true],
  ['3.1', '4.0', true],
  ['3.1.11', '3.1', true],
  ['4.0', '4.0', true],
  ['4.0.1', '4.0', true],
  ['4.0', '3.1', false],
  ['4.0.1', '3.1', false],
];

for (const [minimum, version, covered] of MINIMA) {
  test(`a registration for ${minimum} ${covered ? 'gets' : 'does not get'} events about resources of ${version}`, () => {
    const event = eventOf(RESOURCE_UPDATE);
    const ofVersion = { ...event, resource: { ...event.resource, version } };
    assert.equal(decide(ofVersion, { version: minimum }).kind, covered ? 'notification' : 'none');
  });
}

test('omitted and empty EventTypes leave every type', () => {
  const event = eventOf(RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED, OWN.urn);
  const all = [RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED, OWN.urn];
  assert.deepEqual(left(event, { eventTypes: undefined }), all);
  assert.deepEqual(left(event, { eventTypes: [] }), all);
});

test('EventTypes leave what they name: by code, by URN, and types of the ASPSP', () => {
  const event = eventOf(RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED, OWN.urn);
  assert.deepEqual(left(event, { eventTypes: ['UK.OBIE.Resource-Update'] }), [RESOURCE_UPDATE]);
  assert.deepEqual(left(event, { eventTypes: [CONSENT_AUTHORIZATION_REVOKED] }), [CONSENT_AUTHORIZATION_REVOKED]);
  assert.deepEqual(left(event, { eventTypes: [OWN.subscribeCode] }), [OWN.urn]);
});

test('a registration below 3.1.2 gets resource-update only, whatever its EventTypes say', () => {
  const event = eventOf(RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED);
  const eventTypes = ['UK.OBIE.Consent-Authorization-Revoked'];
  assert.deepEqual(left(event, { version: '3.1', eventTypes }), [RESOURCE_UPDATE]);
  assert.equal(left(eventOf(CONSENT_AUTHORIZATION_REVOKED), { version: '3.1.1', eventTypes }), 'type-filtered');
});

test('a type without a subscribe code goes to registrations for all types, or to one that names its URN', () => {
  const event = eventOf(VRP_LINKED_ACCOUNT_UPDATE);
  assert.deepEqual(left(event), [VRP_LINKED_ACCOUNT_UPDATE]);
  assert.deepEqual(left(event, { eventTypes: [VRP_LINKED_ACCOUNT_UPDATE] }), [VRP_LINKED_ACCOUNT_UPDATE]);
  assert.equal(left(event, { eventTypes: ['UK.OBIE.Resource-Update'] }), 'type-filtered');
});

test('the claims are those of the standard, whole seconds, with the jti as txn when no transaction is known', () => {
  const event = eventOf(RESOURCE_UPDATE);
  const { resource } = event;
  const subject = {
    subject_type: SUBJECT_TYPE,
    [RESOURCE_ID]: resource.id,
    [RESOURCE_TYPE]: resource.type,
    [RESOURCE_LINKS]: resource.links,
  };
  const claims = {
    iss: ISSUER,
    iat: START_MS / 1000,
    jti: 'new-jti',
    aud: 'a',
    sub: resource.uri,
    txn: 'new-jti',
    toe: (START_MS - 5000) / 1000,
    events: { [RESOURCE_UPDATE]: { subject } },
  };
  assert.deepEqual(decide(event), { kind: 'notification', claims, set: undefined });
  const known = decide({ ...event, transactionId: 'txn-1' });
  assert.deepEqual(known, { kind: 'notification', claims: { ...claims, txn: 'txn-1' }, set: undefined });
});

test('where the filter takes resource-update away, the subject moves into what is left', () => {
  const event = eventOf(RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED);
  const whole = decide(event);
  assert.ok(whole.kind === 'notification');
  assert.deepEqual(whole.claims.events[CONSENT_AUTHORIZATION_REVOKED], {});
  const filtered = decide(event, { eventTypes: [CONSENT_AUTHORIZATION_REVOKED] });
  assert.ok(filtered.kind === 'notification');
  assert.deepEqual(Object.keys(filtered.claims.events), [CONSENT_AUTHORIZATION_REVOKED]);
  const subject = filtered.claims.events[CONSENT_AUTHORIZATION_REVOKED]?.subject;
  assert.deepEqual(subject, whole.claims.events[RESOURCE_UPDATE]?.subject);
  assert.equal(subject?.[RESOURCE_ID], event.resource.id);
});
