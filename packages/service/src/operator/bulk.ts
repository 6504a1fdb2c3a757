import { decodeBase64url, encodeBase64url, parseStrictJson, StrictJsonError, shapeOf } from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Clock } from '../base/clock.ts';
import type { AuditEntry } from '../model/audit.ts';
import type { NotificationFilter } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import { auditActorOf } from './access.ts';
import { HeldBack, heldBackOf } from './held-back.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, isoTime, readTime } from './request.ts';
import { json, ok, route } from './route.ts';

/** Most `jti`s that one redelivery names. */
const REDELIVERED_JTIS_MAX = 1000;
/** Default rate at which notifications become due. */
const REDELIVERED_PER_SECOND = 50;
const REDELIVERED_PER_SECOND_MAX = 1000;

const closed = { additionalProperties: false };
const id = (description: string) => Type.String({ minLength: 1, maxLength: 128, description });
const time = (description: string) => Type.String({ format: 'date-time', maxLength: 64, description });

/** Selects the notifications to redeliver; all given criteria must match. */
const RedeliveryRequest = Type.Object(
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
          'awaiting: not acknowledged. failed: awaiting, with a failed attempt or a reported error. Default: all, acknowledged ones included',
      }),
    ),
    isDryRun: Type.Optional(Type.Boolean({ description: 'true: count only, without a change' })),
    ratePerSecond: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: REDELIVERED_PER_SECOND_MAX,
        description: `Notifications that become due per second: ${REDELIVERED_PER_SECOND} by default, at most "operator.redeliveredPerSecondMax"`,
      }),
    ),
    after: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: '"next" of the previous part, with the same other fields',
      }),
    ),
  },
  closed,
);

/** The result of a portion of a redelivery. */
export const RedeliveryAnswer = Type.Object(
  {
    count: Type.Integer({ minimum: 0, description: 'Notifications that are due again, or would be in a dry run' }),
    isDryRun: Type.Boolean(),
    ratePerSecond: Type.Integer({ minimum: 1 }),
    lastDueAt: Type.Optional(time('When the last of them is due; absent if there was none')),
    heldBack: HeldBack,
    next: Type.Optional(
      Type.String({ description: 'Cursor of the next part, to be given as "after"; absent after the last part' }),
    ),
  },
  closed,
);
export type RedeliveryAnswer = Static<typeof RedeliveryAnswer>;

const { jtis, clientId, publishedFrom, publishedBefore, isDryRun } = RedeliveryRequest.properties;

/** Selects the awaiting notifications to withdraw; all given criteria must match. */
const WithdrawalRequest = Type.Object(
  {
    ...{ jtis, clientId, publishedFrom, publishedBefore },
    only: Type.Optional(
      Type.Enum(['failed'], {
        description: 'failed: with a failed attempt or a reported error. Default: all awaiting notifications',
      }),
    ),
    isDryRun,
    after: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: '"next" of the previous part, with the same other fields',
      }),
    ),
  },
  closed,
);

/** The result of a portion of a withdrawal. */
export const WithdrawalAnswer = Type.Object(
  {
    count: Type.Integer({ minimum: 0, description: 'Notifications that are withdrawn, or would be in a dry run' }),
    isDryRun: RedeliveryAnswer.properties.isDryRun,
    next: RedeliveryAnswer.properties.next,
  },
  closed,
);
export type WithdrawalAnswer = Static<typeof WithdrawalAnswer>;

/** A validated redelivery request. */
interface RedeliveryOrder {
  readonly filter: NotificationFilter;
  readonly isDryRun: boolean;
  readonly ratePerSecond: number;
  /** Where an earlier part of it ended; undefined: from the oldest. */
  readonly from: RedeliveryPlace | undefined;
}

/** Position at which a part of a redelivery ended. */
interface RedeliveryPlace {
  /** Goes on after this one. */
  readonly after: string;
  /** When the next one is due, so that the rate holds from part to part. */
  readonly nextDueAtMs: number;
}

/** The result of a portion of a redelivery. */
interface RedeliveryPart {
  /** Notifications that are due again (dry run: that would be). */
  readonly count: number;
  /** Undefined when there was none. */
  readonly lastDueAtMs: number | undefined;
  /** Undefined when this was the last part. */
  readonly next: RedeliveryPlace | undefined;
}

const shapePlace = shapeOf(Type.Tuple([Type.String({ minLength: 1 }), Type.Integer({ minimum: 0 })]));
const WITHDRAWAL_PLACE = /^\d{1,16}(?::\d{1,16})?$/;
const RETRY_AFTER_SECONDS = 5;
const JTIS_TOLD_MAX = 20;

// A portion is one transaction, which publishing and recording wait for; they run between two portions.
const PORTION = 500;
const PAUSE_MS = 5;
// Each part is answered well before the client times out.
const WORK_MS_MAX = 5000;

