import {
  type EventSubscription,
  EventSubscriptionAnswer,
  EventSubscriptionsAnswer,
  type OBEventSubscriptionResponse1,
  shapeOf,
} from '@tidings/protocol';
import type { BankHttp } from './bank-http.ts';
import { createRegistrations, type Ensured, mapShaped, type RegistrationKind } from './registrations.ts';

/** The content of a subscription (`OBEventSubscription1`; rules, section 2). */
export interface NewEventSubscription {
  /** Ends in the API version and `/event-notifications`. Left out by a TPP that only polls. */
  readonly callbackUrl?: string | undefined;
  /** Lowest version of the resources that it wants events about, such as `4.0`. */
  readonly version: string;
  /** Subscribe codes, such as `UK.OBIE.Resource-Update`. Left out or empty: all that the ASPSP supports. */
  readonly eventTypes?: readonly string[] | undefined;
}

/**
 * The TPP's event subscription at the bank; there is at most one. Requests with a body are signed, and so are the
 * answers: one whose signature is missing or bad is thrown as `untrusted`, although the call may have taken effect;
 * `get` then tells. All reject with `BankError`, or with a TypeError for an id that none can have.
 */
export interface EventSubscriptions {
  /** Refused with 409 when there is one. */
  create(subscription: NewEventSubscription): Promise<EventSubscription>;
  /** The one, or undefined. */
  get(): Promise<EventSubscription | undefined>;
  /** Replaces everything but the id. */
  replace(subscription: NewEventSubscription & { readonly eventSubscriptionId: string }): Promise<EventSubscription>;
  /** Neither the request nor the answer is signed. */
  delete(eventSubscriptionId: string): Promise<void>;
  /**
   * Makes it so: creates the event subscription, replaces one that differs, or does nothing when it is as wanted. Safe
   * to call at every start, and again after any error. `eventTypes` are compared as sets, and left out is the same as
   * empty; the other members as they are written. When somebody else writes in between (409, or the id is gone) it reads
   * once more and goes on from there. A 409 remains where the API cannot show what is in the way: on v3.1, a
   * registration that was made through v4.0.
   */
  ensure(subscription: NewEventSubscription): Promise<EnsuredEventSubscription>;
}

/** The result of `eventSubscriptions.ensure`. */
export interface EnsuredEventSubscription {
  /** As the bank holds it now. */
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

/** Makes the calls of the Event Notification Subscription API Profile. @param baseUrl without a slash at its end */
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
