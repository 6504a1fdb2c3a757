import { readFile } from 'node:fs/promises';
import { importSigningKeys, JwksError, type KeySource, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { remoteKeys } from '../net/remote-keys.ts';
import { TlsFetchError } from '../net/tls-fetch.ts';
import { safeText } from '../safe-text.ts';

/** Effects of the command line. */
export interface CliEffects {
  print(line: string): void;
  nowMs(): number;
  /** Resolves when whoever started the command wants it to end. */
  untilInterrupted(): Promise<void>;
}

/** Wrong use of the command line. `message` names the argument and the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Exit code of a {@link UsageError}. */
export const BAD_USE = 2;

/** Longest value of a token, or of an argument, that is printed. */
export const VALUE_CHARS_MAX = 200;

/** Reads a file that an option names. @throws {UsageError} when it cannot be read */
export async function readText(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new UsageError(`${option}: the file ${safeText(file, VALUE_CHARS_MAX)} cannot be read (${code}).`);
  }
}

/**
 * The keys of the bank.
 *
 * @param place the URL of the JWKS, or a file that holds it
 * @param caFile the certificate authority of the URL, where it is a private one
 * @throws {UsageError}
 */
export async function keysOf(place: string, caFile: string | undefined): Promise<KeySource> {
  if (/^https?:/.test(place)) {
    const transport = caFile === undefined ? {} : { caPem: await readText('--ca-file', caFile) };
    try {
      return remoteKeys({ url: place, transport });
    } catch (error) {
      if (error instanceof TypeError || error instanceof TlsFetchError)
        throw new UsageError(`--jwks: ${safeText(error.message, VALUE_CHARS_MAX)}.`);
      throw error;
    }
  }
  try {
    return await importSigningKeys(parseStrictJson(new TextEncoder().encode(await readText('--jwks', place))));
  } catch (error) {
    if (error instanceof JwksError || error instanceof StrictJsonError)
      throw new UsageError(`--jwks: ${safeText(place, VALUE_CHARS_MAX)} is not a JWKS: ${error.message}`);
    throw error;
  }
}
