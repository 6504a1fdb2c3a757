import {
  type ApiVersion,
  EventTypeCatalogue,
  OBCallbackUrl1,
  OBCallbackUrlResponse1,
  OBCallbackUrlsResponse1,
  OBEventPolling1,
  OBEventPollingResponse1,
  OBEventSubscription1,
  OBEventSubscriptionResponse1,
  OBEventSubscriptionsResponse1,
  SPECIFICATION_VERSION_MAX,
  writePollResponse,
} from '@tidings/protocol';
import { pollBodyBytesMax } from '../config/derived.ts';
import type { Config } from '../config/schema.ts';
import { type Features, featuresOf } from './features.ts';
import {
  described,
  jsonOf,
  type OpenApiDocument,
  type Operation,
  type PathItem,
  type SchemaObject,
  type Tag,
} from './model.ts';
import {
  ErrorResponseV31,
  ErrorResponseV40,
  HEADERS,
  PARAMETERS,
  parametersOf,
  refusals,
  SHARED_RESPONSES,
  unsigned,
  versionSuffix,
} from './tpp-facing-components.ts';
import { callbackUrlPaths, eventSubscriptionPaths } from './tpp-facing-registrations.ts';

/**
 * The OpenAPI document of the TPP-facing API: the features of the configuration, under both API versions, from the schemas
 * that validate requests.
 *
 * @param publicUrl absolute URL, without the prefix
 */
