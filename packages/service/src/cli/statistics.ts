import { type Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { print, printJson } from '../base/output.ts';
import type { Counts } from '../operator/statistics.ts';
import { readDuration } from './input.ts';
import { type CommonFlags, defineOperatorCommand, queryOf, withOperatorClient } from './operator-flags.ts';
import { formatTable } from './output.ts';

/** Flags of `statistics`. */
interface StatisticsFlags extends CommonFlags {
  readonly from?: string;
  readonly before?: string;
  /** Length of the period, in milliseconds. */
  readonly last?: number;
  readonly by: 'minute' | 'hour';
  readonly client?: string;
}

const EXAMPLES = `
Examples:
  tidings statistics
  tidings statistics --last 2h --by minute
  tidings statistics --client tpp-1 --from 2026-11-20T00:00:00Z --before 2026-11-21T00:00:00Z --json

The counts cover all instances. P50, P90 and P99 are the latency from publication to acknowledgement, accurate to 10 %.
Times are in UTC. REPEATED counts events that had been published before, NONE those that created no notification.
`;

/** `tidings statistics`: what a running service has counted. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .addOption(new Option('--by <unit>', 'size of the buckets').choices(['minute', 'hour']).default('hour'))
    .addOption(
      new Option('--last <time>', 'the period before now, such as 2h (default: 24h; 1h with --by minute)')
        .argParser(readDuration)
        .conflicts('from'),
    )
    .option('--from <time>', 'from this time (ISO 8601 with time zone)')
    .option('--before <time>', 'until before this time (default: now)')
    .option('--client <id>', 'only this TPP; requires --by hour')
    .action(statistics);
}

const LAST_MS = { minute: 3_600_000, hour: 86_400_000 } as const;

const HEAD = [
  ...['FROM', 'ACCEPTED', 'REPEATED', 'NONE', 'ATTEMPTS', 'FAILED', 'PUSHED', 'POLLED', 'ERRORS'],
  ...['UNRESPONSIVE', 'RECOVERED', 'P50', 'P90', 'P99'],
];

/** `tidings statistics` */
async function statistics(flags: StatisticsFlags): Promise<void> {
  const parameters = { resolution: flags.by, ...timesOf(flags, systemClock.nowMs()), clientId: flags.client };
  const path = `/operator/v1/statistics?${queryOf(parameters)}`;
  const flagNames = { resolution: '--by', from: '--from', before: '--before', clientId: '--client' };
  const call = { method: 'GET', path, flagNames } as const;
  const { StatisticsAnswer } = await import('../operator/statistics.ts');
  const { value: answer } = await withOperatorClient(flags, (client) => client.read(call, StatisticsAnswer));
  if (flags.json === true) return printJson(answer);
  const { buckets, totals } = answer;
  if (buckets.length === 0) {
    print(`There are no counts from ${answer.from} to ${answer.before}.\n`);
    return;
  }
  const rows = [...buckets.map(({ beganAt, ...counts }) => rowOf(beganAt, counts)), rowOf('total', totals)];
  print(formatTable(HEAD, rows));
}

function timesOf({ from, before, by, last = LAST_MS[by] }: StatisticsFlags, nowMs: number) {
  const untilMs = before === undefined ? nowMs : Date.parse(before);
  // An invalid --before is reported by the service.
  const began = Number.isNaN(untilMs) ? undefined : new Date(untilMs - last).toISOString();
  return { from: from ?? began, before };
}

function rowOf(began: string, counts: Counts): string[] {
  const { acknowledged: succeeded = 0, ...failed } = counts.attempts;
  const { push = 0, poll = 0, offer = 0 } = counts.acknowledged;
  const { p50, p90, p99 } = counts.latencyMs ?? {};
  const numbers = [counts.accepted, counts.repeated, sumOf(counts.withoutNotification)];
  const outcomes = [succeeded + sumOf(failed), sumOf(failed), push, poll + offer, counts.reportedErrors];
  const changes = [counts.becameUnresponsive, counts.recovered];
  return [began, ...[...numbers, ...outcomes, ...changes].map(String), ...[p50, p90, p99].map(latencyOf)];
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function latencyOf(latencyMs: number | undefined): string {
  if (latencyMs === undefined) return '-';
  return latencyMs < 1000 ? `${Math.round(latencyMs)} ms` : `${(latencyMs / 1000).toPrecision(3)} s`;
}
