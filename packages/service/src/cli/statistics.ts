import { type Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { print, printJson } from '../base/output.ts';
import type { Counts } from '../operator/statistics.ts';
import { readDuration } from './input.ts';
import { type CommonFlags, defineOperatorCommand, queryOf, withOperatorClient } from './operator-flags.ts';
import { tableOf } from './output.ts';

/** Flags of `statistics`. */
interface StatisticsFlags extends CommonFlags {
  readonly from?: string;
  readonly before?: string;
  /** How far back, in milliseconds. */
  readonly last?: number;
  readonly by: 'minute' | 'hour';
  readonly client?: string;
}

const EXAMPLES = `
Examples:
  tidings statistics
  tidings statistics --last 2h --by minute
  tidings statistics --client tpp-1 --from 2026-11-20T00:00:00Z --before 2026-11-21T00:00:00Z --json

Of all instances. Latency is from publishing to acknowledgement, to within 10 %. Times are UTC.
`;

/** `tidings statistics`: what a running service counted. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .addOption(new Option('--by <unit>', 'minute or hour').choices(['minute', 'hour']).default('hour'))
    .addOption(
      new Option('--last <time>', 'that long until now (default: 24h, by minute 1h)')
        .argParser(readDuration)
        .conflicts('from'),
    )
    .option('--from <time>', 'from this time on (ISO 8601 with zone)')
    .option('--before <time>', 'before this time (default: now)')
    .option('--client <id>', 'only what is of this TPP; by hour')
    .action(statistics);
}

const LAST_MS = { minute: 3_600_000, hour: 86_400_000 } as const;

const HEAD = [
  ...['BEGAN AT', 'ACCEPTED', 'REPEATED', 'NONE', 'ATTEMPTS', 'FAILED', 'PUSHED', 'POLLED', 'ERRORS'],
  ...['UNRESPONSIVE', 'RECOVERED', 'P50', 'P90', 'P99'],
];

/** `tidings statistics` */
async function statistics(flags: StatisticsFlags): Promise<void> {
  const asked = { resolution: flags.by, ...timesOf(flags, systemClock.nowMs()), clientId: flags.client };
  const path = `/operator/v1/statistics?${queryOf(asked)}`;
  const call = { method: 'GET', path } as const;
  const { StatisticsAnswer } = await import('../operator/statistics.ts');
  const { value: answer } = await withOperatorClient(flags, (client) => client.read(call, StatisticsAnswer));
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
  const turns = [counts.becameUnresponsive, counts.recovered];
  return [began, ...[...numbers, ...outcomes, ...turns].map(String), ...[p50, p90, p99].map(latencyOf)];
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function latencyOf(latencyMs: number | undefined): string {
  if (latencyMs === undefined) return '-';
  return latencyMs < 1000 ? `${Math.round(latencyMs)} ms` : `${(latencyMs / 1000).toPrecision(3)} s`;
}