export function tppFacingDocument(config: Config, publicUrl: string): OpenApiDocument {
  const features = featuresOf(config);
  const base = `${publicUrl.replace(/\/$/, '')}${config.api.prefix}`;
  return {
    openapi: '3.1.1',
    info: {
      title: 'Event notifications: event subscriptions, callback URLs and aggregated polling',
      version: SPECIFICATION_VERSION_MAX,
      description:
        `The event notification API of ${config.issuer}, following the UK Open Banking Read/Write API Specification, versions ` +
        `${features.versions.join(' and ')}. Requests and responses of registrations are signed (x-jws-signature). ` +
        'A path that is not in this document is answered 404; a method that its path does not have is answered 405 with Allow.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: base, description: 'Mutual TLS' }],
    tags: tagsOf(features),
    paths: {
      ...Object.assign({}, ...features.versions.map((version) => pathsOf(version, features, config, base))),
      ...jwksPath(config.api.jwksPath),
    },
    components: {
      schemas: schemasOf(features, config),
      headers: HEADERS,
      parameters: withoutUnused(features),
      responses: SHARED_RESPONSES,
      securitySchemes: {
        mutualTls: {
          type: 'mutualTLS',
          description: 'A transport certificate that chains to a root certificate accepted by the ASPSP',
        },
        accessToken: {
          ...{ type: 'http', scheme: 'bearer' },
          description:
            `Access token of the client credentials grant from ${config.accessTokens.issuer}, bound to the ` +
            'client certificate (RFC 8705). Each alternative names a scope; any one of them is enough.',
        },
      },
    },
  };
}

function pathsOf(apiVersion: ApiVersion, features: Features, config: Config, base: string): Record<string, PathItem> {
  const published = { base, bodyBytesMax: config.api.bodyBytesMax };
  return {
    ...eventSubscriptionPaths(apiVersion, features, published),
    ...(features.hasCallbackUrls && callbackUrlPaths(apiVersion, published)),
    ...(features.hasPolling && { [`/open-banking/${apiVersion}/events`]: { post: pollOperation(apiVersion, config) } }),
  };
}

function pollOperation(apiVersion: ApiVersion, { api, polling }: Config): Operation {
  const scopes = ['accounts', 'payments', 'fundsconfirmations', ...(apiVersion === 'v3.1' ? ['eventpolling'] : [])];
  const longPoll =
    polling.longPollMaxMs === 0
      ? 'Long polling is not offered: every poll is answered at once.'
      : `With returnImmediately set to false, the response waits for an event for at most ${polling.longPollMaxMs} ms.`;
  return {
    operationId: `CreateEvents${versionSuffix(apiVersion)}`,
    tags: ['Events'],
    summary: 'Aggregated polling: acknowledge notifications, report errors, and collect awaiting notifications',
    description: `Acknowledgements are processed first. ${longPoll} Request and response are not signed; the SETs are.`,
    parameters: parametersOf({ isSigned: false }),
    requestBody: {
      required: true,
      content: jsonOf('OBEventPolling1', { maxEvents: 10, returnImmediately: true, ack: [EXAMPLE_JTI] }),
    },
    responses: {
      200: unsigned('Awaiting notifications, oldest first', 'OBEventPollingResponse1', writePollResponse([], false)),
      ...refusals(apiVersion, ['ResourceInvalidFormat', 'FieldMissing', 'FieldInvalid'], pollBodyBytesMax(api)),
    },
    security: scopes.map((scope) => ({ mutualTls: [], accessToken: [scope] })),
  };
}

const EXAMPLE_JTI = '4d3559ec-67504-aaba65d-40b0363faad8';

/** The path without an API version. */
function jwksPath(path: string): Record<string, PathItem> {
  const get: Operation = {
    operationId: 'GetJwks',
    tags: ['Keys'],
    summary: 'The public keys that verify responses and SETs',
    description: 'A former key stays in the JWKS as long as SETs that it signed may still be delivered or verified.',
    responses: {
      200: {
        description: 'JWK Set (RFC 7517)',
        content: { 'application/jwk-set+json': { schema: { type: 'object', required: ['keys'] } } },
      },
    },
    security: [{ mutualTls: [] }],
  };
  return { [path]: { get } };
}

function tagsOf(features: Features): Tag[] {
  return [
    {
      name: 'Event Subscriptions',
      description: 'The events that a TPP wants to receive, and its callback URL. One per TPP.',
    },
    ...(features.hasCallbackUrls
      ? [
          {
            name: 'Callback URLs',
            description: 'For resource-update events only. An event subscription supersedes it. One per TPP.',
          },
        ]
      : []),
    ...(features.hasPolling ? [{ name: 'Events', description: 'Aggregated polling.' }] : []),
    ...(features.hasRealTime
      ? [{ name: 'Event Notifications', description: 'Requests that the ASPSP sends to the TPP.' }]
      : []),
    { name: 'Keys', description: 'Keys that verify signatures of the ASPSP.' },
  ];
}

function withoutUnused({ hasCallbackUrls }: Features): OpenApiDocument['components']['parameters'] {
  const { CallbackUrlId, ...others } = PARAMETERS;
  return hasCallbackUrls ? PARAMETERS : others;
}

function schemasOf(features: Features, config: Config): Record<string, SchemaObject> {
  const data = dataDescriptions(features, config);
  const at = (path: string) =>
    Object.fromEntries(Object.entries(data).map(([name, text]) => [`${path}.${name}`, text]));
  const id = 'Assigned by the ASPSP';
  return {
    OBEventSubscription1: described(OBEventSubscription1, at('Data')),
    OBEventSubscriptionResponse1: described(OBEventSubscriptionResponse1, {
      ...at('Data'),
      'Data.EventSubscriptionId': `${id}. In a PUT it must equal the id in the path`,
    }),
    OBEventSubscriptionsResponse1: described(OBEventSubscriptionsResponse1, {
      ...at('Data.EventSubscription.[]'),
      'Data.EventSubscription.[].EventSubscriptionId': id,
    }),
    ...(features.hasCallbackUrls && callbackUrlSchemas(id)),
    ...(features.hasPolling && pollingSchemas(config)),
    OBErrorResponse1V31: described(ErrorResponseV31, { '': 'Error body of v3.1' }),
    OBErrorResponse1V40: described(ErrorResponseV40, { '': 'Error body of v4.0' }),
  };
}

function dataDescriptions(features: Features, { ownEventTypes }: Config): Record<string, string> {
  const types = new EventTypeCatalogue(ownEventTypes).all.map(({ subscribeCode, urn }) => subscribeCode ?? urn);
  return {
    CallbackUrl: features.hasRealTime
      ? 'URL that event notifications are sent to, unchanged: https, in normalised form, ending in the API version and /event-notifications. Omit it to use polling only'
      : 'Must be omitted: this ASPSP offers aggregated polling only',
    Version: `Minimum version of the resources to receive events about, at most ${SPECIFICATION_VERSION_MAX}`,
    EventTypes: `Event types to receive. Default, also if empty: all. Supported: ${types.join(', ')}`,
  };
}

function callbackUrlSchemas(id: string): Record<string, SchemaObject> {
  const url =
    'URL that event notifications are sent to, unchanged: https, in normalised form, ending in /event-notifications';
  return {
    OBCallbackUrl1: described(OBCallbackUrl1, { 'Data.Url': url }),
    OBCallbackUrlResponse1: described(OBCallbackUrlResponse1, { 'Data.Url': url, 'Data.CallbackUrlId': id }),
    OBCallbackUrlsResponse1: described(OBCallbackUrlsResponse1, {}),
  };
}

function pollingSchemas({ api, polling }: Config): Record<string, SchemaObject> {
  const bounded = `The body may have at most ${pollBodyBytesMax(api)} bytes`;
  const { maxEventsDefault, maxEventsMax } = polling;
  return {
    OBEventPolling1: described(OBEventPolling1, {
      maxEvents: `Most SETs in the response: ${maxEventsDefault} by default, at most ${maxEventsMax}. With 0 the poll only acknowledges`,
      returnImmediately: 'false requests a long poll. Default: true',
      ack: `jti of each acknowledged notification. Unknown values, and those of other TPPs, are ignored. ${bounded}`,
      setErrs: `Errors by jti. The notification stays awaiting and is offered again. ${bounded}`,
    }),
    OBEventPollingResponse1: described(OBEventPollingResponse1, {
      sets: 'SETs by jti, each a compact JWS; {} if nothing is awaiting',
      moreAvailable: 'true if more notifications are available now',
    }),
  };
}
