import type { KeySource } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { GrantMark } from '../config/grant-mark.ts';
import { readBoundToken, refused, type TokenReader } from './bound-token.ts';
import { JwksUnavailableError } from './jwks-cache.ts';
import { StrictJwtError, verifyStrictJwt } from './strict-jwt.ts';

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
 * the claims that section 2.2 requires. Does not ask whether the token was revoked.
 */
export function createJwtReader(options: JwtTokensOptions): TokenReader {
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
