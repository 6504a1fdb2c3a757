import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { AuditPage } from '../operator/audit.ts';
import type { ArchiveFlags } from './audit/archive.ts';
import { readDuration, wholeNumber } from './input.ts';
import {
  type CommonFlags,
  defineOperatorCommand,
  operatorCommand,
  queryOf,
  withOperatorClient,
} from './operator-flags.ts';
import { printTable, timeCell, withTableFlags } from './output.ts';
import type { Column } from './table.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;

const EXAMPLES = `
Examples:
  tidings audit --limit 20
  tidings audit --subject tpp-1 --from 2026-11-20T00:00:00Z --json
  tidings audit archive --older-than 400d --to /archive/audit-2026-11.jsonl

Use it to see who changed what, from where, and when. The audit trail holds the changes made by operators, by TPPs (their
registrations) and by the service itself.
`;

const ARCHIVE_HELP = `
Example:
  tidings audit archive --older-than 400d --to /archive/audit-2026-11.jsonl

Use it when the changes that TPPs make to their registrations fill the audit trail. Only those can be archived; the changes of
operators and of the service are kept for good.

The file must not exist yet, and only you can read it. Each line is one entry as JSON; the last line holds the number of
entries and their SHA-256 ("head -n -1 FILE | sha256sum"). The command writes the file to disk, reads it back and asks for
confirmation (unless --yes is given) before it deletes these entries from the audit trail. The service deletes an entry only
if the command proves that the file holds its content.

If the command is killed before it wrote the last line, nothing is deleted: remove the file and run the command again. If it
is killed later, the file is complete, and the next archive contains the entries that were not deleted yet.
`;

/** `tidings audit archive`: moves old changes of TPPs from the audit trail to a file. */
function archiveCommand(): Command {
  return operatorCommand('archive', 'Move old changes made by TPPs from the audit trail to a file.', ARCHIVE_HELP)
    .requiredOption('--older-than <time>', 'only entries older than this, at least 30d, such as 400d', readDuration)
    .requiredOption('--to <file>', 'file to create')
    .option('--yes', 'do not ask for confirmation')
    .action(async (flags: ArchiveFlags) => {
      const { archiveAudit } = await import('./audit/archive.ts');
      await archiveAudit(flags);
    });
}

/** `tidings audit`: the audit trail of a running service. */
export function define(command: Command): void {
  withTableFlags(defineOperatorCommand(command, EXAMPLES))
    .option('--limit <number>', `maximum number of entries, up to ${LIMIT_MAX}`, wholeNumber(LIMIT_MAX), LIMIT_DEFAULT)
    .option('--before <time>', 'only changes before this time; or the id at which the previous page ended')
    .option('--from <time>', 'only changes at or after this time, such as 2026-11-21T09:30:00Z')
    .option('--actor <name>', 'only changes by this operator or TPP')
    .option('--action <action>', 'only changes of this kind, such as tpp-changed')
    .option('--subject <subject>', 'only changes to this subject, such as a client_id')
    .action(async (flags: AuditFlags) => {
      const { limit, before, from, actor, action, subject } = flags;
      const query = queryOf({ limit: String(limit), before, from, actor, action, subject });
      const call = { method: 'GET', path: `/operator/v1/audit?${query}`, flagNames: FLAG_NAMES } as const;
      const { AuditPage } = await import('../operator/audit.ts');
      const { value: page } = await withOperatorClient(flags, (client) => client.read(call, AuditPage));
      if (flags.json === true) return printJson(page);
      printTable(COLUMNS, page.entries, { flags, empty: 'No change matches.' });
      if (page.next !== undefined) print(`There are older entries; continue with --before ${page.next}\n`);
    })
    .enablePositionalOptions()
    .addCommand(archiveCommand());
}

const COLUMNS: readonly Column<AuditPage['entries'][number]>[] = [
  { head: 'ID', cell: ({ id }) => id, rank: 6 },
  { head: 'AT', cell: ({ at }, nowMs) => timeCell(at, nowMs) },
  { head: 'ACTOR', cell: ({ actor }) => actor, rank: 2, charsMin: 8 },
  { head: 'ROLE', cell: ({ role }) => role, rank: 5 },
  { head: 'FROM', cell: ({ from }) => from, rank: 4 },
  { head: 'ACTION', cell: ({ action }) => action, rank: 1 },
  { head: 'SUBJECT', cell: ({ subject }) => subject, rank: 1, charsMin: 12 },
  { head: 'DETAIL', cell: ({ detail }) => JSON.stringify(detail), rank: 3, charsMin: 8 },
];

const FLAG_NAMES = {
  before: '--before',
  from: '--from',
  actor: '--actor',
  action: '--action',
  subject: '--subject',
};

interface AuditFlags extends CommonFlags {
  readonly limit: number;
  readonly before?: string;
  readonly from?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
}
