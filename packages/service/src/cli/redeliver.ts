import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { allParts, type BulkFlags, countedNotifications, countOf, defineBulkCommand, filterOf } from './bulk.ts';
import { wholeNumber } from './input.ts';
import { withOperatorClient } from './operator-flags.ts';

interface RedeliverFlags extends BulkFlags {
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

const ONLY = {
  choices: ['failed', 'awaiting'],
  about: 'failed: not acknowledged, and something went wrong; awaiting: not acknowledged',
};

/** `tidings redeliver`: sends notifications of a running service again. */
export function define(command: Command): void {
  defineBulkCommand(command, EXAMPLES, ONLY)
    .option('--rate <number>', 'most that fall due in a second (default: 50)', wholeNumber())
    .action((jtis: string[], flags: RedeliverFlags) => redeliver(jtis, flags));
}

async function redeliver(jtis: readonly string[], flags: RedeliverFlags): Promise<void> {
  const isDryRun = flags.dryRun === true;
  const body = { ...filterOf(jtis, flags), isDryRun, ratePerSecond: flags.rate };
  const parts = await withOperatorClient(flags, async (client) => {
    const { RedeliveryAnswer } = await import('../operator/bulk.ts');
    const readPart = client.reader(RedeliveryAnswer);
    const path = '/operator/v1/redeliveries';
    return allParts((after) => readPart({ method: 'POST', path, body: { ...body, after } }), 'made due; they stay so');
  });
  const count = countOf(parts);
  const lastDueAt = parts.findLast((part) => part.lastDueAt !== undefined)?.lastDueAt;
  if (flags.json === true) return printJson({ count, isDryRun, lastDueAt });
  const until = lastDueAt === undefined ? '' : `, the last at ${lastDueAt}`;
  const unchanged = isDryRun ? 'Nothing was changed; it would do this: ' : '';
  print(`${unchanged}${countedNotifications(count)} sent again${until}.\n`);
}
