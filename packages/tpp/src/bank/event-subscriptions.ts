import {
  type EventSubscription,
  OBEventSubscriptionResponse1,
  OBEventSubscriptionsResponse1,
  type Shaped,
  shapeOf,
} from '@tidings/protocol';
import { type BankAnswer, readJson, untrusted } from './bank-answer.ts';
import type { BankHttp } from './bank-http.ts';

/** What a TPP asks for (`OBEventSubscription1`; rules, section 2). */
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
}

const shapeOfOne = shapeOf(OBEventSubscriptionResponse1);
const shapeOfList = shapeOf(OBEventSubscriptionsResponse1);
const ID = /^(?!\.{1,2}$).{1,40}$/s;

/** Makes the calls of the Event Notification Subscription API Profile. @param baseUrl without a slash at its end */
export function createEventSubscriptions(http: BankHttp, baseUrl: string): EventSubscriptions {
  const collection = `${baseUrl}/event-subscriptions`;
  return {
    create: async (subscription) => {
      const body = { Data: dataOf(subscription) };
      return await readOne(http, await http.send({ method: 'POST', url: collection, body }));
    },
    get: async () => {
      const answer = await http.send({ method: 'GET', url: collection });
      const { EventSubscription: found = [] } = (await readSigned(http, answer, shapeOfList)).Data;
      if (found.length > 1) throw untrusted(answer, 'lists more event subscriptions than the one there can be');
      return found[0] === undefined ? undefined : subscriptionOf(found[0]);
    },
    replace: async (subscription) => {
      const { eventSubscriptionId } = subscription;
      const url = `${collection}/${pathSegment(eventSubscriptionId)}`;
      const body = { Data: { EventSubscriptionId: eventSubscriptionId, ...dataOf(subscription) } };
      const answer = await http.send({ method: 'PUT', url, body });
      const replaced = await readOne(http, answer);
      if (replaced.eventSubscriptionId !== eventSubscriptionId) throw untrusted(answer, 'is about another id');
      return replaced;
    },
    delete: async (eventSubscriptionId) => {
      await http.send({ method: 'DELETE', url: `${collection}/${pathSegment(eventSubscriptionId)}` });
    },
  };
}

function pathSegment(eventSubscriptionId: string): string {
  if (!ID.test(eventSubscriptionId)) throw new TypeError('eventSubscriptionId must have 1 to 40 characters');
  return encodeURIComponent(eventSubscriptionId);
}

function dataOf({ callbackUrl, version, eventTypes }: NewEventSubscription): object {
  return {
    ...(callbackUrl !== undefined && { CallbackUrl: callbackUrl }),
    Version: version,
    ...(eventTypes !== undefined && { EventTypes: eventTypes }),
  };
}

async function readOne(http: BankHttp, answer: BankAnswer): Promise<EventSubscription> {
  return subscriptionOf((await readSigned(http, answer, shapeOfOne)).Data);
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

async function readSigned<T>(http: BankHttp, answer: BankAnswer, shape: (value: unknown) => Shaped<T>): Promise<T> {
  await http.verify(answer);
  const shaped = shape(readJson(answer));
  if (shaped.ok) return shaped.value;
  throw untrusted(answer, `is not of the standard's shape: ${shaped.fault.path} ${shaped.fault.why}`);
}
