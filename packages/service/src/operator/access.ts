import assert from 'node:assert/strict';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { OperatorRole } from '../config/schema-operator.ts';
import type { OpenApiDocument, Operation } from '../openapi/model.ts';
import type { AuditActor } from '../store/store.ts';
import type { AuthenticatedBy, Principal } from './authenticate.ts';
import { Problem } from './problem.ts';
import { LEAST_ROLES, type OperationId, roleThatAllows } from './roles.ts';

/** Who makes a call, and what it is allowed as. */
export interface Caller {
  /** For log and audit. */
  readonly name: string;
  readonly authenticatedBy: AuthenticatedBy;
  /** The role that allowed the call. */
  readonly role: OperatorRole;
}

/**
 * Who makes the call, as the audit names it. `from` is the address that the connection came from: no header is believed
 * about it, since whoever reaches the listener can write one.
 */
export function auditActorOf({ caller, socket }: FastifyRequest): AuditActor {
  assert(caller !== undefined, 'only a call that was let in changes something');
  const { name: actor, role, authenticatedBy } = caller;
  return { actor, role, authenticatedBy, from: socket.remoteAddress ?? '' };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route is in the OpenAPI document, which says what role it needs. */
    operationId?: OperationId;
  }
  interface FastifyRequest {
    /** Who calls; undefined where no token is needed, and where there is no such route. */
    caller: Caller | undefined;
    /** Name of the caller, for the log; empty where there is none. */
    operatorName: string;
  }
}

/**
 * Asks of every call who makes it, and whether its role is enough. Must be called before the first route is added: one that
 * names no operation is refused then, so that nothing is ever open by being forgotten. A path that nothing is at is told
 * only to who has a token.
 *
 * @param document in which every route must stand, as the operation that it names
 * @param authenticate tells who calls; throws a {@link Problem} 401
 */
export function guardRoutes(
  app: FastifyInstance,
  document: Pick<OpenApiDocument, 'paths'>,
  authenticate: (request: FastifyRequest) => Principal | Promise<Principal>,
): void {
  app.decorateRequest('caller', undefined);
  app.decorateRequest('operatorName', '');
  app.addHook('onRoute', ({ method, url, config }) => {
    assert(config?.operationId !== undefined, `${method} ${url} names no operation; see src/operator/roles.ts`);
    const documented = operationAt(document, String(method), url)?.operationId;
    assert(documented === config.operationId, `${method} ${url} is not ${config.operationId} in the OpenAPI document`);
  });
  app.addHook('onRequest', async (request) => {
    const { operationId } = request.routeOptions.config;
    const least = operationId && LEAST_ROLES[operationId];
    assert(least !== undefined || request.is404, 'every route names its operation');
    if (least === 'nobody') return;
    const { name, roles, authenticatedBy } = await authenticate(request);
    request.operatorName = name;
    if (least === undefined) return;
    const role = roleThatAllows(least, roles);
    if (role === undefined) {
      throw new Problem(403, `This needs the role ${least}; ${JSON.stringify(name)} has ${roles.join(', ')}.`);
    }
    request.caller = { name, role, authenticatedBy };
  });
}

/** The operation of a route in the document; undefined where there is none. */
export function operationAt(
  { paths }: Pick<OpenApiDocument, 'paths'>,
  method: string,
  url: string,
): Operation | undefined {
  const item = paths[url.replaceAll(/:(\w+)/g, '{$1}')];
  return item && Object.entries(item).find(([name]) => name === method.toLowerCase())?.[1];
}
