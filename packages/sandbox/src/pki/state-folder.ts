/** The folder in which the sandbox stores its PKI: atomic writes, and one error class. */

import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Mode of created folders: accessible to their owner only. */
const FOLDER_MODE = 0o700;
/** Mode of files with a private key. */
export const PRIVATE_FILE_MODE = 0o600;
/** Mode of files without secrets. */
export const PUBLIC_FILE_MODE = 0o644;

/**
 * The state folder cannot be used: it cannot be created, read or written, or its content is damaged. The message is one
 * sentence with the path and the remedy, for display to the user. `cause` is the error of the file system, if any.
 */
export class StateFolderError extends Error {
  override readonly name = 'StateFolderError';
}

/** Error code of a failed file system call, such as `EACCES`; undefined for any other error. */
function fileSystemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function unusable(folder: string, error: unknown): StateFolderError {
  const reason = fileSystemErrorCode(error) ?? String(error);
  return new StateFolderError(
    `The sandbox cannot store its keys in ${folder} (${reason}); choose a state folder to which this user can write with --state.`,
    { cause: error },
  );
}

/**
 * Creates the folder and its missing parents with mode 0700. An existing folder keeps its mode, which the user may have
 * chosen.
 *
 * @throws {StateFolderError}
 */
export async function makeStateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw unusable(folder, error);
  }
}

/**
 * Reads a text file; undefined when it does not exist.
 *
 * @throws {StateFolderError} when it exists and cannot be read
 */
export async function readStateFile(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(path.join(folder, name), 'utf8');
  } catch (error) {
    if (fileSystemErrorCode(error) === 'ENOENT') return undefined;
    throw unusable(folder, error);
  }
}

/** A file to write: its text in UTF-8 and its mode. */
export interface StateFile {
  readonly text: string;
  readonly mode: number;
}

/**
 * Writes a file atomically: to a temporary file that is flushed to disk and then renamed. A crash leaves either the old
 * file or the new one.
 *
 * @throws {StateFolderError}
 */
export async function writeStateFile(folder: string, name: string, file: StateFile): Promise<void> {
  await writeBeside(folder, name, file, rename);
}

/**
 * Like `writeStateFile`, but never replaces a file: of two concurrent processes, one creates it.
 *
 * @returns true when this call created the file; false when it existed
 * @throws {StateFolderError}
 */
export async function createStateFile(folder: string, name: string, file: StateFile): Promise<boolean> {
  let isCreated = true;
  await writeBeside(folder, name, file, async (beside, target) => {
    try {
      await link(beside, target);
    } catch (error) {
      const code = fileSystemErrorCode(error);
      if (code === 'EEXIST') isCreated = false;
      // A file system without hard links (exFAT, some network shares): still atomic, but the last of two writers wins.
      else if (code === 'EPERM' || code === 'ENOTSUP' || code === 'ENOSYS') await rename(beside, target);
      else throw error;
    }
  });
  return isCreated;
}

async function writeBeside(
  folder: string,
  name: string,
  file: StateFile,
  putInPlace: (beside: string, target: string) => Promise<void>,
): Promise<void> {
  const target = path.join(folder, name);
  const beside = `${target}.${randomUUID()}.tmp`;
  try {
    await writeFile(beside, file.text, { mode: file.mode, flag: 'wx', flush: true });
    await putInPlace(beside, target);
  } catch (error) {
    throw unusable(folder, error);
  } finally {
    // The temporary file remains after a failure and after a link. An earlier error matters more than a failed removal.
    await rm(beside, { force: true }).catch(() => undefined);
  }
}
