import {
  type ApiErrorCode,
  type ApiVersion,
  FINANCIAL_ID_HEADER,
  INTERACTION_ID_HEADER,
  SET_MEDIA_TYPE,
  writeCallbackUrl,
  writeCallbackUrls,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import type { Features } from './features.ts';
import { jsonOf, type Operation, type PathItem, type Security } from './model.ts';
import {
  NO_CONTENT,
  parametersOf,
  refusals,
  SIGNED_BODY_CODES,
  signed,
  versionSuffix,
} from './tpp-facing-components.ts';

/** Any one of the scopes is enough; the client certificate is always required. */
const REGISTRATION_SECURITY: Security = ['accounts', 'payments', 'fundsconfirmations'].map((scope) => ({
  mutualTls: [],
  accessToken: [scope],
}));

/** The differences between the two kinds of registration. */
interface Resource {
  /** Last segment of its path. */
  readonly path: string;
  /** Part of the names of its operations. */
  readonly name: string;
  readonly tag: string;
  readonly idName: string;
  readonly schemas: { readonly create: string; readonly replace: string; readonly one: string; readonly list: string };
  readonly examples: { readonly create: object; readonly replace: object; readonly one: object; readonly list: object };
  /** Runtime expression of the callback URL in the body; undefined if real time is not offered. */
  readonly callbackExpression: string | undefined;
  readonly fieldCodes: readonly ApiErrorCode[];
  readonly bodyBytesMax: number;
}

/** Values of the configuration that the operations show. */
interface Published {
  /** Absolute URL before `/open-banking`. */
  readonly base: string;
  readonly bodyBytesMax: number;
}

/** The four operations on event subscriptions, under one API version. */
export function eventSubscriptionPaths(
  apiVersion: ApiVersion,
  features: Features,
  { base, bodyBytesMax }: Published,
): Record<string, PathItem> {
  const callbackUrl = features.hasRealTime
    ? `https://tpp.example/open-banking/${apiVersion}/event-notifications`
    : undefined;
  const example = {
    eventSubscriptionId: 'f79ff08f-2cd1-4a2a-9a5b-7c4a1f0a6d1e',
    callbackUrl,
    version: apiVersion.slice(1),
    eventTypes: ['UK.OBIE.Resource-Update', 'UK.OBIE.Consent-Authorization-Revoked'],
  };
  const self = `${base}/open-banking/${apiVersion}/event-subscriptions`;
  const one = writeEventSubscription(example, `${self}/${example.eventSubscriptionId}`);
  const { EventSubscriptionId: _id, ...created } = one.Data;
  return registrationPaths(apiVersion, {
    ...{ path: 'event-subscriptions', name: 'EventSubscriptions', tag: 'Event Subscriptions' },
    idName: 'EventSubscriptionId',
    schemas: {
      create: 'OBEventSubscription1',
      replace: 'OBEventSubscriptionResponse1',
      one: 'OBEventSubscriptionResponse1',
      list: 'OBEventSubscriptionsResponse1',
    },
    examples: {
      ...{ create: { Data: created }, replace: { Data: one.Data }, one },
      list: writeEventSubscriptions([example], self),
    },
    callbackExpression: features.hasRealTime ? '{$request.body#/Data/CallbackUrl}' : undefined,
    bodyBytesMax,
    fieldCodes: ['UnsupportedEventType', ...(features.hasRealTime ? [] : (['FieldUnexpected'] as const))],
  });
}

/** The four operations on callback URLs, under one API version. */
export function callbackUrlPaths(apiVersion: ApiVersion, { base, bodyBytesMax }: Published): Record<string, PathItem> {
  const example = {
    callbackUrlId: '7c1b5a53-9a05-4f1e-8a39-0e8f6d2c9b11',
    url: `https://tpp.example/open-banking/${apiVersion}/event-notifications`,
    version: apiVersion.slice(1),
  };
  const self = `${base}/open-banking/${apiVersion}/callback-urls`;
  const create = { Data: { Url: example.url, Version: example.version } };
  return registrationPaths(apiVersion, {
    ...{ path: 'callback-urls', name: 'CallbackUrls', tag: 'Callback URLs', idName: 'CallbackUrlId' },
    schemas: {
      ...{ create: 'OBCallbackUrl1', replace: 'OBCallbackUrl1' },
      ...{ one: 'OBCallbackUrlResponse1', list: 'OBCallbackUrlsResponse1' },
    },
    examples: {
      ...{ create, replace: create, one: writeCallbackUrl(example, `${self}/${example.callbackUrlId}`) },
      list: writeCallbackUrls([example], self),
    },
    callbackExpression: '{$request.body#/Data/Url}',
    bodyBytesMax,
    fieldCodes: [],
  });
}

function registrationPaths(apiVersion: ApiVersion, resource: Resource): Record<string, PathItem> {
  const path = `/open-banking/${apiVersion}/${resource.path}`;
  return {
    [path]: { post: createOperation(apiVersion, resource), get: readOperation(apiVersion, resource) },
    [`${path}/{${resource.idName}}`]: {
      put: replaceOperation(apiVersion, resource),
      delete: deleteOperation(apiVersion, resource),
    },
  };
}

function createOperation(apiVersion: ApiVersion, resource: Resource): Operation {
  const { schemas, examples, callbackExpression: expression } = resource;
  const codes = [...SIGNED_BODY_CODES, ...resource.fieldCodes, 'RulesResourceAlreadyExists'] as const;
  return {
    ...common(apiVersion, resource, 'Create'),
    summary: `Create; a TPP may have at most one of ${resource.path}`,
    parameters: parametersOf({ isSigned: true }),
    requestBody: { required: true, content: jsonOf(schemas.create, examples.create) },
    responses: {
      201: signed('Created', schemas.one, examples.one),
      ...refusals(apiVersion, codes, resource.bodyBytesMax),
    },
    ...(expression !== undefined && {
      callbacks: { eventNotification: { [expression]: { post: eventNotification(apiVersion, resource) } } },
    }),
  };
}

function readOperation(apiVersion: ApiVersion, resource: Resource): Operation {
  const { schemas, examples } = resource;
  return {
    ...common(apiVersion, resource, 'Get'),
    summary: 'Read; the list has zero or one entry',
    parameters: parametersOf({ isSigned: false }),
    responses: {
      200: signed('The list', schemas.list, examples.list),
      ...refusals(apiVersion, [], undefined),
    },
  };
}

function replaceOperation(apiVersion: ApiVersion, resource: Resource): Operation {
  const { schemas, examples, idName } = resource;
  const codes = [...SIGNED_BODY_CODES, ...resource.fieldCodes, 'ResourceNotFound'] as const;
  return {
    ...common(apiVersion, resource, 'Change'),
    summary: 'Replace; awaiting notifications go to the new callback URL',
    parameters: parametersOf({ idName, isSigned: true }),
    requestBody: { required: true, content: jsonOf(schemas.replace, examples.replace) },
    responses: {
      200: signed('Replaced', schemas.one, examples.one),
      ...refusals(apiVersion, codes, resource.bodyBytesMax),
    },
  };
}

function deleteOperation(apiVersion: ApiVersion, resource: Resource): Operation {
  return {
    ...common(apiVersion, resource, 'Delete'),
    summary: 'Delete; awaiting notifications are withdrawn unless another registration exists',
    parameters: parametersOf({ idName: resource.idName, isSigned: false }),
    responses: { 204: NO_CONTENT, ...refusals(apiVersion, ['ResourceNotFound'], resource.bodyBytesMax) },
  };
}

function common(apiVersion: ApiVersion, { name, tag, idName }: Resource, verb: string) {
  const ofOne = verb === 'Change' || verb === 'Delete' ? idName : '';
  const operationId = `${verb}${name}${ofOne}${versionSuffix(apiVersion)}`;
  return { operationId, tags: [tag], security: REGISTRATION_SECURITY };
}

/** The request to the callback URL of the TPP, which implements this operation. */
function eventNotification(apiVersion: ApiVersion, { name }: Resource): Operation {
  const header = (header: string, required: boolean, description: string) =>
    ({ name: header, in: 'header', required, description, schema: { type: 'string' } }) as const;
  return {
    operationId: `EventNotificationFor${name}${versionSuffix(apiVersion)}`,
    tags: ['Event Notifications'],
    summary: 'Event notification that the ASPSP sends to the TPP',
    description:
      'Only 202 acknowledges the notification. Any other response is a failed attempt, which is retried by the retry policy.',
    parameters: [
      header(INTERACTION_ID_HEADER, true, 'A new UUID for each attempt; the TPP must echo it'),
      header(FINANCIAL_ID_HEADER, false, 'Financial id of the ASPSP'),
    ],
    requestBody: {
      required: true,
      content: {
        [SET_MEDIA_TYPE]: {
          schema: { type: 'string', description: 'A Security Event Token (RFC 8417): a compact JWS, PS256' },
        },
      },
    },
    responses: {
      202: {
        description: 'Acknowledged',
        headers: { [INTERACTION_ID_HEADER]: { description: 'The value of the request', schema: { type: 'string' } } },
      },
      default: { description: 'Not acknowledged; retried by the retry policy' },
    },
    security: [],
  };
}