const EXAMPLE_REDELIVERY = {
  clientId: 'tpp-1',
  publishedFrom: '2026-11-20T00:00:00Z',
  publishedBefore: '2026-11-21T00:00:00Z',
  only: 'failed',
  isDryRun: true,
};
const EXAMPLE_WITHDRAWAL = { clientId: 'tpp-1', publishedBefore: '2026-11-21T00:00:00Z', isDryRun: true };

/** POST /operator/v1/redeliveries, one at a time: two at once would share no rate. POST /operator/v1/withdrawals. */
export const bulkRoutes = [
  route({
    operationId: 'redeliver',
    method: 'post',
    path: '/operator/v1/redeliveries',
    role: 'operator',
    tag: 'Notifications',
    summary: 'Redeliver notifications with the same jti and SET; withdrawn and expired ones are never redelivered',
    description:
      'Select notifications by jti, TPP or time; all given criteria must match. A large redelivery is answered in parts: repeat the request with "next" as "after" until "next" is absent. Only one redelivery runs at a time; others are answered 429.',
    body: json({ RedeliveryRequest }, { example: EXAMPLE_REDELIVERY }),
    response: ok('Result of this part', { RedeliveryAnswer }),
    refusals: [429],
    handler: (context) => {
      let isUnderWay = false;
      return async ({ request, body }) => {
        const order = readRedelivery(body, context.config?.operator.redeliveredPerSecondMax);
        if (isUnderWay) {
          const why = 'Another redelivery is in progress; try again when it has finished.';
          throw new Problem(429, why, {}, RETRY_AFTER_SECONDS);
        }
        isUnderWay = true;
        try {
          return await redeliverFor(request, order, context);
        } finally {
          isUnderWay = false;
        }
      };
    },
  }),
  route({
    operationId: 'withdraw',
    method: 'post',
    path: '/operator/v1/withdrawals',
    role: 'operator',
    tag: 'Notifications',
    summary: 'Withdraw awaiting notifications, so that they are no longer pushed or offered',
    description:
      'Select notifications by jti, TPP or time; all given criteria must match. Notifications that are being sent at this moment are skipped. A large withdrawal is answered in parts: repeat the request with "next" as "after" until "next" is absent.',
    body: json({ WithdrawalRequest }, { example: EXAMPLE_WITHDRAWAL }),
    response: ok('Result of this part', { WithdrawalAnswer }),
    handler: (context) => (call) => withdrawFor(call.request, call.body, context),
  }),
];

async function redeliverFor(
  request: FastifyRequest,
  order: RedeliveryOrder,
  options: OperatorOptions,
): Promise<RedeliveryAnswer> {
  const { filter, isDryRun: isDry, ratePerSecond } = order;
  const detail = { ...writeFilter(filter), ratePerSecond };
  const audit = { ...auditActorOf(request), action: 'redeliver', subject: subjectOf(filter), detail };
  const { count, lastDueAtMs, next } = await redeliver(order, audit, options, isWantedBy(request));
  note(request, options, { kind: 'redelivered', filter, detail, isDryRun: isDry, count });
  if (count > 0 && !isDry) options.onDue?.();
  return {
    ...{ count, isDryRun: isDry, ratePerSecond },
    heldBack: count === 0 ? [] : await heldBackOf(filter, options.store),
    ...(lastDueAtMs !== undefined && { lastDueAt: isoTime(lastDueAtMs) }),
    ...(next !== undefined && { next: writePlace(next) }),
  };
}

async function withdrawFor(
  request: FastifyRequest,
  body: Static<typeof WithdrawalRequest>,
  options: OperatorOptions,
): Promise<WithdrawalAnswer> {
  const { store, clock } = options;
  const { isDryRun: isDry = false, after: from } = body;
  if (from !== undefined && !WITHDRAWAL_PLACE.test(from)) {
    throw fieldProblem('after', 'must be "next" of the part before');
  }
  const filter = readFilter(body);
  const detail = writeFilter(filter);
  const audit = { ...auditActorOf(request), action: 'withdraw', subject: subjectOf(filter), detail };
  const { count, next } = await inPortions(clock, isWantedBy(request), from, (after) =>
    store.withdraw({
      ...{ filter, after, limit: PORTION, isDryRun: isDry },
      audit: { ...audit, atMs: clock.nowMs() },
    }),
  );
  note(request, options, { kind: 'withdrawn', filter, detail, isDryRun: isDry, count });
  return { count, isDryRun: isDry, ...(next !== undefined && { next }) };
}

/**
 * Makes notifications due again, portion by portion and the oldest first, so that at most `ratePerSecond` fall due in a
 * second. Ends after a while although there is more, to be called again with the place where it ended.
 *
 * @param isWanted false ends it after the portion under way
 * @throws {StoreError} what was made due before stays so
 */
