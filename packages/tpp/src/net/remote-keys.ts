import {
  importSigningKeys,
  type KeySource,
  parseStrictJson,
  type SigningKeySet,
  StrictJsonError,
  withoutRevokedKeys,
} from '@tidings/protocol';
import { systemNowMs } from '../clock.ts';
import { createTlsFetch, type TlsFetch, type TlsTransport } from './tls-fetch.ts';

/** Where keys are fetched from, and how often. */
export interface RemoteKeysOptions {
  /** The JWKS of the one participant whose signatures are verified; https. */
  readonly url: string;
  /** Where the revoked keys of the same participant are listed, as a JWKS; https. Default: nowhere. */
  readonly revokedUrl?: string;
  /** Trusted authorities, and a client certificate where the JWKS demands one. */
  readonly transport?: TlsTransport;
  /** Shortest time between two requests; after one that succeeded, `maxAgeMs` if that is shorter. Default 30 000. */
  readonly cooldownMs?: number;
  /** Keys older than this are fetched again before they are used. Default 600 000 (10 minutes). */
  readonly maxAgeMs?: number;
  /** Keys older than this are not used at all, while they cannot be fetched. Default 3 600 000 (an hour). */
  readonly hardMaxAgeMs?: number;
  /** Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
}

/** The keys are unavailable: none was fetched, or none recently enough. */
export class RemoteKeysError extends Error {
  override readonly name = 'RemoteKeysError';
}

const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;
const HARD_MAX_AGE_MS = 3_600_000;
const JWKS_BYTES_MAX = 262_144;

/**
 * Keeps the keys of a JWKS URL (RFC 7517; rules, section 8). They are fetched when first needed, when they are too old,
 * and when a `kid` is not among them; never more than once per `cooldownMs`, whatever comes in, and one request at a
 * time. A refresh that fails keeps the old keys, since a JWKS that is down for a while must not stop notifications; from
 * `hardMaxAgeMs` on they are not used any more, so that a key that was removed or revoked is not believed for ever. No
 * redirect is followed.
 *
 * @returns a source that rejects with {@link RemoteKeysError} while there are no keys, or none but those that are too old
 * @throws {TypeError} when a URL is not https, `transport` is not PEM, or `hardMaxAgeMs` is below `maxAgeMs`
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
    throw new RemoteKeysError('The JWKS is unavailable.', { cause: failure });
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

/** A clock that was set back counts as time that has passed, so that nobody waits for it to catch up. */
function hasPassed(durationMs: number, sinceMs: number, nowMs: number): boolean {
  return nowMs < sinceMs || nowMs - sinceMs >= durationMs;
}

function checkUrl(option: string, url: string): void {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') throw new TypeError(`${option} must be an https URL`);
}

/** Both documents, or neither: keys without what is known of their revocation are not used. */
async function fetchKeys(tlsFetch: TlsFetch, url: string, revokedUrl: string | undefined): Promise<SigningKeySet> {
  const [jwks, revoked] = await Promise.all([
    fetchJwks(tlsFetch, url),
    revokedUrl === undefined ? undefined : fetchJwks(tlsFetch, revokedUrl),
  ]);
  return await importSigningKeys(revoked === undefined ? jwks : withoutRevokedKeys(jwks, revoked));
}

async function fetchJwks(tlsFetch: TlsFetch, url: string): Promise<unknown> {
  const response = await tlsFetch(url, { headers: { accept: 'application/jwk-set+json, application/json' } });
  if (response.status !== 200) throw new RemoteKeysError(`${url} was answered with status ${response.status}.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  try {
    return parseStrictJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new RemoteKeysError(`${url} ${error.message}.`, { cause: error });
    throw error;
  }
}
