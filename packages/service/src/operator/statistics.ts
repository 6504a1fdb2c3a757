import { type Static, Type } from 'typebox';
import type { Resolution, Tally } from '../model/activity.ts';
import type { StatisticsQuery } from '../store/operations.ts';
import { BUCKET_MS, beginOf } from '../telemetry/statistics.ts';
import { addTally, emptyTally, percentilesOf } from '../telemetry/tally.ts';
import { Problem } from './problem.ts';
import { choice, cursor, fieldProblem, isoTime, limit, oneClientId, pageOf, time } from './request.ts';
import { ok, route } from './route.ts';

const closed = { additionalProperties: false };
const some = Type.Optional(Type.Integer({ minimum: 1 }));
const count = (description: string) => Type.Integer({ minimum: 0, description });
const timeOf = (description: string) => Type.String({ format: 'date-time', description });

const Percentiles = Type.Object(
  { p50: Type.Number({ minimum: 0 }), p90: Type.Number({ minimum: 0 }), p99: Type.Number({ minimum: 0 }) },
  { ...closed, description: 'Milliseconds from publishing to acknowledgement, each to within 10 %' },
);

const counted = {
  accepted: count('Notifications created'),
  repeated: count('Events that had already been published'),
  withoutNotification: Type.Object(
    { 'unknown-client': some, 'no-registration': some, 'type-filtered': some, 'version-below-minimum': some },
    { ...closed, description: 'Events without a notification, by reason' },
  ),
  attempts: Type.Object(
    {
      acknowledged: some,
      'refused-410': some,
      'refused-429': some,
      'refused-4xx': some,
      'refused-5xx': some,
      'refused-other': some,
      'unreachable-dns': some,
      'unreachable-forbidden-address': some,
      'unreachable-connect': some,
      'unreachable-tls': some,
      'unreachable-timeout': some,
      'unreachable-reset': some,
      'unreachable-oversized': some,
      'unreachable-malformed': some,
    },
    {
      ...closed,
      description: 'Attempts by outcome; refused-4xx and refused-5xx exclude statuses that are listed separately',
    },
  ),
  acknowledged: Type.Object(
    { push: some, poll: some, offer: some },
    { ...closed, description: 'Notifications, by how they were acknowledged' },
  ),
  reportedErrors: count('Errors that TPPs reported in polls'),
  becameUnresponsive: count('Callback URLs that exceeded a limit of the retry policy'),
  recovered: count('Callback URLs that recovered by an acknowledgement, or by the operator'),
  latencyMs: Type.Optional(Percentiles),
};

/** The counts. */
export const Counts = Type.Object(counted, closed);
export type Counts = Static<typeof Counts>;

/** Counts over time. */
export const StatisticsAnswer = Type.Object(
  {
    resolution: Type.Enum(['minute', 'hour']),
    from: timeOf('Start of the first requested bucket'),
    before: timeOf('End of the period, exclusive'),
    clientId: Type.Optional(Type.String()),
    totals: Type.Object(counted, { ...closed, description: 'Totals of the whole period' }),
    buckets: Type.Array(Type.Object({ beganAt: timeOf('When the minute or hour began'), ...counted }, closed), {
      description: 'Oldest first; empty buckets are omitted',
    }),
  },
  closed,
);
export type StatisticsAnswer = Static<typeof StatisticsAnswer>;

/** Most minutes or hours that one call asks for, so that none takes long. */
const BUCKETS_MAX = 750;
const BUCKETS_DEFAULT: Readonly<Record<Resolution, number>> = { minute: 60, hour: 24 };
const PARTS = [0.5, 0.9, 0.99] as const;

/** GET /operator/v1/statistics: counts of all instances. It never reads notifications. */
export const statisticsRoute = route({
  operationId: 'getStatistics',
  method: 'get',
  path: '/operator/v1/statistics',
  role: 'viewer',
  tag: 'Watching',
  summary: 'Get counts, outcomes and latencies over time; cheap enough to call every few seconds',
  query: {
    resolution: choice('Default: hour', ['minute', 'hour']),
    from: time(
      `Start of the period, at most ${BUCKETS_MAX} minutes or hours before its end. Default: 60 minutes, or 24 hours`,
    ),
    before: time('End of the period, exclusive. Default: now'),
    clientId: oneClientId('Counts of this TPP only; per hour'),
  },
  response: ok('Counts of all instances', { StatisticsAnswer }),
  refusals: [501],
  handler:
    ({ telemetry, clock }) =>
    async ({ query }) => {
      const meant = statisticsOf(query, clock.nowMs());
      if (telemetry === undefined) throw new Problem(501, 'No statistics are kept here.');
      const buckets = await telemetry.statistics.read(meant);
      const totals = emptyTally();
      for (const { tally } of buckets) addTally(totals, tally);
      const { resolution, clientId, fromMs, beforeMs } = meant;
      return {
        resolution,
        ...{ from: isoTime(fromMs), before: isoTime(beforeMs) },
        ...(clientId !== undefined && { clientId }),
        totals: writeCounts(totals),
        buckets: buckets.map(({ beganAtMs, tally }) => ({ beganAt: isoTime(beganAtMs), ...writeCounts(tally) })),
      };
    },
});

