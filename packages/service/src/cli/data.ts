import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { changePortions, countOf, formatCount } from './bulk.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { confirm } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { CONNECTION_HELP, type CommonFlags, operatorCommand, withOperatorClient } from './operator-flags.ts';

/** Flags that say whose data is meant. */
interface SubjectFlags extends CommonFlags {
  readonly client?: string;
  readonly resource?: string;
}

interface EraseFlags extends SubjectFlags {
  readonly expireUndelivered?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const HELP = `
Examples:
  tidings data export --resource aac-1234-007 export.ndjson
  tidings data erase --resource aac-1234-007 --dry-run
  tidings data erase --client tpp-1 --expire-undelivered

See docs/data-protection.md for what is kept where, and what an erasure leaves.
${CONNECTION_HELP}`;

const EXPORT_HELP = `
Examples:
  tidings data export --resource aac-1234-007 export.ndjson
  tidings data export --client tpp-1 export.ndjson

Writes JSON lines: the notifications with their claims, SET and attempts; with --client alone also the TPP, its
registrations, its audit entries, and what is left of erased notifications. The file must not exist yet; only you can read it.
`;

const ERASE_HELP = `
Examples:
  tidings data erase --resource aac-1234-007 --dry-run
  tidings data erase --client tpp-1 --resource aac-1234-007 --yes

Deletes claims, SETs and texts of the TPP. The jti, times, attempts and the SHA-256 of each SET stay as evidence until
"retention.notificationsMs". The audit trail is not changed, and names the resource of an erasure by its SHA-256 only. The command
refuses while notifications are not delivered, unless --expire-undelivered is given: then the TPP never gets them. It shows the number
and asks for confirmation, unless --yes or --dry-run is given. It can be repeated, also after an interruption. Backups and
exports that were made before still hold the data.
`;

/** `tidings data`: export and erasure of the data of a TPP or about a resource. */
export function define(command: Command): void {
  command
    .addCommand(
      withSubjectFlags(
        operatorCommand('export', 'Export the data of a TPP or about a resource to a file.', EXPORT_HELP),
      )
        .argument('<file>', 'file to create')
        .action(async (file: string, flags: SubjectFlags) => {
          const subject = { body: subjectOf(flags), flagNames: FLAG_NAMES };
          const { exportData } = await import('./data/export.ts');
          await exportData(file, subject, flags);
        }),
    )
    .addCommand(
      withSubjectFlags(
        operatorCommand('erase', 'Erase what notifications of a TPP or about a resource said.', ERASE_HELP),
      )
        .option('--expire-undelivered', 'also those that are not delivered: the TPP never gets them')
        .option('--dry-run', 'only count; change nothing')
        .option('--yes', 'do not ask for confirmation')
        .action((flags: EraseFlags) => eraseData(flags)),
    )
    .addHelpText('after', HELP);
}

function withSubjectFlags(command: Command): Command {
  return command
    .option('--client <id>', 'data of this TPP')
    .option('--resource <id>', 'data about this resource, such as the id of an account or consent');
}

const FLAG_NAMES = { clientId: '--client', resourceId: '--resource' };

/** Whose data is meant, in the form of the operator API. @throws {CliError} if nobody's is */
function subjectOf({ client: clientId, resource: resourceId }: SubjectFlags) {
  if (clientId === undefined && resourceId === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Say whose data is meant with --client, --resource or both.');
  }
  return { clientId, resourceId };
}

async function eraseData(flags: EraseFlags): Promise<void> {
  const { yes, dryRun: isDryRun = false, expireUndelivered = false } = flags;
  const body = { ...subjectOf(flags), ...(expireUndelivered && { undelivered: 'expire' }) };
  const needsConfirmation = !isDryRun && yes !== true;
  if (needsConfirmation && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to erase without confirmation, or --dry-run to only count.');
  }
  const done = await withOperatorClient(flags, async (client) => {
    if (needsConfirmation) {
      const { count } = await erase(client, { ...body, isDryRun: true });
      await confirm(`${formatCount(count)} selected. Erase for good?`, 'Nothing was erased.');
    }
    return erase(client, { ...body, isDryRun });
  });
  if (flags.json === true) return printJson({ ...done, isDryRun });
  const { count, expired, awaiting } = done;
  const also = expired === 0 ? '' : `; ${expired} undelivered among them`;
  const selected = isDryRun ? 'selected for erasure (dry run, nothing was changed)' : 'erased';
  print(`${formatCount(count)} ${selected}${also}.\n`);
  if (awaiting === 0) return;
  const remedy = expireUndelivered ? 'run the command again in a moment' : 'run it again after the delivery';
  print(`${formatCount(awaiting)} kept: not delivered yet, or being sent at this moment; ${remedy}.\n`);
}

async function erase(client: OperatorClient, body: object) {
  const { ErasureAnswer } = await import('../operator/erasures.ts');
  const erasePortion = client.reader(ErasureAnswer);
  const path = '/operator/v1/erasures';
  const portions = await changePortions(
    (after) => erasePortion({ method: 'POST', path, body: { ...body, after }, flagNames: FLAG_NAMES }),
    'erased',
  );
  const sum = (name: 'expired' | 'awaiting') => portions.reduce((total, portion) => total + portion[name], 0);
  return { count: countOf(portions), expired: sum('expired'), awaiting: sum('awaiting') };
}
