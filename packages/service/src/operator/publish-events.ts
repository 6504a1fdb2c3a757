import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { PublishOutcome } from '../store/store.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import type { PublishAnswer } from './publish-schemas.ts';
import { readJson } from './read-body.ts';
import { readEvents } from './read-events.ts';

const IDS_NAMED_MAX = 10;

/** POST /operator/v1/events: read all, publish all, answer after the commit. */
export function registerPublishRoute(app: FastifyInstance, options: OperatorOptions): void {
  app.post('/operator/v1/events', (request) => publishEvents(request, options));
}

async function publishEvents(request: FastifyRequest, options: OperatorOptions): Promise<PublishAnswer> {
  const beganMs = options.clock.monotonicMs();
  const events = readEvents(readJson(request.body), options.catalogue, options.clock.nowMs());
  const result = await options.publish(events);
  if (result.kind === 'conflict') {
    const ids = result.eventIds.slice(0, IDS_NAMED_MAX).join(', ');
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

function writeOutcome(outcome: PublishOutcome): PublishAnswer['outcomes'][number] {
  const { eventId: id, repeated } = outcome;
  if (outcome.kind === 'notification') return { id, outcome: 'notification', jti: outcome.jti, repeated };
  return { id, outcome: 'none', reason: outcome.reason, repeated };
}
