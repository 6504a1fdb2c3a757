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
    .action(archiveAudit);
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

const DAY_MS = 86_400_000;

/** Flags of `audit archive`. */
interface ArchiveFlags extends CommonFlags {
  /** Milliseconds. */
  readonly olderThan: number;
  readonly to: string;
  readonly yes?: boolean;
}

/** The last line of an archive. */
interface Archive {
  /** ISO 8601. */
  readonly before: string;
  readonly entries: number;
  /** Of all lines before the last. */
  readonly sha256: string;
}

/** `tidings audit archive`. Nothing is dropped before all of it is on disk, and was read from there. */
async function archiveAudit(flags: ArchiveFlags): Promise<void> {
  const { olderThan, to: file, yes, json } = flags;
  if (olderThan < TPP_AUDIT_KEPT_MS_MIN) {
    throw new CliError(EXIT_CONFIGURATION, `--older-than must be ${TPP_AUDIT_KEPT_MS_MIN / DAY_MS}d at least.`);
  }
  if (yes !== true && !process.stdin.isTTY) {
    throw new CliError(EXIT_CONFIGURATION, 'Add --yes to drop what was archived without being asked.');
  }
  const before = new Date(systemClock.nowMs() - olderThan).toISOString();
  await withOperatorClient(flags, async (client) => {
    const archive = await write(client, file, before).finally(() => printProgress(''));
    if (archive === undefined) {
      return json === true
        ? printJson({ before, entries: 0, dropped: 0 })
        : print(`No TPP changed anything before ${before}.\n`);
    }
    await verify(file, archive);
    const { entries, sha256 } = archive;
    if (yes !== true) {
      const question = `${file} has ${entries} entries and is complete. Drop them from the audit?`;
      await confirm(question, 'Nothing was dropped; the file stays.');
    }
    const dropped = await drop(client, file, archive).finally(() => printProgress(''));
    if (json === true) printJson({ file, before, entries, sha256, dropped });
    else print(`${file}: ${entries} entries before ${before}, SHA-256 ${sha256}; dropped from the audit.\n`);
  });
}

/** Writes the archive; what is not complete is taken away. @returns undefined when there is nothing to archive */
async function write(client: OperatorClient, file: string, before: string): Promise<Archive | undefined> {
  const handle = await createFile(file);
  let archive: Archive | undefined;
  try {
    archive = await exportTo(handle, client, before).finally(() => handle.close());
    if (archive !== undefined) await orSay(syncFolder(dirname(file)));
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
    await orSay(handle.appendFile(lines));
    entries += page.entries.length;
    printProgress(`${entries} entries`);
    after = page.next;
  } while (after !== undefined);
  if (entries === 0) return undefined;
  const archive = { before, entries, sha256: hash.digest('hex') };
  await orSay(handle.appendFile(`${JSON.stringify({ archive })}\n`));
  await orSay(handle.sync());
  return archive;
}

/** The name of the file must outlive a power cut as its content does. Windows has no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

function orSay<T>(writing: Promise<T>): Promise<T> {
  return writing.catch((error: unknown) => {
    throw new CliError(EXIT_FAILED, `The archive cannot be written (${systemErrorCode(error) ?? 'unknown'}).`);
  });
}

/** Reads the file again, from its beginning to its end. @throws {CliError} when it is not what was written */
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
  throw new CliError(EXIT_FAILED, `The file ${file} does not hold what was written to it. Nothing was dropped.`);
}

/** Drops exactly the entries that the file holds, portion by portion. @returns how many */
async function drop(client: OperatorClient, file: string, { before, entries, sha256 }: Archive): Promise<number> {
  const sendDrop = client.reader(AuditDropAnswer);
  let dropped = 0;
  let portion: string[] = [];
  const dropPortion = async () => {
    const body = { ids: portion.map(idOf), before, sha256: digestOf(portion), archiveSha256: sha256 };
    const call = { method: 'POST', path: '/operator/v1/audit/drops', body } as const;
    dropped += (await sendDrop(call).catch(afterSome(file, dropped))).value.count;
    printProgress(`${dropped} of ${entries} entries dropped`);
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

/** Entries that were dropped before a portion failed are gone, and in the file. */
function afterSome(file: string, dropped: number): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CliError)) throw error;
    const kept = `The file ${file} is complete and must be kept: ${dropped} of its entries were dropped`;
    throw new CliError(error.exitCode, `${error.message} ${kept}. Run it again, with another file, for the others.`);
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
    'The archive was changed while it was read. Keep it, and run it again with another file.',
  );
}

/** Lines with their ends, by line feeds alone: a text in JSON may hold other ends of lines. */
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
    throw new CliError(EXIT_FAILED, `The file ${file} cannot be read again (${code}).`);
  }
  if (rest !== '') yield rest;
}
