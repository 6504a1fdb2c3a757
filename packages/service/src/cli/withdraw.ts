import { type Command, Option } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { WithdrawalAnswer } from '../operator/bulk.ts';
import { confirm } from './ask.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';

/** Flags that say what is to be withdrawn. */
interface WithdrawFlags extends CommonFlags {
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
    .action((jtis: string[], flags: WithdrawFlags) => withdraw(jtis, flags));
}

/** `tidings withdraw` */
async function withdraw(jtis: readonly string[], flags: WithdrawFlags): Promise<void> {
  const { client: clientId, from: publishedFrom, before: publishedBefore, only } = flags;
  const isDryRun = flags.dryRun === true;
  if (jtis.length === 0 && clientId === undefined && publishedFrom === undefined && publishedBefore === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Say which ones are meant: a jti, --client, --from or --before.');
  }
  const which = { ...(jtis.length > 0 && { jtis }), clientId, publishedFrom, publishedBefore, only };
  const isAsked = !isDryRun && flags.yes !== true;
  if (isAsked && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to withdraw without being asked, or --dry-run to only count.');
  }
  const count = await withOperatorClient(flags, async (client) => {
    if (isAsked) {
      const wouldBe = await allParts(client, { ...which, isDryRun: true });
      await confirm(`${saying(wouldBe)} withdrawn for good. Go on?`, 'Nothing was withdrawn.');
    }
    return allParts(client, { ...which, isDryRun });
  });
  if (flags.json === true) return printJson({ count, isDryRun });
  print(`${isDryRun ? 'Nothing was changed; it would do this: ' : ''}${saying(count)} withdrawn.\n`);
}

function saying(count: number): string {
  return count === 1 ? '1 notification is' : `${count} notifications are`;
}

/** A large withdrawal is answered part by part. @returns how many in all */
async function allParts(client: OperatorClient, body: object): Promise<number> {
  const { WithdrawalAnswer } = await import('../operator/bulk.ts');
  const readPart = client.reader(WithdrawalAnswer);
  let count = 0;
  let after: string | undefined;
  do {
    const call = { method: 'POST', path: '/operator/v1/withdrawals', body: { ...body, after } } as const;
    const part: WithdrawalAnswer = (await readPart(call).catch(afterSome(count))).value;
    count += part.count;
    after = part.next;
  } while (after !== undefined);
  return count;
}

/** What was done before a part failed stays done, so that has to be said. */
function afterSome(count: number): (error: unknown) => never {
  return (error) => {
    if (count === 0 || !(error instanceof CliError)) throw error;
    throw new CliError(error.exitCode, `${error.message} Before that ${count} notifications were withdrawn.`);
  };
}
