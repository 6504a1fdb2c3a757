import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';

/** File descriptor of standard input. */
const STANDARD_INPUT = 0;

/** Reads a file that a flag names; `-` is standard input. @throws {CliError} naming flag and file */
export function readNamedFile(flag: string, file: string): string {
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8');
  } catch (error) {
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}, named by ${flag}, ${why}.`);
  }
}

/**
 * Creates a file for its owner only, and opens it for writing. Never overwrites one that is there.
 *
 * @param flag the flag that names it; undefined: it is the argument
 * @throws {CliError} naming the file, when it exists or cannot be written
 */
export async function createFile(file: string, flag?: string): Promise<FileHandle> {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'EEXIST' ? 'exists, and is not overwritten' : `cannot be written (${code})`;
    const named = flag === undefined ? '' : `, named by ${flag},`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}${named} ${why}.`);
  }
}
