import { createRemoteJWKSet, customFetch, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { Agent, fetch as undiciFetch } from 'undici';

/** What an access token says of its bearer. */
export interface AccessToken {
  readonly clientId: string;
  readonly scopes: readonly string[];
}

/** What verifying an access token came to. */
export type TokenCheck =
  | { readonly kind: 'valid'; readonly token: AccessToken }
  /** `reason` is for the log: the bearer is told only that the token is not good. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The authorisation server's keys cannot be had: nobody's fault here. */
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Verifies access tokens; see {@link createAccessTokenVerifier}. */
export interface AccessTokenVerifier {
  /**
   * @param token as in the Authorization header, without `Bearer`
   * @param certificateThumbprint SHA-256 of the DER of the certificate that the connection presents, base64url
   */
  verify(token: string, certificateThumbprint: string): Promise<TokenCheck>;
  close(): Promise<void>;
}

export interface AccessTokenVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** How to reach the authorisation server; its certificate is always verified. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly clockSkewSeconds: number;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

const TOKEN_CHARS_MAX = 16_384;

/**
 * Verifies certificate-bound JWT access tokens of the client credentials grant: RFC 9068 (`typ` at+jwt, PS256, `iss`,
 * `aud`, `exp`), RFC 8705 section 3 (`cnf.x5t#S256` equals the thumbprint of the presented certificate). `sub` must
 * equal `client_id`, which tells a client credentials token from one that a customer stands behind (RFC 9068 section
 * 2.2). Does not look at scopes, nor ask whether the token was revoked.
 */
export function createAccessTokenVerifier(options: AccessTokenVerifierOptions): AccessTokenVerifier {
  const agent = new Agent({
    connect: { ...options.tls, minVersion: 'TLSv1.2', timeout: options.timeoutMs },
    maxResponseSize: 1_048_576,
    allowH2: false,
  });
  const keys = createRemoteJWKSet(new URL(options.jwksUrl), {
    timeoutDuration: options.timeoutMs,
    [customFetch]: async (url, { headers, method, redirect, signal }) => {
      const response = await undiciFetch(url, { headers: [...headers], method, redirect, signal, dispatcher: agent });
      return new Response(await response.arrayBuffer(), { status: response.status });
    },
  });
  return {
    close: () => agent.close(),
    verify: async (token, certificateThumbprint) => {
      if (token.length > TOKEN_CHARS_MAX) return refused('the token is too long');
      try {
        const { payload } = await jwtVerify(token, keys, {
          algorithms: ['PS256'],
          typ: 'at+jwt',
          issuer: options.issuer,
          audience: options.audience,
          requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'cnf'],
          clockTolerance: options.clockSkewSeconds,
          currentDate: new Date(options.nowMs()),
        });
        return checkClaims(payload, certificateThumbprint);
      } catch (error) {
        return failureOf(error);
      }
    },
  };
}

function checkClaims(payload: JWTPayload, certificateThumbprint: string): TokenCheck {
  const { client_id: clientId, sub, cnf, scope } = payload;
  if (typeof clientId !== 'string' || clientId === '') return refused('client_id is no text');
  if (sub !== clientId) return refused('the token is not of the client credentials grant');
  const bound = typeof cnf === 'object' && cnf !== null && 'x5t#S256' in cnf ? cnf['x5t#S256'] : undefined;
  if (bound !== certificateThumbprint) return refused('the token is bound to another certificate');
  const scopes = typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [];
  return { kind: 'valid', token: { clientId, scopes } };
}

function refused(reason: string): TokenCheck {
  return { kind: 'refused', reason };
}

function failureOf(error: unknown): TokenCheck {
  if (error instanceof joseErrors.JWKSTimeout) return { kind: 'unavailable', reason: 'the JWKS did not come in time' };
  // The generic error of jose: the JWKS answered with another status, or with something that is no JWKS.
  const isGeneric = error instanceof joseErrors.JOSEError && error.code === 'ERR_JOSE_GENERIC';
  if (error instanceof joseErrors.JWKSInvalid || isGeneric) return { kind: 'unavailable', reason: error.message };
  if (error instanceof joseErrors.JOSEError) return refused(error.code);
  return { kind: 'unavailable', reason: error instanceof Error ? error.message : 'unknown' };
}
