import {
  type EventSubscription,
  EventSubscriptionAnswer,
  EventSubscriptionsAnswer,
  type OBEventSubscriptionResponse1,
  shapeOf,
} from '@tidings/protocol';
import type { BankHttp } from './bank-http.ts';
import { createRegistrations, type Ensured, mapShaped, type RegistrationKind } from './registrations.ts';

/** Content of an event subscription (`OBEventSubscription1`; rules, section 2). */
export interface NewEventSubscription {
  /** Ends in the API version and `/event-notifications`. Omitted by a TPP that only polls. */
  readonly callbackUrl?: string | undefined;
  /** Lowest version of the resources that the TPP wants events about, such as `4.0`. */
  readonly version: string;
  /** Subscribe codes, such as `UK.OBIE.Resource-Update`. Omitted or empty for all types that the ASPSP supports. */
  readonly eventTypes?: readonly string[] | undefined;
}

/**
 * The TPP's event subscription at the bank. There is at most one. Requests with a body and responses with a body are
 * signed. A response whose signature is missing or invalid is thrown as `untrusted`. The call may have taken effect
 * nevertheless: use `get` to find out. All calls reject with `BankError`, or with TypeError for a malformed id.
 */
export interface EventSubscriptions {
  /** Creates the event subscription; rejected with 409 when one exists. */
  create(subscription: NewEventSubscription): Promise<EventSubscription>;
  /** The current event subscription, or undefined when there is none. */
  get(): Promise<EventSubscription | undefined>;
  /** Replaces everything but the id. */
  replace(subscription: NewEventSubscription & { readonly eventSubscriptionId: string }): Promise<EventSubscription>;
  /** Deletes the event subscription. Neither the request nor the response is signed. */
  delete(eventSubscriptionId: string): Promise<void>;
  /**
   * Idempotent: creates the event subscription, replaces it when it differs, or leaves it. Safe to call at every start
   * and after any error. `eventTypes` are compared as sets, where omitted equals empty; the other members are compared
   * literally. After a concurrent change (409, or the id no longer exists) it reads again and retries once. A 409
   * remains where the API does not show the existing registration: on v3.1, one created through v4.0.
   */
  ensure(subscription: NewEventSubscription): Promise<EnsuredEventSubscription>;
}

/** The result of `eventSubscriptions.ensure`. */
export interface EnsuredEventSubscription {
  /** The event subscription as stored by the bank. */
  readonly subscription: EventSubscription;
  readonly did: Ensured;
}

const shapeOfOne = shapeOf(EventSubscriptionAnswer);
const shapeOfList = shapeOf(EventSubscriptionsAnswer);

const KIND: RegistrationKind<NewEventSubscription, EventSubscription> = {
  path: 'event-subscriptions',
  plural: 'event subscriptions',
  idName: 'eventSubscriptionId',
  idOf: ({ eventSubscriptionId }) => eventSubscriptionId,
  postBody: (wanted) => ({ Data: dataOf(wanted) }),
  putBody: (wanted, id) => ({ Data: { EventSubscriptionId: id, ...dataOf(wanted) } }),
  readOne: (value) => mapShaped(shapeOfOne(value), ({ Data }) => subscriptionOf(Data)),
  readList: (value) => mapShaped(shapeOfList(value), ({ Data }) => (Data.EventSubscription ?? []).map(subscriptionOf)),
  isSame: (held, wanted) =>
    held.callbackUrl === wanted.callbackUrl &&
    held.version === wanted.version &&
    isSameSet(held.eventTypes ?? [], wanted.eventTypes ?? []),
};

/** Creates the client of the Event Notification Subscription API Profile. @param baseUrl without a trailing slash */
export function createEventSubscriptions(http: BankHttp, baseUrl: string): EventSubscriptions {
  const registrations = createRegistrations(http, baseUrl, KIND);
  return {
    create: registrations.create,
    get: registrations.get,
    replace: (subscription) => registrations.replace(subscription.eventSubscriptionId, subscription),
    delete: registrations.delete,
    ensure: async (wanted) => {
      const { held, did } = await registrations.ensure(wanted);
      return { subscription: held, did };
    },
  };
}

function dataOf({ callbackUrl, version, eventTypes }: NewEventSubscription): object {
  return {
    ...(callbackUrl !== undefined && { CallbackUrl: callbackUrl }),
    Version: version,
    ...(eventTypes !== undefined && { EventTypes: eventTypes }),
  };
}

function subscriptionOf(data: OBEventSubscriptionResponse1['Data']): EventSubscription {
  const { EventSubscriptionId, CallbackUrl, Version, EventTypes } = data;
  return {
    eventSubscriptionId: EventSubscriptionId,
    callbackUrl: CallbackUrl,
    version: Version,
    eventTypes: EventTypes,
  };
}

function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  const one = new Set(left);
  const other = new Set(right);
  return one.size === other.size && [...one].every((each) => other.has(each));
}
