import { type FileHandle, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { print, printJson, printProgress } from '../base/output.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { createFile } from './input.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';
import { formatBytes } from './units.ts';

const HELP = `
Example:
  tidings backup /backup/tidings-2026-11-21.db

For services with "store.file"; back up a PostgreSQL database with its own tools. The service keeps running, and its disk must
have room for a copy of the store. The file must not exist yet; only you can read it. It contains every SET that is kept, but
no private key. The command verifies it before it ends. To restore it, see docs/guides/backup-and-restore.md.
`;

/** `tidings backup`: copies the SQLite store of a running service to a file. */
export function define(command: Command): void {
  defineOperatorCommand(command, HELP)
    .argument('<file>', 'file to create')
    .action(async (file: string, flags: CommonFlags) => {
      const handle = await createFile(file);
      try {
        const bytes = await receive(handle, flags).finally(() => handle.close());
        const schema = await verify(file);
        if (flags.json === true) printJson({ file, bytes, schema });
        else print(`${file}: ${formatBytes(bytes)}, schema ${schema}, verified.\n`);
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    });
}

/** Writes the backup to disk. @returns its size in bytes */
async function receive(handle: FileHandle, flags: CommonFlags): Promise<number> {
  const orWriteError = <T>(writing: Promise<T>) =>
    writing.catch((error: unknown) => {
      throw new CliError(EXIT_FAILED, `The backup cannot be written (${systemErrorCode(error) ?? 'unknown'}).`);
    });
  let bytes = 0;
  let percentShown = 0;
  const call = { method: 'POST', path: '/operator/v1/backups' } as const;
  const take = async (piece: Uint8Array, bytesTotal = 0) => {
    await orWriteError(handle.writeFile(piece));
    bytes += piece.length;
    const percent = bytesTotal === 0 ? 0 : Math.floor((100 * bytes) / bytesTotal);
    if (percent > percentShown) printProgress(`received ${percent} % of ${formatBytes(bytesTotal)}`);
    percentShown = percent;
  };
  printProgress('the service is copying its store');
  await withOperatorClient(flags, (client) => client.download(call, take), { isDownload: true }).finally(() =>
    printProgress(''),
  );
  await orWriteError(handle.sync());
  return bytes;
}

/** Reads the whole backup without creating files beside it. @returns its schema version */
async function verify(file: string): Promise<number> {
  const [{ DatabaseSync }, { pathToFileURL }, { sqliteCode }] = await Promise.all([
    import('node:sqlite'),
    import('node:url'),
    import('../store/sqlite/open.ts'),
  ]);
  const url = pathToFileURL(file);
  url.searchParams.set('immutable', '1');
  try {
    const database = new DatabaseSync(url, { readOnly: true });
    try {
      const problem = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
      if (problem !== 'ok')
        throw new CliError(EXIT_FAILED, `The received backup is damaged (${String(problem)}); run the command again.`);
      return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    } finally {
      database.close();
    }
  } catch (error) {
    if (sqliteCode(error) === undefined) throw error;
    throw new CliError(EXIT_FAILED, 'The received backup is damaged; run the command again.');
  }
}
