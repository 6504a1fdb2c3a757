import { type Static, Type } from 'typebox';
import { checkCallbackUrl } from './callback-url.ts';
import { ApiError } from './errors.ts';
import type { EventTypeCatalogue } from './event-types.ts';
import { LINKS_AND_META_UNREAD, Links, Meta } from './links-and-meta.ts';
import { fieldInvalid, readBody } from './read-body.ts';
import { shapeOf } from './shape.ts';
import { type ApiVersion, compareVersions, isVersion, SPECIFICATION_VERSION_MAX } from './versions.ts';

const closed = { additionalProperties: false };

// As in the official schema, unknown members are accepted inside Data and rejected beside it. Event types are limited
// only by the size of the body, because an unsupported one has an error code of its own.
const subscriptionData = {
  CallbackUrl: Type.Optional(Type.String({ maxLength: 2048 })),
  Version: Type.String({ minLength: 1, maxLength: 10 }),
  EventTypes: Type.Optional(Type.Array(Type.String())),
};
const identified = Type.Object({
  EventSubscriptionId: Type.String({ minLength: 1, maxLength: 40 }),
  ...subscriptionData,
});
const envelope = { Links: Type.Optional(Links), Meta: Type.Optional(Meta) };

/** `OBEventSubscription1`, the body of POST. */
export const OBEventSubscription1 = Type.Object({ Data: Type.Object(subscriptionData) }, closed);

/** `OBEventSubscriptionResponse1`: the request body of PUT, and the response body of POST and PUT. */
export const OBEventSubscriptionResponse1 = Type.Object({ Data: identified, ...envelope }, closed);
export type OBEventSubscriptionResponse1 = Static<typeof OBEventSubscriptionResponse1>;

const list = Type.Object({ EventSubscription: Type.Optional(Type.Array(identified)) });

/** `OBEventSubscriptionsResponse1`: the response body of GET, a list of zero or one. */
export const OBEventSubscriptionsResponse1 = Type.Object({ Data: list, ...envelope }, closed);
export type OBEventSubscriptionsResponse1 = Static<typeof OBEventSubscriptionsResponse1>;

/** The part of an `OBEventSubscriptionResponse1` that a TPP reads. */
export const EventSubscriptionAnswer = Type.Object({ Data: identified, ...LINKS_AND_META_UNREAD }, closed);
/** The part of an `OBEventSubscriptionsResponse1` that a TPP reads. */
export const EventSubscriptionsAnswer = Type.Object({ Data: list, ...LINKS_AND_META_UNREAD }, closed);

/** The content of a POST or PUT of an event subscription. */
export interface EventSubscriptionRequest {
  /** Undefined for a TPP that only polls. */
  readonly callbackUrl: string | undefined;
  /** Lowest version of the resources that the TPP wants events about, such as `4.0`. */
  readonly version: string;
  /** As the TPP sent it, so that GET returns the same value; undefined when omitted. */
  readonly eventTypes: readonly string[] | undefined;
}

/** An event subscription as returned to the TPP. */
export interface EventSubscription extends EventSubscriptionRequest {
  /** 1 to 40 characters. */
  readonly eventSubscriptionId: string;
}

/** The ASPSP's rules for event subscriptions. */
export interface RegistrationRules {
  /** The version of the API that was called. */
  readonly apiVersion: ApiVersion;
  readonly catalogue: EventTypeCatalogue;
  /** False when the ASPSP offers aggregated polling only. */
  readonly callbackUrlAllowed: boolean;
  /** Address of the documentation of the supported event types. */
  readonly eventTypesUrl: string | undefined;
}

const shapePost = shapeOf(OBEventSubscription1);
const shapePut = shapeOf(OBEventSubscriptionResponse1);

/** Reads the body of POST /event-subscriptions. @throws {ApiError} naming the field (rules, sections 2 and 7) */
export function readEventSubscription(body: Uint8Array, rules: RegistrationRules): EventSubscriptionRequest {
  return checkData(readBody(body, shapePost, 'Data.').Data, rules);
}

/**
 * Reads the body of PUT /event-subscriptions/{EventSubscriptionId}; the id in the body must equal the one in the path.
 *
 * @throws {ApiError} naming the field
 */
export function readReplacedEventSubscription(
  body: Uint8Array,
  idInPath: string,
  rules: RegistrationRules,
): EventSubscription {
  const { Data } = readBody(body, shapePut, 'Data.');
  if (Data.EventSubscriptionId !== idInPath) {
    throw fieldInvalid('Data.EventSubscriptionId', 'must equal the id in the path');
  }
  return { eventSubscriptionId: Data.EventSubscriptionId, ...checkData(Data, rules) };
}

/** Writes the response body of POST and PUT. @param self absolute URI of the resource under the version called */
export function writeEventSubscription(subscription: EventSubscription, self: string): OBEventSubscriptionResponse1 {
  return { Data: dataOf(subscription), Links: { Self: self }, Meta: {} };
}

/** Writes the response body of GET. */
export function writeEventSubscriptions(
  subscriptions: readonly EventSubscription[],
  self: string,
): OBEventSubscriptionsResponse1 {
  return { Data: { EventSubscription: subscriptions.map(dataOf) }, Links: { Self: self }, Meta: {} };
}

function dataOf(subscription: EventSubscription): OBEventSubscriptionResponse1['Data'] {
  const { eventSubscriptionId, callbackUrl, version, eventTypes } = subscription;
  return {
    EventSubscriptionId: eventSubscriptionId,
    ...(callbackUrl !== undefined && { CallbackUrl: callbackUrl }),
    Version: version,
    ...(eventTypes !== undefined && { EventTypes: [...eventTypes] }),
  };
}

function checkData(
  data: Static<typeof OBEventSubscription1>['Data'],
  rules: RegistrationRules,
): EventSubscriptionRequest {
  checkVersion(data.Version);
  if (data.CallbackUrl !== undefined) {
    if (!rules.callbackUrlAllowed) {
      throw new ApiError('FieldUnexpected', {
        message: 'Data.CallbackUrl is not expected: this ASPSP offers aggregated polling only.',
        path: 'Data.CallbackUrl',
      });
    }
    const fault = checkCallbackUrl(data.CallbackUrl, rules.apiVersion);
    if (fault !== undefined) throw fieldInvalid('Data.CallbackUrl', fault);
  }
  checkEventTypes(data.EventTypes ?? [], rules);
  return { callbackUrl: data.CallbackUrl, version: data.Version, eventTypes: data.EventTypes };
}

/** Checks `Data.Version` of either kind of registration. @throws {ApiError} FieldInvalid */
export function checkVersion(version: string): void {
  if (!isVersion(version)) throw fieldInvalid('Data.Version', 'must be digits and dots, such as 4.0');
  if (compareVersions(version, SPECIFICATION_VERSION_MAX) > 0) {
    throw fieldInvalid('Data.Version', `is above ${SPECIFICATION_VERSION_MAX}, the highest supported version`);
  }
}

function checkEventTypes(eventTypes: readonly string[], rules: RegistrationRules): void {
  for (const [at, name] of eventTypes.entries()) {
    if (rules.catalogue.find(name) !== undefined) continue;
    const path = `Data.EventTypes[${at}]`;
    throw new ApiError('UnsupportedEventType', {
      message: `${path} is not a supported event type.`,
      path,
      ...(rules.eventTypesUrl !== undefined && { url: rules.eventTypesUrl }),
    });
  }
}
