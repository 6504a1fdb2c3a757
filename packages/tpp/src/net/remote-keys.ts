import {
  importSigningKeys,
  type KeySource,
  parseStrictJson,
  type SigningKeySet,
  StrictJsonError,
} from '@tidings/protocol';
import { systemNowMs } from '../clock.ts';
import { createTlsFetch, type TlsFetch, type TlsTransport } from './tls-fetch.ts';

/** Where keys are fetched from, and how often. */
export interface RemoteKeysOptions {
  /** The JWKS of the one participant whose signatures are verified; https. */
  readonly url: string;
  /** Trusted authorities, and a client certificate where the JWKS demands one. */
  readonly transport?: TlsTransport;
  /** Shortest time between two requests. Default 30 000. */
  readonly cooldownMs?: number;
  /** Keys older than this are fetched anew before they are used. Default 600 000 (10 minutes). */
  readonly maxAgeMs?: number;
  /** Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
}

/** The keys were never had, and could not be had now. */
export class RemoteKeysError extends Error {
  override readonly name = 'RemoteKeysError';
}

const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;
const JWKS_BYTES_MAX = 262_144;

/**
 * Keeps the keys of a JWKS URL (RFC 7517; rules, section 8). They are fetched when first needed, when they are too old,
 * and when a `kid` is not among them; never more than once per `cooldownMs`, whatever comes in, and one request at a
 * time. A refresh that fails keeps the old keys, for as long as it takes: a JWKS that is down must not stop
 * notifications, so a key that was revoked meanwhile is believed until the JWKS answers again. No redirect is followed.
 *
 * @returns a source that rejects with {@link RemoteKeysError} only while no keys were ever had
 * @throws {TypeError} when `url` is not https, or `transport` is not PEM
 */
export function remoteKeys(options: RemoteKeysOptions): KeySource {
  const { url, cooldownMs = COOLDOWN_MS, maxAgeMs = MAX_AGE_MS, now = systemNowMs } = options;
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') throw new TypeError('url must be an https URL');
  const tlsFetch = createTlsFetch({ ...options, responseBytesMax: JWKS_BYTES_MAX, keepAlive: false });
  let keys: SigningKeySet | undefined;
  let fetchedAtMs = 0;
  let askedAtMs: number | undefined;
  let failure: unknown;
  let underWay: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    try {
      keys = await fetchKeys(tlsFetch, url);
      fetchedAtMs = now();
    } catch (error) {
      failure = error;
    } finally {
      askedAtMs = now();
      underWay = undefined;
    }
  }

  function refreshUnlessCooling(): Promise<void> | undefined {
    if (underWay === undefined && (askedAtMs === undefined || hasPassed(cooldownMs, askedAtMs, now()))) {
      underWay = refresh();
    }
    return underWay;
  }

  return {
    keyFor: async (kid) => {
      if (keys === undefined || hasPassed(maxAgeMs, fetchedAtMs, now())) await refreshUnlessCooling();
      const known = await keys?.keyFor(kid);
      if (known !== undefined) return known;
      await refreshUnlessCooling();
      if (keys === undefined) throw new RemoteKeysError('The JWKS could not be had.', { cause: failure });
      return await keys.keyFor(kid);
    },
  };
}

/** A clock that was set back counts as time that has passed, so that nobody waits for it to catch up. */
function hasPassed(durationMs: number, sinceMs: number, nowMs: number): boolean {
  return nowMs < sinceMs || nowMs - sinceMs >= durationMs;
}

async function fetchKeys(tlsFetch: TlsFetch, url: string): Promise<SigningKeySet> {
  const response = await tlsFetch(url, { headers: { accept: 'application/jwk-set+json, application/json' } });
  if (response.status !== 200) throw new RemoteKeysError(`The JWKS was answered with status ${response.status}.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  try {
    return await importSigningKeys(parseStrictJson(bytes));
  } catch (error) {
    if (error instanceof StrictJsonError) throw new RemoteKeysError(`The JWKS ${error.message}.`, { cause: error });
    throw error;
  }
}
