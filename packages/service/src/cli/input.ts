import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError } from 'commander';
import { printError } from '../base/output.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads a length of time, such as 10m or 24h. @returns milliseconds. @throws {InvalidArgumentError} */
export function readDuration(text: string): number {
  const [, number, unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  if (number !== undefined && unitMs !== undefined) return Number(number) * unitMs;
  throw new InvalidArgumentError('It must be a number with s, m, h or d, such as 10m or 24h.');
}

const NUMBER_MAX = 999_999;

/** Makes a reader of whole numbers from 1. @param max the largest; undefined: it has at most six digits */
export function wholeNumber(max?: number): (text: string) => number {
  return (text) => {
    if (/^[1-9]\d{0,5}$/.test(text) && Number(text) <= (max ?? NUMBER_MAX)) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number from 1${max === undefined ? '' : ` to ${max}`}.`);
  };
}

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

/** Asks a person whether to go on; only yes is yes. @throws {CliError} saying what was not done, for anything else */
export async function confirm(question: string, otherwise: string): Promise<void> {
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT_CONFIGURATION, otherwise);
}

/** Asks a person at the terminal. @returns one line */
export async function ask(question: string): Promise<string> {
  printError(question);
  const terminal = createInterface({ input: process.stdin });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
  }
}
