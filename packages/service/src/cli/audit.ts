import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { readDuration, wholeNumber } from './arguments.ts';
import type { ArchiveFlags } from './audit-archive.ts';
import {
  type CommonFlags,
  defineOperatorCommand,
  operatorCommand,
  queryOf,
  withOperatorClient,
} from './operator-flags.ts';
import { tableOf } from './output.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;

const EXAMPLES = `
Examples:
  tidings audit --limit 20
  tidings audit --subject tpp-1 --from 2026-11-20T00:00:00Z --json
  tidings audit archive --older-than 400d --to /archive/audit-2026-11.jsonl
`;

const ARCHIVE_HELP = `
Example:
  tidings audit archive --older-than 400d --to /archive/audit-2026-11.jsonl

FILE must not exist; it is readable for you alone. Each entry is a line of JSON, as the API gives it, and the last line has
their number and SHA-256 ("head -n -1 FILE | sha256sum"). The file is written to disk and read again before anything is
dropped, and the service drops no entry whose content it was not proven to hold. What operators and the service changed
stays for good. Killed before the last line was written, nothing is dropped: take the file away and run it again. Killed
after, the file is complete, and what was not dropped yet is in the next archive again. It asks before it drops, unless
--yes is given.
`;

/** `tidings audit archive`: what TPPs changed themselves leaves the audit for a file. */
function archiveCommand(): Command {
  return operatorCommand(
    'archive',
    'Move what TPPs changed themselves, and is old, from the audit of a running service to a file.',
    ARCHIVE_HELP,
  )
    .requiredOption('--older-than <time>', 'entries older than this, 30d at least, such as 400d', readDuration)
    .requiredOption('--to <file>', 'file to write, which must not exist')
    .option('--yes', 'do not ask')
    .action(async (flags: ArchiveFlags) => (await import('./audit-archive.ts')).archiveAudit(flags));
}

/** `tidings audit`: what operators, and the service by itself, changed. */
export function define(command: Command): void {
  defineOperatorCommand(command, EXAMPLES)
    .option('--limit <number>', `most entries, up to ${LIMIT_MAX}`, wholeNumber(LIMIT_MAX), LIMIT_DEFAULT)
    .option('--before <time>', 'only what was done before this time; or the id that the page before ends with')
    .option('--from <time>', 'only what was done at or after this time, such as 2026-11-21T09:30:00Z')
    .option('--actor <name>', 'only what this one did')
    .option('--action <action>', 'only this, such as tpp-changed')
    .option('--subject <subject>', 'only what was done to this, such as a client_id')
    .action(async (flags: AuditFlags) => {
      const { AuditPage } = await import('../operator/audit.ts');
      const { limit, before, from, actor, action, subject } = flags;
      const query = queryOf({ limit: String(limit), before, from, actor, action, subject });
      const call = { method: 'GET', path: `/operator/v1/audit?${query}` } as const;
      const { value: page } = await withOperatorClient(flags, (client) => client.read(call, AuditPage));
      if (flags.json === true) return printJson(page);
      const rows = page.entries.map(({ id, at, actor, role = '', from = '', action, subject, detail }) => {
        return [id, at, actor, role, from, action, subject, JSON.stringify(detail)];
      });
      print(tableOf(['ID', 'AT', 'ACTOR', 'ROLE', 'FROM', 'ACTION', 'SUBJECT', 'DETAIL'], rows));
      if (page.next !== undefined) print(`There are older ones: --before ${page.next}\n`);
    })
    .enablePositionalOptions()
    .addCommand(archiveCommand());
}

interface AuditFlags extends CommonFlags {
  readonly limit: number;
  readonly before?: string;
  readonly from?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
}
