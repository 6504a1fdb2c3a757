import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RateLimit } from '../api/rate-limit.ts';
import { freeBytesOf } from '../base/disk.ts';
import { createHttpServer } from '../base/http-server.ts';
import { remoteNetworkOf } from '../base/ip-address.ts';
import { LogSampler } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/schema.ts';
import { SESSION_KEY_BYTES } from '../trust/material.ts';
import { authenticateOperator, authenticateStaff, guardRoutes } from './access.ts';
import { createPublishingGate, type PublishingGate } from './admission.ts';
import { addConsole } from './console.ts';
import { addRoutes } from './document.ts';
import type { OperatorOptions } from './options.ts';
import { Problem, sendProblem } from './problem.ts';
import { assertStorableParameters, guardBodies } from './request.ts';
import { type SessionOwner, Sessions } from './session.ts';

export type { OperatorOptions } from './options.ts';

const REQUEST_TIMEOUT_MS = 60_000;

/** Builds the operator API: publish, register TPPs, look at notifications, redeliver, audit, read the documents. */
export function buildOperatorApi(options: OperatorOptions): FastifyInstance {
  const app = createHttpServer({
    ...options,
    tls: tlsOf(options),
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    isUncounted: () => options.isBehindProxy === true,
  });
  // Which types an operation takes is in the document.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  const { unauthenticatedPerMinutePerAddressMax: perAddressMax, isBehindProxy, clock } = options;
  const limit = perAddressMax === undefined || isBehindProxy ? undefined : new RateLimit(perAddressMax, clock);
  const credentials = { tokens: options.tokens, oidc: options.identityProvider, limit };
  const sessions = options.console?.isServed ? createSessions(options, options.console) : undefined;
  const authenticateOwner = async (owner: SessionOwner, { socket }: FastifyRequest, counted = credentials) => {
    if ('staff' in owner) return authenticateStaff(owner.staff, options.identityProvider);
    return authenticateOperator(`Bearer ${owner.token}`, counted, remoteNetworkOf(socket));
  };
  const admit = guardRoutes(app, async (request) => {
    const { authorization } = request.headers;
    const session = authorization === undefined ? await sessions?.of(request) : undefined;
    if (session !== undefined) return authenticateOwner(session.owner, request);
    return authenticateOperator(authorization, credentials, remoteNetworkOf(request.socket));
  });
  guardBodies(app);
  app.addHook('preHandler', async ({ params, query, is404 }) => {
    if (!is404)
      assertStorableParameters(Object.fromEntries([params, query].flatMap((each) => Object.entries(each ?? {}))));
  });
  const sampler = new LogSampler(clock);
  app.setErrorHandler((error, request, reply) => {
    sendProblem(error, request, reply, sampler);
  });
  app.setNotFoundHandler((request, reply) => {
    const what = `There is no ${request.method} ${request.url.split('?')[0]} in the operator API`;
    sendProblem(new Problem(404, `${what}; see docs/operator-api.md.`), request, reply);
  });
  if (sessions !== undefined) {
    sessions.addTo(app);
    addConsole(app, {
      sessions,
      // A sign-in is counted by itself.
      authenticate: (owner, request) => authenticateOwner(owner, request, { ...credentials, limit: undefined }),
      oidcSignIn: options.console?.oidcSignIn,
      limit: ({ socket }) => countSignIn(limit, remoteNetworkOf(socket)),
    });
  }
  addRoutes(app, {
    ...options,
    gate: options.gate ?? (options.config && openPublishingGate({ ...options, config: options.config })),
    access: { admit, tokens: options.tokens, clock },
    onClosing: (close) => void app.addHook('preClose', async () => void (await close())),
  });
  return app;
}

/** With a key of this process, sessions end with it, and no other instance knows them. */
function createSessions(
  { clock, random = systemRandom, tls, isBehindProxy = false }: OperatorOptions,
  { sessionKey = randomBytes(SESSION_KEY_BYTES), sessionIdleMs, sessionMaxMs }: NonNullable<OperatorOptions['console']>,
): Sessions {
  const isOverTls = tls !== undefined || isBehindProxy;
  return new Sessions({ key: sessionKey, idleMs: sessionIdleMs, maxMs: sessionMaxMs, isOverTls, clock, random });
}

/** @throws {Problem} 429 */
function countSignIn(limit: RateLimit | undefined, network: string): () => void {
  const retryAfterSeconds = limit?.take(network);
  if (retryAfterSeconds === undefined) return () => limit?.giveBack(network);
  throw new Problem(429, 'Too many sign-ins that failed came from this address.', {}, retryAfterSeconds);
}

/** The handshake ends for whoever lacks the certificate that is asked for: the documents are not for it either. */
function tlsOf({ tls }: OperatorOptions) {
  return tls && (tls.ca === undefined ? tls : { ...tls, requestCert: true, rejectUnauthorized: true });
}

/** Opens the gate in front of publishing, as the configuration has it. A program that embeds the API without one bounds publishing itself. */
export function openPublishingGate(
  options: Pick<OperatorOptions, 'store' | 'clock' | 'log' | 'bodyBytesMax'> & { readonly config: Config },
): PublishingGate {
  const { config, store, clock, log, bodyBytesMax } = options;
  const { file } = config.store;
  const freeBytes = file === undefined ? undefined : () => freeBytesOf(dirname(file));
  const counts = () => store.counts();
  return createPublishingGate({ ...config.publishing, ...{ counts, freeBytes, bodyBytesMax, clock, log } });
}
