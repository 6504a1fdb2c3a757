import {
  importSigningKeys,
  JwksError,
  type KeySource,
  parseStrictJson,
  type SigningKeySet,
  StrictJsonError,
  withoutRevokedKeys,
} from '@tidings/protocol';
import { systemNowMs } from '../clock.ts';
import { createTlsFetch, type TlsFetch, TlsFetchError, type TlsTransport } from './tls-fetch.ts';

/** Options of {@link remoteKeys}. */
export interface RemoteKeysOptions {
  /** URL of the JWKS of the participant whose signatures are verified; https. */
  readonly url: string;
  /** URL of the JWKS of the participant's revoked keys; https. By default revocation is not checked. */
  readonly revokedUrl?: string;
  /**
   * `caPem`: the authorities to trust instead of the public ones, where the server's certificate is from a private one.
   * `certificatePem` and `keyPem`: a client certificate, where the server requires one.
   */
  readonly transport?: TlsTransport;
  /** Minimum interval between requests; after a successful one, `maxAgeMs` if shorter. Default 30 000. */
  readonly cooldownMs?: number;
  /** Age from which keys are refreshed before use. Default 600 000 (10 minutes). */
  readonly maxAgeMs?: number;
  /** Age from which keys are not used even if the refresh fails. Default 3 600 000 (1 hour). */
  readonly hardMaxAgeMs?: number;
  /** Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
}

/**
 * The keys are unavailable: they were never fetched, or are older than `hardMaxAgeMs`. `message` says why, with the URL
 * and the remedy where it is known.
 */
export class RemoteKeysError extends Error {
  override readonly name = 'RemoteKeysError';
}

/** Why keys are unavailable, for a message. The errors of another {@link KeySource} are not shown. */
export function keysFailure(error: unknown): string {
  return error instanceof RemoteKeysError ? error.message : 'The verification keys could not be fetched.';
}

const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;
const HARD_MAX_AGE_MS = 3_600_000;
const JWKS_BYTES_MAX = 262_144;

/**
 * Creates a cache of the keys of a JWKS URL (RFC 7517; rules, section 8). Keys are fetched when first needed, when
 * older than `maxAgeMs`, and when a `kid` is unknown: one request at a time, and never more than one per `cooldownMs`.
 * A failed refresh keeps the old keys, because a short outage of the JWKS must not stop notifications. Beyond
 * `hardMaxAgeMs` they are no longer used, so that a removed or revoked key is not trusted for ever. Redirects are not
 * followed.
 *
 * @returns a source that rejects with {@link RemoteKeysError} while it has no keys, or only keys that are too old
 * @throws {TypeError} when a URL is not https, `transport` is not valid PEM, or `hardMaxAgeMs` is below `maxAgeMs`
 */
export function remoteKeys(options: RemoteKeysOptions): KeySource {
  const { url, revokedUrl, cooldownMs = COOLDOWN_MS, maxAgeMs = MAX_AGE_MS, now = systemNowMs } = options;
  const { hardMaxAgeMs = Math.max(HARD_MAX_AGE_MS, maxAgeMs) } = options;
  checkUrl('url', url);
  if (revokedUrl !== undefined) checkUrl('revokedUrl', revokedUrl);
  if (hardMaxAgeMs < maxAgeMs) throw new TypeError('hardMaxAgeMs must not be below maxAgeMs');
  const tlsFetch = createTlsFetch({ ...options, responseBytesMax: JWKS_BYTES_MAX, keepAlive: false });
  let keys: SigningKeySet | undefined;
  let fetchedAtMs = 0;
  let askedAtMs: number | undefined;
  let failure: unknown;
  let underWay: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    try {
      const startedAtMs = now();
      keys = await fetchKeys(tlsFetch, url, revokedUrl);
      fetchedAtMs = startedAtMs;
      failure = undefined;
    } catch (error) {
      failure = error;
    } finally {
      askedAtMs = now();
      underWay = undefined;
    }
  }

  function refreshUnlessCooling(): Promise<void> | undefined {
    const waitMs = failure === undefined ? Math.min(cooldownMs, maxAgeMs) : cooldownMs;
    if (underWay === undefined && (askedAtMs === undefined || hasPassed(waitMs, askedAtMs, now()))) {
      underWay = refresh();
    }
    return underWay;
  }

  function usableKeys(): SigningKeySet {
    if (keys !== undefined && !hasPassed(hardMaxAgeMs, fetchedAtMs, now())) return keys;
    throw new RemoteKeysError(`The JWKS ${shown(url)} is unavailable. ${whyOf(failure)}`, { cause: failure });
  }

  return {
    keyFor: async (kid) => {
      if (keys === undefined || hasPassed(maxAgeMs, fetchedAtMs, now())) await refreshUnlessCooling();
      const known = await usableKeys().keyFor(kid);
      if (known !== undefined) return known;
      await refreshUnlessCooling();
      return await usableKeys().keyFor(kid);
    },
  };
}

/** The URL as it may be logged, without the parts that can hold a secret. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function whyOf(failure: unknown): string {
  if (failure instanceof TlsFetchError || failure instanceof RemoteKeysError || failure instanceof JwksError)
    return failure.message;
  return 'The keys are too old, and could not be refreshed.';
}

/** True also when the clock was set back, so that a refresh never waits for the clock to catch up. */
function hasPassed(durationMs: number, sinceMs: number, nowMs: number): boolean {
  return nowMs < sinceMs || nowMs - sinceMs >= durationMs;
}

function checkUrl(option: string, url: string): void {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') throw new TypeError(`${option} must be an https URL`);
}

/** Fetches both documents or fails: keys are not used without their revocation list. */
async function fetchKeys(tlsFetch: TlsFetch, url: string, revokedUrl: string | undefined): Promise<SigningKeySet> {
  const [jwks, revoked] = await Promise.all([
    fetchJwks(tlsFetch, url),
    revokedUrl === undefined ? undefined : fetchJwks(tlsFetch, revokedUrl),
  ]);
  return await importSigningKeys(revoked === undefined ? jwks : withoutRevokedKeys(jwks, revoked));
}

async function fetchJwks(tlsFetch: TlsFetch, url: string): Promise<unknown> {
  const response = await tlsFetch(url, { headers: { accept: 'application/jwk-set+json, application/json' } });
  if (response.status !== 200) throw new RemoteKeysError(`${shown(url)} was answered with status ${response.status}.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  try {
    return parseStrictJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError)
      throw new RemoteKeysError(`${shown(url)} ${error.message}.`, { cause: error });
    throw error;
  }
}
