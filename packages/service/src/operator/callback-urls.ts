import { type Static, Type } from 'typebox';
import { CALLBACK_URL_STATES, type CallbackUrlState, callbackUrlStateOf } from '../model/callback-url.ts';
import type { Target } from '../model/notification.ts';
import type { Backlog } from '../store/operations.ts';
import type { AttemptSomewhere } from '../telemetry/recent-attempts.ts';
import {
  COUNTED_IN_LIST_MAX,
  COUNTED_MAX,
  NO_BACKLOG,
  ShownBacklog,
  ShownTarget,
  writeBacklog,
  writeTarget,
} from './delivery-state.ts';
import { ShownAttempt, writeAttempt } from './notifications.ts';
import type { BreakerStatus, OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { choice, cursor, fieldProblem, flag, isoTime, limit, pageOf } from './request.ts';
import { ok, route } from './route.ts';

/** Callback URLs on one page by default. */
const CALLBACK_URLS_PER_PAGE = 100;
/** Most callback URLs on one page. */
const CALLBACK_URLS_PER_PAGE_MAX = 500;

const closed = { additionalProperties: false };

/** How an unresponsive callback URL recovers. */
export const Recover = Type.Object(
  {
    how: Type.Enum(['responsive', 'probe-now'], {
      description:
        'responsive: it counts as responsive, and awaiting notifications are pushed. probe-now: one notification is sent as a probe, and the URL is responsive once it is acknowledged',
    }),
  },
  closed,
);

/** One of the latest attempts. */
const LastOutcome = Type.Object(
  {
    jti: Type.String(),
    ...ShownAttempt.properties,
    instance: Type.String({ description: 'Id of the process that made the attempt; new after each start' }),
  },
  closed,
);

/** A callback URL that notifications are pushed to, and its health. */
export const CallbackUrlHealth = Type.Object(
  {
    clientId: Type.String(),
    ...ShownTarget.properties,
    ...ShownBacklog,
    nextAttemptAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'When the next attempt is due, after the pause of the breaker if there is one',
      }),
    ),
    breaker: Type.Optional(
      Type.Object(
        {
          state: Type.Enum(['closed', 'open', 'trial'], {
            description:
              'closed: attempts continue. open: attempts pause, since too many failed. trial: one attempt is tried',
          }),
          pausedUntil: Type.Optional(
            Type.String({ format: 'date-time', description: 'When the next attempt is tried' }),
          ),
        },
        {
          ...closed,
          description:
            'Circuit breaker of the instance that handles this request; each instance has its own. Absent if it does not deliver',
        },
      ),
    ),
    lastOutcomes: Type.Array(LastOutcome, {
      description:
        'The last 10 attempts of all instances, newest first. Attempts of other instances appear some seconds late. A list shows only the last one',
    }),
  },
  closed,
);
export type CallbackUrlHealth = Static<typeof CallbackUrlHealth>;

/** One page of callback URLs, in the order of their client_ids. */
const CallbackUrlPage = Type.Object(
  {
    callbackUrls: Type.Array(CallbackUrlHealth, { maxItems: CALLBACK_URLS_PER_PAGE_MAX }),
    next: Type.Optional(Type.String({ description: 'Give it as "after" for the next page; absent on the last one' })),
  },
  closed,
);
type CallbackUrlPage = Static<typeof CallbackUrlPage>;

/** Description of a query parameter that lists have in common. */
export const NEEDS_ATTENTION =
  'true: only callback URLs that are failing or unresponsive, those with most awaiting first, on one page';

/** The health of callback URLs. */
export const callbackUrlRoutes = [
  route({
    operationId: 'listCallbackUrls',
    method: 'get',
    path: '/operator/v1/callback-urls',
    role: 'viewer',
    tag: 'TPPs',
    summary: 'List callback URLs with their health',
    query: {
      state: choice('Entries in this state only', CALLBACK_URL_STATES),
      needsAttention: flag(NEEDS_ATTENTION),
      after: cursor('"next" of the previous page'),
      limit: limit('Page size', CALLBACK_URLS_PER_PAGE, CALLBACK_URLS_PER_PAGE_MAX),
    },
    response: ok('One page', { CallbackUrlPage }),
    handler: (context) => (call) => list(call.query, context),
  }),
  route({
    operationId: 'getCallbackUrl',
    method: 'get',
    path: '/operator/v1/callback-urls/{clientId}',
    role: 'viewer',
    tag: 'TPPs',
    summary: 'Get the health of the callback URL of a TPP, with its latest outcomes',
    query: {},
    response: ok('The health of the callback URL', { CallbackUrlHealth }),
    refusals: [404],
    handler:
      (context) =>
      async ({ params }) => {
        const target = await context.store.target(params.clientId);
        const backlogs = await context.store.backlogsOf([params.clientId], COUNTED_MAX);
        const [health] = target === undefined ? [] : await healthOf([target], backlogs, context, COUNTED_MAX);
        if (health !== undefined) return health;
        throw new Problem(
          404,
          'This TPP has no callback URL that notifications are pushed to: it has no registration, only polls, or is suspended.',
        );
      },
  }),
];

