import { decodeBase64url, encodeBase64url, parseStrictJson, StrictJsonError, shapeOf } from '@tidings/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { NotificationFilter } from '../store/store.ts';
import { auditActorOf } from './access.ts';
import { isoTime } from './iso-time.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, readJson, shapedValue } from './read-body.ts';
import { readTime } from './read-time.ts';
import { type RedeliveryOrder, type RedeliveryPart, type RedeliveryPlace, redeliver } from './redeliver.ts';
import { forOperation } from './roles.ts';

/** Most `jti`s that one redelivery names. */
export const REDELIVERED_JTIS_MAX = 1000;
/** Notifications a second that fall due unless the operator asks for another rate. */
export const REDELIVERED_PER_SECOND = 50;
const REDELIVERED_PER_SECOND_MAX = 1000;

const closed = { additionalProperties: false };
const id = (description: string) => Type.String({ minLength: 1, maxLength: 128, description });
const time = (description: string) => Type.String({ format: 'date-time', maxLength: 64, description });

/** Which notifications are to be sent again. All that is given must hold. */
export const RedeliveryRequest = Type.Object(
  {
    jtis: Type.Optional(
      Type.Array(id('jti'), { minItems: 1, maxItems: REDELIVERED_JTIS_MAX, description: 'These notifications' }),
    ),
    clientId: Type.Optional(id('Those of this TPP')),
    publishedFrom: Type.Optional(time('Those published at or after this time')),
    publishedBefore: Type.Optional(time('Those published before this time')),
    only: Type.Optional(
      Type.Enum(['failed', 'awaiting'], {
        description:
          'awaiting: those not acknowledged. failed: of those, the ones with a failed attempt or a reported error. Left out: acknowledged ones too',
      }),
    ),
    isDryRun: Type.Optional(Type.Boolean({ description: 'true: nothing is changed, only counted' })),
    ratePerSecond: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: REDELIVERED_PER_SECOND_MAX,
        description: `Most that fall due in a second: ${REDELIVERED_PER_SECOND} unless given, "operator.redeliveredPerSecondMax" at most`,
      }),
    ),
    after: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: '"next" of the part before; with the same fields' }),
    ),
  },
  closed,
);

/** What a part of a redelivery came to. */
export const RedeliveryAnswer = Type.Object(
  {
    count: Type.Integer({ minimum: 0, description: 'Notifications that are due again; of a dry run: that would be' }),
    isDryRun: Type.Boolean(),
    ratePerSecond: Type.Integer({ minimum: 1 }),
    lastDueAt: Type.Optional(time('When the last of them is due; absent when there was none')),
    next: Type.Optional(
      Type.String({ description: 'There is more: ask again with this as "after"; absent when this was all' }),
    ),
  },
  closed,
);
export type RedeliveryAnswer = Static<typeof RedeliveryAnswer>;

/** What requests about several notifications have in common. */
type NotificationsMeant = Pick<
  Static<typeof RedeliveryRequest>,
  'jtis' | 'clientId' | 'publishedFrom' | 'publishedBefore' | 'only'
>;

const shapeRequest = shapeOf(RedeliveryRequest);
const shapePlace = shapeOf(Type.Tuple([Type.String({ minLength: 1 }), Type.Integer({ minimum: 0 })]));
const RETRY_AFTER_SECONDS = 5;

/** POST /operator/v1/redeliveries, one at a time: two at once would share no rate. */
export function registerRedeliveryRoute(app: FastifyInstance, options: OperatorOptions): void {
  let isUnderWay = false;
  app.post('/operator/v1/redeliveries', forOperation('redeliver'), async (request) => {
    const order = readOrder(request.body, options.config?.operator.redeliveredPerSecondMax);
    if (isUnderWay) {
      throw new Problem(429, 'Another redelivery is under way; try again when it is done.', {}, RETRY_AFTER_SECONDS);
    }
    isUnderWay = true;
    try {
      return await redeliverFor(request, order, options);
    } finally {
      isUnderWay = false;
    }
  });
}

