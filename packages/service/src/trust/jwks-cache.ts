import { JwksError, parseStrictJson } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { type HttpsClient, isHttpsUrl } from './https-client.ts';

/** Keys by their `kid`. */
export interface KeysByKid<Key> {
  keyFor(kid: string): Promise<Key | undefined>;
}

export interface JwksCacheOptions<Key> {
  readonly url: string;
  readonly https: Pick<HttpsClient, 'exchange'>;
  /** Age at which the keys are fetched anew, in the background. */
  readonly maxAgeMs: number;
  /** Shortest time between the beginnings of two fetches, whatever is asked for and whether they succeed. */
  readonly refetchMinMs: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Takes the usable keys out of a JWKS. @throws {JwksError} */
  readonly importKeys: (jwks: unknown) => KeysByKid<Key> | Promise<KeysByKid<Key>>;
  /** Told of each fetch that failed, since old keys hide it from everybody else. */
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

/** Told of a fetch of keys that failed; `reason` is for the log. */
export type OnFetchFailed = (failure: { readonly url: string; readonly reason: string }) => void;

/** The keys behind a JWKS URL were never had, and cannot be had now. `message` is for the log. */
export class JwksUnavailableError extends Error {
  override readonly name = 'JwksUnavailableError';
}

/** Longest JWKS that is read; it holds certificates (`x5c`) too. */
export const JWKS_BYTES_MAX = 262_144;

/**
 * Keeps the keys of one JWKS URL (RFC 7517; rules, section 8). They are fetched when first needed, in one request for
 * all who ask meanwhile. Keys older than `maxAgeMs` are still given out while they are fetched anew, so nobody waits
 * for a JWKS that is slow or down; a refresh that fails keeps them, for as long as it takes. So a key that was taken
 * out is believed until the fetch that its next use starts has ended. A `kid` that is not known is waited for: it may
 * be new. Rejects with {@link JwksUnavailableError} only while no keys were ever had.
 *
 * @throws {JwksError} when the URL is not https
 */
export function createJwksCache<Key>(options: JwksCacheOptions<Key>): KeysByKid<Key> {
  if (!isHttpsUrl(options.url)) throw new JwksError('A JWKS URL must be https, without user name and password.');
  const { clock, maxAgeMs, refetchMinMs } = options;
  let keys: KeysByKid<Key> | undefined;
  let fetchedAtMs = 0;
  let beganAtMs: number | undefined;
  let failure: unknown;
  let underWay: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const startedAtMs = clock.monotonicMs();
    beganAtMs = startedAtMs;
    try {
      keys = await fetchKeys(options);
      fetchedAtMs = startedAtMs;
    } catch (error) {
      failure = error;
      options.onFetchFailed?.({ url: options.url, reason: reasonOf(error) });
    } finally {
      underWay = undefined;
    }
  }

  /** Never rejects. Undefined when it is too early to ask again. */
  function refreshUnlessTooEarly(): Promise<void> | undefined {
    if (underWay === undefined && (beganAtMs === undefined || clock.monotonicMs() - beganAtMs >= refetchMinMs)) {
      underWay = refresh();
    }
    return underWay;
  }

  return {
    keyFor: async (kid) => {
      const known = await keys?.keyFor(kid);
      if (known === undefined) {
        await refreshUnlessTooEarly();
        if (keys === undefined) {
          throw new JwksUnavailableError(`the JWKS cannot be had: ${reasonOf(failure)}`, { cause: failure });
        }
        return await keys.keyFor(kid);
      }
      if (clock.monotonicMs() - fetchedAtMs >= maxAgeMs) void refreshUnlessTooEarly();
      return known;
    },
  };
}

async function fetchKeys<Key>({ https, url, importKeys }: JwksCacheOptions<Key>): Promise<KeysByKid<Key>> {
  const headers = { accept: 'application/jwk-set+json, application/json' };
  const { status, body } = await https.exchange({ url, headers });
  if (status !== 200) throw new JwksError(`The JWKS was answered with status ${status}.`);
  return await importKeys(parseStrictJson(body));
}

function reasonOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : 'unknown';
}
