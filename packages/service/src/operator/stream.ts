import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { ActivityEntry } from '../model/activity.ts';
import { schemaRef } from '../openapi/model.ts';
import type { Beginning } from '../telemetry/activity-stream.ts';
import {
  type Batch,
  formatPosition,
  parsePosition,
  STREAM_KINDS,
  type StreamEntry,
  type Subscription,
} from '../telemetry/subscription.ts';
import { watchAccess } from './access.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { cursor, fieldProblem, isoTime, oneClientId, type QueryParameter, time } from './request.ts';
import { answer, route } from './route.ts';

const closed = { additionalProperties: false };
const count = (description: string) => Type.Integer({ minimum: 0, description });

/** An entry of the live stream; `data` of an event. */
const StreamedActivity = Type.Object(
  {
    kind: Type.Enum([...STREAM_KINDS], { description: 'Kind of the entry, also the name of the event' }),
    at: Type.String({ format: 'date-time', description: 'When it happened' }),
    clientId: Type.Optional(Type.String()),
    jti: Type.Optional(Type.String()),
    eventId: Type.Optional(Type.String({ description: 'accepted: id under which the bank published it' })),
    eventTypes: Type.Optional(Type.Array(Type.String(), { description: 'accepted: URNs' })),
    attempt: Type.Optional(count('attempted: number of this attempt, from 1')),
    outcome: Type.Optional(
      Type.String({ description: 'attempted, failing: acknowledged, refused-… or unreachable-…' }),
    ),
    status: Type.Optional(Type.Integer({ description: 'attempted, failing: status of the response of the TPP' })),
    errorClass: Type.Optional(Type.String({ description: 'attempted: why there was no response' })),
    durationMs: Type.Optional(count('attempted')),
    by: Type.Optional(
      Type.String({ description: 'acknowledged: push, poll or offer. recovered: acknowledgement or operator' }),
    ),
    afterMs: Type.Optional(
      Type.Integer({
        description:
          'acknowledged: milliseconds since it was published. recovered: since the callback URL began to fail, unless it was unresponsive',
      }),
    ),
    err: Type.Optional(Type.String({ description: 'reported-error: error code from the TPP' })),
    count: Type.Optional(
      count('redelivered, withdrawn, expired: number of notifications. missed: number of lost entries, if known'),
    ),
  },
  closed,
);
type StreamedActivity = Static<typeof StreamedActivity>;

const NOT_KEPT = 'There is no stream: "activity.isKept" is false; set it to true and restart the service.';
const TOO_MANY =
  'The stream has as many readers as "activity.subscribersMax" allows; try again later, or at another instance.';
const RETRY_AFTER_SECONDS = 15;
// How long clients wait before they reconnect.
const RECONNECT_MS = 2000;

const EXAMPLE_EVENT = `id: 4711-0
event: acknowledged
data: {"kind":"acknowledged","at":"2026-11-21T09:30:00.123Z","jti":"190364f8-4f9c-420e-b4d1-76a6b5317fab","clientId":"tpp-1","by":"push","afterMs":84}

`;

/**
 * GET /operator/v1/stream: activity as server-sent events (WHATWG HTML, section 9.2), for as long as the caller has access.
 */
export const streamRoute = route({
  operationId: 'followStream',
  method: 'get',
  path: '/operator/v1/stream',
  role: 'viewer',
  tag: 'Watching',
  summary: 'Follow the activity of all instances live; can be resumed at any instance',
  query: {
    clientId: oneClientId('Entries of this TPP only'),
    kind: kinds(),
    after: cursor('id of the event to continue after; the header Last-Event-ID takes precedence'),
    since: time('Time to begin at. Default: now'),
  },
  headers: [
    {
      ...{ name: 'last-event-id', in: 'header', schema: { type: 'string' } },
      description: 'id of the last received event, from any instance',
    },
  ],
  response: streamed(),
  refusals: [429, 501],
  handler: (context) => {
    const { telemetry, onClosing } = context;
    // The listener waits for what is being answered, and this would never end.
    onClosing(() => telemetry?.stream?.end());
    return async ({ request, reply, query }) => {
      const { clientId, kind, after, since } = query;
      const beginning = readBeginning(request.headers['last-event-id'] ?? after, since);
      if (telemetry?.stream === undefined) throw new Problem(501, NOT_KEPT);
      const subscription = await telemetry.stream.subscribe(beginning, { clientId, kinds: kind });
      if (subscription === undefined) throw new Problem(429, TOO_MANY, {}, RETRY_AFTER_SECONDS);
      return follow(subscription, request, reply, context);
    };
  },
});

