import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { buildSetClaims, RESOURCE_UPDATE, standardEventType } from '@tidings/protocol';
import type { BankEvent } from '../../src/model/event.ts';
import type { Registration, RegistrationToDelete, RegistrationToStore } from '../../src/model/registration.ts';
import type { Tpp } from '../../src/model/tpp.ts';
import type { DecideFanOut } from '../../src/store/delivery.ts';
import type { Store } from '../../src/store/store.ts';
import { START_MS } from './fake-clock.ts';

export const ISSUER = 'https://bank.example/';

/** The rule of a type of the standard. */
export function eventType(urn: string) {
  return standardEventType(urn) ?? assert.fail(`${urn} is not a type of the standard`);
}

export function tppOf(clientId: string): Tpp {
  return { clientId, organisationId: `org-${clientId}`, softwareStatementId: `ssa-${clientId}`, jwks: { keys: [] } };
}

export function urlOf(clientId: string): string {
  return `https://${clientId}.example/open-banking/v4.0/event-notifications`;
}

/** An event subscription to everything at the TPP's callback URL, with parts changed. */
export function subscriptionOf(clientId: string, changes: Partial<RegistrationToStore> = {}): RegistrationToStore {
  return {
    kind: 'event-subscription',
    clientId,
    id: `sub-${clientId}`,
    apiVersion: 'v4.0',
    version: '4.0',
    callbackUrl: urlOf(clientId),
    eventTypes: undefined,
    ...changes,
  };
}

/** A callback URL resource, with parts changed. */
export function callbackUrlOf(clientId: string, changes: Partial<RegistrationToStore> = {}): RegistrationToStore {
  const own = { kind: 'callback-url', id: `cb-${clientId}`, apiVersion: 'v3.1', version: '3.1' } as const;
  return subscriptionOf(clientId, { ...own, ...changes });
}

/** Its deletion, by its TPP and through the version of the API that it was made through. */
export function deletionOf({ kind, clientId, id, apiVersion }: RegistrationToStore): RegistrationToDelete {
  return { kind, clientId, id, through: apiVersion };
}

/** The event subscription of a TPP. */
export async function subscriptionIn(store: Store, clientId: string): Promise<Registration | undefined> {
  return (await store.registrationsOf(clientId)).find(({ kind }) => kind === 'event-subscription');
}

/** The callback URL of a TPP. */
export async function callbackUrlIn(store: Store, clientId: string): Promise<Registration | undefined> {
  return (await store.registrationsOf(clientId)).find(({ kind }) => kind === 'callback-url');
}

/** A resource-update of a payment, with parts changed; the fingerprint follows the content. */
export function bankEvent(clientId: string, id: string, changes: Partial<BankEvent> = {}): BankEvent {
  const event = {
    id,
    clientId,
    occurredAtMs: START_MS - 5000,
    transactionId: undefined,
    resource: {
      id: `payment-of-${id}`,
      type: 'domestic-payment',
      version: '4.0',
      uri: `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${id}`,
      links: [{ version: 'v4.0', link: `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${id}` }],
    },
    events: [{ type: eventType(RESOURCE_UPDATE), reason: undefined }],
    ...changes,
  };
  return { fingerprint: createHash('sha256').update(JSON.stringify(event)).digest('hex'), ...event };
}

/** The `jti` that {@link notifyAll} gives to the notification of an event. */
export function jtiOf(eventId: string): string {
  return `jti-${eventId}`;
}

/** A fan-out that makes a notification of every event. */
export const notifyAll: DecideFanOut = (event) => ({
  kind: 'notification',
  claims: buildSetClaims({ ...event, issuer: ISSUER, jti: jtiOf(event.id), nowMs: START_MS }),
  set: undefined,
});
