import { type Command, Option } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { RedeliveryAnswer } from '../operator/bulk.ts';
import { wholeNumber } from './arguments.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';

/** Flags that say what is to be sent again. */
interface RedeliverFlags extends CommonFlags {
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
    .option('--rate <number>', 'most that fall due in a second (default: 50)', wholeNumber())
    .action((jtis: string[], flags: RedeliverFlags) => redeliver(jtis, flags));
}

/** `tidings redeliver` */
async function redeliver(jtis: readonly string[], flags: RedeliverFlags): Promise<void> {
  const { client: clientId, from: publishedFrom, before: publishedBefore, only, rate: ratePerSecond } = flags;
  const isDryRun = flags.dryRun === true;
  if (jtis.length === 0 && clientId === undefined && publishedFrom === undefined && publishedBefore === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Say which ones are meant: a jti, --client, --from or --before.');
  }
  const which = { clientId, publishedFrom, publishedBefore, only };
  const body = { ...(jtis.length > 0 && { jtis }), ...which, isDryRun, ratePerSecond };
  const { count, lastDueAt } = await withOperatorClient(flags, (client) => allParts(client, body));
  if (flags.json === true) return printJson({ count, isDryRun, lastDueAt });
  const what = count === 1 ? '1 notification is' : `${count} notifications are`;
  const until = lastDueAt === undefined ? '' : `, the last at ${lastDueAt}`;
  print(`${isDryRun ? 'Nothing was changed; it would do this: ' : ''}${what} sent again${until}.\n`);
}

/** A large redelivery is answered part by part. */
async function allParts(client: OperatorClient, body: object): Promise<{ count: number; lastDueAt?: string }> {
  const { RedeliveryAnswer } = await import('../operator/bulk.ts');
  const readPart = client.reader(RedeliveryAnswer);
  let count = 0;
  let lastDueAt: string | undefined;
  let after: string | undefined;
  do {
    const call = { method: 'POST', path: '/operator/v1/redeliveries', body: { ...body, after } } as const;
    const part: RedeliveryAnswer = (await readPart(call).catch(afterSome(count))).value;
    count += part.count;
    lastDueAt = part.lastDueAt ?? lastDueAt;
    after = part.next;
  } while (after !== undefined);
  return { count, ...(lastDueAt !== undefined && { lastDueAt }) };
}

/** What was done before a part failed stays done, so that has to be said. */
function afterSome(count: number): (error: unknown) => never {
  return (error) => {
    if (count === 0 || !(error instanceof CliError)) throw error;
    throw new CliError(
      error.exitCode,
      `${error.message} Before that ${count} notifications were made due; they stay so.`,
    );
  };
}
