import {
  type EventSubscription,
  readEventSubscription,
  readReplacedEventSubscription,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import type { RegistrationToStore } from '../model/registration.ts';
import type { RegistrationResource } from './registrations.ts';

/** `event-subscriptions`: all supported event types, in real time and by polling (rules, section 2). */
export const EVENT_SUBSCRIPTIONS: RegistrationResource = {
  kind: 'event-subscription',
  path: 'event-subscriptions',
  idName: 'EventSubscriptionId',
  noun: 'event subscription',
  callbackUrlField: 'Data.CallbackUrl',
  read: readEventSubscription,
  readReplaced: readReplacedEventSubscription,
  write: (registration, self) => writeEventSubscription(resourceOf(registration), self),
  writeList: (registrations, self) => writeEventSubscriptions(registrations.map(resourceOf), self),
  factsOf: ({ callbackUrl, version, eventTypes }) => ({ callbackUrl, version, eventTypes }),
};

function resourceOf({ id, callbackUrl, version, eventTypes }: RegistrationToStore): EventSubscription {
  return { eventSubscriptionId: id, callbackUrl, version, eventTypes };
}
