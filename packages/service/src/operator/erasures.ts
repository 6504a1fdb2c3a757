import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { ERASED_MAX, sha256Of } from '../store/erasure.ts';
import type { SearchFilter } from '../store/search.ts';
import type { Store } from '../store/store.ts';
import { auditActorOf } from './access.ts';
import { inPortions, isWantedBy } from './bulk.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem } from './request.ts';
import { json, ok, route } from './route.ts';

const closed = { additionalProperties: false };

/** Whose data is meant: what is given must match. */
export const DataSubject = {
  clientId: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'Data of this TPP' })),
  resourceId: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 512,
      description: 'Data about this resource, such as the id of an account or consent',
    }),
  ),
} as const;

const ErasureRequest = Type.Object(
  {
    ...DataSubject,
    undelivered: Type.Optional(
      Type.Enum(['expire'], {
        description:
          'expire: awaiting notifications expire, so that the TPP never gets them, and are erased too. Default: 409 if there are any',
      }),
    ),
    isDryRun: Type.Optional(Type.Boolean({ description: 'true: count only, without a change' })),
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

/** The result of a portion of an erasure. */
export const ErasureAnswer = Type.Object(
  {
    count: Type.Integer({ minimum: 0, description: 'Notifications that were erased, or would be in a dry run' }),
    expired: Type.Integer({ minimum: 0, description: 'Of them, those that expired for it' }),
    awaiting: Type.Integer({
      minimum: 0,
      description: 'Notifications that are kept, because they are awaiting or being sent at this moment',
    }),
    isDryRun: Type.Boolean(),
    next: Type.Optional(
      Type.String({ description: 'Cursor of the next part, to be given as "after"; absent after the last part' }),
    ),
  },
  closed,
);
type ErasureAnswer = Static<typeof ErasureAnswer>;

const PLACE = /^\d{1,16}:\d{1,16}$/;
const BUSY_RETRY_SECONDS = 5;

/** POST /operator/v1/erasures, one at a time. */
export const erasureRoute = route({
  operationId: 'erase',
  method: 'post',
  path: '/operator/v1/erasures',
  // What is gone cannot be brought back.
  role: 'administrator',
  tag: 'Data protection',
  summary: 'Erase what notifications of a TPP or about a resource said; what became of them stays, as evidence',
  description:
    'Claims, SET and texts of the TPP are deleted; jti, times, attempts and the SHA-256 of the SET stay until "retention.notificationsMs". 409, and nothing is erased, if a notification is still awaiting, unless "undelivered" is expire. A large erasure is answered in parts: repeat the request with "next" as "after" until "next" is absent. It can be repeated at any time. Only one erasure runs at a time; others are answered 429.',
  body: json({ ErasureRequest }, { example: { resourceId: 'aac-1234-007', isDryRun: true } }),
  response: ok('Result of this part', { ErasureAnswer }),
  refusals: [409, 429],
  handler: (context) => {
    let isUnderWay = false;
    return async ({ request, body }) => {
      const filter = filterOf(body);
      if (body.after !== undefined && !PLACE.test(body.after)) {
        throw fieldProblem('after', 'must be "next" of the part before');
      }
      if (isUnderWay) {
        throw new Problem(
          429,
          'Another erasure is in progress; try again when it has finished.',
          {},
          BUSY_RETRY_SECONDS,
        );
      }
      isUnderWay = true;
      try {
        return await eraseFor(request, filter, body, context);
      } finally {
        isUnderWay = false;
      }
    };
  },
});

/** @throws {Problem} 400: it would mean all data */
export function filterOf({ clientId, resourceId }: Static<typeof ErasureRequest>): SearchFilter {
  if (clientId === undefined && resourceId === undefined) {
    throw fieldProblem('', 'must say whose data is meant: clientId, resourceId or both');
  }
  return { ...(clientId !== undefined && { clientId }), ...(resourceId !== undefined && { resourceId }) };
}

/**
 * What audit and log say of it: the resource by its digest, or the entry would keep for good what is to be erased.
 * Whoever knows the id of the resource can tell that it is meant.
 */
export function subjectOf({ clientId, resourceId }: SearchFilter) {
  const resourceSha256 = resourceId === undefined ? undefined : sha256Of(resourceId);
  return {
    subject: clientId ?? `sha256:${resourceSha256}`,
    detail: { ...(clientId !== undefined && { clientId }), ...(resourceSha256 !== undefined && { resourceSha256 }) },
  };
}

async function eraseFor(
  request: FastifyRequest,
  filter: SearchFilter,
  { undelivered, isDryRun = false, after: from }: Static<typeof ErasureRequest>,
  { store, clock }: OperatorContext,
): Promise<ErasureAnswer> {
  if (from === undefined && undelivered === undefined && !isDryRun) await refuseAwaiting(store, filter);
  const { subject, detail } = subjectOf(filter);
  const asked = { ...detail, ...(undelivered !== undefined && { undelivered }) };
  const audit = { ...auditActorOf(request), action: 'erase', subject, detail: asked };
  const expiresAwaiting = undelivered === 'expire';
  const all = { expired: 0, awaiting: 0 };
  const { count, next } = await inPortions(clock, isWantedBy(request), from, async (after) => {
    const page = await store.search({ filter, after, limit: ERASED_MAX });
    const awaiting = page.notifications.filter(({ state }) => state === 'awaiting').length;
    const expired = expiresAwaiting ? awaiting : 0;
    const would = { erased: page.notifications.length - awaiting + expired, expired, awaiting: awaiting - expired };
    const jtis = page.notifications.map(({ jti }) => jti);
    const done = isDryRun
      ? would
      : await store.erase({ jtis, expiresAwaiting, audit: { ...audit, atMs: clock.nowMs() } });
    all.expired += done.expired;
    all.awaiting += done.awaiting;
    return { count: done.erased, next: page.next };
  });
  request.log.info({ operator: request.operatorName, ...asked, isDryRun, count, ...all }, 'erased');
  return { count, ...all, isDryRun, ...(next !== undefined && { next }) };
}

/**
 * What the bank has to tell a TPP is not taken away from under it: it would go on with a consent that was revoked.
 *
 * @throws {Problem} 409
 */
async function refuseAwaiting(store: Pick<Store, 'search'>, filter: SearchFilter): Promise<void> {
  let after: string | undefined;
  do {
    const page = await store.search({ filter: { ...filter, state: 'awaiting' }, after, limit: 1 });
    if (page.notifications.length > 0) {
      const remedy = 'wait until they are delivered, or let them expire ("undelivered": "expire")';
      throw new Problem(409, `Some of the notifications are not delivered yet, so nothing was erased; ${remedy}.`);
    }
    after = page.next;
  } while (after !== undefined);
}
