import './request-state.ts';
import {
  ApiError,
  type ApiVersion,
  type EventTypeCatalogue,
  INTERACTION_ID_HEADER,
  interactionIdOf,
  type JwsSigner,
} from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { createHttpServer } from '../base/http-server.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Store } from '../store/store.ts';
import type { AccessTokenVerifier } from '../trust/access-tokens.ts';
import { apiErrorOf, sendError } from './respond.ts';
import { registerEventSubscriptionRoutes } from './routes.ts';
import type { SignatureContext } from './verify-signature.ts';

/** What the TPP-facing API is made of. */
export interface ApiOptions {
  readonly store: Store;
  readonly accessTokens: AccessTokenVerifier;
  readonly signatures: SignatureContext;
  readonly signer: JwsSigner;
  /** Our public keys, for the JWKS. */
  readonly publicJwks: readonly object[];
  readonly catalogue: EventTypeCatalogue;
  readonly eventTypesUrl: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Certificate, key and client roots of the listener. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly prefix: string;
  /** Absolute URL in front of the prefix; known only once the port is, hence a function. */
  readonly publicUrl: () => string;
  readonly bodyBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly onRegistrationChanged: () => void;
}

/**
 * Builds the TPP-facing API: mutual TLS on the listener itself, so that a connection without a certificate of a known
 * root ends in the handshake; then authenticate → negotiate → verify signature → operation → signed answer.
 */
export function buildApi(options: ApiOptions): FastifyInstance {
  const app = createHttpServer({
    tls: { ...options.tls, requestCert: true, rejectUnauthorized: true },
    bodyBytesMax: options.bodyBytesMax,
    requestTimeoutMs: options.requestTimeoutMs,
    clock: options.clock,
    random: options.random,
    log: options.log,
  });
  app.decorateRequest('interactionId', '');
  app.decorateRequest('arrivedMs', 0);
  app.decorateRequest('tpp', undefined);
  app.decorateRequest('refusal', undefined);
  acceptBodiesAsBytes(app);
  beginEveryExchange(app, options);
  app.setErrorHandler((error, request, reply) => {
    sendError(request, reply, apiErrorOf(error, request), apiVersionOf(request));
  });
  app.setNotFoundHandler((request, reply) => {
    sendError(request, reply, new ApiError('PathUnknown', { message: 'unknown path' }), apiVersionOf(request));
  });
  app.get(`${options.prefix}/.well-known/jwks.json`, (_request, reply) => sendJwks(reply, options.publicJwks));
  registerEventSubscriptionRoutes(app, 'v4.0', options);
  return app;
}

/** Bodies stay the bytes that were received: the signature is over them. Each route says which types it takes. */
function acceptBodiesAsBytes(app: FastifyInstance): void {
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

function beginEveryExchange(app: FastifyInstance, options: ApiOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    request.arrivedMs = options.clock.monotonicMs();
    request.interactionId = interactionIdOf(request.headers[INTERACTION_ID_HEADER], () => options.random.uuid());
    reply.header(INTERACTION_ID_HEADER, request.interactionId);
    reply.header('cache-control', 'no-store');
  });
  app.addHook('onResponse', async (request, reply) => {
    const { refusal } = request;
    request.log[reply.statusCode >= 500 ? 'error' : 'info'](
      {
        interactionId: request.interactionId,
        clientId: request.tpp?.clientId,
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        durationMs: Math.round(options.clock.monotonicMs() - request.arrivedMs),
        ...(refusal !== undefined && { refused: refusal.code, why: refusal.message, path: refusal.detail.path }),
      },
      'answered',
    );
  });
}

/** Which vocabulary an error is told in: that of the path, and the newest where the path tells none. */
function apiVersionOf(request: FastifyRequest): ApiVersion {
  return request.url.includes('/open-banking/v3.1') ? 'v3.1' : 'v4.0';
}

function sendJwks(reply: FastifyReply, keys: readonly object[]): FastifyReply {
  return reply.header('content-type', 'application/jwk-set+json').send(Buffer.from(JSON.stringify({ keys })));
}
