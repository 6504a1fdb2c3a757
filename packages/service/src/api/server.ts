import './request-state.ts';
import { API_VERSIONS, ApiError, type ApiVersion, type EventTypeCatalogue, type JwsSigner } from '@tidings/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { HttpRefusal } from '../base/http-refusal.ts';
import { createHttpServer } from '../base/http-server.ts';
import type { Log } from '../base/log.ts';
import { LogSampler } from '../base/log-sampler.ts';
import type { Random } from '../base/random.ts';
import { remoteNetworkOf } from '../base/remote-address.ts';
import type { Config } from '../config/schema.ts';
import type { OfferedNotification, Store } from '../store/store.ts';
import type { AccessTokenVerifier } from '../trust/access-tokens.ts';
import type { ClientCertificateReader } from '../trust/client-certificate.ts';
import type { SigningQueue } from '../trust/signing-queue.ts';
import type { Observer } from '../watch/observer.ts';
import { CALLBACK_URLS } from './callback-urls.ts';
import { EVENT_SUBSCRIPTIONS } from './event-subscriptions.ts';
import { type JwksOptions, registerJwksRoute } from './jwks.ts';
import { LongPolls } from './long-poll.ts';
import { PollLimit } from './poll-limit.ts';
import { RateLimit } from './rate-limit.ts';
import type { CheckCallbackUrl } from './registrations.ts';
import { apiErrorOf, sendError, sendRefusal } from './respond.ts';
import { type RouteContext, registerEventsRoute, registerRegistrationRoutes } from './routes.ts';
import { UnauthenticatedLimit } from './unauthenticated-limit.ts';
import type { SignatureContext } from './verify-signature.ts';

/** What the TPP-facing API is made of. */
export interface ApiOptions {
  readonly store: Store;
  readonly clientCertificate: ClientCertificateReader;
  readonly accessTokens: AccessTokenVerifier;
  readonly signatures: SignatureContext;
  /** The signer of now; taken anew for every signature. */
  readonly signer: () => JwsSigner;
  /** Says when an answer to a TPP is signed. */
  readonly signingQueue: SigningQueue;
  /** Our public keys, for the JWKS. */
  readonly publicJwks: () => Promise<readonly object[]>;
  /** As in {@link JwksOptions}. */
  readonly jwksRevision?: JwksOptions['jwksRevision'];
  /** Gives the SET of a notification, signed once and kept. */
  readonly sign: (offered: OfferedNotification) => Promise<string>;
  readonly catalogue: EventTypeCatalogue;
  readonly eventTypesUrl: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Is told of polls; undefined: nobody is. */
  readonly observer?: Observer | undefined;
  /** Certificate, key and client roots of the listener; undefined where TLS ends at a gateway in front. */
  readonly tls:
    | { readonly cert: string; readonly key: string; readonly ca: string; readonly crl?: string[] }
    | undefined;
  readonly gateway: Config['api']['gateway'];
  readonly prefix: string;
  readonly jwksPath: string;
  /** Absolute URL in front of the prefix; known only once the port is, hence a function. */
  readonly publicUrl: () => string;
  readonly checkCallbackUrl: CheckCallbackUrl;
  readonly isRealTimeOffered: boolean;
  readonly areCallbackUrlsOffered: boolean;
  readonly polling: Config['polling'];
  readonly requestsPerMinutePerTppMax: number;
  readonly registrationChangesPerHourPerTppMax: number;
  readonly unauthenticatedPerMinutePerCertificateMax: number;
  readonly unauthenticatedPerMinutePerAddressMax: number;
  readonly bodyBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly firstRequestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsPerAddressMax: number;
  /** Whether a remote address is the gateway's, from which the connections of many come. */
  readonly isGateway: (remoteAddress: string | undefined) => boolean;
  readonly onRegistrationChanged: () => void;
}

/** The TPP-facing API. */
export interface Api {
  readonly server: FastifyInstance;
  /** How many long polls are held now. */
  longPollsHeld(): number;
}

// Beside the long polls that are held.
const OTHER_CONNECTIONS_MAX = 10_000;
// Beside the time that a long poll is held, in which nothing moves on its connection.
const ANSWER_IDLE_MS = 60_000;
const HOUR_MS = 3_600_000;

/**
 * Builds the TPP-facing API: authenticate → negotiate → verify signature → operation → signed answer. What the bank does
 * not offer has no route, and so is answered 404.
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
  // Bodies stay the bytes that were received: the signature is over them. Each route says which types it takes.
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
 * Mutual TLS on the listener itself: a connection without a certificate of a known root ends in the handshake. Only
 * where a gateway may connect too, which need not have one, it goes on, and `clientCertificate` believes none that was
 * not verified.
 */
function tlsOf({ tls, gateway }: ApiOptions) {
  return tls && { ...tls, requestCert: true, rejectUnauthorized: gateway === undefined };
}

/** One wide line per exchange; of callers who are not authenticated the first ones of a kind in each minute. */
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
  // Not onRequestAbort: that tells of callers who leave before their body was read, not before they were answered.
  server.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () => {
      const admitted = reply.raw.writableFinished ? undefined : admit(request, 'hung up');
      if (admitted) request.log.info({ ...factsOf(request), ...admitted }, 'hung up');
    });
  });
}

const codeOf = (refusal: ApiError | HttpRefusal) => (refusal instanceof ApiError ? refusal.code : refusal.status);
const pathOf = (refusal: ApiError | HttpRefusal) => (refusal instanceof ApiError ? refusal.detail.path : undefined);

/** Which vocabulary an error is told in: that of the path, and the newest where the path tells none. */
function apiVersionOf(request: FastifyRequest, prefix: string): ApiVersion {
  const path = request.routeOptions.url ?? request.url;
  return API_VERSIONS.find((version) => path.startsWith(`${prefix}/open-banking/${version}/`)) ?? 'v4.0';
}
