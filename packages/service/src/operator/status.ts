import { type Static, Type } from 'typebox';
import { withTimeout } from '../base/async.ts';
import type { IntakeStatus } from '../model/intake.ts';
import { jsonOf } from '../openapi/model.ts';
import { COUNTED_IN_LIST_MAX, ShownBacklog, ShownTarget, writeBacklog, writeTarget } from './delivery-state.ts';
import type { OperatorContext, OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { dateTime, isoTime } from './request.ts';
import { type Answer, answer, ok, route } from './route.ts';

const closed = { additionalProperties: false };
const count = Type.Integer({ minimum: 0 });

// Callback URLs that need attention; GET /operator/v1/callback-urls lists them all.
const SHOWN_MAX = 20;

/** The status of the service. */
export const Status = Type.Object(
  {
    awaiting: Type.Integer({ minimum: 0, description: 'Notifications that are not acknowledged yet' }),
    oldestAwaitingAt: Type.Optional(dateTime('When the oldest of them was published')),
    tpps: Type.Object(
      { healthy: count, failing: count, unresponsive: count, suspended: count, 'polling-only': count },
      { ...closed, description: 'TPPs that registered something, by the state of their deliveries' },
    ),
    needsAttention: Type.Array(
      Type.Object({ clientId: Type.String(), ...ShownTarget.properties, ...ShownBacklog }, closed),
      {
        maxItems: SHOWN_MAX,
        description: `Callback URLs that are failing or unresponsive, those with most awaiting first, at most ${SHOWN_MAX}`,
      },
    ),
    signingKeyProblem: Type.Optional(
      Type.String({ description: 'Why the instance that handles this request does not sign with the current key' }),
    ),
    publishing: Type.Enum(['open', 'closed'], {
      description: 'closed: publishing is answered 503, for the reason in publishingClosedBecause',
    }),
    publishingClosedBecause: Type.Optional(Type.String()),
    intake: Type.Optional(
      Type.Object(
        {
          source: Type.Literal('kafka'),
          topic: Type.String(),
          group: Type.String(),
          state: Type.Enum(['reading', 'waiting', 'disconnected'], {
            description: 'waiting: for the store, or until publishing is open again. disconnected: from the source',
          }),
          because: Type.Optional(Type.String({ description: 'Why it does not read' })),
          lag: Type.Optional(
            Type.Integer({ minimum: 0, description: 'Records of its partitions that are not committed yet' }),
          ),
          takenAt: Type.Optional(dateTime('When it last took records')),
        },
        { ...closed, description: 'The intake of the instance that answers; left out if none is configured' },
      ),
    ),
  },
  closed,
);
export type Status = Static<typeof Status>;

/** GET /operator/v1/status. */
export const statusRoute = route({
  operationId: 'getStatus',
  method: 'get',
  path: '/operator/v1/status',
  role: 'viewer',
  tag: 'Upkeep',
  summary: 'Get the status: awaiting notifications, what needs attention, and whether publishing is open',
  response: ok('The status', { Status }),
  handler:
    ({ store, signingKeys, gate, intake }) =>
    async (): Promise<Status> => {
      const [counts, tpps, troubled, oldestAwaitingAtMs, closedBecause] = await Promise.all([
        store.counts(),
        store.deliveryStates(),
        store.troubledTargets(SHOWN_MAX, COUNTED_IN_LIST_MAX),
        store.oldestAwaitingAtMs(),
        gate?.closedBecause(),
      ]);
      const signingKeyProblem = signingKeys?.problem();
      return {
        ...counts,
        tpps,
        needsAttention: troubled.map((target) => ({
          ...{ clientId: target.clientId, ...writeTarget(target) },
          ...writeBacklog(target, COUNTED_IN_LIST_MAX),
        })),
        ...(oldestAwaitingAtMs !== undefined && { oldestAwaitingAt: isoTime(oldestAwaitingAtMs) }),
        ...(signingKeyProblem !== undefined && { signingKeyProblem }),
        publishing: closedBecause === undefined ? 'open' : 'closed',
        ...(closedBecause !== undefined && { publishingClosedBecause: closedBecause }),
        ...writeIntake(intake?.status()),
      };
    },
});

function writeIntake(intake: IntakeStatus | undefined): Pick<Status, 'intake'> {
  if (intake === undefined) return {};
  const { source, topic, group, state, because, lag, takenAtMs } = intake;
  return {
    intake: {
      ...{ source, topic, group, state },
      ...(because !== undefined && { because }),
      ...(lag !== undefined && { lag }),
      ...(takenAtMs !== undefined && { takenAt: isoTime(takenAtMs) }),
    },
  };
}

/** Whether the process is running. */
const Liveness = Type.Object({ status: Type.Literal('alive') }, closed);

/** Whether it can accept and deliver. */
const Readiness = Type.Object(
  {
    status: Type.Enum(['ready', 'not-ready']),
    because: Type.Array(Type.String(), { description: 'Why it is not ready; empty if it is' }),
  },
  closed,
);
type Readiness = Static<typeof Readiness>;

// Load balancers call this every few seconds, and so may anyone: the checks run at most this often.
const LOOK_MS = 1000;
const STORE_WITHIN_MS = 2000;

// A load balancer has no token, and learns nothing else.
const open = { method: 'get', role: 'nobody', tag: 'Health', ignoresQuery: true } as const;

/** `/livez`, `/readyz` and `/metrics`, at their conventional paths. */
export const healthRoutes = [
  route({
    ...open,
    operationId: 'isAlive',
    path: '/livez',
    summary: 'Whether the process is running',
    response: ok('The process is running', { Liveness }),
    handler: () => () => ({ status: 'alive' as const }),
  }),
  route({
    ...open,
    operationId: 'isReady',
    path: '/readyz',
    summary: 'Whether the instance can accept events and deliver; checked at most once a second',
    response: readiness(),
    refusals: [500],
    handler: (context) => {
      const look = cachedFor(() => whyNotReady(context), context);
      return async ({ reply }): Promise<Readiness> => {
        const because = await look();
        if (because.length === 0) return { status: 'ready', because: [] };
        reply.code(503);
        return { status: 'not-ready', because: [...because] };
      };
    },
  }),
  route({
    operationId: 'getMetrics',
    ignoresQuery: true,
    method: 'get',
    path: '/metrics',
    role: 'viewer',
    tag: 'Health',
    summary: 'Get the metrics of this instance',
    response: answer({
      200: {
        description: 'Metrics in the Prometheus text format, version 0.0.4',
        content: { 'text/plain': { schema: { type: 'string' } } },
      },
    }),
    refusals: [404],
    handler:
      ({ metrics }) =>
      async ({ reply }) => {
        if (metrics === undefined) throw new Problem(404, 'No metrics are kept here.');
        return reply.header('content-type', metrics.contentType).send(await metrics.text());
      },
  }),
];

function readiness(): Answer<typeof Readiness> {
  const content = jsonOf('Readiness');
  return {
    responses: {
      200: { description: 'It can accept events and deliver', content },
      503: { description: 'It cannot; "because" gives the reasons', content },
    },
    schemas: { Readiness },
  };
}

/** Why it cannot accept events or deliver. It reveals no internals, since anyone may call it. */
async function whyNotReady(context: OperatorContext): Promise<readonly string[]> {
  const { store, clock, isDelivering, signingKeys, gate } = context;
  const because: string[] = [];
  const isWritable = await withTimeout(clock, STORE_WITHIN_MS, store.check()).then(
    () => true,
    () => false,
  );
  if (!isWritable) because.push('the store cannot be written');
  else if ((await gate?.closedBecause()) !== undefined) because.push('publishing is closed');
  if (signingKeys?.canSign() === false) because.push('it has no key to sign with');
  if (isDelivering?.() === false) because.push('deliveries pause');
  return because;
}

function cachedFor<T>(look: () => Promise<T>, { clock }: Pick<OperatorOptions, 'clock'>): () => Promise<T> {
  let looked: { readonly atMs: number; readonly found: Promise<T> } | undefined;
  return () => {
    const atMs = clock.monotonicMs();
    if (looked === undefined || atMs - looked.atMs >= LOOK_MS) looked = { atMs, found: look() };
    return looked.found;
  };
}
