import assert from 'node:assert/strict';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { OperatorRole } from '../config/schema-operator.ts';
import type { OpenApiDocument, Operation } from '../openapi/model.ts';
import type { AuditActor } from '../store/store.ts';
import type { AuthenticatedBy, OperatorTokens, Principal } from './authenticate.ts';
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

/** Authenticates a request, and tells what it is allowed as and until when. @throws {Problem} 401, 403 or 503 */
export type Admit = (request: FastifyRequest) => Promise<Admission>;

export interface Admission {
  readonly principal: Principal;
  /** The role that allows the call; undefined where there is no such route. */
  readonly role: OperatorRole | undefined;
}

/**
 * Asks of every call who makes it, and whether its role is enough. Must be called before the first route is added: one that
 * names no operation is refused then, so that nothing is ever open by being forgotten. A path that nothing is at is told
 * only to who has a token.
 *
 * @param document in which every route must stand, as the operation that it names
 * @param authenticate tells who calls; throws a {@link Problem} 401
 * @returns asks the same again of a call that was let in, for answers that outlive a token; see {@link watchAccess}
 */
export function guardRoutes(
  app: FastifyInstance,
  document: Pick<OpenApiDocument, 'paths'>,
  authenticate: (request: FastifyRequest) => Principal | Promise<Principal>,
): Admit {
  app.decorateRequest('caller', undefined);
  app.decorateRequest('operatorName', '');
  app.addHook('onRoute', ({ method, url, config }) => {
    assert(config?.operationId !== undefined, `${method} ${url} names no operation; see src/operator/roles.ts`);
    const documented = operationAt(document, String(method), url)?.operationId;
    assert(documented === config.operationId, `${method} ${url} is not ${config.operationId} in the OpenAPI document`);
  });
  const leastOf = ({ routeOptions, is404 }: FastifyRequest) => {
    const { operationId } = routeOptions.config;
    const least = operationId && LEAST_ROLES[operationId];
    assert(least !== undefined || is404, 'every route names its operation');
    return least;
  };
  const admit = async (request: FastifyRequest): Promise<Admission> => {
    const least = leastOf(request);
    const principal = await authenticate(request);
    const { name, roles } = principal;
    request.operatorName = name;
    if (least === undefined || least === 'nobody') return { principal, role: undefined };
    const role = roleThatAllows(least, roles);
    if (role !== undefined) return { principal, role };
    throw new Problem(403, `This needs the role ${least}; ${JSON.stringify(name)} has ${roles.join(', ')}.`);
  };
  app.addHook('onRequest', async (request) => {
    if (leastOf(request) === 'nobody') return;
    const { principal, role } = await admit(request);
    const { name, authenticatedBy } = principal;
    if (role !== undefined) request.caller = { name, role, authenticatedBy };
  });
  return admit;
}

// A key of the identity provider that is gone, or a mapping that changed, is noticed within it.
const ASKED_AGAIN_MS = 15_000;

/** What an answer that outlives its request is watched with. */
export interface AccessWatch {
  readonly admit: Admit;
  readonly tokens: Pick<OperatorTokens, 'onReplaced'>;
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
}

/**
 * Watches whether the caller of an answer that goes on may still have it, and calls back once when it may not: at the `exp`
 * of its token, when its token or role is taken away, or when what verifies it is gone. Access that cannot be checked for
 * the moment goes on.
 *
 * @returns ends the watch; must be called when the answer ends
 */
export function watchAccess(
  request: FastifyRequest,
  { admit, tokens, clock }: AccessWatch,
  onEnd: (why: string) => void,
): () => void {
  let isOver = false;
  let cancel: () => void = () => undefined;
  const stop = () => {
    isOver = true;
    cancel();
    forget();
  };
  const end = (why: string) => {
    if (isOver) return;
    stop();
    onEnd(why);
  };
  const check = async () => {
    cancel();
    let delayMs = ASKED_AGAIN_MS;
    try {
      const { expiresAtMs } = (await admit(request)).principal;
      if (expiresAtMs !== undefined) delayMs = Math.min(delayMs, expiresAtMs - clock.nowMs());
      if (delayMs <= 0) return end('its token has expired');
    } catch (error) {
      if (!(error instanceof Problem) || error.status < 500) {
        return end(error instanceof Error ? error.message : 'it cannot be authenticated');
      }
    }
    if (isOver) return;
    cancel();
    cancel = clock.after(delayMs, () => void check());
  };
  const forget = tokens.onReplaced(() => void check());
  void check();
  return stop;
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