/** Sends the entries of a subscription until either side ends it. */
function follow(
  subscription: Subscription,
  request: FastifyRequest,
  reply: FastifyReply,
  { access, clock }: OperatorContext,
): FastifyReply {
  const endWatch = watchAccess(request, access, (why) => {
    request.log.info({ operator: request.operatorName, why }, 'follows the stream no longer');
    subscription.close();
  });
  reply.raw.once('close', () => {
    endWatch();
    subscription.close();
  });
  request.log.info({ operator: request.operatorName }, 'follows the stream');
  // Nothing else ever comes over its connection, which at shutdown would be waited for.
  reply.header('content-type', 'text/event-stream').header('x-accel-buffering', 'no').header('connection', 'close');
  return reply.send(
    Readable.from(
      writeStream(subscription, () => clock.nowMs()),
      { objectMode: false },
    ),
  );
}

/** A stream has no schema of its own in OpenAPI 3.1. */
function streamed() {
  const schema = { type: 'string', 'x-event-data': schemaRef('StreamedActivity') };
  const events = { schema, examples: { example: { value: EXAMPLE_EVENT } } };
  const description =
    'Server-sent events without end; the data of each is a StreamedActivity. A comment comes every 15 seconds when nothing happens.';
  return answer({ 200: { description, content: { 'text/event-stream': events } } }, { StreamedActivity });
}

/** The last received position takes precedence: a client that reconnects sends it by itself. */
function readBeginning(after: unknown, sinceMs: number | undefined): Beginning {
  if (typeof after === 'string' && after !== '') {
    const position = parsePosition(after);
    if (position === undefined) throw fieldProblem('after', 'must be the id of an event of the stream');
    return { kind: 'after', position };
  }
  return sinceMs === undefined ? { kind: 'now' } : { kind: 'since', sinceMs };
}

function kinds(): QueryParameter<ReadonlySet<string> | undefined> {
  const known: readonly string[] = STREAM_KINDS;
  return {
    description: `Only of these kinds, separated by commas: ${known.join(', ')}`,
    schema: { type: 'string' },
    isList: true,
    read: (name, given) => {
      const all = given?.split(',');
      if (all === undefined || all.every((each) => known.includes(each))) return all && new Set(all);
      throw fieldProblem(name, `must be of ${known.join(', ')}`);
    },
  };
}

async function* writeStream(subscription: Subscription, nowMs: () => number): AsyncGenerator<string> {
  // The client learns at once that it is connected, and the position to resume at if nothing happens.
  yield `retry: ${RECONNECT_MS}\nid: ${formatPosition(subscription.position)}\n\n`;
  for await (const batch of subscription.batches()) yield writeBatch(batch, nowMs());
}

function writeBatch({ told, isMissing, missed, position }: Batch, nowMs: number): string {
  // An id without data moves the place on to which a client comes back, although it was told nothing.
  if (told.length === 0 && !isMissing) return `: alive\nid: ${formatPosition(position)}\n\n`;
  const [first] = told;
  const gap = { kind: 'missed', at: isoTime(nowMs), ...(missed !== undefined && { count: missed }) } as const;
  const gapId = first === undefined ? `id: ${formatPosition(position)}\n` : '';
  return [...(isMissing ? [writeEvent(gapId, gap)] : []), ...told.map(writeEntry)].join('');
}

function writeEntry({ position, entry }: StreamEntry): string {
  return writeEvent(`id: ${formatPosition(position)}\n`, writeActivity(entry));
}

/** JSON has no line break in it. */
function writeEvent(id: string, activity: StreamedActivity): string {
  return `${id}event: ${activity.kind}\ndata: ${JSON.stringify(activity)}\n\n`;
}

function writeActivity(entry: ActivityEntry): StreamedActivity {
  const { atMs, ...rest } = entry;
  const at = isoTime(atMs);
  return rest.kind === 'accepted' ? { ...rest, at, eventTypes: [...rest.eventTypes] } : { ...rest, at };
}
