import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { RateLimit } from '../api/rate-limit.ts';
import { freeBytesOf } from '../base/disk.ts';
import { createHttpServer } from '../base/http-server.ts';
import { remoteNetworkOf } from '../base/ip-address.ts';
import { LogSampler } from '../base/log.ts';
import { authenticateOperator, guardRoutes } from './access.ts';
import { createPublishingGate, type PublishingGate } from './admission.ts';
import { addRoutes } from './document.ts';
import type { OperatorOptions } from './options.ts';
import { Problem, sendProblem } from './problem.ts';
import { assertStorableParameters, guardBodies } from './request.ts';

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
  const admit = guardRoutes(app, ({ headers, socket }) =>
    authenticateOperator(headers.authorization, credentials, remoteNetworkOf(socket)),
  );
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
  addRoutes(app, {
    ...options,
    gate: gateOf(options),
    access: { admit, tokens: options.tokens, clock },
    onClosing: (close) => void app.addHook('preClose', async () => void (await close())),
  });
  return app;
}

/** The handshake ends for whoever lacks the certificate that is asked for: the documents are not for it either. */
function tlsOf({ tls }: OperatorOptions) {
  return tls && (tls.ca === undefined ? tls : { ...tls, requestCert: true, rejectUnauthorized: true });
}

/** As the configuration has it; a program that embeds the API without one bounds publishing itself. */
function gateOf({ config, store, clock, log, bodyBytesMax }: OperatorOptions): PublishingGate | undefined {
  if (config === undefined) return undefined;
  const { file } = config.store;
  const freeBytes = file === undefined ? undefined : () => freeBytesOf(dirname(file));
  const counts = () => store.counts();
  return createPublishingGate({ ...config.publishing, ...{ counts, freeBytes, bodyBytesMax, clock, log } });
}
