import { type Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { printJson } from '../base/output.ts';
import type { Counts } from '../operator/statistics.ts';
import { readDuration } from './input.ts';
import { type CommonFlags, defineOperatorCommand, queryOf, withOperatorClient } from './operator-flags.ts';
import { printTable, withTableFlags } from './output.ts';
import { assertTpp } from './subjects.ts';
import type { Column } from './table.ts';
import { formatDuration } from './units.ts';

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
  withTableFlags(defineOperatorCommand(command, EXAMPLES))
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

interface Line {
  /** A time, or `total`. */
  readonly began: string;
  readonly counts: Counts;
}

const COLUMNS: readonly Column<Line>[] = [
  { head: 'FROM', cell: ({ began }) => ({ whole: began, short: `${began.slice(0, 16)}${began.slice(23)}` }) },
  { head: 'ACCEPTED', cell: ({ counts }) => String(counts.accepted) },
  { head: 'REPEATED', cell: ({ counts }) => String(counts.repeated), rank: 9 },
  { head: 'NONE', cell: ({ counts }) => String(sumOf(counts.withoutNotification)), rank: 8 },
  { head: 'ATTEMPTS', cell: ({ counts }) => String(sumOf(counts.attempts)), rank: 6 },
  { head: 'FAILED', cell: ({ counts: { attempts } }) => String(sumOf({ ...attempts, acknowledged: 0 })) },
  { head: 'PUSHED', cell: ({ counts }) => String(counts.acknowledged.push ?? 0), rank: 1 },
  { head: 'POLLED', cell: ({ counts: { acknowledged } }) => String(sumOf({ ...acknowledged, push: 0 })), rank: 2 },
  { head: 'ERRORS', cell: ({ counts }) => String(counts.reportedErrors), rank: 3 },
  { head: 'UNRESPONSIVE', cell: ({ counts }) => String(counts.becameUnresponsive), rank: 4 },
  { head: 'RECOVERED', cell: ({ counts }) => String(counts.recovered), rank: 5 },
  { head: 'P50', cell: ({ counts }) => latencyOf(counts.latencyMs?.p50), rank: 7 },
  { head: 'P90', cell: ({ counts }) => latencyOf(counts.latencyMs?.p90), rank: 3 },
  { head: 'P99', cell: ({ counts }) => latencyOf(counts.latencyMs?.p99) },
];

/** `tidings statistics` */
async function statistics(flags: StatisticsFlags): Promise<void> {
  const parameters = { resolution: flags.by, ...timesOf(flags, systemClock.nowMs()), clientId: flags.client };
  const path = `/operator/v1/statistics?${queryOf(parameters)}`;
  const flagNames = { resolution: '--by', from: '--from', before: '--before', clientId: '--client' };
  const call = { method: 'GET', path, flagNames } as const;
  const { StatisticsAnswer } = await import('../operator/statistics.ts');
  const answer = await withOperatorClient(flags, async (client) => {
    const { value } = await client.read(call, StatisticsAnswer);
    // A TPP that was removed has counts of before.
    if (value.buckets.length === 0 && flags.client !== undefined) await assertTpp(client, flags.client);
    return value;
  });
  if (flags.json === true) return printJson(answer);
  const { buckets, totals } = answer;
  const lines: readonly Line[] = buckets.map(({ beganAt: began, ...counts }) => ({ began, counts }));
  const shown = lines.length === 0 ? [] : [...lines, { began: 'total', counts: totals }];
  printTable(COLUMNS, shown, { flags, empty: `There are no counts from ${answer.from} to ${answer.before}.` });
}

function timesOf({ from, before, by, last = LAST_MS[by] }: StatisticsFlags, nowMs: number) {
  const untilMs = before === undefined ? nowMs : Date.parse(before);
  // An invalid --before is reported by the service.
  const began = Number.isNaN(untilMs) ? undefined : new Date(untilMs - last).toISOString();
  return { from: from ?? began, before };
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const latencyOf = (latencyMs: number | undefined) => (latencyMs === undefined ? '-' : formatDuration(latencyMs));
