import { type Command, Option } from 'commander';
import { readDuration } from './duration.ts';
import { type CommonFlags, defineOperatorCommand } from './operator-flags.ts';

/** Flags of `statistics`. */
export interface StatisticsFlags extends CommonFlags {
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
    .action(async (flags: StatisticsFlags) => (await import('./statistics-actions.ts')).statistics(flags));
}
