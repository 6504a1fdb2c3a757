import { JwksError, parseStrictJson, StrictJsonError, withoutRevokedKeys } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { type HttpsClient, HttpsError, isHttpsUrl } from '../net/https-client.ts';

/** Keys by their `kid`. */
export interface KeysByKid<Key> {
  keyFor(kid: string): Promise<Key | undefined>;
}

/** How long fetched keys are used. */
export interface KeyAges {
  /** Age from which a fetch is waited for before keys are used; while it fails, they are used still. */
  readonly maxAgeMs: number;
  /** Age from which keys are not used at all, whatever a fetch comes to. */
  readonly hardMaxAgeMs: number;
}

export interface JwksCacheOptions<Key> extends KeyAges {
  readonly url: string;
  /** Where the same participant's revoked keys are listed; undefined: nowhere. */
  readonly revokedUrl?: string | undefined;
  readonly https: Pick<HttpsClient, 'exchange'>;
  /** Shortest time between the beginnings of two fetches; after one that succeeded, `maxAgeMs` if that is shorter. */
  readonly refetchMinMs: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Takes the usable keys out of a JWKS. @throws {JwksError} */
  readonly importKeys: (jwks: unknown) => KeysByKid<Key> | Promise<KeysByKid<Key>>;
  /** Told of each fetch that failed, since old keys hide it from everybody else. */
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

/** Told of a fetch of keys that failed; `reason` is for the log. */
export type OnFetchFailed = (failure: { readonly url: string; readonly reason: string }) => void;

/** The keys behind a JWKS URL are unavailable: none was fetched, or none recently enough. `message` is for the log. */
export class JwksUnavailableError extends Error {
  override readonly name: string = 'JwksUnavailableError';
}

/** The URL answers, but with what cannot be used as a JWKS. `message` is fit to be shown to whoever publishes it. */
export class JwksUnusableError extends JwksUnavailableError {
  override readonly name = 'JwksUnusableError';
}

/** Longest JWKS that is read; it holds certificates (`x5c`) too. */
export const JWKS_BYTES_MAX = 262_144;

/**
 * Keeps the keys of one JWKS URL (RFC 7517; rules, section 8), without those that `revokedUrl` lists. They are fetched when
 * first needed, in one request for all who ask meanwhile.
 *
 * A key that was removed or revoked is used for `maxAgeMs` at most: from half that age on keys are fetched in the
 * background, and from that age on a fetch is waited for. A fetch that fails keeps the old keys, so that a JWKS that is
 * down stops nobody at once; after one without any answer the next is not waited for either. From `hardMaxAgeMs` on no old
 * key is used any more. A `kid` that is not known is waited for: it may be new.
 *
 * Its keys reject with {@link JwksUnusableError} or {@link JwksUnavailableError} while there are none that may be used.
 *
 * @throws {JwksError} when a URL is not https
 */
export function createJwksCache<Key>(options: JwksCacheOptions<Key>): KeysByKid<Key> {
  const { url, revokedUrl = url, clock, maxAgeMs, hardMaxAgeMs, refetchMinMs } = options;
  if (![url, revokedUrl].every(isHttpsUrl)) {
    throw new JwksError('A JWKS URL must be https, without user name and password.');
  }
  let fetched: { readonly keys: KeysByKid<Key>; readonly atMs: number } | undefined;
  let beganAtMs: number | undefined;
  let failure: unknown;
  let underWay: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const startedAtMs = clock.monotonicMs();
    beganAtMs = startedAtMs;
    try {
      // Their age counts from the request: what changed while it was answered may not be in the answer.
      fetched = { keys: await fetchKeys(options), atMs: startedAtMs };
      failure = undefined;
    } catch (error) {
      failure = error;
      options.onFetchFailed?.({ url, reason: reasonOf(error) });
    } finally {
      underWay = undefined;
    }
  }

  /** Never rejects. Undefined when it is too early to ask again. */
  function refreshUnlessTooEarly(): Promise<void> | undefined {
    const waitMs = failure === undefined ? Math.min(refetchMinMs, maxAgeMs) : refetchMinMs;
    const isEarly = beganAtMs !== undefined && clock.monotonicMs() - beganAtMs < waitMs;
    if (underWay === undefined && !isEarly) underWay = refresh();
    return underWay;
  }

  const ageMs = () => (fetched === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() - fetched.atMs);

  async function refreshByAge(): Promise<void> {
    if (ageMs() < maxAgeMs / 2) return;
    const wasAnswered = !(failure instanceof HttpsError);
    const refreshing = refreshUnlessTooEarly();
    if (ageMs() >= hardMaxAgeMs || (ageMs() >= maxAgeMs && wasAnswered)) await refreshing;
  }

  function usableKeys(): KeysByKid<Key> {
    if (fetched !== undefined && ageMs() < hardMaxAgeMs) return fetched.keys;
    throw unavailable(failure);
  }

  return {
    keyFor: async (kid) => {
      await refreshByAge();
      const known = await usableKeys().keyFor(kid);
      if (known !== undefined) return known;
      await refreshUnlessTooEarly();
      return await usableKeys().keyFor(kid);
    },
  };
}

function unavailable(cause: unknown): JwksUnavailableError {
  const reason = reasonOf(cause);
  if (cause instanceof JwksError) return new JwksUnusableError(reason, { cause });
  return new JwksUnavailableError(`the JWKS is unavailable: ${reason}`, { cause });
}

/** Both documents, or neither: keys without what is known of their revocation are not used. */
async function fetchKeys<Key>(options: JwksCacheOptions<Key>): Promise<KeysByKid<Key>> {
  const { https, url, revokedUrl, importKeys } = options;
  const [jwks, revoked] = await Promise.all([
    fetchJwks(https, url, 'JWKS'),
    revokedUrl === undefined ? undefined : fetchJwks(https, revokedUrl, 'JWKS of revoked keys'),
  ]);
  return await importKeys(revoked === undefined ? jwks : withoutRevokedKeys(jwks, revoked));
}

/** @throws {JwksError} when it is answered with what is no JWKS; {StatusError}, {HttpsError} */
async function fetchJwks(https: Pick<HttpsClient, 'exchange'>, url: string, name: string): Promise<unknown> {
  const headers = { accept: 'application/jwk-set+json, application/json' };
  const { status, body } = await https.exchange({ url, headers }).catch((error: unknown) => {
    if (!isTooLong(error)) throw error;
    throw new JwksError(`The ${name} has more than ${JWKS_BYTES_MAX} bytes.`, { cause: error });
  });
  if (status !== 200) throw new StatusError(`the ${name} was answered with status ${status}`);
  try {
    return parseStrictJson(body);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new JwksError(`The ${name} ${error.message}.`, { cause: error });
  }
}

/** An answer without a JWKS: whether the publisher or a server in between is at fault is not known. */
class StatusError extends Error {
  override readonly name = 'StatusError';
}

function isTooLong(error: unknown): boolean {
  return error instanceof HttpsError && error.message === 'UND_ERR_RES_EXCEEDED_MAX_SIZE';
}

function reasonOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : 'unknown';
}
