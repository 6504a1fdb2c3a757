import { type ApiVersion, EventTypeCatalogue, type RegistrationRules } from '../../src/index.ts';
import { json } from './bytes.ts';

/** An EventSubscriptionId as a bank gives it. */
export const ID = 'b460a07c-4962-43d1-85ee-9dc10fbb8f6c';
export const EVENT_TYPES_URL = 'https://examplebank.example/event-types';
/** An event type of the bank's own. */
export const OWN_TYPE = { urn: 'urn:com:examplebank:events:limit-changed', subscribeCode: 'EXAMPLEBANK.Limit-Changed' };
export const catalogue = new EventTypeCatalogue([OWN_TYPE]);

/** Rules of a bank that offers real-time notifications and has an event type of its own. */
export function rulesOf(apiVersion: ApiVersion): RegistrationRules {
  return { apiVersion, catalogue, eventTypesUrl: EVENT_TYPES_URL, callbackUrlAllowed: true };
}

/** `Data` of a valid event subscription. */
export const DATA = {
  CallbackUrl: 'https://tpp.example/open-banking/v4.0/event-notifications',
  Version: '4.0',
  EventTypes: ['UK.OBIE.Resource-Update', 'UK.OBIE.Consent-Authorization-Revoked'],
};

/** A body of POST with members of Data changed; a member given as undefined is left out. */
export function body(changes: Record<string, unknown> = {}): Uint8Array {
  return json({ Data: { ...DATA, ...changes } });
}
