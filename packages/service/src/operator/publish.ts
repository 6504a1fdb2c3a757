import type { IncomingHttpHeaders } from 'node:http';
import { isJsonObject, parseMediaType, shapeOf, textFault } from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PublishOutcome } from '../store/store.ts';
import { forOperation } from './access.ts';
import type { PublishingGate } from './admission.ts';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE, readCloudEvent } from './cloud-events.ts';
import {
  EVENTS_PER_BATCH_MAX,
  type HandedEvent,
  type PublishAnswer,
  PublishedEvent,
  readEvents,
  readTraceContext,
} from './events.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, joinPath, readJson, shapedValue } from './read.ts';

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

const HEADER_PREFIX = 'ce-';
// Attributes that binary mode has no header for: the body is the data, and Content-Type its type.
const NO_HEADERS = new Set(['data', 'data_base64', 'datacontenttype']);

const shapeEvent = shapeOf(PublishedEvent);

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
  return Array.isArray(value) ? readBatch(value, readPlain) : [readPlain(value, '')];
}

function readBatch(value: unknown, read: (value: unknown, at: string) => HandedEvent): readonly HandedEvent[] {
  if (!Array.isArray(value)) throw fieldProblem('', 'must be an array of events');
  if (value.length === 0) throw fieldProblem('', 'must hold at least one event');
  if (value.length > EVENTS_PER_BATCH_MAX) {
    throw fieldProblem('', `holds ${value.length} events; send at most ${EVENTS_PER_BATCH_MAX} at once`);
  }
  return value.map((event: unknown, index) => read(event, `[${index}]`));
}

function readPlain(value: unknown, at: string): HandedEvent {
  return { published: shapedValue(shapeEvent(value), at), where: (path) => joinPath(at, path) };
}

function readStructured(value: unknown, at: string): HandedEvent {
  return readCloudEvent(value, (path) => joinPath(at, path));
}

function readOneCloudEvent(value: unknown): HandedEvent {
  if (Array.isArray(value)) throw fieldProblem('', `must be one CloudEvent; send several as ${CLOUD_EVENT_BATCH_TYPE}`);
  return readStructured(value, '');
}

/** Attributes are headers, and the body is the data. */
function readBinary(headers: IncomingHttpHeaders, data: unknown): HandedEvent {
  if (!isJsonObject(data)) throw fieldProblem('', 'must be the data of one CloudEvent, which is an object');
  const attributes = Object.entries(headers).flatMap(([header, value]) => {
    if (!header.startsWith(HEADER_PREFIX)) return [];
    const name = header.slice(HEADER_PREFIX.length);
    if (NO_HEADERS.has(name)) throw fieldProblem(header, 'is no header of a CloudEvent; take it out');
    return [[name, decodeHeader(header, String(value))] as const];
  });
  return readCloudEvent({ ...Object.fromEntries(attributes), data }, (path) => {
    if (path === 'data') return '';
    return path.startsWith('data.') ? path.slice('data.'.length) : `${HEADER_PREFIX}${path}`;
  });
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
