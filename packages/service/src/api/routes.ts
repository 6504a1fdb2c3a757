import { ApiError, type ApiVersion, isUtf8, parseMediaType, signDetached } from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { rejectOtherMethods } from '../base/http-methods.ts';
import { pollBodyBytesMax } from '../config/derived.ts';
import type { Tpp } from '../model/tpp.ts';
import { type AuthenticationContext, authenticate, REGISTRATION_SCOPES } from './authenticate.ts';
import { type Caller, type EventsContext, pollEvents } from './events.ts';
import type { ApiOptions } from './options.ts';
import { onConnectionEnd, type PollLimit } from './poll-limit.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RegistrationResource } from './registration-resources.ts';
import {
  type Answer,
  createRegistration,
  deleteRegistration,
  getRegistrations,
  type RegistrationContext,
  replaceRegistration,
} from './registrations.ts';
import { methodNotAllowed, RateLimited, sendSigned, sendUnsigned } from './respond.ts';
import { verifySignature } from './verify-signature.ts';

interface WithId {
  Params: { id: string };
}

/** Dependencies that all routes of one API version share. */
export interface RouteContext {
  readonly options: ApiOptions;
  readonly apiVersion: ApiVersion;
  readonly authentication: AuthenticationContext;
  /** Counts changes of registrations. */
  readonly changeLimit: RateLimit;
  readonly onRegistrationChanged: (clientId: string) => void;
}

/** The four operations on one kind of registration, under one API version. */
export function registerRegistrationRoutes(
  app: FastifyInstance,
  resource: RegistrationResource,
  route: RouteContext,
): void {
  const { options } = route;
  const path = pathOf(resource.path, route);
  const context = registrationContextOf(path, route);
  const onRequest = beforeBody(REGISTRATION_SCOPES, route);
  const answer = (reply: FastifyReply, { status, body }: Answer) =>
    sendSigned(reply, status, body, (bytes) =>
      options.signingQueue.forAnswer(callerOf(reply.request).clientId, () =>
        signDetached(bytes, options.signer(), Math.floor(options.clock.nowMs() / 1000)),
      ),
    );

  app.post(path, { onRequest }, async (request, reply) => {
    const { tpp, body } = await signedRequest(request, route);
    return answer(reply, await createRegistration(resource, tpp, body, context(request)));
  });
  app.get(path, { onRequest }, async (request, reply) => {
    return answer(reply, await getRegistrations(resource, callerOf(request), context(request)));
  });
  app.put<WithId>(`${path}/:id`, { onRequest }, async (request, reply) => {
    const { tpp, body } = await signedRequest(request, route);
    return answer(reply, await replaceRegistration(resource, tpp, { id: request.params.id, body }, context(request)));
  });
  app.delete<WithId>(`${path}/:id`, { onRequest }, async (request, reply) => {
    await deleteRegistration(resource, callerOf(request), request.params.id, context(request));
    return reply.code(204).send();
  });
  rejectOtherMethods(app, path, ['GET', 'POST'], methodNotAllowed);
  // The standard has no GET by id, although Links.Self points there.
  rejectOtherMethods(app, `${path}/:id`, ['PUT', 'DELETE'], methodNotAllowed);
}

/** Aggregated polling: neither request nor answer is signed (rules, section 5). */
export function registerEventsRoute(
  app: FastifyInstance,
  events: EventsContext & { readonly pollLimit: PollLimit },
  route: RouteContext,
): void {
  const path = pathOf('events', route);
  // Early versions of the profile have a separate scope for polling.
  const scopes = route.apiVersion === 'v3.1' ? [...REGISTRATION_SCOPES, 'eventpolling'] : REGISTRATION_SCOPES;
  const callers = new WeakMap<FastifyRequest, Caller>();
  // Before the body is read: it may be large, and the limit bounds how many of one TPP are read at once.
  const admit = async (request: FastifyRequest, reply: FastifyReply) => {
    callers.set(request, admitPoll(request, reply, events.pollLimit));
  };
  const bodyLimit = pollBodyBytesMax(route.options);
  app.post(path, { bodyLimit, onRequest: [beforeBody(scopes, route), admit] }, async (request, reply) => {
    const caller = callers.get(request);
    if (caller === undefined) throw new Error('a poll was reached without being admitted');
    const body = await pollEvents(caller, bodyOf(request), events);
    request.setsGiven = Object.keys(body.sets).length;
    return sendUnsigned(reply, 200, body);
  });
  rejectOtherMethods(app, path, ['POST'], methodNotAllowed);
}

