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
import { ErrorResponseV31, ErrorResponseV40 } from './error-schemas.ts';
import type { OpenApiDocument, Operation, PathItem, SchemaObject, Tag } from './model.ts';
import { type Offer, offerOf } from './offer.ts';
import { described, jsonOf } from './schemas.ts';
import { PARAMETERS, parametersOf } from './tpp-facing-parameters.ts';
import { callbackUrlPaths, eventSubscriptionPaths } from './tpp-facing-registrations.ts';
import { HEADERS, refusals, SHARED_RESPONSES, unsigned, versionSuffix } from './tpp-facing-responses.ts';

/**
 * The OpenAPI document of the TPP-facing API: what the configuration offers, under both versions, from the schemas that
 * the API validates with.
 *
 * @param publicUrl absolute, without the prefix
 */
export function tppFacingDocument(config: Config, publicUrl: string): OpenApiDocument {
  const offer = offerOf(config);
  const base = `${publicUrl.replace(/\/$/, '')}${config.api.prefix}`;
  return {
    openapi: '3.1.1',
    info: {
      title: 'Event notifications: event subscriptions, callback URLs and aggregated polling',
      version: SPECIFICATION_VERSION_MAX,
      description:
        `The event notification API of ${config.issuer}, by the UK Open Banking Read/Write API Specification, under ` +
        `${offer.versions.join(' and ')}. Requests and responses of registrations are signed (x-jws-signature). ` +
        'A path that is not in this document is answered 404, and a method that is not under its path 405 with Allow.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: base, description: 'Mutual TLS' }],
    tags: tagsOf(offer),
    paths: {
      ...Object.assign({}, ...offer.versions.map((version) => pathsOf(version, offer, config, base))),
      ...jwksPath(config.api.jwksPath),
    },
    components: {
      schemas: schemasOf(offer, config),
      headers: HEADERS,
      parameters: withoutUnused(offer),
      responses: SHARED_RESPONSES,
      securitySchemes: {
        mutualTls: { type: 'mutualTLS', description: 'A transport certificate under a root that the ASPSP accepts' },
        accessToken: {
          ...{ type: 'http', scheme: 'bearer' },
          description:
            `Access token of the client credentials grant from ${config.accessTokens.issuer}, bound to the ` +
            'certificate (RFC 8705). The names beside it are scopes; any one of the alternatives is enough.',
        },
      },
    },
  };
}

function pathsOf(apiVersion: ApiVersion, offer: Offer, config: Config, base: string): Record<string, PathItem> {
  const published = { base, bodyBytesMax: config.api.bodyBytesMax };
  return {
    ...eventSubscriptionPaths(apiVersion, offer, published),
    ...(offer.hasCallbackUrls && callbackUrlPaths(apiVersion, published)),
    ...(offer.hasPolling && { [`/open-banking/${apiVersion}/events`]: { post: pollOperation(apiVersion, config) } }),
  };
}

function pollOperation(apiVersion: ApiVersion, { api, polling }: Config): Operation {
  const scopes = ['accounts', 'payments', 'fundsconfirmations', ...(apiVersion === 'v3.1' ? ['eventpolling'] : [])];
  const longPoll =
    polling.longPollMaxMs === 0
      ? 'Every poll is answered at once.'
      : `With returnImmediately false it waits for an event, at most ${polling.longPollMaxMs} ms.`;
  return {
    operationId: `CreateEvents${versionSuffix(apiVersion)}`,
    tags: ['Events'],
    summary: 'Aggregated polling: acknowledge, report errors, collect what is awaiting',
    description: `Acknowledgements are applied first. ${longPoll} Neither request nor response is signed; the SETs are.`,
    parameters: parametersOf({ isSigned: false }),
    requestBody: {
      required: true,
      content: jsonOf('OBEventPolling1', { maxEvents: 10, returnImmediately: true, ack: [EXAMPLE_JTI] }),
    },
    responses: {
      200: unsigned('What is awaiting, oldest first', 'OBEventPollingResponse1', writePollResponse([], false)),
      ...refusals(apiVersion, ['ResourceInvalidFormat', 'FieldMissing', 'FieldInvalid'], pollBodyBytesMax(api)),
    },
    security: scopes.map((scope) => ({ mutualTls: [], accessToken: [scope] })),
  };
}

const EXAMPLE_JTI = '4d3559ec-67504-aaba65d-40b0363faad8';

/** The one path without a version. */
function jwksPath(path: string): Record<string, PathItem> {
  const get: Operation = {
    operationId: 'GetJwks',
    tags: ['Keys'],
    summary: 'Our public signing keys: of responses and of SETs',
    description: 'Former keys stay in it for as long as something that they signed may still be delivered or verified.',
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

function tagsOf(offer: Offer): Tag[] {
  return [
    { name: 'Event Subscriptions', description: 'What a TPP wants to be told, and where to; one per TPP.' },
    ...(offer.hasCallbackUrls
      ? [{ name: 'Callback URLs', description: 'Resource-update only; an event subscription supersedes it.' }]
      : []),
    ...(offer.hasPolling ? [{ name: 'Events', description: 'Aggregated polling.' }] : []),
    ...(offer.hasRealTime ? [{ name: 'Event Notifications', description: 'What is sent to the TPP.' }] : []),
    { name: 'Keys', description: 'What signatures are verified with.' },
  ];
}

function withoutUnused({ hasCallbackUrls }: Offer): OpenApiDocument['components']['parameters'] {
  const { CallbackUrlId, ...others } = PARAMETERS;
  return hasCallbackUrls ? PARAMETERS : others;
}

function schemasOf(offer: Offer, config: Config): Record<string, SchemaObject> {
  const data = dataDescriptions(offer, config);
  const at = (path: string) =>
    Object.fromEntries(Object.entries(data).map(([name, text]) => [`${path}.${name}`, text]));
  const id = 'Given by the ASPSP';
  return {
    OBEventSubscription1: described(OBEventSubscription1, at('Data')),
    OBEventSubscriptionResponse1: described(OBEventSubscriptionResponse1, {
      ...at('Data'),
      'Data.EventSubscriptionId': `${id}; in a PUT it must equal the one in the path`,
    }),
    OBEventSubscriptionsResponse1: described(OBEventSubscriptionsResponse1, {
      ...at('Data.EventSubscription.[]'),
      'Data.EventSubscription.[].EventSubscriptionId': id,
    }),
    ...(offer.hasCallbackUrls && callbackUrlSchemas(id)),
    ...(offer.hasPolling && pollingSchemas(config)),
    OBErrorResponse1V31: described(ErrorResponseV31, { '': 'Error body of v3.1' }),
    OBErrorResponse1V40: described(ErrorResponseV40, { '': 'Error body of v4.0' }),
  };
}

function dataDescriptions(offer: Offer, { ownEventTypes }: Config): Record<string, string> {
  const types = new EventTypeCatalogue(ownEventTypes).all.map(({ subscribeCode, urn }) => subscribeCode ?? urn);
  return {
    CallbackUrl: offer.hasRealTime
      ? 'Where event notifications are sent, exactly as it is: https, written as URLs are normalised, ending in the API version and /event-notifications. Left out by a TPP that only polls'
      : 'Not expected: this ASPSP offers aggregated polling only',
    Version: `Minimum version of the resources it wants events about, at most ${SPECIFICATION_VERSION_MAX}`,
    EventTypes: `Left out or empty: all. Supported: ${types.join(', ')}`,
  };
}

function callbackUrlSchemas(id: string): Record<string, SchemaObject> {
  const url =
    'Where event notifications are sent, exactly as it is: https, written as URLs are normalised, ending in /event-notifications';
  return {
    OBCallbackUrl1: described(OBCallbackUrl1, { 'Data.Url': url }),
    OBCallbackUrlResponse1: described(OBCallbackUrlResponse1, { 'Data.Url': url, 'Data.CallbackUrlId': id }),
    OBCallbackUrlsResponse1: described(OBCallbackUrlsResponse1, {}),
  };
}

function pollingSchemas({ api, polling }: Config): Record<string, SchemaObject> {
  const bounded = `The whole body may have ${pollBodyBytesMax(api)} bytes`;
  const { maxEventsDefault, maxEventsMax } = polling;
  return {
    OBEventPolling1: described(OBEventPolling1, {
      maxEvents: `Default ${maxEventsDefault}, at most ${maxEventsMax} are given; 0 acknowledges only`,
      returnImmediately: 'false asks for a long poll; left out: true',
      ack: `jti of each notification that is acknowledged; those of others and unknown ones are ignored. ${bounded}`,
      setErrs: `By jti, what was wrong with it; it stays awaiting and is offered again. ${bounded}`,
    }),
    OBEventPollingResponse1: described(OBEventPollingResponse1, {
      sets: 'By jti, the SET as a compact JWS; {} when nothing is awaiting',
      moreAvailable: 'true exactly when more could be had now',
    }),
  };
}
