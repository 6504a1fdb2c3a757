import { API_VERSIONS, ApiError, type ApiVersion } from '@tidings/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { HttpRefusal } from '../base/http-refusal.ts';
import { createHttpServer } from '../base/http-server.ts';
import { remoteNetworkOf } from '../base/ip-address.ts';
import { LogSampler } from '../base/log.ts';
import type { Tpp } from '../model/tpp.ts';
import { registerJwksRoute } from './jwks.ts';
import { LongPolls } from './long-poll.ts';
import type { ApiOptions } from './options.ts';
import { PollLimit } from './poll-limit.ts';
import { RateLimit } from './rate-limit.ts';
import { CALLBACK_URLS, EVENT_SUBSCRIPTIONS } from './registration-resources.ts';
import { apiErrorOf, sendError, sendRefusal } from './respond.ts';
import { type RouteContext, registerEventsRoute, registerRegistrationRoutes } from './routes.ts';
import { UnauthenticatedLimit } from './unauthenticated-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated caller; undefined before authentication, and on paths that need no token. */
    tpp: Tpp | undefined;
    /** When the access token expires; undefined before authentication, or if unknown. */
    tokenExpiresAtMs: number | undefined;
    /** Thumbprint of the client certificate, or else the remote address; undefined on paths without authentication. */
    peer: string | undefined;
    /** The error of the response, for the log. */
    refusal: ApiError | HttpRefusal | undefined;
    /** Number of SETs in the response to a poll, for the log; undefined for other requests. */
    setsGiven: number | undefined;
  }
}

/** The TPP-facing API. */
export interface Api {
  readonly server: FastifyInstance;
  /** Number of long polls that are held now. */
  longPollsHeld(): number;
}

// In addition to held long polls.
const OTHER_CONNECTIONS_MAX = 10_000;
// In addition to the time of a long poll, during which its connection is idle.
const ANSWER_IDLE_MS = 60_000;
const HOUR_MS = 3_600_000;

/**
 * Builds the TPP-facing API: authenticate → negotiate → verify signature → operation → signed response. Features that the
 * bank does not offer have no route, and are answered 404.
 */
export function buildApi(options: ApiOptions): Api {
  const { store, clock, polling, prefix } = options;
  const logSampler = new LogSampler(clock);
  const server = createServer(options, logSampler);
  const longPolls = new LongPolls({ store, clock, ...polling });
  server.addHook('preClose', async () => longPolls.close());
  const pollLimit = new PollLimit(polling.pollsPerTppMax);
  const rateLimit = new RateLimit(options.requestsPerMinutePerTppMax, clock);
  const changeLimit = new RateLimit(options.registrationChangesPerHourPerTppMax, clock, HOUR_MS);
  const unauthenticatedLimit = new UnauthenticatedLimit(
    {
      perCertificateMax: options.unauthenticatedPerMinutePerCertificateMax,
      perAddressMax: options.unauthenticatedPerMinutePerAddressMax,
    },
    clock,
  );
  registerJwksRoute(server, `${prefix}${options.jwksPath}`, options);
  for (const apiVersion of API_VERSIONS) {
    const route: RouteContext = {
      ...{ options, apiVersion },
      authentication: { ...options, rateLimit, unauthenticatedLimit, logSampler },
      changeLimit,
      onRegistrationChanged: (clientId) => {
        longPolls.wake(clientId);
        options.onRegistrationChanged();
      },
    };
    registerRegistrationRoutes(server, EVENT_SUBSCRIPTIONS, route);
    if (options.areCallbackUrlsOffered) registerRegistrationRoutes(server, CALLBACK_URLS, route);
    if (polling.isOffered) registerEventsRoute(server, { ...options, longPolls, pollLimit, limits: polling }, route);
  }
  return { server, longPollsHeld: () => longPolls.held };
}

