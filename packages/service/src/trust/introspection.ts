import { createHash } from 'node:crypto';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import type { GrantMark } from '../config/derived.ts';
import { type HttpsClient, HttpsError } from '../net/https-client.ts';
import { type BoundToken, readBoundToken, refused, type TokenReader, type TokenRefused } from './bound-token.ts';

export interface IntrospectionOptions {
  readonly introspectionUrl: string;
  /** Sent as `client_id` where the endpoint identifies its callers by mutual TLS (RFC 8705 section 2). */
  readonly introspectionClientId?: string | undefined;
  readonly issuer: string;
  readonly audience: string;
  readonly clockSkewSeconds: number;
  /** As in {@link readBoundToken}. */
  readonly clientCredentials?: GrantMark | undefined;
  readonly https: Pick<HttpsClient, 'exchange'>;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
}

/** Longest answer that is read. */
export const INTROSPECTION_BYTES_MAX = 65_536;
/** How long an answer is cached; for so long a revoked token may still be accepted. */
export const INTROSPECTION_CACHED_MS = 15_000;
/** How long a refusal is cached, so that an invalid token costs the authorisation server one request. */
export const INTROSPECTION_REFUSED_CACHED_MS = 5000;
const TOKENS_CACHED_MAX = 10_000;
// With more concurrent requests the authorisation server is not keeping up: waiting would only make the queue longer.
const UNDER_WAY_MAX = 1000;

type Reading = Awaited<ReturnType<TokenReader>>;

interface Cached {
  readonly token: BoundToken;
  readonly expSeconds: number | undefined;
  readonly answeredAtMs: number;
}

/**
 * Reads opaque access tokens by introspection (RFC 7662). `iss` and `aud` must be the expected ones where they are given.
 * Answers are cached shortly and never beyond `exp`, under the SHA-256 of the token, so that the cache holds no secret.
 * Refusals are cached for some seconds in a cache of their own, so that they displace no valid token. Concurrent callers with
 * the same token share one request.
 */
export function createIntrospectionReader(options: IntrospectionOptions): TokenReader {
  const { clock } = options;
  const cache = new LruMap<string, Cached>(TOKENS_CACHED_MAX);
  const refusals = new LruMap<string, { readonly refusal: TokenRefused; readonly answeredAtMs: number }>(
    TOKENS_CACHED_MAX,
  );
  const underWay = new Map<string, Promise<Reading>>();

  async function ask(token: string, hash: string): Promise<Reading> {
    const answeredAtMs = clock.monotonicMs();
    const reading = await introspect(token, options);
    if (reading.kind === 'refused') refusals.set(hash, { refusal: reading, answeredAtMs });
    if (reading.kind !== 'active') return reading;
    cache.set(hash, { ...reading, answeredAtMs });
    return reading.token;
  }

  return async (token) => {
    const hash = createHash('sha256').update(token).digest('base64url');
    const cached = cache.get(hash);
    if (cached !== undefined && isFresh(cached, options)) return cached.token;
    const kept = refusals.get(hash);
    if (kept !== undefined && clock.monotonicMs() - kept.answeredAtMs < INTROSPECTION_REFUSED_CACHED_MS) {
      return kept.refusal;
    }
    const asked = underWay.get(hash);
    if (asked !== undefined) return await asked;
    if (underWay.size >= UNDER_WAY_MAX) return unavailable('too many introspections are under way');
    const asking = ask(token, hash).finally(() => underWay.delete(hash));
    underWay.set(hash, asking);
    return await asking;
  };
}

function isFresh({ answeredAtMs, expSeconds }: Cached, { clock, clockSkewSeconds }: IntrospectionOptions): boolean {
  const isRecent = clock.monotonicMs() - answeredAtMs < INTROSPECTION_CACHED_MS;
  return isRecent && !isExpired(expSeconds, clock.nowMs() / 1000, clockSkewSeconds);
}

function isExpired(expSeconds: number | undefined, nowSeconds: number, clockSkewSeconds: number): boolean {
  return expSeconds !== undefined && expSeconds + clockSkewSeconds <= nowSeconds;
}

type Answer = Exclude<Reading, BoundToken> | ({ readonly kind: 'active' } & Omit<Cached, 'answeredAtMs'>);

async function introspect(token: string, options: IntrospectionOptions): Promise<Answer> {
  const { https, introspectionUrl: url, introspectionClientId: clientId } = options;
  const form = new URLSearchParams({ token, token_type_hint: 'access_token' });
  if (clientId !== undefined) form.set('client_id', clientId);
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  try {
    const { status, body } = await https.exchange({ url, headers, body: form.toString() });
    if (status !== 200) return unavailable(`introspection was answered with status ${status}`);
    return readAnswer(parseStrictJson(body), options);
  } catch (error) {
    if (error instanceof HttpsError) return unavailable(`introspection failed: ${error.message}`);
    if (error instanceof StrictJsonError) return unavailable(`the introspection answer ${error.message}`);
    throw error;
  }
}

/** RFC 7662 section 2.2. */
function readAnswer(answer: unknown, options: IntrospectionOptions): Answer {
  if (!isJsonObject(answer) || typeof answer['active'] !== 'boolean') {
    return unavailable('the introspection answer lacks active');
  }
  if (!answer['active']) return refused('the token is not active');
  const { exp, nbf, iss, aud } = answer;
  const nowSeconds = options.clock.nowMs() / 1000;
  if (!isSecondsOrAbsent(exp) || !isSecondsOrAbsent(nbf)) return unavailable('exp and nbf must be numbers');
  if (isExpired(exp, nowSeconds, options.clockSkewSeconds)) return refused('exp lies in the past');
  if (nbf !== undefined && nbf > nowSeconds + options.clockSkewSeconds) return refused('nbf lies in the future');
  if (iss !== undefined && iss !== options.issuer) return refused('iss is another issuer');
  if (aud !== undefined && !(Array.isArray(aud) ? aud : [aud]).includes(options.audience)) {
    return refused('aud is another audience');
  }
  const token = readBoundToken(answer, options.clientCredentials);
  return token.kind === 'bound' ? { kind: 'active', token, expSeconds: exp } : token;
}

function isSecondsOrAbsent(value: unknown): value is number | undefined {
  return value === undefined || typeof value === 'number';
}

function unavailable(reason: string) {
  return { kind: 'unavailable', reason } as const;
}
