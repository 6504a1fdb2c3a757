import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { AlertPage, ShownAlert } from '../operator/alerts.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import {
  CONNECTION_HELP,
  type CommonFlags,
  exampleOf,
  operatorCommand,
  queryOf,
  withOperatorClient,
} from './operator-flags.ts';
import { printTable, type TableFlags, timeCell, withTableFlags } from './output.ts';
import type { Column } from './table.ts';

/** Flags of `list`. */
interface ListFlags extends CommonFlags, TableFlags {
  readonly all?: boolean;
}

/** `tidings alerts`: what is wrong now, and where that is sent. */
export function define(command: Command): void {
  command
    .addCommand(
      withTableFlags(
        operatorCommand(
          'list',
          'List what is wrong now, since when and why, and which destinations were told.',
          exampleOf('alerts list --all'),
        ),
      )
        .option('--all', 'also alerts that are over; the last 100')
        .action((flags: ListFlags) => listAlerts(flags)),
    )
    .addCommand(
      operatorCommand(
        'test',
        'Send a test message to a destination of the configuration, and say whether it was accepted.',
        exampleOf('alerts test on-call'),
      )
        .argument('<destination>', 'its name in the section "notify" of the configuration')
        .action((destination: string, flags: CommonFlags) => testDestination(destination, flags)),
    )
    .addHelpText(
      'after',
      `
Examples:
  tidings alerts list
  tidings alerts test on-call

Destinations (webhooks, Slack, e-mail) are in the section "notify" of the configuration; see docs/guides/alerts.md.
${CONNECTION_HELP}`,
    );
}

const ALL_MAX = '100';
const OPEN_MAX = '500';

/** `tidings alerts list` */
async function listAlerts(flags: ListFlags): Promise<void> {
  const { AlertPage: schema } = await import('../operator/alerts.ts');
  const query = queryOf(flags.all === true ? { limit: ALL_MAX } : { state: 'open', limit: OPEN_MAX });
  const call = { method: 'GET', path: `/operator/v1/alerts?${query}` } as const;
  const { value: page } = await withOperatorClient(flags, (client) => client.read(call, schema));
  if (flags.json === true) return printJson(page);
  printTable(COLUMNS, page.alerts, { flags, empty: flags.all === true ? 'There was no alert.' : 'No alert is open.' });
  print(describeDestinations(page));
}

const COLUMNS: readonly Column<ShownAlert>[] = [
  { head: 'SINCE', cell: ({ since }, nowMs) => timeCell(since, nowMs), rank: 2 },
  { head: 'STATE', cell: ({ state }) => state, rank: 5 },
  { head: 'KIND', cell: ({ kind }) => kind },
  { head: 'SUBJECT', cell: ({ subject }) => subject },
  { head: 'TOLD', cell: toldOf, rank: 3, charsMin: 10 },
  { head: 'WHY', cell: ({ why }) => why, rank: 1, charsMin: 20 },
];

/** Destinations that accepted a message; `!` those that did not. */
function toldOf({ messages }: ShownAlert): string {
  const unsent = new Set(messages.filter(({ sentAt }) => sentAt === undefined).map(({ destination }) => destination));
  const names = [...new Set(messages.map(({ destination }) => destination))];
  return names.length === 0 ? 'nobody' : names.map((name) => (unsent.has(name) ? `!${name}` : name)).join(', ');
}

function describeDestinations({ alerts, destinations }: AlertPage): string {
  if (destinations.length === 0) return 'Nobody is told: the configuration has no destination ("notify").\n';
  const late = destinations
    .filter(({ unsent }) => unsent > 0)
    .map(({ name, unsent }) => {
      const error = alerts.flatMap(({ messages }) => messages).find((each) => each.destination === name && each.error);
      return `${name} has not accepted ${unsent}${error === undefined ? '' : ` (${error.error})`}; try it with: tidings alerts test ${name}\n`;
    });
  return late.join('');
}

/** `tidings alerts test` */
async function testDestination(destination: string, flags: CommonFlags): Promise<void> {
  const { AlertTestResult } = await import('../operator/alerts.ts');
  const call = { method: 'POST', path: '/operator/v1/alerts/test', body: { destination } } as const;
  const { value } = await withOperatorClient(flags, (client) => client.read(call, AlertTestResult));
  if (flags.json === true) printJson(value);
  else if (value.outcome === 'sent') print(`${destination} accepted the test message.\n`);
  if (value.outcome === 'sent') return;
  throw new CliError(EXIT_FAILED, `${destination} did not accept the test message: ${value.error}.`);
}
