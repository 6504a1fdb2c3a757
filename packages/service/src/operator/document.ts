import type { FastifyInstance } from 'fastify';
import {
  described,
  type OpenApiDocument,
  type Parameter,
  type PathItem,
  type Response,
  schemaRef,
} from '../openapi/model.ts';
import { PAGE_HEADERS, renderPage } from '../openapi/page.ts';
import { tppFacingDocument } from '../openapi/tpp-facing.ts';
import { alertRoutes } from './alerts.ts';
import { auditRoutes } from './audit.ts';
import { backupRoute } from './backup.ts';
import { bulkRoutes } from './bulk.ts';
import { callbackUrlRoutes } from './callback-urls.ts';
import { certificatesRoute, configurationRoute } from './configuration.ts';
import { dataExportRoute } from './data-exports.ts';
import { erasureRoute } from './erasures.ts';
import { evidenceRoute } from './evidence.ts';
import { findingsRoute } from './findings.ts';
import { instancesRoute } from './instances.ts';
import { notificationRoutes } from './notifications.ts';
import type { OperatorContext } from './options.ts';
import { ProblemDetails, STATUS_TITLES } from './problem.ts';
import { publishRoute } from './publish.ts';
import { registrationRoutes } from './registrations.ts';
import { answer, route } from './route.ts';
import { signingKeyRoutes } from './signing-keys.ts';
import { statisticsRoute, tppStatisticsRoute } from './statistics.ts';
import { healthRoutes, statusRoute } from './status.ts';
import { streamRoute } from './stream.ts';
import { tppKeysRoute } from './tpp-keys.ts';
import { tppRoutes } from './tpps.ts';

const DOCUMENTS_PATH = '/operator/v1/openapi/';

// A browser sends no bearer token with a link, and the documents hold only public information: no token, key, TPP or event.
const open = { method: 'get', role: 'nobody', tag: 'Documents' } as const;

const showDocuments = route({
  ...open,
  operationId: 'showDocuments',
  path: DOCUMENTS_PATH,
  summary: 'Show both documents as a page',
  response: documentOf('A page that shows the documents', 'text/html', { type: 'string' }),
  handler: (context) => {
    const operator = { name: 'operator', document: operatorDocument('/') };
    return ({ reply }) => {
      const document = tppFacingOf(context);
      const documents = [...(document === undefined ? [] : [{ name: 'tpp-facing', document }]), operator];
      return reply.headers(PAGE_HEADERS).send(renderPage(documents));
    };
  },
});

const getTppFacingDocument = route({
  ...open,
  operationId: 'getTppFacingDocument',
  path: `${DOCUMENTS_PATH}tpp-facing.json`,
  summary: 'The TPP-facing API',
  response: documentOf('The TPP-facing API', 'application/json', { type: 'object' }),
  isServed: ({ config }) => config !== undefined,
  handler: (context) => () => tppFacingOf(context),
});

const getOperatorDocument = route({
  ...open,
  operationId: 'getOperatorDocument',
  path: `${DOCUMENTS_PATH}operator.json`,
  summary: 'This document',
  response: documentOf('This document', 'application/json', { type: 'object' }),
  handler: () => {
    const document = operatorDocument('/');
    return () => document;
  },
});

function documentOf(description: string, type: string, schema: object) {
  return answer({ 200: { description, content: { [type]: { schema } } } });
}

function tppFacingOf({ config, publicUrl }: OperatorContext): OpenApiDocument | undefined {
  return config && tppFacingDocument(config, publicUrl?.() ?? config.api.publicUrl ?? '');
}

/** Every operation of the operator API. Routes, checks, roles and the OpenAPI document all come of this table. */
const ROUTES = [
  publishRoute,
  ...tppRoutes,
  tppKeysRoute,
  ...notificationRoutes,
  evidenceRoute,
  ...bulkRoutes,
  statusRoute,
  ...alertRoutes,
  instancesRoute,
  findingsRoute,
  configurationRoute,
  certificatesRoute,
  backupRoute,
  ...auditRoutes,
  dataExportRoute,
  erasureRoute,
  ...registrationRoutes,
  ...callbackUrlRoutes,
  ...signingKeyRoutes,
  ...healthRoutes,
  streamRoute,
  statisticsRoute,
  tppStatisticsRoute,
  ...[showDocuments, getTppFacingDocument, getOperatorDocument],
];