/** Takes a slot for the poll, until its response has been sent or the connection ends. */
function admitPoll(request: FastifyRequest, reply: FastifyReply, limit: PollLimit): Caller {
  const tpp = callerOf(request);
  const slot = limit.enter(tpp.clientId);
  if (slot === undefined) throw new RateLimited(1, 'too many polls of this TPP at once');
  const onGone = (callback: () => void) => onConnectionEnd(request.raw.socket, callback);
  const cancel = onGone(slot.leave);
  reply.raw.once('close', () => {
    cancel();
    slot.leave();
  });
  return { tpp, tokenExpiresAtMs: request.tokenExpiresAtMs, onGone, slot };
}

function pathOf(resource: string, { options, apiVersion }: RouteContext): string {
  return `${options.prefix}/open-banking/${apiVersion}/${resource}`;
}

function registrationContextOf(path: string, route: RouteContext): (request: FastifyRequest) => RegistrationContext {
  const { options, apiVersion, onRegistrationChanged, changeLimit } = route;
  const { store, clock, random, catalogue, eventTypesUrl, checkCallbackUrl } = options;
  const rules = { apiVersion, callbackUrlAllowed: options.isRealTimeOffered, catalogue, eventTypesUrl };
  return ({ socket, interactionId }) => ({
    store,
    clock,
    random,
    rules,
    checkCallbackUrl,
    url: `${options.publicUrl()}${path}`,
    countChange: (clientId: string) => {
      const retryAfterSeconds = changeLimit.take(clientId);
      if (retryAfterSeconds === undefined) return;
      throw new RateLimited(retryAfterSeconds, 'too many changes of registrations of this TPP');
    },
    onChanged: onRegistrationChanged,
    from: socket.remoteAddress ?? '',
    interactionId,
  });
}

/** Checks before the body is read, so that the body of an unauthenticated caller never is. */
function beforeBody(scopes: readonly string[], { authentication }: RouteContext) {
  return async (request: FastifyRequest): Promise<void> => {
    request.tpp = await authenticate(request, scopes, authentication);
    assertAcceptsJson(request);
    if (request.method === 'POST' || request.method === 'PUT') assertJsonBody(request);
  };
}

async function signedRequest(request: FastifyRequest, route: RouteContext): Promise<{ tpp: Tpp; body: Uint8Array }> {
  const tpp = callerOf(request);
  const body = bodyOf(request);
  await verifySignature(request, body, tpp, { ...route.options.signatures, apiVersion: route.apiVersion });
  return { tpp, body };
}

function bodyOf(request: FastifyRequest): Uint8Array {
  return request.body instanceof Uint8Array ? request.body : new Uint8Array();
}

function callerOf(request: FastifyRequest): Tpp {
  if (request.tpp === undefined) throw new Error('an operation was reached without authentication');
  return request.tpp;
}

const ACCEPTED_RANGES = new Set(['application/json', 'application/*', '*/*']);

/** Accepts only `application/json`, without parameters other than `charset=utf-8`. @throws {ApiError} */
function assertJsonBody(request: FastifyRequest): void {
  const type = parseMediaType(request.headers['content-type']);
  const isJson = type?.essence === 'application/json' && isUtf8(type);
  if (isJson && [...type.parameters.keys()].every((name) => name === 'charset')) return;
  throw new ApiError('UnsupportedMediaType', { message: 'the body must be application/json' });
}

/** Rejects a caller that does not accept JSON (RFC 9110 section 12.5.1). @throws {ApiError} */
function assertAcceptsJson(request: FastifyRequest): void {
  const { accept } = request.headers;
  if (accept === undefined || accept.trim() === '') return;
  const acceptable = accept.split(',').some((entry) => {
    const [range = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    return ACCEPTED_RANGES.has(range) && !parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter));
  });
  if (!acceptable) throw new ApiError('NotAcceptable', { message: 'answers are application/json' });
}
