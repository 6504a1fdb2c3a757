import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { print, printJson, printProgress } from '../base/output.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { TPP_AUDIT_KEPT_MS_MIN } from '../model/audit.ts';
import {
  ARCHIVABLE_PER_PAGE_MAX,
  ArchivableAudit,
  AuditDropAnswer,
  AuditPage,
  archivedLine,
} from '../operator/audit.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { confirm, createFile, readDuration, wholeNumber } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
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
    .action(archiveAudit);
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

const DAY_MS = 86_400_000;

/** Flags of `audit archive`. */
interface ArchiveFlags extends CommonFlags {
  /** Milliseconds. */
  readonly olderThan: number;
  readonly to: string;
  readonly yes?: boolean;
}

/** The summary in the last line of an archive. */
interface Archive {
  /** ISO 8601. */
  readonly before: string;
  readonly entries: number;
  /** Of all lines before the last one, hexadecimal. */
  readonly sha256: string;
}

/** `tidings audit archive`. Deletes nothing before the whole file is on disk and was read back. */
async function archiveAudit(flags: ArchiveFlags): Promise<void> {
  const { olderThan, to: file, yes, json } = flags;
  if (olderThan < TPP_AUDIT_KEPT_MS_MIN) {
    throw new CliError(EXIT_CONFIGURATION, `--older-than must be at least ${TPP_AUDIT_KEPT_MS_MIN / DAY_MS}d.`);
  }
  if (yes !== true && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to delete the archived entries without confirmation.');
  }
  const before = new Date(systemClock.nowMs() - olderThan).toISOString();
  await withOperatorClient(flags, async (client) => {
    const archive = await write(client, file, before).finally(() => printProgress(''));
    if (archive === undefined) {
      return json === true
        ? printJson({ before, entries: 0, dropped: 0 })
        : print(`There are no changes by TPPs before ${before}.\n`);
    }
    await verify(file, archive);
    const { entries, sha256 } = archive;
    if (yes !== true) {
      const question = `${file} holds ${entries} entries and is complete. Delete them from the audit trail?`;
      await confirm(question, 'Nothing was deleted; the file is kept.');
    }
    const dropped = await drop(client, file, archive).finally(() => printProgress(''));
    if (json === true) printJson({ file, before, entries, sha256, dropped });
    else print(`${file}: ${entries} entries before ${before}, SHA-256 ${sha256}; deleted from the audit trail.\n`);
  });
}

/** Writes the archive; removes an incomplete one. @returns undefined if there is nothing to archive */
async function write(client: OperatorClient, file: string, before: string): Promise<Archive | undefined> {
  const handle = await createFile(file);
  let archive: Archive | undefined;
  try {
    archive = await exportTo(handle, client, before).finally(() => handle.close());
    if (archive !== undefined) await orWriteError(syncFolder(dirname(file)));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  if (archive === undefined) await rm(file, { force: true });
  return archive;
}

async function exportTo(handle: FileHandle, client: OperatorClient, before: string): Promise<Archive | undefined> {
  const readPage = client.reader(ArchivableAudit);
  const hash = createHash('sha256');
  let entries = 0;
  let after: string | undefined;
  do {
    const query = new URLSearchParams({ before, limit: String(ARCHIVABLE_PER_PAGE_MAX), ...(after && { after }) });
    const call = { method: 'GET', path: `/operator/v1/audit/archivable?${query}` } as const;
    const page: ArchivableAudit = (await readPage(call)).value;
    const lines = page.entries.map(archivedLine).join('');
    hash.update(lines);
    await orWriteError(handle.appendFile(lines));
    entries += page.entries.length;
    printProgress(`${entries} entries`);
    after = page.next;
  } while (after !== undefined);
  if (entries === 0) return undefined;
  const archive = { before, entries, sha256: hash.digest('hex') };
  await orWriteError(handle.appendFile(`${JSON.stringify({ archive })}\n`));
  await orWriteError(handle.sync());
  return archive;
}

/** Makes the name of the file survive a power failure, like its content. Windows cannot sync a folder. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

function orWriteError<T>(writing: Promise<T>): Promise<T> {
  return writing.catch((error: unknown) => {
    throw new CliError(EXIT_FAILED, `The archive cannot be written (${systemErrorCode(error) ?? 'unknown'}).`);
  });
}

/** Reads the whole file back. @throws {CliError} if it differs from what was written */
async function verify(file: string, archive: Archive): Promise<void> {
  const hash = createHash('sha256');
  let entries = 0;
  let last: string | undefined;
  for await (const line of linesOf(file)) {
    if (last !== undefined) {
      hash.update(last);
      entries += 1;
    }
    last = line;
  }
  const isSame = entries === archive.entries && hash.digest('hex') === archive.sha256;
  if (isSame && last === `${JSON.stringify({ archive })}\n`) return;
  throw new CliError(
    EXIT_FAILED,
    `The file ${file} differs from what was written to it. Nothing was deleted; check the disk and run it again.`,
  );
}

/** Deletes exactly the entries that the file holds, portion by portion. @returns their number */
async function drop(client: OperatorClient, file: string, { before, entries, sha256 }: Archive): Promise<number> {
  const sendDrop = client.reader(AuditDropAnswer);
  let dropped = 0;
  let portion: string[] = [];
  const dropPortion = async () => {
    const body = { ids: portion.map(idOf), before, sha256: digestOf(portion), archiveSha256: sha256 };
    const call = { method: 'POST', path: '/operator/v1/audit/drops', body } as const;
    dropped += (await sendDrop(call).catch(explainPartialDrop(file, dropped))).value.count;
    printProgress(`${dropped} of ${entries} entries deleted`);
    portion = [];
  };
  let read = 0;
  for await (const line of linesOf(file)) {
    read += 1;
    if (read > entries) break;
    portion.push(line);
    if (portion.length === ARCHIVABLE_PER_PAGE_MAX || read === entries) await dropPortion();
  }
  return dropped;
}

/** Adds to an error that entries which earlier portions deleted are now only in the file. */
function explainPartialDrop(file: string, dropped: number): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CliError)) throw error;
    const kept = `Keep the file ${file}, which is complete: ${dropped} of its entries were deleted from the audit trail`;
    throw new CliError(
      error.exitCode,
      `${error.message} ${kept}. Run the command again with another file for the rest.`,
    );
  };
}

function digestOf(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('')).digest('hex');
}

function idOf(line: string): string {
  try {
    const entry = parseStrictJson(new TextEncoder().encode(line), { acceptsUnfitTexts: true });
    if (isJsonObject(entry) && typeof entry['id'] === 'string') return entry['id'];
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new CliError(
    EXIT_FAILED,
    'The archive was changed while it was being read. Keep it, and run the command again with another file.',
  );
}

/** Lines with their line feeds. No other line end counts, because JSON strings may contain those. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  const pieces: AsyncIterable<string> = createReadStream(file, { encoding: 'utf8' });
  try {
    for await (const piece of pieces) {
      const lines = `${rest}${piece}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield `${line}\n`;
    }
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    throw new CliError(EXIT_FAILED, `The file ${file} cannot be read back (${code}).`);
  }
  if (rest !== '') yield rest;
}
