import { ApiError, type ApiVersion } from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Tpp } from '../store/store.ts';
import { authenticate } from './authenticate.ts';
import {
  type Answer,
  createEventSubscription,
  deleteEventSubscription,
  getEventSubscriptions,
  replaceEventSubscription,
  type SubscriptionContext,
} from './event-subscriptions.ts';
import { checkAccept, checkContentType } from './negotiate.ts';
import { sendError, sendSigned } from './respond.ts';
import type { ApiOptions } from './server.ts';
import { verifySignature } from './verify-signature.ts';

interface WithId {
  Params: { EventSubscriptionId: string };
}

/** The four operations on event subscriptions under one version of the API. */
export function registerEventSubscriptionRoutes(
  app: FastifyInstance,
  apiVersion: ApiVersion,
  options: ApiOptions,
): void {
  const path = `${options.prefix}/open-banking/${apiVersion}/event-subscriptions`;
  const pathWithId = `${path}/:EventSubscriptionId`;
  const context = (): SubscriptionContext => ({
    store: options.store,
    clock: options.clock,
    random: options.random,
    rules: { apiVersion, catalogue: options.catalogue, eventTypesUrl: options.eventTypesUrl },
    url: `${options.publicUrl()}${path}`,
    onChanged: options.onRegistrationChanged,
  });
  const answer = async (reply: FastifyReply, { status, body }: Answer) =>
    sendSigned(reply, status, body, options.signer, options.clock.nowMs());
  const onRequest = beforeBody(options);

  app.post(path, { onRequest }, async (request, reply) => {
    const { tpp, body } = await signedRequest(request, options);
    return answer(reply, await createEventSubscription(tpp, body, context()));
  });
  app.get(path, { onRequest }, async (request, reply) => {
    return answer(reply, await getEventSubscriptions(callerOf(request), context()));
  });
  app.put<WithId>(pathWithId, { onRequest }, async (request, reply) => {
    const { tpp, body } = await signedRequest(request, options);
    return answer(reply, await replaceEventSubscription(tpp, request.params.EventSubscriptionId, body, context()));
  });
  app.delete<WithId>(pathWithId, { onRequest }, async (request, reply) => {
    await deleteEventSubscription(callerOf(request), request.params.EventSubscriptionId, context());
    return reply.code(204).send();
  });
  refuseOtherMethods(app, path, ['GET', 'POST'], apiVersion);
  refuseOtherMethods(app, pathWithId, ['PUT', 'DELETE'], apiVersion);
}

/** Everything that can be told before the body is read, so that a stranger's body never is. */
function beforeBody(options: ApiOptions) {
  return async (request: FastifyRequest): Promise<void> => {
    request.tpp = await authenticate(request, options.accessTokens, options.store);
    checkAccept(request);
    if (request.method === 'POST' || request.method === 'PUT') checkContentType(request);
  };
}

async function signedRequest(request: FastifyRequest, options: ApiOptions): Promise<{ tpp: Tpp; body: Uint8Array }> {
  const tpp = callerOf(request);
  const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
  await verifySignature(request, body, tpp, options.signatures);
  return { tpp, body };
}

function callerOf(request: FastifyRequest): Tpp {
  if (request.tpp === undefined) throw new Error('an operation was reached without authentication');
  return request.tpp;
}

function refuseOtherMethods(app: FastifyInstance, url: string, allowed: string[], apiVersion: ApiVersion): void {
  app.route({
    method: app.supportedMethods.filter((method) => !allowed.includes(method)),
    url,
    // In the first hook, so that no body is read.
    onRequest: async (request, reply) => {
      reply.header('allow', allowed.join(', '));
      sendError(request, reply, new ApiError('MethodNotAllowed', { message: 'method not allowed' }), apiVersion);
      return reply;
    },
    handler: () => undefined,
  });
}
