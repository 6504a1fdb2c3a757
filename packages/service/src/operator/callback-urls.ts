import { type Static, Type } from 'typebox';
import type { Target } from '../model/notification.ts';
import type { AttemptSomewhere } from '../telemetry/recent-attempts.ts';
import { ShownAttempt, writeAttempt } from './notifications.ts';
import type { BreakerStatus, OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { choice, cursor, isoTime, limit, pageOf } from './request.ts';
import { ok, route } from './route.ts';

/** Callback URLs on one page by default. */
const CALLBACK_URLS_PER_PAGE = 100;
/** Most callback URLs on one page. */
const CALLBACK_URLS_PER_PAGE_MAX = 500;

const closed = { additionalProperties: false };

const since = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }));

/** The callback URL that the notifications of a TPP are pushed to, and its state. */
export const ShownTarget = Type.Object(
  {
    callbackUrl: Type.String(),
    state: Type.Enum(['responsive', 'unresponsive'], {
      description: 'unresponsive: it exceeded a limit of the retry policy, so only probes are sent',
    }),
    unresponsiveSince: since('When it became unresponsive'),
    failedProbes: Type.Optional(Type.Integer({ minimum: 0, description: 'Probes that failed since then' })),
    nextProbeAt: since('When the next probe may be sent, if a notification is awaiting'),
    recoveredAt: since('When it last recovered'),
  },
  {
    ...closed,
    description:
      'The callback URL that notifications are pushed to. Absent if there is none: no registration, polling only, or suspended',
  },
);
export type ShownTarget = Static<typeof ShownTarget>;

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
    awaiting: Type.Integer({ minimum: 0, description: 'Awaiting notifications of the TPP' }),
    isAtLeast: Type.Boolean({ description: 'true if counting stopped at this number and there may be more' }),
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

// Counting of awaiting notifications stops here: for one TPP, and for each TPP of a list.
const COUNTED_MAX = 10_000;
const COUNTED_IN_LIST_MAX = 1000;

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
      state: choice('Entries in this state only', ['responsive', 'unresponsive']),
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
        const [health] = target === undefined ? [] : await healthOf([target], context, COUNTED_MAX);
        if (health !== undefined) return health;
        throw new Problem(
          404,
          'This TPP has no callback URL that notifications are pushed to: it has no registration, only polls, or is suspended.',
        );
      },
  }),
];

interface GivenQuery {
  readonly state: 'responsive' | 'unresponsive' | undefined;
  readonly after: string | undefined;
  readonly limit: number;
}

async function list(
  { state, after = '', limit: most }: GivenQuery,
  context: OperatorContext,
): Promise<CallbackUrlPage> {
  const found = await context.store.targets(after, most + 1, state);
  const { shown, next } = pageOf(found, most, ({ clientId }) => clientId);
  const healths = await healthOf(shown, context, COUNTED_IN_LIST_MAX);
  const callbackUrls = healths.map((health) => ({ ...health, lastOutcomes: health.lastOutcomes.slice(0, 1) }));
  return { callbackUrls, ...next };
}

async function healthOf(
  targets: readonly Target[],
  { store, clock, telemetry, breakerOf }: OperatorContext,
  countMax: number,
): Promise<CallbackUrlHealth[]> {
  const clientIds = targets.map(({ clientId }) => clientId);
  const [awaiting, attempts] = await Promise.all([
    store.awaitingOf(clientIds, countMax),
    telemetry?.recentAttempts?.of(clientIds) ?? new Map<string, readonly AttemptSomewhere[]>(),
  ]);
  return targets.map((target) => {
    const count = awaiting.get(target.clientId) ?? 0;
    const breaker = breakerOf?.(target.clientId);
    return {
      ...{ clientId: target.clientId, ...writeTarget(target) },
      ...{ awaiting: Math.min(count, countMax), isAtLeast: count > countMax },
      ...(breaker !== undefined && { breaker: writeBreaker(breaker, clock.nowMs()) }),
      lastOutcomes: (attempts.get(target.clientId) ?? []).map(writeOutcome),
    };
  });
}

/** Writes the callback URL of a TPP with its state. */
export function writeTarget(target: Target): ShownTarget {
  const { callbackUrl, unresponsiveSinceMs, probes, probeAtMs, recoveredAtMs } = target;
  const state = unresponsiveSinceMs === undefined ? 'responsive' : 'unresponsive';
  return {
    ...{ callbackUrl, state },
    ...(unresponsiveSinceMs !== undefined && {
      unresponsiveSince: isoTime(unresponsiveSinceMs),
      failedProbes: probes,
    }),
    ...(probeAtMs !== undefined && { nextProbeAt: isoTime(probeAtMs) }),
    ...(recoveredAtMs !== undefined && { recoveredAt: isoTime(recoveredAtMs) }),
  };
}

function writeBreaker({ state, pauseMs }: BreakerStatus, nowMs: number): NonNullable<CallbackUrlHealth['breaker']> {
  return { state, ...(pauseMs !== undefined && { pausedUntil: isoTime(nowMs + pauseMs) }) };
}

function writeOutcome({ jti, instance, ...attempt }: AttemptSomewhere): CallbackUrlHealth['lastOutcomes'][number] {
  return { jti, ...writeAttempt(attempt), instance };
}
