import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PublishOutcome } from '../store/store.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { readForms } from './publish-forms.ts';
import type { PublishAnswer } from './publish-schemas.ts';
import type { PublishingGate } from './publishing-gate.ts';
import { readEvents } from './read-events.ts';
import { readTraceContext } from './read-trace-context.ts';
import { forOperation } from './roles.ts';

const IDS_NAMED_MAX = 10;

declare module 'fastify' {
  interface FastifyRequest {
    /** A publish request that the gate let in; undefined where there is none in front. */
    letIn: LetIn | undefined;
  }
}

/** What a request holds of the room behind the gate. */
interface LetIn {
  readonly leave: () => void;
  /** From here on it is the handler that leaves, whatever becomes of the connection: its work goes on. */
  isWorkedOn: boolean;
}

/** POST /operator/v1/events: through the gate, read all, publish all, answer after the commit. */
export function registerPublishRoute(
  app: FastifyInstance,
  options: OperatorOptions,
  gate: PublishingGate | undefined,
): void {
  app.decorateRequest('letIn', undefined);
  // Before the body is read: what is refused takes no memory.
  const onRequest = async (request: FastifyRequest, reply: FastifyReply) => {
    if (gate !== undefined) await passGate(gate, request, reply);
  };
  app.post('/operator/v1/events', { ...forOperation('publishEvents'), onRequest }, async (request) => {
    const { letIn } = request;
    if (letIn !== undefined) letIn.isWorkedOn = true;
    try {
      return await publishEvents(request, options);
    } finally {
      letIn?.leave();
    }
  });
}

/** A request that breaks off, or whose body is refused, never gets to the handler: then the end of the answer ends it. */
async function passGate(gate: PublishingGate, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  let isOver = false;
  reply.raw.once('close', () => {
    isOver = true;
    if (request.letIn?.isWorkedOn === false) request.letIn.leave();
  });
  const leave = await gate.enter(contentLengthOf(request));
  request.letIn = { leave, isWorkedOn: false };
  if (isOver) leave();
}

/** Node has checked that it is a number, and that it does not stand beside chunks. Undefined: of chunks. */
function contentLengthOf({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

async function publishEvents(request: FastifyRequest, options: OperatorOptions): Promise<PublishAnswer> {
  const beganMs = options.clock.monotonicMs();
  const { headers, body } = request;
  const { traceparent, tracestate } = headers;
  const carried = readTraceContext({ traceparent, tracestate });
  const events = readEvents(readForms(headers, body), options.catalogue, options.clock.nowMs(), carried);
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
      ...(carried !== undefined && { trace: carried.traceparent }),
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
