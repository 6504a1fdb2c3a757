import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import type { RedeliveryAnswer } from '../operator/bulk.ts';
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
import { nextCommandOf, quotedId } from './callback-url.ts';
import { wholeNumber } from './input.ts';
import { withOperatorClient } from './operator-flags.ts';
import { timeFact } from './output.ts';

interface RedeliverFlags extends BulkFlags {
  /** Notifications per second. */
  readonly rate?: number;
}

const EXAMPLES = `
Examples:
  tidings redeliver 190364f8-4f9c-420e-b4d1-76a6b5317fab
  tidings redeliver --client tpp-1 --only failed --dry-run
  tidings redeliver --from 2026-11-20T00:00:00Z --before 2026-11-21T00:00:00Z --rate 20

Use it when a TPP has lost notifications or has fixed its endpoint. A redelivered notification has the same jti and the same
SET, so that the TPP can recognise a duplicate. Without --only, acknowledged notifications are sent again too; withdrawn and
expired ones never are. The command does not ask for confirmation; run it with --dry-run first.
`;

const ONLY = {
  choices: ['failed', 'awaiting'],
  about: 'awaiting: only those not acknowledged; failed: of these, only those with a failure',
};

/** `tidings redeliver`: sends notifications of a running service again. */
export function define(command: Command): void {
  defineBulkCommand(command, EXAMPLES, ONLY)
    .option('--rate <number>', 'maximum number to send per second (default: 50)', wholeNumber())
    .action((jtis: readonly string[], flags: RedeliverFlags) => redeliver(jtis, flags));
}

async function redeliver(jtis: readonly string[], flags: RedeliverFlags): Promise<void> {
  const isDryRun = flags.dryRun === true;
  const filter = filterOf(jtis, flags);
  const body = { ...filter, isDryRun, ratePerSecond: flags.rate };
  const portions = await withOperatorClient(flags, async (client) => {
    await assertSelectable(client, filter);
    const { RedeliveryAnswer: schema } = await import('../operator/bulk.ts');
    const changePortion = client.reader(schema);
    const path = '/operator/v1/redeliveries';
    return changePortions(
      (after) => changePortion({ method: 'POST', path, body: { ...body, after }, flagNames: FILTER_FLAG_NAMES }),
      'scheduled for redelivery',
    );
  });
  const count = countOf(portions);
  const lastDueAt = portions.findLast((portion) => portion.lastDueAt !== undefined)?.lastDueAt;
  const heldBack = portions.at(-1)?.heldBack ?? [];
  if (flags.json === true) return printJson({ count, isDryRun, lastDueAt, heldBack });
  const until = lastDueAt === undefined ? '' : `; last one due at ${timeFact(lastDueAt)}`;
  const selected = isDryRun ? 'selected for redelivery (dry run, nothing was changed)' : 'scheduled for redelivery';
  print(`${formatCount(count)} ${selected}${until}.\n`);
  for (const each of heldBack) print(`${printable(describeHeldBack(each))}\n`);
}

function describeHeldBack({ clientId, state }: RedeliveryAnswer['heldBack'][number]): string {
  return state === 'unresponsive'
    ? `Nothing is sent to ${clientId} before its callback URL recovers: ${nextCommandOf({ clientId, state })}`
    : `Nothing is sent to ${clientId} before it is resumed: tidings tpps resume ${quotedId(clientId)}`;
}
