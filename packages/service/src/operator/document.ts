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
import { auditRoutes } from './audit.ts';
import { backupRoute } from './backup.ts';
import { bulkRoutes } from './bulk.ts';
import { callbackUrlRoutes } from './callback-urls.ts';
import { notificationRoutes } from './notifications.ts';
import type { OperatorContext } from './options.ts';
import { ProblemDetails, STATUS_TITLES } from './problem.ts';
import { publishRoute } from './publish.ts';
import { registrationRoutes } from './registrations.ts';
import { answer, route } from './route.ts';
import { signingKeyRoutes } from './signing-keys.ts';
import { statisticsRoute } from './statistics.ts';
import { healthRoutes, statusRoute } from './status.ts';
import { streamRoute } from './stream.ts';
import { tppRoutes } from './tpps.ts';

const DOCUMENTS_PATH = '/operator/v1/openapi/';

// A browser sends no bearer token with a link, and the documents hold nothing that the developer portal and this project's
// sources do not tell: no token, key, TPP or event.
const open = { method: 'get', role: 'nobody', tag: 'Documents' } as const;

const showDocuments = route({
  ...open,
  operationId: 'showDocuments',
  path: DOCUMENTS_PATH,
  summary: 'A page that shows the documents',
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
  ...notificationRoutes,
  ...bulkRoutes,
  statusRoute,
  backupRoute,
  ...auditRoutes,
  ...registrationRoutes,
  ...callbackUrlRoutes,
  ...signingKeyRoutes,
  ...healthRoutes,
  streamRoute,
  statisticsRoute,
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
      title: 'Operator API: publish events, register TPPs, look at notifications and send them again',
      version: '1',
      description:
        "For the bank's own systems and staff. What is refused is told as problem details (RFC 9457): detail says what is wrong and what to do, field names the field.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url, description: 'The operator listener' }],
    tags: [
      { name: 'Events', description: 'What happened at the bank.' },
      { name: 'TPPs', description: 'Who may call the TPP-facing API.' },
      { name: 'Notifications', description: 'What became of an event.' },
      { name: 'Upkeep', description: 'How the service fares, and who changed what.' },
      { name: 'Signing keys', description: 'Our own keys.' },
      { name: 'Health', description: 'For load balancers and for Prometheus.' },
      { name: 'Watching', description: 'What happens, live and in numbers.' },
      { name: 'Documents', description: 'These documents. They hold no secret and need no token.' },
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

/** Tags of operations. */
const PATH_PARAMETERS = {
  clientId: inPath('clientId', 'client_id of the TPP', 128),
  jti: inPath('jti', 'As publishing answered it', 128),
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
  400: 'A field is wrong; "field" names it',
  401: 'No token, or one that is not good',
  403: 'The role of the caller is not enough; "x-tidings-role" of the operation is the least one',
  404: 'There is nothing under this path',
  409: 'It contradicts what is there; nothing was changed',
  412: 'The TPP is not as the precondition says; nothing was changed',
  413: 'The body is larger than "operator.bodyBytesMax" allows',
  415: 'The body is not of a type that is taken here',
  429: 'Too much is under way; nothing of it was done. Retry-After says when to try again',
  500: 'Something went wrong here; the log tells more',
  501: 'Not configured here',
  503: 'The store cannot be written now, publishing is closed, or keys of the identity provider cannot be had; nothing was kept. Retry-After says when to try again',
};

/** A response with problem details for each status that is refused with. */
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
