import assert from 'node:assert/strict';
import type { KeySource } from '@tidings/protocol';
import { importSigningKeys } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { GrantMark } from '../config/derived.ts';
import { KEYS_HARD_MAX_AGE_MS, KEYS_MAX_AGE_MS } from '../config/setting.ts';
import type { ClientTls } from '../net/connector.ts';
import { createHttpsClient, type HttpsClient } from '../net/https-client.ts';
import {
  type AccessToken,
  readBoundToken,
  refused,
  type TokenReader,
  type TokenRefused,
  type TokenUnavailable,
} from './bound-token.ts';
import { createIntrospectionReader, INTROSPECTION_BYTES_MAX } from './introspection.ts';
import { createJwksCache, JWKS_BYTES_MAX, JwksUnavailableError, type OnFetchFailed } from './jwks-cache.ts';
import { StrictJwtError, verifyStrictJwt } from './strict-jwt.ts';

export type { AccessToken } from './bound-token.ts';

/** The result of verifying an access token. */
export type TokenCheck = { readonly kind: 'valid'; readonly token: AccessToken } | TokenRefused | TokenUnavailable;

/** Verifies access tokens; see {@link createAccessTokenVerifier}. */
export interface AccessTokenVerifier {
  /**
   * @param token as in the Authorization header, without `Bearer`
   * @param certificateThumbprint SHA-256 of the DER of the certificate that the connection presents, base64url
   */
  verify(token: string, certificateThumbprint: string): Promise<TokenCheck>;
  /** Aborts requests to the authorisation server. */
  close(): Promise<void>;
}

/** As the section `accessTokens` of the configuration has them. Exactly one of the URLs must be given. */
export interface AccessTokenVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  /** For JWT access tokens: the JWKS URL of the authorisation server. */
  readonly jwksUrl?: string | undefined;
  /** For opaque access tokens: the introspection endpoint of the authorisation server. */
  readonly introspectionUrl?: string | undefined;
  /** Our client_id at the introspection endpoint, over mutual TLS. */
  readonly introspectionClientId?: string | undefined;
  /** How to reach the authorisation server; its certificate is always verified. */
  readonly tls: ClientTls;
  readonly clockSkewSeconds: number;
  /** How the authorisation server marks the client credentials grant. Default: as RFC 9068 does. */
  readonly clientCredentials?: GrantMark | undefined;
  /** Longest time one request to the authorisation server may take. */
  readonly timeoutMs: number;
  /** As `maxAgeMs` and `hardMaxAgeMs` of {@link KeyAges}; by default as in the configuration. */
  readonly keysMaxAgeMs?: number | undefined;
  readonly keysHardMaxAgeMs?: number | undefined;
  readonly clock: Clock;
  /** Optional observer of failed fetches of its keys. */
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

const TOKEN_CHARS_MAX = 16_384;
const KEYS_REFETCH_MIN_MS = 10_000;

/**
 * Verifies certificate-bound access tokens of the client credentials grant: JWTs (RFC 9068) by the authorisation server's
 * keys, opaque ones by introspection (RFC 7662), and for both RFC 8705 section 3: `cnf.x5t#S256` equals the thumbprint of
 * the presented certificate. Does not check scopes, nor whether the client is registered here.
 */
export function createAccessTokenVerifier(options: AccessTokenVerifierOptions): AccessTokenVerifier {
  const { tls, timeoutMs, clock } = options;
  const responseBytesMax = options.jwksUrl === undefined ? INTROSPECTION_BYTES_MAX : JWKS_BYTES_MAX;
  // These URLs are the bank's own, and may lead into its networks.
  const https = createHttpsClient({ tls, guard: undefined, timeoutMs, responseBytesMax, clock });
  const read = readerOf(options, https);
  return {
    close: () => https.close(),
    verify: async (bearer, certificateThumbprint) => {
      if (bearer.length > TOKEN_CHARS_MAX) return refused('the token is too long');
      const reading = await read(bearer);
      if (reading.kind !== 'bound') return reading;
      if (certificateThumbprint === '' || reading.certificateThumbprint !== certificateThumbprint) {
        return refused('the token is bound to another certificate');
      }
      const { kind: _, certificateThumbprint: _thumbprint, ...token } = reading;
      return { kind: 'valid', token };
    },
  };
}

function readerOf(options: AccessTokenVerifierOptions, https: HttpsClient): TokenReader {
  const { jwksUrl, introspectionUrl } = options;
  if (introspectionUrl !== undefined) {
    assert(jwksUrl === undefined, 'one of jwksUrl and introspectionUrl must be given, not both');
    return createIntrospectionReader({ ...options, introspectionUrl, https });
  }
  assert(jwksUrl !== undefined, 'one of jwksUrl and introspectionUrl must be given');
  const { keysMaxAgeMs: maxAgeMs = KEYS_MAX_AGE_MS, keysHardMaxAgeMs: hardMaxAgeMs = KEYS_HARD_MAX_AGE_MS } = options;
  const keys = createJwksCache({
    url: jwksUrl,
    https,
    clock: options.clock,
    onFetchFailed: options.onFetchFailed,
    maxAgeMs,
    hardMaxAgeMs,
    refetchMinMs: KEYS_REFETCH_MIN_MS,
    importKeys: importSigningKeys,
  });
  return createJwtReader({ ...options, keys });
}

export interface JwtTokensOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly clockSkewSeconds: number;
  /** Those of the authorisation server. */
  readonly keys: KeySource;
  /** As in {@link readBoundToken}. */
  readonly clientCredentials?: GrantMark | undefined;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/**
 * Reads JWT access tokens (RFC 9068): `typ` at+jwt, PS256 by a key of the authorisation server, `iss`, `aud`, `exp`, and
 * the claims that section 2.2 requires. Does not check revocation.
 */
function createJwtReader(options: JwtTokensOptions): TokenReader {
  const { issuer, audience, clockSkewSeconds, keys, clock } = options;
  return async (token) => {
    try {
      const claims = await verifyStrictJwt(token, keys, {
        typ: 'at+jwt',
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'cnf'],
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(clock.nowMs()),
      });
      return readBoundToken(claims, options.clientCredentials);
    } catch (error) {
      if (error instanceof StrictJwtError) return refused(error.message);
      if (error instanceof JwksUnavailableError) return { kind: 'unavailable', reason: error.message };
      throw error;
    }
  };
}