function createServer(options: ApiOptions, logSampler: LogSampler): FastifyInstance {
  const server = createHttpServer({
    tls: tlsOf(options),
    bodyBytesMax: options.bodyBytesMax,
    requestTimeoutMs: options.requestTimeoutMs,
    firstRequestTimeoutMs: options.firstRequestTimeoutMs,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs,
    connectionsPerAddressMax: options.connectionsPerAddressMax,
    isUncounted: options.isGateway,
    idleTimeoutMs: options.polling.longPollMaxMs + ANSWER_IDLE_MS,
    connectionsMax: options.polling.longPollsMax + OTHER_CONNECTIONS_MAX,
    clock: options.clock,
    random: options.random,
    log: options.log,
  });
  // Bodies remain the received bytes, since the signature covers them. Each route checks the media type.
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  server.decorateRequest('tpp', undefined);
  server.decorateRequest('tokenExpiresAtMs', undefined);
  server.decorateRequest('peer', undefined);
  server.decorateRequest('refusal', undefined);
  server.decorateRequest('setsGiven', undefined);
  logExchanges(server, { ...options, logSampler });
  server.setErrorHandler((error, request, reply) => {
    if (error instanceof HttpRefusal) return sendRefusal(request, reply, error);
    return sendError(request, reply, apiErrorOf(error, request), apiVersionOf(request, options.prefix));
  });
  server.setNotFoundHandler((request, reply) => {
    const error = new ApiError('PathUnknown', { message: 'unknown path' });
    sendError(request, reply, error, apiVersionOf(request, options.prefix));
  });
  return server;
}

/**
 * Mutual TLS on the listener itself: a connection without a certificate of a known root fails in the handshake. If a
 * gateway may connect as well, which needs no certificate, the handshake continues, and `clientCertificate` accepts only
 * verified certificates.
 */
function tlsOf({ tls, gateway }: ApiOptions) {
  return tls && { ...tls, requestCert: true, rejectUnauthorized: gateway === undefined };
}

/** Logs one wide line per exchange. For unauthenticated callers it samples: the first lines of a kind per minute. */
function logExchanges(
  server: FastifyInstance,
  { clock, logSampler }: { readonly clock: Clock; readonly logSampler: LogSampler },
): void {
  const admit = (request: FastifyRequest, what: string | number) => {
    if (request.tpp !== undefined) return {};
    return logSampler.admit(`${request.peer ?? remoteNetworkOf(request.socket)} ${what}`);
  };
  const factsOf = (request: FastifyRequest) => ({
    interactionId: request.interactionId,
    clientId: request.tpp?.clientId,
    method: request.method,
    route: request.routeOptions.url,
    durationMs: Math.round(clock.monotonicMs() - request.arrivedMs),
  });
  server.addHook('onResponse', async (request, reply) => {
    const { refusal, setsGiven } = request;
    const admitted = admit(request, reply.statusCode);
    if (admitted === undefined) return;
    request.log[reply.statusCode >= 500 ? 'error' : 'info'](
      {
        ...factsOf(request),
        ...admitted,
        status: reply.statusCode,
        ...(setsGiven !== undefined && { sets: setsGiven }),
        ...(refusal !== undefined && { refused: codeOf(refusal), why: refusal.message, path: pathOf(refusal) }),
      },
      'answered',
    );
  });
  // Not onRequestAbort: that covers callers who disconnect before their body was read, not before the response.
  server.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () => {
      const admitted = reply.raw.writableFinished ? undefined : admit(request, 'hung up');
      if (admitted) request.log.info({ ...factsOf(request), ...admitted }, 'hung up');
    });
  });
}

const codeOf = (refusal: ApiError | HttpRefusal) => (refusal instanceof ApiError ? refusal.code : refusal.status);
const pathOf = (refusal: ApiError | HttpRefusal) => (refusal instanceof ApiError ? refusal.detail.path : undefined);

/** The API version whose error vocabulary applies: that of the path, or else the newest. */
function apiVersionOf(request: FastifyRequest, prefix: string): ApiVersion {
  const path = request.routeOptions.url ?? request.url;
  return API_VERSIONS.find((version) => path.startsWith(`${prefix}/open-banking/${version}/`)) ?? 'v4.0';
}
