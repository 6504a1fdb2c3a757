import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { ActivityEntry } from '../store/store.ts';
import type { Beginning } from '../watch/activity-stream.ts';
import { formatPosition, parsePosition, STREAM_KINDS, type StreamFilter, type Told } from '../watch/stream-position.ts';
import type { Batch, Subscription } from '../watch/subscription.ts';
import { type AccessWatch, forOperation, watchAccess } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, isoTime, readTime, refuseOthers } from './read.ts';

const closed = { additionalProperties: false };
const count = (description: string) => Type.Integer({ minimum: 0, description });

/** What the live stream tells of; `data` of an event. */
export const StreamedActivity = Type.Object(
  {
    kind: Type.Enum([...STREAM_KINDS], { description: 'As the name of the event' }),
    at: Type.String({ format: 'date-time', description: 'When it happened' }),
    clientId: Type.Optional(Type.String()),
    jti: Type.Optional(Type.String()),
    eventId: Type.Optional(Type.String({ description: 'accepted: id under which the bank published it' })),
    eventTypes: Type.Optional(Type.Array(Type.String(), { description: 'accepted: URNs' })),
    attempt: Type.Optional(count('attempted: the how manieth of this notification')),
    outcome: Type.Optional(Type.String({ description: 'attempted: acknowledged, refused-… or unreachable-…' })),
    status: Type.Optional(Type.Integer({ description: 'attempted: what the TPP answered' })),
    errorClass: Type.Optional(Type.String({ description: 'attempted: why no answer came' })),
    durationMs: Type.Optional(count('attempted')),
    by: Type.Optional(
      Type.String({ description: 'acknowledged: push, poll or offer. back: acknowledgement or operator' }),
    ),
    afterMs: Type.Optional(Type.Integer({ description: 'acknowledged: since it was published' })),
    err: Type.Optional(Type.String({ description: 'reported-error: the code that the TPP gave' })),
    count: Type.Optional(
      count('redelivered, withdrawn, expired: notifications. missed: entries that were lost, where that is known'),
    ),
  },
  closed,
);
export type StreamedActivity = Static<typeof StreamedActivity>;

const NOT_KEPT = 'There is no stream here: "activity.isKept" is false; set it to true and restart the service.';
const RETRY_AFTER_SECONDS = 15;
// Told to browsers: how long they wait before they connect again.
const RECONNECT_MS = 2000;

interface WithQuery {
  Querystring: Readonly<Record<string, unknown>>;
}

/**
 * GET /operator/v1/stream: what happens, as server-sent events (WHATWG HTML, section 9.2), for as long as the caller may
 * have it.
 */
export function registerStreamRoute(
  app: FastifyInstance,
  { watch, clock }: OperatorOptions,
  access: AccessWatch,
): void {
  // The listener waits for what is being answered, and this would never end.
  app.addHook('preClose', async () => watch?.stream?.end());

  app.get<WithQuery>('/operator/v1/stream', forOperation('followStream'), async (request, reply) => {
    const { beginning, filter } = readRequest(request);
    if (watch?.stream === undefined) throw new Problem(501, NOT_KEPT);
    const subscription = await watch.stream.subscribe(beginning, filter);
    if (subscription === undefined) {
      const why =
        'As many follow the stream as may ("activity.subscribersMax"); try again later, or at another instance.';
      throw new Problem(429, why, {}, RETRY_AFTER_SECONDS);
    }
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
  });
}

function readRequest({ query, headers }: FastifyRequest<WithQuery>): { beginning: Beginning; filter: StreamFilter } {
  const { clientId, kind, after, since, ...others } = query;
  refuseOthers(others);
  if (clientId !== undefined && (typeof clientId !== 'string' || clientId === '')) {
    throw fieldProblem('clientId', 'must be one client_id');
  }
  return {
    beginning: readBeginning(headers['last-event-id'] ?? after, since),
    filter: { clientId, kinds: readKinds(kind) },
  };
}

/** What was read last goes before everything: it is what a client that connects again sends by itself. */
function readBeginning(after: unknown, since: unknown): Beginning {
  if (typeof after === 'string' && after !== '') {
    const position = parsePosition(after);
    if (position === undefined) throw fieldProblem('after', 'must be the id of an event of the stream');
    return { kind: 'after', position };
  }
  if (after !== undefined && after !== '') throw fieldProblem('after', 'must be given once');
  const sinceMs = readTime('since', since);
  return sinceMs === undefined ? { kind: 'now' } : { kind: 'since', sinceMs };
}

function readKinds(kind: unknown): ReadonlySet<string> | undefined {
  if (kind === undefined) return undefined;
  const kinds = [kind].flat().flatMap((each) => String(each).split(','));
  const known: readonly string[] = STREAM_KINDS;
  if (!kinds.every((each) => known.includes(each))) throw fieldProblem('kind', `must be of ${STREAM_KINDS.join(', ')}`);
  return new Set(kinds);
}

async function* writeStream(subscription: Subscription, nowMs: () => number): AsyncGenerator<string> {
  // Whoever asked knows at once that it is heard, and where to come back to, should nothing happen until then.
  yield `retry: ${RECONNECT_MS}\nid: ${formatPosition(subscription.position)}\n\n`;
  for await (const batch of subscription.batches()) yield writeBatch(batch, nowMs());
}

function writeBatch({ told, isMissing, missed, position }: Batch, nowMs: number): string {
  // An id without data moves the place on to which a client comes back, although it was told nothing.
  if (told.length === 0 && !isMissing) return `: alive\nid: ${formatPosition(position)}\n\n`;
  const [first] = told;
  const gap = { kind: 'missed', at: isoTime(nowMs), ...(missed !== undefined && { count: missed }) } as const;
  const gapId = first === undefined ? `id: ${formatPosition(position)}\n` : '';
  return [...(isMissing ? [writeEvent(gapId, gap)] : []), ...told.map(writeTold)].join('');
}

function writeTold({ position, entry }: Told): string {
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
