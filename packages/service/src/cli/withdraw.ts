import { type Command, Option } from 'commander';
import { type CommonFlags, defineOperatorCommand } from './operator-flags.ts';

/** Flags that say what is to be withdrawn. */
export interface WithdrawFlags extends CommonFlags {
  readonly client?: string;
  readonly from?: string;
  readonly before?: string;
  readonly only?: 'failed';
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const EXAMPLES = `
Examples:
  tidings withdraw 190364f8-4f9c-420e-b4d1-76a6b5317fab
  tidings withdraw --client tpp-1 --before 2026-11-20T00:00:00Z --dry-run
  tidings withdraw --client tpp-1 --only failed --yes

What is withdrawn is neither pushed nor offered any more, and cannot be sent again. Only what is awaiting is, and not what
is being sent at this moment. It counts first and asks, unless --yes or --dry-run is given.
`;

/** `tidings withdraw`: withdraws awaiting notifications of a running service. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .argument('[jti...]', 'these notifications')
    .option('--client <id>', 'those of this TPP')
    .option('--from <time>', 'those published at or after this time (ISO 8601 with zone)')
    .option('--before <time>', 'those published before this time')
    .addOption(new Option('--only <which>', 'failed: something went wrong with them').choices(['failed']))
    .option('--dry-run', 'change nothing, only count')
    .option('--yes', 'do not ask')
    .action(async (jtis: string[], flags: WithdrawFlags) =>
      (await import('./withdraw-action.ts')).withdraw(jtis, flags),
    );
}
