import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError } from 'commander';
import { printError } from '../base/output.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses a duration such as 10m or 24h. @returns milliseconds. @throws {InvalidArgumentError} */
export function readDuration(text: string): number {
  const [, number, unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  if (number !== undefined && unitMs !== undefined) return Number(number) * unitMs;
  throw new InvalidArgumentError('It must be a whole number followed by s, m, h or d, such as 10m or 24h.');
}

/** Creates a parser of whole numbers from 1. @param max the largest; default: 999999 */
export function wholeNumber(max = 999_999): (text: string) => number {
  return (text) => {
    if (/^[1-9]\d{0,5}$/.test(text) && Number(text) <= max) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
  };
}

/** File descriptor of standard input. */
const STANDARD_INPUT = 0;

/**
 * Reads a file given on the command line; `-` is standard input.
 *
 * @param flag the flag that gives it; undefined: it is an argument
 * @throws {CliError} naming flag and file
 */
export function readNamedFile(flag: string | undefined, file: string): string {
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8');
  } catch (error) {
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}${givenBy(flag)} ${why}.`);
  }
}

const PEM_KINDS = {
  certificate: { begins: /^-----BEGIN CERTIFICATE-----$/m, shown: '-----BEGIN CERTIFICATE-----' },
  'private key': { begins: /^-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----$/m, shown: '-----BEGIN PRIVATE KEY-----' },
} as const;

/**
 * Reads a file given on the command line that must hold PEM of this kind.
 *
 * @throws {CliError} naming flag and file
 */
export async function readPemFile(flag: string, file: string, kind: keyof typeof PEM_KINDS): Promise<string> {
  const pem = readNamedFile(flag, file);
  const { begins, shown } = PEM_KINDS[kind];
  if (!begins.test(pem.replaceAll('\r\n', '\n'))) {
    const remedy = `give a PEM file, which has a line "${shown}"`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}, given by ${flag}, holds no ${kind}; ${remedy}.`);
  }
  const { createPrivateKey, X509Certificate } = await import('node:crypto');
  try {
    if (kind === 'private key') createPrivateKey(pem);
    else for (const [one] of pem.matchAll(CERTIFICATE)) new X509Certificate(one);
  } catch {
    const why = kind === 'private key' ? 'is damaged or encrypted' : 'is damaged';
    throw new CliError(EXIT_CONFIGURATION, `The ${kind} in the file ${file}, given by ${flag}, ${why}; replace it.`);
  }
  return pem;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Creates a file that only its owner may read, and opens it for writing. Never overwrites a file.
 *
 * @param flag the flag that gives it; undefined: it is an argument
 * @throws {CliError} naming the file, if it exists or cannot be written
 */
export async function createFile(file: string, flag?: string): Promise<FileHandle> {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    const code = systemErrorCode(error) ?? 'unknown';
    const why = WHY_NOT_CREATED[code] ?? `cannot be written (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}${givenBy(flag)} ${why}.`);
  }
}

const WHY_NOT_CREATED: Readonly<Record<string, string>> = {
  EEXIST: 'already exists and is not overwritten; choose another name',
  ENOENT: 'cannot be created because its folder does not exist',
};

const givenBy = (flag: string | undefined) => (flag === undefined ? '' : `, given by ${flag},`);

/**
 * Asks for confirmation; only `y` or `yes` confirms.
 *
 * @param declined the message of the error after any other answer
 * @throws {CliError}
 */
export async function confirm(question: string, declined: string): Promise<void> {
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT_CONFIGURATION, declined);
}

/** Asks a question at the terminal. @returns one line */
export async function ask(question: string): Promise<string> {
  printError(question);
  const terminal = createInterface({ input: process.stdin });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
  }
}
