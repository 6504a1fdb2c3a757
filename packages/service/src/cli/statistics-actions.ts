import { shapeOf } from '@tidings/protocol';
import { systemClock } from '../base/clock.ts';
import { print, printJson } from '../base/output.ts';
import { type Counts, StatisticsAnswer } from '../operator/statistics.ts';
import { withOperatorClient } from './operator-flags.ts';
import { queryOf } from './query.ts';
import type { StatisticsFlags } from './statistics.ts';
import { tableOf } from './table.ts';

const LAST_MS = { minute: 3_600_000, hour: 86_400_000 } as const;

const HEAD = [
  ...['BEGAN AT', 'ACCEPTED', 'REPEATED', 'NONE', 'ATTEMPTS', 'FAILED', 'PUSHED', 'POLLED', 'ERRORS'],
  ...['UNRESPONSIVE', 'BACK', 'P50', 'P90', 'P99'],
];

/** `tidings statistics` */
export async function statistics(flags: StatisticsFlags): Promise<void> {
  const asked = { resolution: flags.by, ...timesOf(flags, systemClock.nowMs()), clientId: flags.client };
  const path = `/operator/v1/statistics?${queryOf(asked)}`;
  const call = { method: 'GET', path } as const;
  const { value: answer } = await withOperatorClient(flags, (client) => client.read(call, shapeOf(StatisticsAnswer)));
  if (flags.json === true) return printJson(answer);
  const { buckets, totals } = answer;
  if (buckets.length === 0) {
    print(`Nothing was counted from ${answer.from} to ${answer.before}.\n`);
    return;
  }
  const rows = [...buckets.map(({ beganAt, ...counts }) => rowOf(beganAt, counts)), rowOf('all', totals)];
  print(tableOf(HEAD, rows));
}

function timesOf({ from, before, by, last = LAST_MS[by] }: StatisticsFlags, nowMs: number) {
  const untilMs = before === undefined ? nowMs : Date.parse(before);
  // One that cannot be read is for the service to say.
  const began = Number.isNaN(untilMs) ? undefined : new Date(untilMs - last).toISOString();
  return { from: from ?? began, before };
}

function rowOf(began: string, counts: Counts): string[] {
  const { acknowledged: succeeded = 0, ...failed } = counts.attempts;
  const { push = 0, poll = 0, offer = 0 } = counts.acknowledged;
  const { p50, p90, p99 } = counts.latencyMs ?? {};
  const numbers = [counts.accepted, counts.repeated, sumOf(counts.withoutNotification)];
  const outcomes = [succeeded + sumOf(failed), sumOf(failed), push, poll + offer, counts.reportedErrors];
  const turns = [counts.becameUnresponsive, counts.cameBack];
  return [began, ...[...numbers, ...outcomes, ...turns].map(String), ...[p50, p90, p99].map(latencyOf)];
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function latencyOf(latencyMs: number | undefined): string {
  if (latencyMs === undefined) return '-';
  return latencyMs < 1000 ? `${Math.round(latencyMs)} ms` : `${(latencyMs / 1000).toPrecision(3)} s`;
}
