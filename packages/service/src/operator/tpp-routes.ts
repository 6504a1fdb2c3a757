import { parseMediaType, shapeOf } from '@tidings/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { auditActorOf } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { fieldProblem, readJson, shapedValue } from './read-body.ts';
import { readPage, refuseOthers } from './read-page.ts';
import { checkClientId, readStatement, readTpp, type StatementFacts } from './read-tpp.ts';
import { forOperation } from './roles.ts';
import { type Operator, type Preconditions, TppRegistry } from './tpp-registry.ts';
import { BringBack, TPPS_PER_PAGE, TPPS_PER_PAGE_MAX, type TppPage } from './tpp-schemas.ts';
import { entityTagOf, writeListedTpp, writeRegistrations, writeTpp } from './write-tpp.ts';

interface WithClientId {
  Params: { clientId: string };
}

interface WithPage {
  Querystring: Readonly<Record<string, unknown>>;
}

const TPPS = '/operator/v1/tpps';

const shapeBringBack = shapeOf(BringBack);

/** The TPP registry of the operator API. */
export function registerTppRoutes(app: FastifyInstance, options: OperatorOptions): void {
  const { store, clock, softwareStatements, onTppChanged: onChanged = () => undefined } = options;
  const registry = new TppRegistry({ store, clock, softwareStatements, onChanged, observer: options.observer });

  app.get<WithPage>(TPPS, forOperation('listTpps'), (request) => listTpps(request.query, options));

  app.get<WithClientId>(`${TPPS}/:clientId`, forOperation('getTpp'), async (request, reply) => {
    const tpp = await registry.find(request.params.clientId);
    reply.header('etag', entityTagOf(tpp));
    return writeTpp(tpp, await registry.target(tpp.clientId));
  });

  app.put<WithClientId>(`${TPPS}/:clientId`, forOperation('putTpp'), async (request, reply) => {
    const facts = await readTpp(request.params.clientId, request.body, options.config?.retry);
    const tpp = await registry.put(facts, preconditionsOf(request), operatorOf(request));
    return reply.code(204).header('etag', entityTagOf(tpp)).send();
  });

  app.delete<WithClientId>(`${TPPS}/:clientId`, forOperation('removeTpp'), async (request, reply) => {
    await registry.remove(request.params.clientId, operatorOf(request));
    return reply.code(204).send();
  });

  for (const operation of ['suspend', 'resume'] as const) {
    app.post<WithClientId>(`${TPPS}/:clientId/${operation}`, forOperation(`${operation}Tpp`), async (request) => {
      const isSuspended = operation === 'suspend';
      const tpp = await registry.setSuspended(request.params.clientId, isSuspended, operatorOf(request));
      return writeTpp(tpp, await registry.target(tpp.clientId));
    });
  }

  app.post<WithClientId>(
    `${TPPS}/:clientId/callback-url/bring-back`,
    forOperation('bringBackCallbackUrl'),
    async (request) => {
      const { how } = shapedValue(shapeBringBack(readJson(request.body)));
      const tpp = await registry.bringBack(request.params.clientId, how, operatorOf(request));
      return writeTpp(tpp, await registry.target(tpp.clientId));
    },
  );

  app.get<WithClientId>(`${TPPS}/:clientId/registrations`, forOperation('getTppRegistrations'), async (request) => {
    const { clientId } = await registry.find(request.params.clientId);
    return writeRegistrations(await store.subscriptionOf(clientId), await store.callbackUrlOf(clientId));
  });

  registerImport(app, registry);
}

function registerImport(app: FastifyInstance, registry: TppRegistry): void {
  app.post<WithPage>(`${TPPS}/import`, forOperation('importTpp'), async (request) => {
    const tpp = await registry.import(statementOf(request), operatorOf(request));
    return writeTpp(tpp, await registry.target(tpp.clientId));
  });
}

/** The assertion alone, or JSON around it. */
function statementOf({ body, headers, query }: FastifyRequest<WithPage>): StatementFacts {
  if (parseMediaType(headers['content-type'])?.essence !== 'application/jwt') return readStatement(body);
  const softwareStatement = body instanceof Uint8Array ? Buffer.from(body).toString().trim() : '';
  const { clientId, ...others } = query;
  refuseOthers(others);
  if (clientId === undefined) return { softwareStatement };
  if (typeof clientId !== 'string') throw fieldProblem('clientId', 'must be given once');
  checkClientId(clientId);
  return { softwareStatement, clientId };
}

async function listTpps(query: WithPage['Querystring'], { store }: OperatorOptions): Promise<TppPage> {
  const page = readPage(query, { cursor: 'after', limitDefault: TPPS_PER_PAGE, limitMax: TPPS_PER_PAGE_MAX });
  const { cursor: after = '', limit } = page;
  // One more than asked for tells whether there is a next page. Those that are pushed to are some of them.
  const [found, targets] = await Promise.all([store.tpps(after, limit + 1), store.targets(after, limit)]);
  const targetOf = new Map(targets.map((target) => [target.clientId, target]));
  const tpps = found.slice(0, limit).map((tpp) => writeListedTpp(tpp, targetOf.get(tpp.clientId)));
  const last = tpps.at(-1);
  return { tpps, ...(found.length > tpps.length && last !== undefined && { next: last.clientId }) };
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
