import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import type { Instances } from '../operator/instances.ts';
import type { Status } from '../operator/status.ts';
import { ATTENTION_COLUMNS, nextCommandOf } from './callback-url.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { formatFacts, printTable, type TableFlags, timeCell, timeFact, withTableFlags } from './output.ts';
import type { Column } from './table.ts';
import { formatRelative } from './units.ts';

const HELP = `
Example:
  tidings status --operator-url https://localhost:8444

Shows the number of awaiting notifications, the age of the oldest, how many callback URLs are failing or unresponsive, whether
the service accepts events (and if not, why), a problem of the signing key, if there is one, and the instances with their
versions. Then it lists the callback URLs that need attention, those with most awaiting first, and what to type next.
`;

// Commands that are shown; those of further callback URLs are alike.
const COMMANDS_MAX = 5;

/** `tidings status`: the status of a running service. */
export function define(command: Command): void {
  withTableFlags(defineOperatorCommand(command, HELP)).action(async (flags: CommonFlags & TableFlags) => {
    const { Status: schema } = await import('../operator/status.ts');
    const call = { method: 'GET', path: '/operator/v1/status' } as const;
    const { Instances: instancesSchema } = await import('../operator/instances.ts');
    const [status, { instances }] = await withOperatorClient(flags, async (client) => [
      (await client.read(call, schema)).value,
      (await client.read({ method: 'GET', path: '/operator/v1/instances' }, instancesSchema)).value,
    ]);
    if (flags.json === true) return printJson({ ...status, instances });
    print(
      formatFacts({
        awaiting: String(status.awaiting),
        'oldest awaiting': timeFact(status.oldestAwaitingAt),
        'failing callback URLs': String(status.tpps.failing),
        'unresponsive callback URLs': String(status.tpps.unresponsive),
        publishing: status.publishing,
        'closed because': status.publishingClosedBecause,
        ...intakeFacts(status.intake),
        'signing key problem': status.signingKeyProblem,
        ...instanceFacts(instances),
      }),
    );
    printAttention(status, flags);
    printInstances(instances, flags);
  });
}

function intakeFacts(intake: Status['intake']): Record<string, string | undefined> {
  if (intake === undefined) return {};
  const { topic, state, because, lag, takenAt } = intake;
  const behind = lag === undefined ? '' : `, ${lag} records behind`;
  return {
    'intake from Kafka': `${state} (topic ${topic}${behind})`,
    'intake because': because,
    'last taken': timeFact(takenAt),
  };
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

type Instance = Instances['instances'][number];

/** The one instance; or how many there are, and of which versions. */
function instanceFacts(instances: readonly Instance[]): Record<string, string> {
  const [first, ...others] = instances;
  if (first === undefined) return {};
  if (others.length === 0) {
    const { host, processId, version, state } = first;
    const seen = `seen ${formatRelative(first.seenAt, systemClock.nowMs())}`;
    return {
      instance: `${host} (process ${processId}), version ${version}, ${state === 'gone' ? 'gone, ' : ''}${seen}`,
    };
  }
  const gone = instances.filter(({ state }) => state === 'gone').length;
  const versions = [...new Set(instances.map(({ version }) => version))];
  const counts = `${instances.length - gone} running${gone > 0 ? `, ${gone} gone` : ''}`;
  return { instances: `${counts}; version${versions.length > 1 ? 's' : ''} ${versions.join(', ')}` };
}

const INSTANCE_COLUMNS: readonly Column<Instance>[] = [
  { head: 'HOST', cell: ({ host }) => host, charsMin: 18 },
  { head: 'PROCESS', cell: ({ processId }) => String(processId), rank: 1 },
  { head: 'VERSION', cell: ({ version }) => version },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'SEEN', cell: ({ seenAt }, nowMs) => timeCell(seenAt, nowMs) },
  { head: 'STARTED', cell: ({ startedAt }, nowMs) => timeCell(startedAt, nowMs), rank: 2 },
];

function printInstances(instances: readonly Instance[], flags: TableFlags): void {
  if (instances.length < 2) return;
  print('\ninstances\n');
  printTable(INSTANCE_COLUMNS, instances, { flags, empty: '' });
}