/** How the deliveries to TPPs went, one page. */
const TppStatistics = Type.Object(
  {
    from: timeOf('Start of the period: 23 hours before the hour that runs'),
    before: timeOf('End of the period, exclusive'),
    tpps: Type.Array(
      Type.Object(
        {
          clientId: Type.String(),
          accepted: count('Notifications created'),
          acknowledged: count('Notifications acknowledged, in whatever way'),
          attempts: count('Attempts to push one'),
          attemptsAcknowledged: count('Of them, those that were acknowledged'),
        },
        closed,
      ),
    ),
    next: Type.Optional(Type.String({ description: 'after of the next page; absent on the last one' })),
  },
  closed,
);

const TPPS_PER_PAGE = 100;
const TPPS_PER_PAGE_MAX = 200;

/** GET /operator/v1/statistics/tpps: the last 24 hours of each TPP. */
export const tppStatisticsRoute = route({
  operationId: 'listTppStatistics',
  method: 'get',
  path: '/operator/v1/statistics/tpps',
  role: 'viewer',
  tag: 'Watching',
  summary: 'Get the counts of each TPP over the last 24 hours, in the order of their client_ids',
  query: {
    after: cursor('"next" of the previous page'),
    limit: limit('Page size', TPPS_PER_PAGE, TPPS_PER_PAGE_MAX),
  },
  response: ok('Counts of all instances', { TppStatistics }),
  refusals: [501],
  handler:
    ({ telemetry, clock, store }) =>
    async ({ query: { after = '', limit: most } }) => {
      if (telemetry === undefined) throw new Problem(501, 'No statistics are kept here.');
      const found = pageOf(await store.tpps(after, most + 1), most, ({ clientId }) => clientId);
      const { fromMs, beforeMs } = statisticsOf(LAST_DAY, clock.nowMs());
      const tpps = found.shown.map(async ({ clientId }) => {
        const buckets = await telemetry.statistics.read({ resolution: 'hour', clientId, fromMs, beforeMs });
        const totals = emptyTally();
        for (const { tally } of buckets) addTally(totals, tally);
        return { clientId, ...sumsOf(writeCounts(totals)) };
      });
      return { from: isoTime(fromMs), before: isoTime(beforeMs), tpps: await Promise.all(tpps), ...found.next };
    },
});

const LAST_DAY: GivenQuery = { resolution: 'hour', from: undefined, before: undefined, clientId: undefined };

function sumsOf({ accepted, acknowledged, attempts }: Counts) {
  const sum = (counts: object) => Object.values(counts).reduce((total, each) => total + each, 0);
  const [attempted, attemptsAcknowledged] = [sum(attempts), attempts.acknowledged ?? 0];
  return { accepted, acknowledged: sum(acknowledged), attempts: attempted, attemptsAcknowledged };
}

interface GivenQuery {
  readonly resolution: Resolution | undefined;
  readonly from: number | undefined;
  readonly before: number | undefined;
  readonly clientId: string | undefined;
}

/** @throws {Problem} 400 that names the parameter */
function statisticsOf({ resolution = 'hour', from, before, clientId }: GivenQuery, nowMs: number): StatisticsQuery {
  if (clientId !== undefined && resolution === 'minute') {
    throw fieldProblem('resolution', 'must be hour where clientId is given: TPPs are counted by the hour');
  }
  const bucketMs = BUCKET_MS[resolution];
  const beforeMs = before ?? beginOf(resolution, nowMs) + bucketMs;
  const fromMs = beginOf(resolution, from ?? beforeMs - BUCKETS_DEFAULT[resolution] * bucketMs);
  if (fromMs >= beforeMs) throw fieldProblem('before', 'must be later than "from"');
  if (beforeMs - fromMs > BUCKETS_MAX * bucketMs) {
    throw fieldProblem('from', `must be at most ${BUCKETS_MAX} ${resolution}s before the end; ask part by part`);
  }
  return { resolution, clientId, fromMs, beforeMs };
}

function writeCounts({ counts, latency }: Tally): Counts {
  const percentiles = percentilesOf(latency, PARTS);
  const [p50 = 0, p90 = 0, p99 = 0] = percentiles ?? [];
  return {
    accepted: counts.accepted ?? 0,
    repeated: counts.repeated ?? 0,
    withoutNotification: group(counts, 'none-', WITHOUT),
    attempts: group(counts, 'attempts-', ATTEMPTS),
    acknowledged: group(counts, 'acknowledged-', ['push', 'poll', 'offer']),
    reportedErrors: counts['reported-errors'] ?? 0,
    becameUnresponsive: counts['became-unresponsive'] ?? 0,
    recovered: counts.recovered ?? 0,
    ...(percentiles !== undefined && { latencyMs: { p50, p90, p99 } }),
  };
}

const WITHOUT = ['unknown-client', 'no-registration', 'type-filtered', 'version-below-minimum'] as const;
const ATTEMPTS = [
  ...(['acknowledged', 'refused-410', 'refused-429', 'refused-4xx', 'refused-5xx', 'refused-other'] as const),
  ...(['unreachable-dns', 'unreachable-forbidden-address', 'unreachable-connect', 'unreachable-tls'] as const),
  ...(['unreachable-timeout', 'unreachable-reset', 'unreachable-oversized', 'unreachable-malformed'] as const),
] as const;

/** The counts whose names begin so, without that; those of nothing are left out. */
function group<Name extends string>(
  counts: Readonly<Partial<Record<string, number>>>,
  prefix: string,
  names: readonly Name[],
): Partial<Record<Name, number>> {
  const found: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const count = counts[`${prefix}${name}`];
    if (count !== undefined) found[name] = count;
  }
  return found;
}
