import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { systemClock } from '../../base/clock.ts';
import { print, printJson, printProgress } from '../../base/output.ts';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { TPP_AUDIT_KEPT_MS_MIN } from '../../model/audit.ts';
import { ARCHIVABLE_PER_PAGE_MAX, ArchivableAudit, AuditDropAnswer, archivedLine } from '../../operator/audit.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';
import { confirm, createFile } from '../input.ts';
import type { OperatorClient } from '../operator-client.ts';
import { type CommonFlags, withOperatorClient } from '../operator-flags.ts';

/** Flags of `audit archive`. */
export interface ArchiveFlags extends CommonFlags {
  /** Milliseconds. */
  readonly olderThan: number;
  readonly to: string;
  readonly yes?: boolean;
}

const DAY_MS = 86_400_000;

/** The summary in the last line of an archive. */
interface Archive {
  /** ISO 8601. */
  readonly before: string;
  readonly entries: number;
  /** Of all lines before the last one, hexadecimal. */
  readonly sha256: string;
}

/** `tidings audit archive`. Deletes nothing before the whole file is on disk and was read back. */
export async function archiveAudit(flags: ArchiveFlags): Promise<void> {
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
