import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { freeBytesOf } from '../../base/disk.ts';
import { inspectStoreFile, type StoreFile } from '../../store/sqlite/inspect.ts';
import { type Finding, fault, type Inspection, ok, warning } from './finding.ts';

/** Warns when free disk space falls below this multiple of the limit at which publishing stops. */
const WARNING_FACTOR = 2;

/**
 * Checks the SQLite store: folder, disk space, exclusive use, and a schema that this version supports.
 *
 * @param isRunning the service is running, so it is the process that uses the file
 */
export async function checkSqlite(
  { config, isIntegrityChecked }: Inspection,
  isRunning: boolean,
): Promise<readonly Finding[]> {
  const { file = '' } = config.store;
  const folder = nearestFolder(dirname(file));
  if (!isWritable(folder)) {
    const what = `The folder ${dirname(file)} of "store.file" cannot be written.`;
    const remedy = `Run "install -d -o USER -m 700 ${dirname(file)}" with the user of the service, or correct "store.file".`;
    return [fault('database', what, remedy)];
  }
  const diskSpace = await checkDiskSpace(folder, config.publishing.diskFreeBytesMin);
  if (existsSync(file) && !isUsable(file)) {
    const what = `The store file ${file} cannot be read and written.`;
    return [fault('database', what, `Run "chown USER ${file}" with the user of the service.`), ...diskSpace];
  }
  const found = inspectStoreFile(file, isIntegrityChecked);
  return [...findingsOf(found, { file, isRunning }), ...diskSpace];
}

function findingsOf(found: StoreFile, { file, isRunning }: { file: string; isRunning: boolean }): readonly Finding[] {
  switch (found.kind) {
    case 'absent':
      return [ok('database', `The store ${file} does not exist yet; the service creates it.`)];
    case 'in-use': {
      if (isRunning) return [ok('database', `The store ${file} is in use by the running service.`)];
      const what = `The store ${file} is in use by another process, and no service with this configuration is running.`;
      return [
        fault(
          'database',
          what,
          `Find the process with "fuser ${file}" and stop it, or set "store.file" to another file.`,
        ),
      ];
    }
    case 'not-a-store': {
      const what = `The file ${file} is not a Tidings store.`;
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
  if (first === undefined) return [ok('database', `The store ${file} is intact.`)];
  const remedy = 'Stop the service, keep a copy of the file, and restore it from a backup.';
  return [fault('database', `The store ${file} is damaged: ${first.replaceAll('\n', ' ')}.`, remedy)];
}

function checkSchema({ schema, newest }: Extract<StoreFile, { kind: 'store' }>): Finding {
  if (schema > newest) {
    const what = `The store was written by a newer version of Tidings (schema ${schema}; this version supports ${newest}).`;
    return fault('migrations', what, 'Use that version, or restore a backup made before the upgrade.');
  }
  if (schema === newest) return ok('migrations', `The store has schema ${schema}, the current one.`);
  const what = `The store has schema ${schema}; the service upgrades it to ${newest} when it starts`;
  return ok('migrations', `${what}, after which older versions cannot use it.`);
}

async function checkDiskSpace(folder: string, bytesMin: number): Promise<readonly Finding[]> {
  const bytes = await freeBytesOf(folder).catch(() => undefined);
  if (bytes === undefined) return [];
  const what = `The disk of the store has ${bytes} bytes free`;
  const remedy = 'Free disk space, shorten "retention", or lower "publishing.diskFreeBytesMin".';
  if (bytes < bytesMin) {
    const limit = `less than "publishing.diskFreeBytesMin" (${bytesMin}): publishing is refused with 503`;
    return [fault('database', `${what}, ${limit}.`, remedy)];
  }
  if (bytes >= bytesMin * WARNING_FACTOR) return [ok('database', `${what}.`)];
  return [warning('database', `${what}; publishing is refused with 503 below ${bytesMin}.`, remedy)];
}

/** The folder itself or, because the service creates missing folders, its nearest existing parent. */
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
