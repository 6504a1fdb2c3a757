import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useMemo, useState } from 'react';
import type { Schemas } from '../api/client.ts';
import { statisticsQuery } from '../api/queries.ts';
import { Chart } from '../ui/chart.tsx';
import { Card, Empty, Loaded } from '../ui/page.tsx';
import { formatDuration } from '../ui/time.tsx';

type Statistics = Schemas['StatisticsAnswer'];
type Bucket = Statistics['buckets'][number];

const STEP_MS = { minute: 60_000, hour: 3_600_000 } as const;

/** Accepted against acknowledged, and how long it took, over the last hour or day. */
export function Throughput({ clientId }: { readonly clientId?: string }): ReactElement {
  const [period, setPeriod] = useState<'minute' | 'hour'>(clientId === undefined ? 'minute' : 'hour');
  const statistics = useQuery(statisticsQuery(period, clientId));
  return (
    <Card
      title={period === 'minute' ? 'Last hour' : 'Last 24 hours'}
      beside={
        clientId === undefined && (
          <button type="button" onClick={() => setPeriod(period === 'minute' ? 'hour' : 'minute')}>
            {period === 'minute' ? 'Show the last 24 hours' : 'Show the last hour'}
          </button>
        )
      }
    >
      <Loaded query={statistics}>{(found) => <Charts statistics={found} />}</Loaded>
    </Card>
  );
}

function Charts({ statistics }: { readonly statistics: Statistics }): ReactElement {
  const { times, counts, latency } = useMemo(() => linesOf(statistics), [statistics]);
  const { totals } = statistics;
  const acknowledged = acknowledgedOf(totals);
  if (totals.accepted === 0 && acknowledged === 0) return <Empty>No notification was made in this time.</Empty>;
  return (
    <>
      <p className="facts">
        <span>{totals.accepted.toLocaleString('en-GB')} accepted</span>
        <span>{acknowledged.toLocaleString('en-GB')} acknowledged</span>
        {totals.latencyMs !== undefined && (
          <span>
            acknowledged after {formatDuration(totals.latencyMs.p50)} (half), {formatDuration(totals.latencyMs.p99)} (99
            %)
          </span>
        )}
      </p>
      <div className="charts">
        <Chart label="Notifications accepted and acknowledged" timesSeconds={times} lines={counts} />
        <Chart
          label="Time from publishing to acknowledgement"
          timesSeconds={times}
          lines={latency}
          format={formatDuration}
        />
      </div>
    </>
  );
}

function acknowledgedOf({ acknowledged }: Pick<Bucket, 'acknowledged'>): number {
  return Object.values(acknowledged).reduce((sum, count) => sum + count, 0);
}

/** Buckets in which nothing happened are left out of the answer; in a chart they are zero. */
function linesOf({ resolution, from, before, buckets }: Statistics) {
  const stepMs = STEP_MS[resolution];
  const byTime = new Map(buckets.map((bucket) => [Date.parse(bucket.beganAt), bucket]));
  const beganMs = Math.floor(Date.parse(from) / stepMs) * stepMs;
  const count = Math.max(1, Math.ceil((Date.parse(before) - beganMs) / stepMs));
  const all = Array.from({ length: count }, (_, at) => beganMs + at * stepMs);
  const of = <T,>(read: (bucket: Bucket) => T, missing: T) => {
    return all.map((atMs) => {
      const bucket = byTime.get(atMs);
      return bucket === undefined ? missing : read(bucket);
    });
  };
  const percentile = (name: 'p50' | 'p99') =>
    of<number | null>(({ latencyMs }) => (latencyMs === undefined ? null : Math.round(latencyMs[name])), null);
  return {
    times: all.map((atMs) => atMs / 1000),
    counts: [
      { label: 'accepted', color: '--series-1', values: of(({ accepted }) => accepted, 0) },
      { label: 'acknowledged', color: '--series-2', values: of(acknowledgedOf, 0), isDashed: true },
    ],
    latency: [
      { label: 'half', color: '--series-1', values: percentile('p50') },
      { label: '99 %', color: '--series-3', values: percentile('p99'), isDashed: true },
    ],
  };
}
