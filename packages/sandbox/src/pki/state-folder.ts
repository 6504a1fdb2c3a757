/** The folder that the sandbox keeps its PKI in: one clear error, and writes that are whole or not there. */

import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Folders that are made here: for their owner alone. */
const FOLDER_MODE = 0o700;
/** Files that hold a private key. */
export const PRIVATE_FILE_MODE = 0o600;
/** Files that anybody who may enter the folder may read. */
export const PUBLIC_FILE_MODE = 0o644;

/**
 * The state folder cannot be used: it cannot be made, written or read, or what it holds is damaged. The message
 * is one sentence with the path and the remedy, fit to be shown as it is; `cause` is the error of the file
 * system, where there is one.
 */
export class StateFolderError extends Error {
  override readonly name = 'StateFolderError';
}

/** Node's error code of a failed file system call (`EACCES`), or `undefined` for anything else. */
function fileSystemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function unusable(folder: string, error: unknown): StateFolderError {
  const reason = fileSystemErrorCode(error) ?? String(error);
  return new StateFolderError(
    `The sandbox cannot keep its keys in ${folder} (${reason}): choose a state folder that this user can write to.`,
    { cause: error },
  );
}

/**
 * Makes the folder, and those above it, with mode 0700 where they are missing. A folder that is there already
 * keeps its mode, because it may be somebody's who chose it.
 *
 * @throws StateFolderError
 */
export async function makeStateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw unusable(folder, error);
  }
}

/**
 * The text of a file, or `undefined` where there is none.
 *
 * @throws StateFolderError when it is there and cannot be read.
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
 * Puts a file in place whole: written beside it, flushed to the disk, then renamed over it, so that a crash leaves
 * either the old file or the new one.
 *
 * @throws StateFolderError
 */
export async function writeStateFile(folder: string, name: string, file: StateFile): Promise<void> {
  await writeBeside(folder, name, file, rename);
}

/**
 * As `writeStateFile`, but does not replace: of two processes that try at once, one does it.
 *
 * @returns Whether this call put the file there; `false` when there was one.
 * @throws StateFolderError
 */
export async function createStateFile(folder: string, name: string, file: StateFile): Promise<boolean> {
  let isCreated = true;
  await writeBeside(folder, name, file, async (beside, target) => {
    try {
      await link(beside, target);
    } catch (error) {
      const code = fileSystemErrorCode(error);
      if (code === 'EEXIST') isCreated = false;
      // A file system without hard links (exFAT, some network shares): whole still, but the last of two wins.
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
    // There after a failure and after a link. What cannot be removed is worth less than the error before it.
    await rm(beside, { force: true }).catch(() => undefined);
  }
}
