import { readFileSync } from 'node:fs';
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
