import {
  type EventSubscription,
  type EventSubscriptionRequest,
  readEventSubscription,
  readReplacedEventSubscription,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import type { KeptRegistration, RegistrationKind } from './registrations.ts';

type Kept = KeptRegistration<EventSubscriptionRequest>;

/** `event-subscriptions`: all supported event types, in real time and by polling (rules, section 2). */
export const EVENT_SUBSCRIPTIONS: RegistrationKind<EventSubscriptionRequest> = {
  path: 'event-subscriptions',
  idName: 'EventSubscriptionId',
  noun: 'event subscription',
  callbackUrlField: 'Data.CallbackUrl',
  callbackUrlOf: ({ callbackUrl }) => callbackUrl,
  read: readEventSubscription,
  readReplaced: readReplacedEventSubscription,
  write: (registration, self) => writeEventSubscription(resourceOf(registration), self),
  writeList: (registrations, self) => writeEventSubscriptions(registrations.map(resourceOf), self),
  create: (store, registration, { nowMs, audit }) => store.createSubscription(storedOf(registration), nowMs, audit),
  find: async (store, of) => {
    const found = await store.subscriptionOf(of);
    if (found === undefined) return undefined;
    const { eventSubscriptionId: id, clientId, apiVersion, callbackUrl, version, eventTypes } = found;
    return { id, clientId, apiVersion, request: { callbackUrl, version, eventTypes } };
  },
  replace: (store, registration, { nowMs, audit }) => store.replaceSubscription(storedOf(registration), nowMs, audit),
  remove: (store, { clientId, id, through }, { nowMs, audit }) =>
    store.deleteSubscription(clientId, id, through, nowMs, audit),
};

function resourceOf({ id, request }: Kept): EventSubscription {
  return { eventSubscriptionId: id, ...request };
}

function storedOf(registration: Kept) {
  const { clientId, apiVersion } = registration;
  return { ...resourceOf(registration), clientId, apiVersion };
}
