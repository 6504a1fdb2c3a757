import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import {
  assertSelectable,
  type BulkFlags,
  changePortions,
  countOf,
  defineBulkCommand,
  FILTER_FLAG_NAMES,
  filterOf,
  formatCount,
} from './bulk.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { confirm } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { withOperatorClient } from './operator-flags.ts';

interface WithdrawFlags extends BulkFlags {
  readonly yes?: boolean;
}

const EXAMPLES = `
Examples:
  tidings withdraw 190364f8-4f9c-420e-b4d1-76a6b5317fab
  tidings withdraw --client tpp-1 --before 2026-11-20T00:00:00Z --dry-run
  tidings withdraw --client tpp-1 --only failed --yes

Use it for notifications that must not reach a TPP any more, such as those of events published by mistake. A withdrawn
notification is neither pushed nor offered in a poll, and cannot be sent again. Only awaiting notifications are withdrawn, and
none that is being sent at this moment. The command shows the number and asks for confirmation, unless --yes or --dry-run is
given.
`;

const ONLY = { choices: ['failed'], about: 'failed: only those with a failed attempt or a reported error' };

/** `tidings withdraw`: withdraws awaiting notifications of a running service. */
export function define(command: Command): void {
  defineBulkCommand(command, EXAMPLES, ONLY)
    .option('--yes', 'do not ask for confirmation')
    .action((jtis: readonly string[], flags: WithdrawFlags) => withdraw(jtis, flags));
}

async function withdraw(jtis: readonly string[], flags: WithdrawFlags): Promise<void> {
  const isDryRun = flags.dryRun === true;
  const filter = filterOf(jtis, flags);
  const needsConfirmation = !isDryRun && flags.yes !== true;
  if (needsConfirmation && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to withdraw without confirmation, or --dry-run to only count.');
  }
  const count = await withOperatorClient(flags, async (client) => {
    await assertSelectable(client, filter);
    if (needsConfirmation) {
      const selected = await post(client, { ...filter, isDryRun: true });
      await confirm(`${formatCount(selected)} selected. Withdraw for good?`, 'Nothing was withdrawn.');
    }
    return post(client, { ...filter, isDryRun });
  });
  if (flags.json === true) return printJson({ count, isDryRun });
  const done = isDryRun ? 'selected for withdrawal (dry run, nothing was changed)' : 'withdrawn';
  print(`${formatCount(count)} ${done}.\n`);
}

/** @returns the number of notifications that are, or would be, withdrawn */
async function post(client: OperatorClient, body: object): Promise<number> {
  const { WithdrawalAnswer } = await import('../operator/bulk.ts');
  const changePortion = client.reader(WithdrawalAnswer);
  const path = '/operator/v1/withdrawals';
  return countOf(
    await changePortions(
      (after) => changePortion({ method: 'POST', path, body: { ...body, after }, flagNames: FILTER_FLAG_NAMES }),
      'withdrawn',
    ),
  );
}
