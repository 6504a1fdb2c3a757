import type { IncomingHttpHeaders } from 'node:http';
import { parseMediaType, textFault } from '@tidings/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { schemaRef } from '../openapi/model.ts';
import type { PublishOutcome } from '../store/delivery.ts';
import type { PublishingGate } from './admission.ts';
import {
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  CloudEvent,
  CloudEventBatch,
  readBinaryCloudEvent,
  readCloudEvent,
} from './cloud-events.ts';
import {
  EVENTS_PER_BATCH_MAX,
  type HandedEvent,
  PublishAnswer,
  PublishBatch,
  PublishedEvent,
  readEvents,
  readPublishedEvent,
  readTraceContext,
} from './events.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, joinPath, readJson } from './request.ts';
import { ok, route } from './route.ts';

const IDS_NAMED_MAX = 10;

/** The capacity behind the gate that a request holds. */
interface LetIn {
  readonly leave: () => void;
  /** From here on it is the handler that leaves, whatever becomes of the connection: its work goes on. */
  isWorkedOn: boolean;
}

const EXAMPLE_EVENT = {
  id: 'evt-1',
  clientId: 'tpp-1',
  occurredAt: '2026-11-21T09:30:00Z',
  resource: {
    ...{ id: 'aac-1', type: 'account-access-consent', version: '4.0' },
    uri: 'https://bank.example/open-banking/v4.0/aisp/account-access-consents/aac-1',
    links: [{ version: 'v4.0', link: 'https://bank.example/open-banking/v4.0/aisp/account-access-consents/aac-1' }],
  },
  events: [{ type: 'UK.OBIE.Consent-Authorization-Revoked' }],
};

const EXAMPLE_CLOUD_EVENT = {
  specversion: '1.0',
  source: '/core/consents',
  id: 'evt-1',
  type: 'UK.OBIE.Consent-Authorization-Revoked',
  time: EXAMPLE_EVENT.occurredAt,
  subject: EXAMPLE_EVENT.resource.id,
  data: { clientId: EXAMPLE_EVENT.clientId, resource: EXAMPLE_EVENT.resource },
};

// By request, and gone with it.
const letIn = new WeakMap<FastifyRequest, LetIn>();

/** POST /operator/v1/events: through the gate, read all, publish all, answer after the commit. */
export const publishRoute = route({
  operationId: 'publishEvents',
  method: 'post',
  path: '/operator/v1/events',
  role: 'publisher',
  tag: 'Events',
  summary: 'Publish one event or a batch, all or none; the response comes after the commit',
  body: {
    isRequired: true,
    content: {
      'application/json': {
        schema: { oneOf: [schemaRef('PublishedEvent'), schemaRef('PublishBatch')] },
        examples: { one: { value: EXAMPLE_EVENT } },
      },
      [CLOUD_EVENT_TYPE]: { schema: schemaRef('CloudEvent'), examples: { one: { value: EXAMPLE_CLOUD_EVENT } } },
      [CLOUD_EVENT_BATCH_TYPE]: {
        schema: schemaRef('CloudEventBatch'),
        examples: { one: { value: [EXAMPLE_CLOUD_EVENT] } },
      },
    },
    schemas: {
      PublishedEvent,
      PublishBatch: { ...PublishBatch, items: schemaRef('PublishedEvent') },
      CloudEvent,
      CloudEventBatch: { ...CloudEventBatch, items: schemaRef('CloudEvent') },
    },
    read: ({ headers, body }) => readForms(headers, body),
  },
  response: ok('Committed; one outcome per event, in the same order', { PublishAnswer }),
  refusals: [409, 429],
  beforeBody:
    ({ gate }) =>
    async (request, reply) => {
      if (gate !== undefined) await passGate(gate, request, reply);
    },
  handler:
    (context) =>
    async ({ request, body }) => {
      const entered = letIn.get(request);
      if (entered !== undefined) entered.isWorkedOn = true;
      try {
        return await publishEvents(request, body, context);
      } finally {
        entered?.leave();
      }
    },
});

/** A request that breaks off, or whose body is refused, never gets to the handler: then the end of the answer ends it. */
async function passGate(gate: PublishingGate, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  let isOver = false;
  reply.raw.once('close', () => {
    isOver = true;
    const entered = letIn.get(request);
    if (entered?.isWorkedOn === false) entered.leave();
  });
  const leave = await gate.enter(contentLengthOf(request));
  letIn.set(request, { leave, isWorkedOn: false });
  if (isOver) leave();
}

/** Node has checked that it is a number, and that it does not stand beside chunks. Undefined: of chunks. */
function contentLengthOf({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

async function publishEvents(
  request: FastifyRequest,
  handed: readonly HandedEvent[],
  options: OperatorOptions,
): Promise<PublishAnswer> {
  const beganMs = options.clock.monotonicMs();
  const { traceparent, tracestate } = request.headers;
  const carried = readTraceContext({ traceparent, tracestate });
  const events = readEvents(handed, options.catalogue, options.clock.nowMs(), carried);
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

const HEADER_PREFIX = 'ce-';

/**
 * Reads the body of a publish, in whatever form it came: JSON, or CloudEvents 1.0, structured, batched or binary (one whose
 * attributes are headers, `ce-specversion` among them). Only shapes are checked.
 *
 * @throws {Problem} 400 that names the field, as in `[3].resource.id`
 */
function readForms(headers: IncomingHttpHeaders, body: unknown): readonly HandedEvent[] {
  const type = parseMediaType(headers['content-type'])?.essence;
  if (type === CLOUD_EVENT_BATCH_TYPE) return readBatch(readJson(body), readStructured);
  if (type === CLOUD_EVENT_TYPE) return [readOneCloudEvent(readJson(body))];
  const value = readJson(body);
  if (headers['ce-specversion'] !== undefined) return [readBinary(headers, value)];
  return Array.isArray(value) ? readBatch(value, readPublishedEvent) : [readPublishedEvent(value)];
}

function readBatch(value: unknown, read: (value: unknown, at: string) => HandedEvent): readonly HandedEvent[] {
  if (!Array.isArray(value)) throw fieldProblem('', 'must be an array of events');
  if (value.length === 0) throw fieldProblem('', 'must hold at least one event');
  if (value.length > EVENTS_PER_BATCH_MAX) {
    throw fieldProblem('', `holds ${value.length} events; send at most ${EVENTS_PER_BATCH_MAX} at once`);
  }
  return value.map((event: unknown, index) => read(event, `[${index}]`));
}

function readStructured(value: unknown, at: string): HandedEvent {
  return readCloudEvent(value, (path) => joinPath(at, path));
}

function readOneCloudEvent(value: unknown): HandedEvent {
  if (Array.isArray(value)) throw fieldProblem('', `must be one CloudEvent; send several as ${CLOUD_EVENT_BATCH_TYPE}`);
  return readStructured(value, '');
}

function readBinary(headers: IncomingHttpHeaders, data: unknown): HandedEvent {
  const attributes = Object.entries(headers).flatMap(([header, value]) => {
    if (!header.startsWith(HEADER_PREFIX)) return [];
    return [[header.slice(HEADER_PREFIX.length), decodeHeader(header, String(value))] as const];
  });
  return readBinaryCloudEvent(attributes, data, HEADER_PREFIX);
}

/** HTTP binding, section 3.1.3.2: percent-encoded UTF-8. */
function decodeHeader(header: string, text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw fieldProblem(header, 'must be percent-encoded UTF-8, as CloudEvents has it');
  }
  const fault = textFault(decoded);
  if (fault !== undefined) throw fieldProblem(header, fault);
  return decoded;
}
