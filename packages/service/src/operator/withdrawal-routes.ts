import { shapeOf } from '@tidings/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { AuditEntry, NotificationFilter } from '../store/store.ts';
import { auditActorOf } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { fieldProblem, readJson, shapedValue } from './read-body.ts';
import { RedeliveryRequest, readFilter, subjectOf, writeFilter } from './redelivery-routes.ts';
import { forOperation } from './roles.ts';

const closed = { additionalProperties: false };

const { jtis, clientId, publishedFrom, publishedBefore, isDryRun } = RedeliveryRequest.properties;

/** Which awaiting notifications are to be withdrawn. All that is given must hold. */
export const WithdrawalRequest = Type.Object(
  {
    ...{ jtis, clientId, publishedFrom, publishedBefore },
    only: Type.Optional(
      Type.Enum(['failed'], {
        description: 'Those with a failed attempt or a reported error. Left out: all that are awaiting',
      }),
    ),
    isDryRun,
    after: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: '"next" of the part before; with the same fields' }),
    ),
  },
  closed,
);

/** What a part of a withdrawal came to. */
export const WithdrawalAnswer = Type.Object(
  {
    count: Type.Integer({ minimum: 0, description: 'Notifications that are withdrawn; of a dry run: that would be' }),
    isDryRun: Type.Boolean(),
    next: Type.Optional(
      Type.String({ description: 'There is more: ask again with this as "after"; absent when this was all' }),
    ),
  },
  closed,
);
export type WithdrawalAnswer = Static<typeof WithdrawalAnswer>;

/** A withdrawal that an operator asked for, read and checked. */
interface Order {
  readonly filter: NotificationFilter;
  readonly isDryRun: boolean;
  readonly after: string | undefined;
}

const shapeRequest = shapeOf(WithdrawalRequest);
const PLACE = /^\d{1,16}(?::\d{1,16})?$/;
// A portion is one transaction, for which publishing and recording wait; between two of them they go first.
const PORTION = 500;
const PAUSE_MS = 5;
// Every part is answered well before whoever asked for it stops waiting.
const WORK_MS_MAX = 5000;

/** POST /operator/v1/withdrawals */
export function registerWithdrawalRoute(app: FastifyInstance, options: OperatorOptions): void {
  app.post('/operator/v1/withdrawals', forOperation('withdraw'), async (request): Promise<WithdrawalAnswer> => {
    const order = readOrder(request.body);
    const { filter, isDryRun } = order;
    const detail = { ...writeFilter(filter) };
    const audit = { ...auditActorOf(request), action: 'withdraw', subject: subjectOf(filter), detail };
    const part = await withdrawPart(request, order, audit, options);
    request.log.info({ operator: request.operatorName, ...detail, isDryRun, count: part.count }, 'withdrawn');
    if (part.count > 0 && !isDryRun) {
      const of = filter.clientId === undefined ? {} : { clientId: filter.clientId };
      options.observer?.happened({ kind: 'withdrawn', atMs: options.clock.nowMs(), count: part.count, ...of });
    }
    return { ...part, isDryRun };
  });
}

/** @throws {Problem} 400 that names the field */
function readOrder(body: unknown): Order {
  const request = shapedValue(shapeRequest(readJson(body)));
  const { isDryRun: isDry = false, after } = request;
  if (after !== undefined && !PLACE.test(after)) throw fieldProblem('after', 'must be "next" of the part before');
  return { filter: readFilter(request), isDryRun: isDry, after };
}

/** Portion by portion, the oldest first; ends after a while although there is more, or when nobody waits for it. */
async function withdrawPart(
  { socket }: FastifyRequest,
  order: Order,
  audit: Omit<AuditEntry, 'atMs'>,
  { store, clock }: OperatorOptions,
): Promise<Omit<WithdrawalAnswer, 'isDryRun'>> {
  const { filter, isDryRun: isDry } = order;
  const beganMs = clock.monotonicMs();
  let { after } = order;
  let count = 0;
  for (;;) {
    const entry = { ...audit, atMs: clock.nowMs() };
    const portion = await store.withdraw({ filter, after, limit: PORTION, isDryRun: isDry, audit: entry });
    count += portion.count;
    after = portion.next;
    if (after === undefined) return { count };
    if (clock.monotonicMs() - beganMs >= WORK_MS_MAX || socket.destroyed) return { count, next: after };
    await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve));
  }
}
