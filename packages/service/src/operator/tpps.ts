import { parseMediaType } from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';
import type { Parameter } from '../openapi/model.ts';
import type { Store } from '../store/store.ts';
import { auditActorOf } from './access.ts';
import { assertOnePage, NEEDS_ATTENTION, Recover } from './callback-urls.ts';
import { COUNTED_IN_LIST_MAX, NO_BACKLOG, writeDeliveries } from './delivery-state.ts';
import type { OperatorContext } from './options.ts';
import { cursor, fieldProblem, flag, limit, pageOf, type QueryParameter } from './request.ts';
import { answer, type Body, json, ok, route } from './route.ts';
import { type Operator, type Preconditions, TppRegistry } from './tpp-registry.ts';
import {
  checkClientId,
  checkScopes,
  checkStatement,
  checkTppToRegister,
  entityTagOf,
  RegisteredTpp,
  readTpp,
  type StatementFacts,
  StatementToImport,
  TPPS_PER_PAGE,
  TPPS_PER_PAGE_MAX,
  TppPage,
  TppToRegister,
  writeListedTpp,
} from './tpp-schemas.ts';

const TPPS = '/operator/v1/tpps';
const ASSERTION_TYPE = 'application/jwt';
const ONE = `${TPPS}/{clientId}` as const;
const TPP = ok('The TPP', { RegisteredTpp });
const ETAG = {
  etag: { description: 'Entity tag; send it as If-Match to change only this version', schema: { type: 'string' } },
};

const EXAMPLE_TPP = {
  organisationId: '0015800001TDGTPPAX',
  softwareStatementId: 'TidingsSampleTpp000001',
  jwksUrl: 'https://keystore.directory.example/0015800001TDGTPPAX/TidingsSampleTpp000001.jwks',
  certificateSubject: 'CN=0015800001TDGTPPAX,O=Sample TPP Ltd,C=GB',
  scopes: ['accounts'],
  retry: { retriesMax: 10 },
};

/** All the operations on TPPs. */
const readingRoutes = [
  route({
    operationId: 'listTpps',
    method: 'get',
    path: TPPS,
    role: 'viewer',
    tag: 'TPPs',
    summary: 'List TPPs in the order of their client_ids',
    query: {
      needsAttention: flag(NEEDS_ATTENTION),
      after: cursor('"next" of the previous page'),
      limit: limit('Page size', TPPS_PER_PAGE, TPPS_PER_PAGE_MAX),
    },
    response: ok('One page', { TppPage }),
    handler: (context) => (call) => listTpps(call.query, context),
  }),
  route({
    operationId: 'getTpp',
    method: 'get',
    path: ONE,
    role: 'viewer',
    tag: 'TPPs',
    summary: 'Get a TPP',
    response: ok('The TPP', { RegisteredTpp }, ETAG),
    refusals: [404],
    handler: (context) => {
      const registry = registryOf(context);
      return async ({ params, reply }) => {
        const tpp = await registry.find(params.clientId);
        reply.header('etag', entityTagOf(tpp));
        return registry.show(tpp);
      };
    },
  }),
];

const ifMatch = preconditionHeader('if-match', 'ETag of the version to change; 412 if the TPP was changed since');
const ifNoneMatch = preconditionHeader('if-none-match', '*: 412 if the TPP is already registered');

// Who may call the TPP-facing API, and with which keys.
const changing = { role: 'administrator', tag: 'TPPs' } as const;

/** Operations of the bank on registered TPPs. */
const changingRoutes = [
  route({
    ...changing,
    operationId: 'importTpp',
    method: 'post',
    path: `${TPPS}/import`,
    summary:
      'Add or change a TPP from its software statement assertion, which is verified and provides ids, endpoints and scopes',
    query: { clientId: importedClientId() },
    body: statement(),
    response: TPP,
    refusals: [501, 503],
    handler: (context) => {
      const registry = registryOf(context);
      return async ({ request, query, body }) => {
        const facts = isAssertion(request) ? { ...body, clientId: query.clientId } : body;
        return registry.show(await registry.import(facts, operatorOf(request)));
      };
    },
  }),
  route({
    ...changing,
    operationId: 'putTpp',
    method: 'put',
    path: ONE,
    summary: 'Add or replace a TPP; a suspended TPP stays suspended',
    headers: [ifMatch, ifNoneMatch],
    body: json({ TppToRegister }, { example: EXAMPLE_TPP, check: checkTppToRegister }),
    response: answer({ 204: { description: 'Added or changed', headers: ETAG } }),
    refusals: [412],
    handler: (context) => {
      const registry = registryOf(context);
      return async ({ request, reply, params, body }) => {
        const facts = await readTpp(params.clientId, body, context.config?.retry);
        const tpp = await registry.put(facts, preconditionsOf(request), operatorOf(request));
        return reply.code(204).header('etag', entityTagOf(tpp)).send();
      };
    },
  }),
  route({
    ...changing,
    operationId: 'removeTpp',
    method: 'delete',
    path: ONE,
    summary: 'Remove a TPP with its registrations; its awaiting notifications are withdrawn',
    response: answer({ 204: { description: 'Done' } }),
    refusals: [404],
    handler: (context) => {
      const registry = registryOf(context);
      return async ({ request, reply, params }) => {
        await registry.remove(params.clientId, operatorOf(request));
        return reply.code(204).send();
      };
    },
  }),
];

const operating = { method: 'post', role: 'operator', tag: 'TPPs', response: TPP } as const;