async function redeliverFor(
  request: FastifyRequest,
  order: RedeliveryOrder,
  options: OperatorOptions,
): Promise<RedeliveryAnswer> {
  const { operatorName: operator, socket } = request;
  const { filter, isDryRun, ratePerSecond } = order;
  const detail = { ...writeFilter(filter), ratePerSecond };
  const audit = { ...auditActorOf(request), action: 'redeliver', subject: subjectOf(filter), detail };
  // Whoever hangs up wants no more of it.
  const part = await redeliver(order, audit, options, () => !socket.destroyed);
  request.log.info({ operator, ...detail, isDryRun, count: part.count }, 'redelivered');
  if (part.count > 0 && !isDryRun) {
    const of = filter.clientId === undefined ? {} : { clientId: filter.clientId };
    options.observer?.happened({ kind: 'redelivered', atMs: options.clock.nowMs(), count: part.count, ...of });
    options.onDue?.();
  }
  return writePart(part, order);
}

/** @throws {Problem} 400 that names the field */
function readOrder(body: unknown, perSecondMax = REDELIVERED_PER_SECOND_MAX): RedeliveryOrder {
  const request = shapedValue(shapeRequest(readJson(body)));
  const { isDryRun = false, after } = request;
  const ratePerSecond = request.ratePerSecond ?? Math.min(REDELIVERED_PER_SECOND, perSecondMax);
  if (ratePerSecond > perSecondMax) {
    throw fieldProblem('ratePerSecond', `must be at most ${perSecondMax} ("operator.redeliveredPerSecondMax")`);
  }
  const filter = readFilter(request);
  return { filter, isDryRun, ratePerSecond, from: after === undefined ? undefined : readPlace(after) };
}

/** Which notifications are meant, as the body of a request has it. @throws {Problem} 400 that names the field */
export function readFilter(request: NotificationsMeant): NotificationFilter {
  const { jtis, clientId, only } = request;
  const publishedFromMs = readTime('publishedFrom', request.publishedFrom);
  const publishedBeforeMs = readTime('publishedBefore', request.publishedBefore);
  if (
    jtis === undefined &&
    clientId === undefined &&
    publishedFromMs === undefined &&
    publishedBeforeMs === undefined
  ) {
    throw fieldProblem('', 'must say which ones are meant: jtis, clientId, publishedFrom or publishedBefore');
  }
  if (publishedFromMs !== undefined && publishedBeforeMs !== undefined && publishedFromMs >= publishedBeforeMs) {
    throw fieldProblem('publishedBefore', 'must be later than publishedFrom');
  }
  return {
    ...(jtis !== undefined && { jtis }),
    ...(clientId !== undefined && { clientId }),
    ...(publishedFromMs !== undefined && { publishedFromMs }),
    ...(publishedBeforeMs !== undefined && { publishedBeforeMs }),
    ...(only !== undefined && { only }),
  };
}

/** The place is ours; that it is text is all that a caller needs to know of it. */
function writePlace({ after, nextDueAtMs }: RedeliveryPlace): string {
  return encodeBase64url(new TextEncoder().encode(JSON.stringify([after, nextDueAtMs])));
}

function readPlace(text: string): RedeliveryPlace {
  const place = shapePlace(parsed(decodeBase64url(text)));
  if (!place.ok) throw fieldProblem('after', 'must be "next" of the part before');
  const [after, nextDueAtMs] = place.value;
  return { after, nextDueAtMs };
}

function parsed(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes && parseStrictJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}

function writePart({ count, lastDueAtMs, next }: RedeliveryPart, order: RedeliveryOrder): RedeliveryAnswer {
  const { isDryRun, ratePerSecond } = order;
  return {
    ...{ count, isDryRun, ratePerSecond },
    ...(lastDueAtMs !== undefined && { lastDueAt: isoTime(lastDueAtMs) }),
    ...(next !== undefined && { next: writePlace(next) }),
  };
}

/** As the log and the audit tell of it; of many notifications only how many were named. */
export function writeFilter({ jtis, publishedFromMs, publishedBeforeMs, ...others }: NotificationFilter): object {
  return {
    ...others,
    ...(jtis !== undefined && { jtis: jtis.length > JTIS_TOLD_MAX ? jtis.length : jtis }),
    ...(publishedFromMs !== undefined && { publishedFrom: isoTime(publishedFromMs) }),
    ...(publishedBeforeMs !== undefined && { publishedBefore: isoTime(publishedBeforeMs) }),
  };
}

const JTIS_TOLD_MAX = 20;

/** What the audit says that it was done to. */
export function subjectOf({ jtis = [], clientId }: NotificationFilter): string {
  const [only, ...others] = jtis;
  return others.length === 0 && only !== undefined ? only : (clientId ?? 'notifications');
}
