import assert from 'node:assert/strict';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RateLimit } from '../api/rate-limit.ts';
import type { Clock } from '../base/clock.ts';
import type { OperatorRole } from '../config/schema.ts';
import type { AuditActor } from '../model/audit.ts';
import type { OidcVerifier } from '../trust/oidc-tokens.ts';
import { Problem } from './problem.ts';

/**
 * The role that an operation demands of its caller. viewer < operator < administrator. `publisher` stands beside them: of all
 * operations it may do those that say so, which an operator may do too. `nobody`: no token is needed.
 */
export type LeastRole = OperatorRole | 'nobody';

// The highest first: of several roles the call is noted under the highest.
const ALLOWED: Readonly<Record<OperatorRole, readonly OperatorRole[]>> = {
  viewer: ['administrator', 'operator', 'viewer'],
  operator: ['administrator', 'operator'],
  administrator: ['administrator'],
  publisher: ['administrator', 'operator', 'publisher'],
};

/** Which of the roles that a caller has lets it do what needs a role; undefined when none does. */
export function roleThatAllows(least: OperatorRole, roles: readonly OperatorRole[]): OperatorRole | undefined {
  return ALLOWED[least].find((role) => roles.includes(role));
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** A token that is accepted, by its hash. */
interface OperatorToken {
  readonly name: string;
  /** SHA-256 of the token, hexadecimal. */
  readonly sha256: string;
  readonly role: OperatorRole;
}

/** The tokens that are accepted now: those of the configuration, as it was last read. */
export class OperatorTokens {
  #accepted: readonly OperatorToken[];
  readonly #observers = new Set<() => void>();

  constructor(accepted: readonly OperatorToken[]) {
    this.#accepted = accepted;
  }

  get accepted(): readonly OperatorToken[] {
    return this.#accepted;
  }

  /** Accepts these and no others from now on, and tells whoever a longer answer is given to. */
  replace(accepted: readonly OperatorToken[]): void {
    this.#accepted = accepted;
    for (const observer of [...this.#observers]) observer();
  }

  /** @returns takes it back */
  onReplaced(observer: () => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }
}

/** How a caller showed who it is. */
type AuthenticatedBy = 'token' | 'oidc';

/** The caller, as its token identifies it. */
export interface Principal {
  /** For log and audit. */
  readonly name: string;
  readonly authenticatedBy: AuthenticatedBy;
  /** At least one. */
  readonly roles: readonly OperatorRole[];
  /** Values of the roles claim that gave them; undefined for tokens of the configuration. */
  readonly values?: readonly string[];
  /** When its token expires; undefined: not by itself. */
  readonly expiresAtMs?: number;
}

/** The ways in which a caller is authenticated: either of the two, or both. */
interface Credentials {
  readonly tokens: Pick<OperatorTokens, 'accepted'>;
  /** Verifies tokens of the bank's identity provider. */
  readonly oidc?: OidcVerifier | undefined;
  /** Bounds how many tokens of one remote address the provider's keys are tried on in vain; undefined: nothing does. */
  readonly limit?: RateLimit | undefined;
}

/**
 * Authenticates the caller by its token: one of the configuration, or else one of the identity provider.
 *
 * @param network that the call comes from
 * @throws {Problem} 401; 429 where too many tokens of the network were not good; 403 for a good token that gives no role; 503 while the keys of the provider are unavailable
 */
export async function authenticateOperator(
  authorization: string | undefined,
  { tokens, oidc, limit }: Credentials,
  network: string,
): Promise<Principal> {
  const token = BEARER.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new Problem(401, 'Send the operator token as "Authorization: Bearer …".');
  const known = findToken(token, tokens.accepted);
  if (known !== undefined) return { name: known.name, authenticatedBy: 'token', roles: [known.role] };
  if (oidc === undefined) throw new Problem(401, 'The operator token is not one of "operator.tokens".');
  // Those of the configuration cost nothing, and go on while somebody else of the same address guesses.
  const retryAfterSeconds = limit?.take(network);
  if (retryAfterSeconds !== undefined) {
    throw new Problem(429, 'Too many invalid tokens came from this address.', {}, retryAfterSeconds);
  }
  const check = await oidc.verify(token);
  if (check.kind !== 'refused') limit?.giveBack(network);
  if (check.kind === 'refused') {
    const neither = 'The token is not one of "operator.tokens", nor one that the identity provider gave for this API';
    throw new Problem(401, `${neither}: ${check.reason}`);
  }
  if (check.kind === 'unavailable') {
    throw new Problem(503, 'The keys of the identity provider are unavailable, so its tokens cannot be verified.');
  }
  const { name, roles, values, expiresAtMs } = check;
  assertSomeRole(name, roles, oidc);
  return { name, authenticatedBy: 'oidc', roles, values, expiresAtMs };
}

/** Someone who signed in at the identity provider: a name, and the values of the roles claim that were mapped then. */
export interface Staff {
  readonly name: string;
  readonly values: readonly string[];
}

/** Gives staff who signed in the roles that the mapping gives them now. @throws {Problem} 401 without a provider, 403 without a role */
export function authenticateStaff({ name, values }: Staff, oidc: Credentials['oidc']): Principal {
  if (oidc === undefined) throw new Problem(401, 'There is no identity provider here.');
  const roles = oidc.rolesOf(values);
  assertSomeRole(name, roles, oidc);
  return { name, authenticatedBy: 'oidc', roles };
}

function assertSomeRole(name: string, roles: readonly OperatorRole[], { rolesClaim }: OidcVerifier): void {
  if (roles.length > 0) return;
  const looked = `none of the values of its claim "${rolesClaim}" is mapped in "operator.oidc.roles"`;
  throw new Problem(403, `The token of ${JSON.stringify(name)} gives no role here: ${looked}.`);
}

function findToken(token: string, tokens: readonly OperatorToken[]): OperatorToken | undefined {
  const hash = createHash('sha256').update(token).digest();
  // All are compared, in constant time each, so that the time tells nothing about which came close.
  return tokens.filter(({ sha256 }) => timingSafeEqual(hash, Buffer.from(sha256, 'hex')))[0];
}

/** The caller of an operation, with the role that allows it. */
interface Caller {
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

/** The part of an operation that must be known before its handler is called. */
export interface GuardedOperation {
  readonly operationId: string;
  readonly role: LeastRole;
  /** Media types of bodies that it takes. */
  readonly bodyTypes: readonly string[];
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The operation that the route is. */
    operation?: GuardedOperation;
  }
  interface FastifyRequest {
    /** Who calls; undefined where no token is needed, and where there is no such route. */
    caller: Caller | undefined;
    /** Name of the caller, for the log; empty where there is none. */
    operatorName: string;
  }
}

/** Authenticates a request, and tells what it is allowed as and until when. @throws {Problem} 401, 403 or 503 */
type Admit = (request: FastifyRequest) => Promise<Admission>;

interface Admission {
  readonly principal: Principal;
  /** The role that allows the call; undefined where there is no such route. */
  readonly role: OperatorRole | undefined;
}

/**
 * Authenticates every call and checks that its role is sufficient. Must be called before the first route is added: from then
 * on a route without an operation is rejected, so that no route is open by mistake. A path without a route is answered 404
 * only to callers with a token.
 *
 * @param authenticate identifies the caller; throws a {@link Problem} 401
 * @returns repeats the check for an admitted call, for answers that outlive a token; see {@link watchAccess}
 */
export function guardRoutes(
  app: FastifyInstance,
  authenticate: (request: FastifyRequest) => Principal | Promise<Principal>,
): Admit {
  app.decorateRequest('caller', undefined);
  app.decorateRequest('operatorName', '');
  app.addHook('onRoute', ({ method, url, config }) => {
    assert(config?.operation !== undefined, `${method} ${url} names no operation; see src/operator/route.ts`);
  });
  const leastOf = ({ routeOptions, is404 }: FastifyRequest) => {
    const { operation } = routeOptions.config;
    assert(operation !== undefined || is404, 'every route is an operation');
    return operation?.role;
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

/** Dependencies of watching an answer that outlives its request. */
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
