import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { freeBytesOf } from '../../base/disk.ts';
import { inspectStoreFile, type StoreFile } from '../../store/sqlite/inspect.ts';
import { type Finding, fault, type Inspection, ok, warning } from './finding.ts';

/** Free disk of this many times what publishing stops at is enough to think about it in time. */
const ENOUGH_TIMES = 2;

/**
 * The SQLite store: its folder can be written, its disk has room, nobody else has it, this version can run on it.
 *
 * @param isRunning the service runs, so that it is the one that has the file
 */
export async function checkSqlite(
  { config, isIntegrityChecked }: Inspection,
  isRunning: boolean,
): Promise<readonly Finding[]> {
  const { file = '' } = config.store;
  const folder = nearestFolder(dirname(file));
  if (!isWritable(folder)) {
    const what = `The folder ${dirname(file)} of "store.file" cannot be written.`;
    const remedy = `Run: install -d -o USER -m 700 ${dirname(file)}, with the user of the service, or correct "store.file".`;
    return [fault('database', what, remedy)];
  }
  const room = await checkRoom(folder, config.publishing.diskFreeBytesMin);
  if (existsSync(file) && !isUsable(file)) {
    const what = `The store file ${file} cannot be read and written.`;
    return [fault('database', what, `Run: chown USER ${file}, with the user of the service.`), ...room];
  }
  const found = inspectStoreFile(file, isIntegrityChecked);
  return [...findingsOf(found, { file, isRunning }), ...room];
}

function findingsOf(found: StoreFile, { file, isRunning }: { file: string; isRunning: boolean }): readonly Finding[] {
  switch (found.kind) {
    case 'absent':
      return [ok('database', `The store ${file} does not exist yet; the service makes it.`)];
    case 'in-use': {
      if (isRunning) return [ok('database', `The store ${file} is in use by the service that runs.`)];
      const what = `The store ${file} is in use by another process, and no service of this configuration runs.`;
      return [
        fault('database', what, `See which one with: fuser ${file}; stop it, or give "store.file" another file.`),
      ];
    }
    case 'not-a-store': {
      const what = `The file ${file} is not a store of Tidings.`;
      return [fault('database', what, 'Correct "store.file", or move the file away.')];
    }
    case 'damaged': {
      return [fault('database', `The store ${file} cannot be read (${found.why}).`, 'Restore it from a backup.')];
    }
    case 'store':
      return [...checkIntegrity(found.faults, file), checkSchema(found)];
  }
}

function checkIntegrity(faults: readonly string[] | undefined, file: string): readonly Finding[] {
  if (faults === undefined) return [ok('database', `The store ${file} can be opened.`)];
  const [first] = faults;
  if (first === undefined) return [ok('database', `The store ${file} is whole.`)];
  const remedy = 'Stop the service, keep a copy of the file, and restore it from a backup.';
  return [fault('database', `The store ${file} is damaged: ${first.replaceAll('\n', ' ')}.`, remedy)];
}

function checkSchema({ schema, newest }: Extract<StoreFile, { kind: 'store' }>): Finding {
  if (schema > newest) {
    const what = `The store was written by a newer version of Tidings (schema ${schema}, this version knows ${newest}).`;
    return fault('migrations', what, 'Start that version, or restore a backup made before the upgrade.');
  }
  if (schema === newest) return ok('migrations', `The store has schema ${schema}, the newest.`);
  const what = `The store has schema ${schema}; the service brings it to ${newest} when it starts`;
  return ok('migrations', `${what}, after which older versions cannot use it.`);
}

async function checkRoom(folder: string, bytesMin: number): Promise<readonly Finding[]> {
  const bytes = await freeBytesOf(folder).catch(() => undefined);
  if (bytes === undefined) return [];
  const what = `The disk of the store has ${bytes} bytes free`;
  const remedy =
    'Make room on it, keep history for a shorter time ("retention"), or lower "publishing.diskFreeBytesMin".';
  if (bytes < bytesMin) {
    const least = `and "publishing.diskFreeBytesMin" is ${bytesMin}: publishing is answered 503`;
    return [fault('database', `${what}, ${least}.`, remedy)];
  }
  if (bytes >= bytesMin * ENOUGH_TIMES) return [ok('database', `${what}.`)];
  return [warning('database', `${what}; publishing is answered 503 below ${bytesMin}.`, remedy)];
}

/** The folder itself or, as the service makes folders that are missing, the one that it would make it in. */
function nearestFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

function isUsable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
