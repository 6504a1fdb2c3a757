import { type Static, Type } from 'typebox';
import type { Target } from '../model/notification.ts';
import type { AttemptSomewhere } from '../telemetry/recent-attempts.ts';
import { ShownAttempt, writeAttempt } from './notifications.ts';
import type { BreakerStatus, OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { choice, cursor, isoTime, limit, pageOf } from './request.ts';
import { ok, route } from './route.ts';

/** Callback URLs on one page unless the caller asks for another number. */
const CALLBACK_URLS_PER_PAGE = 100;
/** Most callback URLs on one page. */
const CALLBACK_URLS_PER_PAGE_MAX = 500;

const closed = { additionalProperties: false };

const since = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }));

/** Where the notifications of a TPP are pushed, and how that fares. */
export const ShownTarget = Type.Object(
  {
    callbackUrl: Type.String(),
    state: Type.Enum(['responsive', 'unresponsive'], {
      description: 'unresponsive: past a limit of the retry policy, so that only probes are sent',
    }),
    unresponsiveSince: since('Since when'),
    failedProbes: Type.Optional(Type.Integer({ minimum: 0, description: 'Probes that failed since then' })),
    nextProbeAt: since('When the next one may be sent; it is, if something is awaiting'),
    recoveredAt: since('When it last recovered'),
  },
  { ...closed, description: 'Where it is pushed to. Absent: nowhere (no registration, only polls, suspended)' },
);
export type ShownTarget = Static<typeof ShownTarget>;

/** How an unresponsive callback URL recovers. */
export const Recover = Type.Object(
  {
    how: Type.Enum(['responsive', 'probe-now'], {
      description:
        'responsive: it counts as responsive, and what is awaiting is pushed. probe-now: it is tried with one notification, and is responsive when that is acknowledged',
    }),
  },
  closed,
);

/** One of the last attempts. */
const LastOutcome = Type.Object(
  {
    jti: Type.String(),
    ...ShownAttempt.properties,
    instance: Type.String({ description: 'Of the process that made it; a new one after each start' }),
  },
  closed,
);

/** A callback URL to which notifications are pushed, and how it fares. */
export const CallbackUrlHealth = Type.Object(
  {
    clientId: Type.String(),
    ...ShownTarget.properties,
    awaiting: Type.Integer({ minimum: 0, description: 'Notifications that are awaiting for it' }),
    isAtLeast: Type.Boolean({ description: 'true: there are more, which were not counted' }),
    breaker: Type.Optional(
      Type.Object(
        {
          state: Type.Enum(['closed', 'open', 'trial'], {
            description: 'closed: attempts go on. open: they pause, since most failed. trial: one is tried',
          }),
          pausedUntil: Type.Optional(Type.String({ format: 'date-time', description: 'When one is tried' })),
        },
        {
          ...closed,
          description: 'Of the instance that answers: each has its own. Absent: it delivers nothing',
        },
      ),
    ),
    lastOutcomes: Type.Array(LastOutcome, {
      description:
        'The last 10 attempts of all instances, the newest first; those of others, or of before the last start, some seconds late. In a list only the last',
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

// Up to here what is awaiting is counted: for one, and for each of a list.
const COUNTED_MAX = 10_000;
const COUNTED_IN_LIST_MAX = 1000;

/** How each callback URL fares to which notifications are pushed. */
export const callbackUrlRoutes = [
  route({
    operationId: 'listCallbackUrls',
    method: 'get',
    path: '/operator/v1/callback-urls',
    role: 'viewer',
    tag: 'TPPs',
    summary: 'How the callback URLs fare that are pushed to',
    query: {
      state: choice('Only these', ['responsive', 'unresponsive']),
      after: cursor('"next" of the page before'),
      limit: limit('Most on the page', CALLBACK_URLS_PER_PAGE, CALLBACK_URLS_PER_PAGE_MAX),
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
    summary: 'How the callback URL of a TPP fares, with its last outcomes',
    query: {},
    response: ok('How it fares', { CallbackUrlHealth }),
    refusals: [404],
    handler:
      (context) =>
      async ({ params }) => {
        const target = await context.store.target(params.clientId);
        const [health] = target === undefined ? [] : await healthOf([target], context, COUNTED_MAX);
        if (health !== undefined) return health;
        throw new Problem(404, 'Nothing is pushed to this TPP: it has no registration, only polls, or is suspended.');
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

/** Writes where a TPP is pushed to, and how that fares. */
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
