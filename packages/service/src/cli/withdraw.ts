import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { allParts, type BulkFlags, countedNotifications, countOf, defineBulkCommand, filterOf } from './bulk.ts';
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

What is withdrawn is neither pushed nor offered any more, and cannot be sent again. Only what is awaiting is, and not what
is being sent at this moment. It counts first and asks, unless --yes or --dry-run is given.
`;

const ONLY = { choices: ['failed'], about: 'failed: something went wrong with them' };

/** `tidings withdraw`: withdraws awaiting notifications of a running service. */
export function define(command: Command): void {
  defineBulkCommand(command, EXAMPLES, ONLY)
    .option('--yes', 'do not ask')
    .action((jtis: string[], flags: WithdrawFlags) => withdraw(jtis, flags));
}

async function withdraw(jtis: readonly string[], flags: WithdrawFlags): Promise<void> {
  const isDryRun = flags.dryRun === true;
  const filter = filterOf(jtis, flags);
  const isAsked = !isDryRun && flags.yes !== true;
  if (isAsked && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to withdraw without being asked, or --dry-run to only count.');
  }
  const count = await withOperatorClient(flags, async (client) => {
    if (isAsked) {
      const wouldBe = countedNotifications(await post(client, { ...filter, isDryRun: true }));
      await confirm(`${wouldBe} withdrawn for good. Go on?`, 'Nothing was withdrawn.');
    }
    return post(client, { ...filter, isDryRun });
  });
  if (flags.json === true) return printJson({ count, isDryRun });
  const unchanged = isDryRun ? 'Nothing was changed; it would do this: ' : '';
  print(`${unchanged}${countedNotifications(count)} withdrawn.\n`);
}

/** @returns how many are, or would be, withdrawn */
async function post(client: OperatorClient, body: object): Promise<number> {
  const { WithdrawalAnswer } = await import('../operator/bulk.ts');
  const readPart = client.reader(WithdrawalAnswer);
  const path = '/operator/v1/withdrawals';
  return countOf(await allParts((after) => readPart({ method: 'POST', path, body: { ...body, after } }), 'withdrawn'));
}