interface GivenQuery {
  readonly state: CallbackUrlState | undefined;
  readonly needsAttention: boolean;
  readonly after: string | undefined;
  readonly limit: number;
}

async function list(query: GivenQuery, context: OperatorContext): Promise<CallbackUrlPage> {
  const { store } = context;
  const { state, after = '', limit: most } = query;
  if (query.needsAttention) {
    assertOnePage(query);
    const troubled = await store.troubledTargets(most, COUNTED_IN_LIST_MAX);
    const wanted = troubled.filter((target) => state === undefined || callbackUrlStateOf(target) === state);
    const backlogs = new Map(wanted.map((target) => [target.clientId, target]));
    return { callbackUrls: await listedOf(wanted, backlogs, context) };
  }
  const found = await store.targets(after, most + 1, state);
  const { shown, next } = pageOf(found, most, ({ clientId }) => clientId);
  const clientIds = shown.map(({ clientId }) => clientId);
  const backlogs = await store.backlogsOf(clientIds, COUNTED_IN_LIST_MAX);
  return { callbackUrls: await listedOf(shown, backlogs, context), ...next };
}

/** The list of what needs attention is one page, since its order changes all the time. @throws {Problem} 400 */
export function assertOnePage({ after }: { readonly after: string | undefined }): void {
  if (after !== undefined) throw fieldProblem('after', 'cannot be given with needsAttention, whose list is one page');
}

async function listedOf(
  targets: readonly Target[],
  backlogs: ReadonlyMap<string, Backlog>,
  context: OperatorContext,
): Promise<CallbackUrlHealth[]> {
  const healths = await healthOf(targets, backlogs, context, COUNTED_IN_LIST_MAX);
  return healths.map((health) => ({ ...health, lastOutcomes: health.lastOutcomes.slice(0, 1) }));
}

async function healthOf(
  targets: readonly Target[],
  backlogs: ReadonlyMap<string, Backlog>,
  { clock, telemetry, breakerOf }: OperatorContext,
  countMax: number,
): Promise<CallbackUrlHealth[]> {
  const clientIds = targets.map(({ clientId }) => clientId);
  const attempts = (await telemetry?.recentAttempts?.of(clientIds)) ?? new Map<string, readonly AttemptSomewhere[]>();
  return targets.map((target) => {
    const backlog = backlogs.get(target.clientId) ?? NO_BACKLOG;
    const breaker = breakerOf?.(target.clientId);
    const nowMs = clock.nowMs();
    return {
      ...{ clientId: target.clientId, ...writeTarget(target), ...writeBacklog(backlog, countMax) },
      ...nextAttemptOf(target, backlog, nowMs + (breaker?.pauseMs ?? 0)),
      ...(breaker !== undefined && { breaker: writeBreaker(breaker, nowMs) }),
      lastOutcomes: (attempts.get(target.clientId) ?? []).map(writeOutcome),
    };
  });
}

/** @param pausedUntilMs now, where attempts do not pause */
function nextAttemptOf(target: Target, { dueAtMs }: Backlog, pausedUntilMs: number): { nextAttemptAt?: string } {
  if (dueAtMs === undefined || target.unresponsiveSinceMs !== undefined) return {};
  return { nextAttemptAt: isoTime(Math.max(dueAtMs, pausedUntilMs)) };
}

function writeBreaker({ state, pauseMs }: BreakerStatus, nowMs: number): NonNullable<CallbackUrlHealth['breaker']> {
  return { state, ...(pauseMs !== undefined && { pausedUntil: isoTime(nowMs + pauseMs) }) };
}

function writeOutcome({ jti, instance, ...attempt }: AttemptSomewhere): CallbackUrlHealth['lastOutcomes'][number] {
  return { jti, ...writeAttempt(attempt), instance };
}