export async function redeliver(
  { filter, isDryRun, ratePerSecond, from }: RedeliveryOrder,
  audit: Omit<AuditEntry, 'atMs'>,
  { store, clock }: { readonly store: Pick<Store, 'redeliver'>; readonly clock: Clock },
  isWanted: () => boolean,
): Promise<RedeliveryPart> {
  const spacingMs = Math.ceil(1000 / ratePerSecond);
  let nextDueAtMs = Math.max(clock.nowMs(), from?.nextDueAtMs ?? 0);
  const { count, next: after } = await inPortions(clock, isWanted, from?.after, async (reached) => {
    const portion = await store.redeliver({
      ...{ filter, after: reached, isDryRun, spacingMs, limit: PORTION, firstDueAtMs: nextDueAtMs },
      audit: { ...audit, atMs: clock.nowMs() },
    });
    nextDueAtMs += portion.count * spacingMs;
    return portion;
  });
  const lastDueAtMs = count === 0 ? undefined : nextDueAtMs - spacingMs;
  return { count, lastDueAtMs, next: after === undefined ? undefined : { after, nextDueAtMs } };
}

/** Works in portions, oldest first. Ends after a time limit, even if more is left, or when the caller disconnects. */
export async function inPortions(
  clock: Clock,
  isWanted: () => boolean,
  from: string | undefined,
  work: (after: string | undefined) => Promise<{ readonly count: number; readonly next?: string | undefined }>,
): Promise<{ readonly count: number; readonly next: string | undefined }> {
  const beganMs = clock.monotonicMs();
  let after = from;
  let count = 0;
  for (;;) {
    const portion = await work(after);
    count += portion.count;
    after = portion.next;
    const isOver = after === undefined || clock.monotonicMs() - beganMs >= WORK_MS_MAX || !isWanted();
    if (isOver) return { count, next: after };
    await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve));
  }
}

/** False once the caller has disconnected. */
export function isWantedBy({ socket }: FastifyRequest): () => boolean {
  return () => !socket.destroyed;
}

interface Done {
  readonly kind: 'redelivered' | 'withdrawn';
  readonly filter: NotificationFilter;
  readonly detail: object;
  readonly isDryRun: boolean;
  readonly count: number;
}

/** Log and live stream. */
function note(request: FastifyRequest, { observer, clock }: OperatorOptions, done: Done): void {
  const { kind, filter, detail, isDryRun: isDry, count } = done;
  request.log.info({ operator: request.operatorName, ...detail, isDryRun: isDry, count }, kind);
  if (count === 0 || isDry) return;
  const of = filter.clientId === undefined ? {} : { clientId: filter.clientId };
  observer?.record({ kind, atMs: clock.nowMs(), count, ...of });
}

/** @throws {Problem} 400 that names the field */
function readRedelivery(
  request: Static<typeof RedeliveryRequest>,
  perSecondMax = REDELIVERED_PER_SECOND_MAX,
): RedeliveryOrder {
  const { isDryRun: isDry = false, after } = request;
  const ratePerSecond = request.ratePerSecond ?? Math.min(REDELIVERED_PER_SECOND, perSecondMax);
  if (ratePerSecond > perSecondMax) {
    throw fieldProblem('ratePerSecond', `must be at most ${perSecondMax} ("operator.redeliveredPerSecondMax")`);
  }
  const filter = readFilter(request);
  return { filter, isDryRun: isDry, ratePerSecond, from: after === undefined ? undefined : readPlace(after) };
}

/** Members that requests about several notifications have in common. */
type NotificationsMeant = Pick<
  Static<typeof RedeliveryRequest>,
  'jtis' | 'clientId' | 'publishedFrom' | 'publishedBefore' | 'only'
>;

/** Which notifications are meant, as the body of a request has it. @throws {Problem} 400 that names the field */
function readFilter(request: NotificationsMeant): NotificationFilter {
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

/** Writes a position as an opaque cursor. */
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

/** The filter for log and audit; a long list of jtis becomes its length. */
function writeFilter({
  jtis,
  publishedFromMs,
  publishedBeforeMs,
  ...others
}: NotificationFilter): AuditEntry['detail'] {
  return {
    ...others,
    ...(jtis !== undefined && { jtis: jtis.length > JTIS_TOLD_MAX ? jtis.length : jtis }),
    ...(publishedFromMs !== undefined && { publishedFrom: isoTime(publishedFromMs) }),
    ...(publishedBeforeMs !== undefined && { publishedBefore: isoTime(publishedBeforeMs) }),
  };
}

/** The subject of the audit entry. */
function subjectOf({ jtis = [], clientId }: NotificationFilter): string {
  const [only, ...others] = jtis;
  return others.length === 0 && only !== undefined ? only : (clientId ?? 'notifications');
}
