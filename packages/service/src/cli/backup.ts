import { type FileHandle, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { print, printJson, printProgress } from '../base/output.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import { createFile } from './input.ts';
import { type CommonFlags, defineOperatorCommand, withOperatorClient } from './operator-flags.ts';

const HELP = `
Example:
  tidings backup /backup/tidings-2026-11-21.db

For "store.file"; a PostgreSQL database is backed up with its own tools. The service goes on meanwhile, and its disk needs
room for the copy. FILE must not exist; it is readable for you alone, and is checked before the command ends. It holds
every SET that is kept, and no private key. To restore it, see docs/guides/backup-and-restore.md.
`;

/** `tidings backup`: the store of a running service, as a file. */
export function define(command: Command): void {
  defineOperatorCommand(command, HELP)
    .argument('<file>', 'file to write, which must not exist')
    .action(async (file: string, flags: CommonFlags) => {
      const handle = await createFile(file);
      try {
        const bytes = await receive(handle, flags).finally(() => handle.close());
        const schema = await check(file);
        if (flags.json === true) printJson({ file, bytes, schema });
        else print(`${file}: ${bytes} bytes, schema ${schema}, checked.\n`);
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    });
}

/** @returns how many bytes there are, all on disk */
async function receive(handle: FileHandle, flags: CommonFlags): Promise<number> {
  const orSay = <T>(writing: Promise<T>) =>
    writing.catch((error: unknown) => {
      throw new CliError(EXIT_FAILED, `The backup cannot be written (${systemErrorCode(error) ?? 'unknown'}).`);
    });
  let bytes = 0;
  let percentShown = 0;
  const call = { method: 'POST', path: '/operator/v1/backups' } as const;
  const take = async (piece: Uint8Array, bytesTotal: number) => {
    await orSay(handle.writeFile(piece));
    bytes += piece.length;
    const percent = Math.floor((100 * bytes) / bytesTotal);
    if (percent > percentShown) printProgress(`received ${percent} % of ${bytesTotal} bytes`);
    percentShown = percent;
  };
  printProgress('the service copies its store');
  await withOperatorClient(flags, (client) => client.download(call, take), { isDownload: true }).finally(() =>
    printProgress(''),
  );
  await orSay(handle.sync());
  return bytes;
}

/** Reads all of it, leaving nothing beside it. @returns its schema */
async function check(file: string): Promise<number> {
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
      if (problem !== 'ok') throw new CliError(EXIT_FAILED, `What was received is damaged (${String(problem)}).`);
      return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    } finally {
      database.close();
    }
  } catch (error) {
    if (sqliteCode(error) === undefined) throw error;
    throw new CliError(EXIT_FAILED, 'What was received is damaged; try again.');
  }
}