/** Adds every operation to the listener. */
export function addRoutes(app: FastifyInstance, context: OperatorContext): void {
  for (const each of ROUTES) each.add(app, context);
}

/** The OpenAPI document of the operator API, from the table of its operations. @param url of the listener */
export function operatorDocument(url: string): OpenApiDocument {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Operator API: publish events, register TPPs, inspect and redeliver notifications',
      version: '1',
      description:
        "For the bank's own systems and staff. Errors are problem details (RFC 9457): detail describes the error and the remedy, field names the field or parameter.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url, description: 'The operator listener' }],
    tags: [
      { name: 'Events', description: 'Publishing of events.' },
      { name: 'TPPs', description: 'TPPs that may call the TPP-facing API, their registrations and callback URLs.' },
      { name: 'Notifications', description: 'Notifications, their attempts, redelivery and withdrawal.' },
      { name: 'Upkeep', description: 'Status of the service, backup and audit.' },
      { name: 'Data protection', description: 'Export and erasure of the data of a TPP or about a resource.' },
      { name: 'Signing keys', description: 'Signing keys of the bank.' },
      { name: 'Health', description: 'For load balancers and for Prometheus.' },
      { name: 'Watching', description: 'Live stream and statistics.' },
      { name: 'Documents', description: 'The OpenAPI documents. They hold no secrets and need no token.' },
    ],
    paths: paths(),
    components: {
      schemas: schemas(),
      headers: {},
      parameters: PATH_PARAMETERS,
      responses: problemResponses(),
      securitySchemes: {
        operatorToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            'One of "operator.tokens" of the configuration, or an access token of the identity provider ("operator.oidc")',
        },
      },
    },
  };
}

/** Path parameters of operations. */
const PATH_PARAMETERS = {
  clientId: inPath('clientId', 'client_id of the TPP', 128),
  jti: inPath('jti', 'jti of the notification, from the response to publishing', 128),
  kid: inPath('kid', 'kid of the key', 2048),
};

function inPath(name: string, description: string, maxLength: number): Parameter {
  return { name, in: 'path', required: true, description, schema: { type: 'string', minLength: 1, maxLength } };
}

function paths(): Record<string, PathItem> {
  const found: Record<string, PathItem> = {};
  for (const { path, method, operation } of ROUTES) found[path] = { ...found[path], [method]: operation };
  return found;
}

function schemas(): Record<string, object> {
  const named = ROUTES.flatMap((each) => Object.entries<object>(each.schemas));
  const all = [...named, ...Object.entries<object>({ ProblemDetails })];
  return Object.fromEntries(all.map(([name, schema]) => [name, described(schema, {})]));
}

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'A field or parameter is invalid; "field" names it',
  401: 'The token is missing or invalid',
  403: 'The role of the caller is not sufficient; "x-tidings-role" of the operation is the least one',
  404: 'The resource does not exist',
  409: 'The request conflicts with the current state; nothing was changed',
  410: 'The content was erased; its evidence is still there',
  412: 'The precondition does not hold for the TPP; nothing was changed',
  413: 'The body is larger than "operator.bodyBytesMax" allows',
  415: 'The operation does not accept the media type of the body',
  429: 'Too many requests are in progress; this one was not carried out. Retry-After says when to try again',
  500: 'An unexpected error occurred; see the log of the service',
  501: 'Not configured here',
  503: 'The store cannot be written, publishing is closed, or the keys of the identity provider are unavailable; nothing was stored. Retry-After says when to try again',
};

/** A response with problem details for each error status. */
function problemResponses(): Record<string, Response> {
  return Object.fromEntries(
    Object.entries(REFUSALS).map(([status, why]) => [`Problem${status}`, refusal(status, why)]),
  );
}

function refusal(status: string, description: string): Response {
  const title = STATUS_TITLES[Number(status)] ?? 'Error';
  const value = { type: 'about:blank', title, status: Number(status), detail: `${description}.` };
  return {
    description,
    ...((status === '429' || status === '503') && {
      headers: { 'retry-after': { description: 'Seconds', schema: { type: 'integer' } } },
    }),
    ...((status === '401' || status === '403') && {
      headers: { 'www-authenticate': { description: 'Bearer', schema: { type: 'string' } } },
    }),
    content: { 'application/problem+json': { schema: schemaRef('ProblemDetails'), examples: { example: { value } } } },
  };
}
