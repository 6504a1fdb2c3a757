import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CommonFlags, defineOperatorCommand } from './operator-flags.ts';

/** Flags that say what is to be sent again. */
export interface RedeliverFlags extends CommonFlags {
  readonly client?: string;
  readonly from?: string;
  readonly before?: string;
  readonly only?: 'failed' | 'awaiting';
  readonly dryRun?: boolean;
  /** Notifications a second. */
  readonly rate?: number;
}

const EXAMPLES = `
Examples:
  tidings redeliver 190364f8-4f9c-420e-b4d1-76a6b5317fab
  tidings redeliver --client tpp-1 --only failed --dry-run
  tidings redeliver --from 2026-11-20T00:00:00Z --before 2026-11-21T00:00:00Z --rate 20

What is sent again has the same jti and the same SET, so that a TPP can tell that it has it. Without --only, what was
acknowledged is sent again too. Withdrawn and expired notifications never are. It asks nothing: try --dry-run first.
`;

/** `tidings redeliver`: sends notifications of a running service again. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .argument('[jti...]', 'these notifications')
    .option('--client <id>', 'those of this TPP')
    .option('--from <time>', 'those published at or after this time (ISO 8601 with zone)')
    .option('--before <time>', 'those published before this time')
    .addOption(
      new Option(
        '--only <which>',
        'failed: not acknowledged, and something went wrong; awaiting: not acknowledged',
      ).choices(['failed', 'awaiting']),
    )
    .option('--dry-run', 'change nothing, only count')
    .option('--rate <number>', 'most that fall due in a second (default: 50)', readRate)
    .action(async (jtis: string[], flags: RedeliverFlags) =>
      (await import('./redeliver-action.ts')).redeliver(jtis, flags),
    );
}

function readRate(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