/** Operations that do not change who may call. */
const operatingRoutes = [
  route({
    ...operating,
    operationId: 'suspendTpp',
    path: `${ONE}/suspend`,
    summary: 'Suspend a TPP: its calls are answered 403 and nothing is delivered; its notifications stay awaiting',
    refusals: [404],
    handler: (context) => setSuspended(true, context),
  }),
  route({
    ...operating,
    operationId: 'resumeTpp',
    path: `${ONE}/resume`,
    summary: 'Resume a suspended TPP; its awaiting notifications are due at once',
    refusals: [404],
    handler: (context) => setSuspended(false, context),
  }),
  route({
    ...operating,
    operationId: 'recoverCallbackUrl',
    path: `${ONE}/callback-url/recover`,
    summary: 'Mark an unresponsive callback URL as recovered, or probe it now; 409 if no callback URL is unresponsive',
    body: json({ Recover }, { example: { how: 'probe-now' } }),
    refusals: [404, 409],
    handler: (context) => {
      const registry = registryOf(context);
      return async ({ request, params, body }) =>
        registry.show(await registry.recover(params.clientId, body.how, operatorOf(request)));
    },
  }),
];

/** The TPP registry of the operator API. */
export const tppRoutes = [...readingRoutes, ...changingRoutes, ...operatingRoutes];

function registryOf(context: OperatorContext): TppRegistry {
  const { store, clock, softwareStatements, onTppChanged: onChanged = () => undefined, observer } = context;
  return new TppRegistry({ store, clock, softwareStatements, onChanged, observer });
}

function setSuspended(isSuspended: boolean, context: OperatorContext) {
  const registry = registryOf(context);
  return async ({ request, params }: { request: FastifyRequest; params: { clientId: string } }) =>
    registry.show(await registry.setSuspended(params.clientId, isSuspended, operatorOf(request)));
}

function preconditionHeader(name: string, description: string): Parameter {
  return { name, in: 'header', description, schema: { type: 'string' } };
}

function importedClientId(): QueryParameter<string | undefined> {
  return {
    description: 'With application/jwt: client_id at the authorisation server. Default: the software statement id',
    schema: { type: 'string', minLength: 1, maxLength: 128 },
    read: (_name, given) => {
      if (given !== undefined) checkClientId(given);
      return given;
    },
  };
}

/** The assertion alone, or JSON around it. */
function statement(): Body<StatementFacts> {
  const { content, ...around } = json({ StatementToImport }, { check: checkScopes });
  const alone = { schema: { type: 'string', description: 'The assertion alone' } };
  return {
    ...around,
    content: { ...content, [ASSERTION_TYPE]: alone },
    read: (request) => {
      if (!isAssertion(request)) return checkStatement(around.read(request));
      const { body } = request;
      return { softwareStatement: body instanceof Uint8Array ? Buffer.from(body).toString().trim() : '' };
    },
  };
}

function isAssertion({ headers }: FastifyRequest): boolean {
  return parseMediaType(headers['content-type'])?.essence === ASSERTION_TYPE;
}

interface ListQuery {
  readonly needsAttention: boolean;
  readonly after: string | undefined;
  readonly limit: number;
}

async function listTpps(query: ListQuery, { store }: OperatorContext): Promise<TppPage> {
  const { after = '', limit: most } = query;
  if (query.needsAttention) {
    assertOnePage(query);
    return { tpps: await needingAttention(most, store) };
  }
  // Those that registered something are some of them.
  const [found, registered] = await Promise.all([store.tpps(after, most + 1), store.registrations(after, most)]);
  const { shown, next } = pageOf(found, most, ({ clientId }) => clientId);
  const targetOf = new Map(registered.map(({ clientId, target }) => [clientId, target]));
  const backlogs = await store.backlogsOf(
    shown.map(({ clientId }) => clientId),
    COUNTED_IN_LIST_MAX,
  );
  const tpps = shown.map((tpp) => {
    const { clientId, isSuspended = false } = tpp;
    const facts = { isSuspended, hasRegistration: targetOf.has(clientId), target: targetOf.get(clientId) };
    const deliveries = { ...facts, backlog: backlogs.get(clientId) ?? NO_BACKLOG };
    return { ...writeListedTpp(tpp), ...writeDeliveries(deliveries, COUNTED_IN_LIST_MAX) };
  });
  return { tpps, ...next };
}

/** The TPPs whose callback URL is failing or unresponsive, those with most awaiting first. */
async function needingAttention(most: number, store: Store): Promise<TppPage['tpps']> {
  const troubled = await store.troubledTargets(most, COUNTED_IN_LIST_MAX);
  const tpps = await Promise.all(troubled.map(({ clientId }) => store.tpp(clientId)));
  return troubled.flatMap((target, at) => {
    const tpp = tpps[at];
    // It was removed meanwhile.
    if (tpp === undefined) return [];
    const deliveries = { isSuspended: false, hasRegistration: true, target, backlog: target };
    return [{ ...writeListedTpp(tpp), ...writeDeliveries(deliveries, COUNTED_IN_LIST_MAX) }];
  });
}

function preconditionsOf(request: FastifyRequest): Preconditions {
  const ifNoneMatch = request.headers['if-none-match'];
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    throw fieldProblem('If-None-Match', 'must be *, which asks that there is no such TPP yet');
  }
  return { ifMatch: request.headers['if-match']?.trim(), mustBeNew: ifNoneMatch !== undefined };
}

function operatorOf(request: FastifyRequest): Operator {
  return { name: request.operatorName, audited: auditActorOf(request), log: request.log };
}
