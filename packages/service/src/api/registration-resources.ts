import assert from 'node:assert/strict';
import {
  type CallbackUrl,
  type EventSubscription,
  type RegistrationRules,
  readCallbackUrl,
  readEventSubscription,
  readReplacedEventSubscription,
  writeCallbackUrl,
  writeCallbackUrls,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import type { Registration, RegistrationKind, RegistrationToStore } from '../model/registration.ts';

/** The content of a registration, as a TPP requests it. */
export type RegistrationRequest = Pick<Registration, 'callbackUrl' | 'version' | 'eventTypes'>;

/** The differences between event subscriptions and callback URLs. */
export interface RegistrationResource {
  readonly kind: RegistrationKind;
  /** Last segment of its URL. */
  readonly path: string;
  /** Name of its id in the standard. */
  readonly idName: string;
  /** Its name in messages. */
  readonly noun: string;
  /** Path of the callback URL in a body. */
  readonly callbackUrlField: string;
  /** Reads the body of POST. @throws {ApiError} */
  read(body: Uint8Array, rules: RegistrationRules): RegistrationRequest;
  /** Reads the body of PUT. @throws {ApiError} */
  readReplaced(body: Uint8Array, id: string, rules: RegistrationRules): RegistrationRequest;
  /** Writes the response body of POST and PUT. */
  write(registration: RegistrationToStore, self: string): object;
  /** Writes the response body of GET. */
  writeList(registrations: readonly RegistrationToStore[], self: string): object;
  /** Its members by their names in the audit. */
  factsOf(request: RegistrationRequest): object;
}

/** `event-subscriptions`: all supported event types, in real time and by polling (rules, section 2). */
export const EVENT_SUBSCRIPTIONS: RegistrationResource = {
  kind: 'event-subscription',
  path: 'event-subscriptions',
  idName: 'EventSubscriptionId',
  noun: 'event subscription',
  callbackUrlField: 'Data.CallbackUrl',
  read: readEventSubscription,
  readReplaced: readReplacedEventSubscription,
  write: (registration, self) => writeEventSubscription(eventSubscriptionOf(registration), self),
  writeList: (registrations, self) => writeEventSubscriptions(registrations.map(eventSubscriptionOf), self),
  factsOf: ({ callbackUrl, version, eventTypes }) => ({ callbackUrl, version, eventTypes }),
};

function eventSubscriptionOf({ id, callbackUrl, version, eventTypes }: RegistrationToStore): EventSubscription {
  return { eventSubscriptionId: id, callbackUrl, version, eventTypes };
}

/** `callback-urls`: resource-update only, in real time only; superseded by an event subscription (rules, section 2). */
export const CALLBACK_URLS: RegistrationResource = {
  kind: 'callback-url',
  path: 'callback-urls',
  idName: 'CallbackUrlId',
  noun: 'callback URL',
  callbackUrlField: 'Data.Url',
  read: (body, { apiVersion }) => requestOf(readCallbackUrl(body, apiVersion)),
  // PUT has the same body as POST, without an id.
  readReplaced: (body, _id, { apiVersion }) => requestOf(readCallbackUrl(body, apiVersion)),
  write: (registration, self) => writeCallbackUrl(callbackUrlOf(registration), self),
  writeList: (registrations, self) => writeCallbackUrls(registrations.map(callbackUrlOf), self),
  factsOf: ({ callbackUrl, version }) => ({ url: callbackUrl, version }),
};

function requestOf({ url, version }: Pick<CallbackUrl, 'url' | 'version'>) {
  return { callbackUrl: url, version, eventTypes: undefined };
}

function callbackUrlOf({ id, callbackUrl, version }: RegistrationToStore): CallbackUrl {
  assert(callbackUrl !== undefined, 'a callback URL resource has its URL');
  return { callbackUrlId: id, url: callbackUrl, version };
}
