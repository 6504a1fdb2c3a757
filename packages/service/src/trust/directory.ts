import { importSigningKeys, isJsonObject, JwksError, keysOfJwks, type SigningKeySet } from '@tidings/protocol';
import { calculateJwkThumbprint } from 'jose';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/schema.ts';
import { createHttpsClient } from '../net/https-client.ts';
import { createJwksCache, JWKS_BYTES_MAX, type KeysByKid, type OnFetchFailed } from './jwks-cache.ts';
import type { JwtKey } from './strict-jwt.ts';

/** The keys with which the directory signs software statements. */
export interface DirectoryKeys extends KeysByKid<JwtKey> {
  /** Aborts a fetch under way. */
  close(): Promise<void>;
}

export interface DirectoryKeysOptions {
  readonly directory: Pick<
    NonNullable<Config['directory']>,
    'jwksUrl' | 'keyThumbprints' | 'timeoutMs' | 'maxAgeMs' | 'hardMaxAgeMs' | 'refetchMinMs'
  >;
  /** Content of `directory.jwksFile`; undefined where there is a URL. */
  readonly jwks: unknown;
  /** Root certificates, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs' | 'after'>;
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

/**
 * Opens the keys of the directory, from a file, or from a URL, whose keys are cached as those of TPPs are. Where thumbprints are
 * configured, other keys are ignored, whoever serves them.
 *
 * @throws {JwksError} when the file has no JWKS, or none of the keys that are configured
 */
export async function openDirectoryKeys(options: DirectoryKeysOptions): Promise<DirectoryKeys> {
  const { directory, jwks, ca, clock, onFetchFailed } = options;
  const { jwksUrl: url, keyThumbprints: thumbprints, timeoutMs } = directory;
  const importKeys = (found: unknown) => importPinnedKeys(found, thumbprints);
  if (url === undefined) return { ...(await importKeys(jwks)), close: async () => undefined };
  const https = createHttpsClient({
    ...{ tls: { ca }, guard: undefined, timeoutMs, responseBytesMax: JWKS_BYTES_MAX, clock },
  });
  const { keyFor } = createJwksCache({ ...directory, url, https, clock, onFetchFailed, importKeys });
  return { keyFor, close: () => https.close() };
}

async function importPinnedKeys(jwks: unknown, thumbprints: readonly string[] | undefined): Promise<SigningKeySet> {
  if (thumbprints === undefined) return await importSigningKeys(jwks);
  const keys = keysOfJwks(jwks);
  const found = await Promise.all(keys.map(thumbprintOf));
  const pinned = keys.filter((_, at) => thumbprints.includes(found[at] ?? ''));
  if (pinned.length > 0) return await importSigningKeys({ keys: pinned });
  const others = found.filter((each) => each !== undefined).slice(0, SHOWN_MAX);
  throw new JwksError(
    `The JWKS of the directory has no key of "directory.keyThumbprints"; it has ${others.join(', ') || 'none at all'}.`,
  );
}

const SHOWN_MAX = 5;

/** RFC 7638, SHA-256; undefined where it has none. */
async function thumbprintOf(jwk: unknown): Promise<string | undefined> {
  if (!isJsonObject(jwk)) return undefined;
  return await calculateJwkThumbprint(jwk, 'sha256').catch(() => undefined);
}
