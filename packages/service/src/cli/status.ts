import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import type { Status } from '../operator/status.ts';
import { ATTENTION_COLUMNS, nextCommandOf } from './callback-url.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { formatFacts, printTable, type TableFlags, timeFact, withTableFlags } from './output.ts';

const HELP = `
Example:
  tidings status --operator-url https://localhost:8444

Shows the number of awaiting notifications, the age of the oldest, how many callback URLs are failing or unresponsive, whether
the service accepts events (and if not, why), and a problem of the signing key, if there is one. Then it lists the callback
URLs that need attention, those with most awaiting first, and what to type next.
`;

// Commands that are shown; those of further callback URLs are alike.
const COMMANDS_MAX = 5;

/** `tidings status`: the status of a running service. */
export function define(command: Command): void {
  withTableFlags(defineOperatorCommand(command, HELP)).action(async (flags: CommonFlags & TableFlags) => {
    const { Status: schema } = await import('../operator/status.ts');
    const call = { method: 'GET', path: '/operator/v1/status' } as const;
    const { value: status } = await withOperatorClient(flags, (client) => client.read(call, schema));
    if (flags.json === true) return printJson(status);
    print(
      formatFacts({
        awaiting: String(status.awaiting),
        'oldest awaiting': timeFact(status.oldestAwaitingAt),
        'failing callback URLs': String(status.tpps.failing),
        'unresponsive callback URLs': String(status.tpps.unresponsive),
        publishing: status.publishing,
        'closed because': status.publishingClosedBecause,
        'signing key problem': status.signingKeyProblem,
      }),
    );
    printAttention(status, flags);
  });
}

function printAttention({ needsAttention, tpps }: Status, flags: TableFlags): void {
  const [first] = needsAttention;
  if (first === undefined) return;
  print('\nneeds attention\n');
  printTable(ATTENTION_COLUMNS, needsAttention, { flags, empty: '' });
  const others = tpps.failing + tpps.unresponsive - needsAttention.length;
  if (others > 0) print(`${others} more: tidings tpps list --failing\n`);
  print('\nnext\n');
  for (const each of needsAttention.slice(0, COMMANDS_MAX)) print(`  ${printable(nextCommandOf(each))}\n`);
}
