import type { EventTypeCatalogue } from '@tidings/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { createHttpServer } from '../base/http-server.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Publish } from '../notify/publish.ts';
import type { PublishOutcome, Store } from '../store/store.ts';
import { authenticateOperator, type OperatorToken } from './authenticate.ts';
import { writeNotification } from './notifications.ts';
import { Problem, sendProblem } from './problem.ts';
import { readJson } from './read-body.ts';
import { readEvents } from './read-events.ts';
import { readTpp } from './read-tpp.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Name of the operator token that the call carried. */
    operatorName: string;
  }
}

/** What the bank-facing API is made of. */
export interface OperatorOptions {
  readonly store: Store;
  readonly publish: Publish;
  readonly catalogue: EventTypeCatalogue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly tokens: readonly OperatorToken[];
  readonly bodyBytesMax: number;
}

const REQUEST_TIMEOUT_MS = 60_000;

/** Builds the operator API: publish events, register TPPs, look at a notification. */
export function buildOperatorApi(options: OperatorOptions): FastifyInstance {
  const app = createHttpServer({ ...options, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  app.decorateRequest('operatorName', '');
  app.addContentTypeParser(/^application\/(.+\+)?json\b/, { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    request.operatorName = authenticateOperator(request.headers.authorization, options.tokens);
  });
  app.setErrorHandler((error, request, reply) => {
    sendProblem(error, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    const what = `There is no ${request.method} ${request.url.split('?')[0]} in the operator API`;
    sendProblem(new Problem(404, `${what}; see docs/operator-api.md.`), request, reply);
  });
  registerRoutes(app, options);
  return app;
}

function registerRoutes(app: FastifyInstance, options: OperatorOptions): void {
  app.post('/operator/v1/events', (request) => publishEvents(request, options));

  app.put<WithClientId>('/operator/v1/tpps/:clientId', async (request, reply) => {
    const tpp = await readTpp(request.params.clientId, request.body);
    await options.store.putTpp(tpp);
    request.log.info({ operator: request.operatorName, clientId: tpp.clientId }, 'TPP registered');
    return reply.code(204).send();
  });

  app.get<WithClientId>('/operator/v1/tpps/:clientId', async (request) => {
    const tpp = await options.store.tpp(request.params.clientId);
    if (tpp === undefined) throw new Problem(404, 'There is no TPP with this client_id; register it with PUT.');
    return tpp;
  });

  app.get<{ Params: { jti: string } }>('/operator/v1/notifications/:jti', async (request) => {
    const notification = await options.store.notification(request.params.jti);
    if (notification === undefined) throw new Problem(404, 'There is no notification with this jti.');
    return writeNotification(notification);
  });
}

interface WithClientId {
  Params: { clientId: string };
}

async function publishEvents(request: FastifyRequest, options: OperatorOptions): Promise<object> {
  const beganMs = options.clock.monotonicMs();
  const events = readEvents(readJson(request.body), options.catalogue, options.clock.nowMs());
  const result = await options.publish(events);
  if (result.kind === 'conflict') {
    const ids = result.eventIds.slice(0, 10).join(', ');
    throw new Problem(
      409,
      `Other content was published under the same id (${ids}); nothing of this request was kept. Give each event its own id.`,
      { ids: result.eventIds },
    );
  }
  const { outcomes } = result;
  request.log.info(
    {
      operator: request.operatorName,
      events: outcomes.length,
      notifications: outcomes.filter(({ kind, repeated }) => kind === 'notification' && !repeated).length,
      repeated: outcomes.filter(({ repeated }) => repeated).length,
      durationMs: Math.round(options.clock.monotonicMs() - beganMs),
    },
    'published',
  );
  return { outcomes: outcomes.map(writeOutcome) };
}

function writeOutcome(outcome: PublishOutcome): object {
  const { eventId: id, repeated } = outcome;
  if (outcome.kind === 'notification') return { id, outcome: 'notification', jti: outcome.jti, repeated };
  return { id, outcome: 'none', reason: outcome.reason, repeated };
}
