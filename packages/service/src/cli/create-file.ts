import { type FileHandle, open } from 'node:fs/promises';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';

/**
 * Creates a file for its owner only, and opens it for writing. Never overwrites one that is there.
 *
 * @throws {CliError} naming the file, when it exists or cannot be written
 */
export async function createFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'EEXIST' ? 'exists, and is not overwritten' : `cannot be written (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file} ${why}.`);
  }
}
