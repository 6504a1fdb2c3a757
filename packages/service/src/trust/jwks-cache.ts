import {
  isJsonObject,
  JwksError,
  keysOfJwks,
  parseStrictJson,
  StrictJsonError,
  withoutRevokedKeys,
} from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { type HttpsClient, HttpsError, isHttpsUrl } from '../net/https-client.ts';

/** Keys by their `kid`. */
export interface KeysByKid<Key> {
  keyFor(kid: string): Promise<Key | undefined>;
}

/** Maximum ages of fetched keys. */
export interface KeyAges {
  /** Age from which a fetch is awaited before keys are used. While fetches fail, the keys are still used. */
  readonly maxAgeMs: number;
  /** Age from which keys are never used. */
  readonly hardMaxAgeMs: number;
}

/** Keys behind a JWKS URL, which are fetched when they are needed. */
export interface JwksCache<Key, Keys> extends KeysByKid<Key> {
  /** Its state now. Fetches nothing. */
  state(): JwksCacheState<Keys>;
}

/** The state of a cache: the keys that it holds, and how fetching went. */
export interface JwksCacheState<Keys> {
  /** The keys of the last fetch that succeeded; undefined: none did. */
  readonly fetched: FetchedKeys<Keys> | undefined;
  /** The last fetch that failed; undefined: none did. */
  readonly lastFailure: FetchFailure | undefined;
}

/** Keys that were fetched. */
interface FetchedKeys<Keys> {
  readonly keys: Keys;
  /** kids of keys of the JWKS that were left out because the list of revoked keys has them. */
  readonly revokedKids: readonly string[];
  /** When the request for them was sent. */
  readonly fetchedAtMs: number;
  /** They are not used from then on, unless they are fetched again. */
  readonly usableUntilMs: number;
}

/** A fetch that failed; `reason` is for the operator. */
interface FetchFailure {
  readonly atMs: number;
  readonly reason: string;
}

export interface JwksCacheOptions<Key, Keys> extends KeyAges {
  readonly url: string;
  /** URL of the list of the same participant's revoked keys, if there is one. */
  readonly revokedUrl?: string | undefined;
  readonly https: Pick<HttpsClient, 'exchange'>;
  /** Shortest time between the beginnings of two fetches; after one that succeeded, `maxAgeMs` if that is shorter. */
  readonly refetchMinMs: number;
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  /** Takes the usable keys out of a JWKS. @throws {JwksError} */
  readonly importKeys: (jwks: unknown) => (Keys & KeysByKid<Key>) | Promise<Keys & KeysByKid<Key>>;
  /** Optional observer of failed fetches, which cached keys hide from everybody else. */
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

/** Observer of a failed fetch of keys; `reason` is for the log. */
export type OnFetchFailed = (failure: { readonly url: string; readonly reason: string }) => void;

/** The keys behind a JWKS URL are unavailable: none was fetched, or none recently enough. `message` is for the log. */
export class JwksUnavailableError extends Error {
  override readonly name: string = 'JwksUnavailableError';
}

/** The URL does not serve a usable JWKS. `message` may be shown to its publisher. */
export class JwksUnusableError extends JwksUnavailableError {
  override readonly name = 'JwksUnusableError';
}

/** Longest JWKS that is read; it holds certificates (`x5c`) too. */
export const JWKS_BYTES_MAX = 262_144;

/**
 * Caches the keys of one JWKS URL (RFC 7517; rules, section 8), without those that `revokedUrl` lists. They are fetched when
 * first needed; concurrent callers share one request.
 *
 * A removed or revoked key is used for `maxAgeMs` at most: from half that age keys are fetched in the background, and from
 * that age a fetch is awaited. After a failed fetch the old keys are used, so that a JWKS that is down stops nobody at once;
 * after a fetch without any answer the next is not awaited either. From `hardMaxAgeMs` old keys are not used. For an unknown
 * `kid` a fetch is awaited: the key may be new.
 *
 * `keyFor` rejects with {@link JwksUnusableError} or {@link JwksUnavailableError} while no key may be used.
 *
 * @throws {JwksError} when a URL is not https
 */
export function createJwksCache<Key, Keys>(options: JwksCacheOptions<Key, Keys>): JwksCache<Key, Keys> {
  const { url, revokedUrl = url, clock, maxAgeMs, hardMaxAgeMs, refetchMinMs } = options;
  if (![url, revokedUrl].every(isHttpsUrl)) {
    throw new JwksError('A JWKS URL must be https, without user name and password.');
  }
  let fetched: (FetchedKeys<Keys & KeysByKid<Key>> & { readonly atMs: number }) | undefined;
  let beganAtMs: number | undefined;
  // Of the last fetch; undefined: it succeeded.
  let failure: unknown;
  let lastFailure: FetchFailure | undefined;
  let underWay: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const startedAtMs = clock.monotonicMs();
    beganAtMs = startedAtMs;
    // Their age counts from the request, since later changes may be missing in the answer.
    const fetchedAtMs = clock.nowMs();
    try {
      const found = await fetchKeys(options);
      fetched = { ...found, atMs: startedAtMs, fetchedAtMs, usableUntilMs: fetchedAtMs + hardMaxAgeMs };
      failure = undefined;
    } catch (error) {
      failure = error;
      lastFailure = { atMs: clock.nowMs(), reason: reasonOf(error) };
      options.onFetchFailed?.({ url, reason: reasonOf(error) });
    } finally {
      underWay = undefined;
    }
  }

  /** Never rejects. Undefined when it is too early to fetch again. */
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
    state: () => ({ fetched, lastFailure }),
  };
}

function unavailable(cause: unknown): JwksUnavailableError {
  const reason = reasonOf(cause);
  if (cause instanceof JwksError) return new JwksUnusableError(reason, { cause });
  return new JwksUnavailableError(`the JWKS is unavailable: ${reason}`, { cause });
}

/** Fetches both documents: keys are not used without the list of revoked ones. */
async function fetchKeys<Key, Keys>(options: JwksCacheOptions<Key, Keys>) {
  const { https, url, revokedUrl, importKeys } = options;
  const [jwks, revoked] = await Promise.all([
    fetchJwks(https, url, 'JWKS'),
    revokedUrl === undefined ? undefined : fetchJwks(https, revokedUrl, 'JWKS of revoked keys'),
  ]);
  if (revoked === undefined) return { keys: await importKeys(jwks), revokedKids: [] };
  const kept = withoutRevokedKeys(jwks, revoked);
  const revokedKids = keysOfJwks(jwks)
    .filter((key) => !kept.keys.includes(key))
    .flatMap((key) => (isJsonObject(key) && typeof key['kid'] === 'string' ? [key['kid']] : []));
  return { keys: await importKeys(kept), revokedKids };
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
