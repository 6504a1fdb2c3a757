import type { JWTPayload } from 'jose';
import type { Clock } from '../base/clock.ts';
import { OPERATOR_ROLES, type OperatorRole } from '../config/schema-operator.ts';
import { KEYS_HARD_MAX_AGE_MS, KEYS_MAX_AGE_MS } from '../config/settings.ts';
import { createHttpsClient } from './https-client.ts';
import { createJwksCache, JWKS_BYTES_MAX, JwksUnavailableError, type OnFetchFailed } from './jwks-cache.ts';
import { importProviderKeys } from './provider-keys.ts';
import { claimAt, refuseIdToken, StrictJwtError, textsOf, verifyStrictJwt } from './strict-jwt.ts';

/** As the section `operator.oidc` of the configuration has them. */
export interface OidcOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly rolesClaim: string;
  readonly nameClaim: string;
  /** Which values of the roles claim make a caller what. */
  readonly roles: Readonly<Partial<Record<OperatorRole, readonly string[]>>>;
  readonly clockSkewSeconds: number;
  readonly timeoutMs: number;
  /** True: `typ` must be at+jwt (RFC 9068 section 2.1), which no ID token has. */
  readonly isAccessTokenTypeRequired?: boolean | undefined;
  /** As `maxAgeMs` and `hardMaxAgeMs` of {@link KeyAges}; by default as in the configuration. */
  readonly keysMaxAgeMs?: number | undefined;
  readonly keysHardMaxAgeMs?: number | undefined;
  /** Roots of `jwksUrl`, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly onFetchFailed?: OnFetchFailed | undefined;
}

/** The result of verifying a token; `reason` may be shown to whoever sent it. */
export type OidcCheck =
  | {
      readonly kind: 'valid';
      readonly name: string;
      readonly roles: readonly OperatorRole[];
      /** `exp`, without clock skew. */
      readonly expiresAtMs: number;
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Verifies tokens of the bank's identity provider; see {@link createOidcVerifier}. */
export interface OidcVerifier {
  readonly rolesClaim: string;
  verify(token: string): Promise<OidcCheck>;
  /** Gives the roles by these values of the roles claim from now on. */
  useRoles(roles: OidcOptions['roles']): void;
  close(): Promise<void>;
}

const TOKEN_CHARS_MAX = 16_384;
const KEYS_REFETCH_MIN_MS = 10_000;
// RFC 9068, or what providers write who do not follow it; never what another kind of token says of itself.
const TYPES = /^(?:application\/)?(?:at\+jwt|jwt)$/i;
// What a terminal, a log or a page would obey is no name.
const NAME = /^[^\p{C}]{1,128}$/u;

/**
 * Verifies access tokens of the bank's identity provider (JWT bearer, RFC 6750 and 9068; RFC 7519): RS256, PS256 or ES256 by a
 * key that it publishes, `iss`, `aud`, `exp`, `nbf`, and who the caller is. `typ` is at+jwt, JWT or absent, or at+jwt where that is
 * required; an ID token is refused by its claims. A token that is bound to a key (`cnf`) is refused, since nothing here asks
 * for the proof. Does not ask whether it was revoked, and takes the discovery document from nowhere: what it says is in the
 * configuration.
 */
export function createOidcVerifier(options: OidcOptions): OidcVerifier {
  const { issuer, audience, jwksUrl: url, rolesClaim, ca, timeoutMs, clock, onFetchFailed } = options;
  const https = createHttpsClient({
    tls: { ca },
    timeoutMs,
    responseBytesMax: JWKS_BYTES_MAX,
    clock,
    guard: undefined,
  });
  const { keysMaxAgeMs: maxAgeMs = KEYS_MAX_AGE_MS, keysHardMaxAgeMs: hardMaxAgeMs = KEYS_HARD_MAX_AGE_MS } = options;
  const times = { maxAgeMs, hardMaxAgeMs, refetchMinMs: KEYS_REFETCH_MIN_MS };
  const keys = createJwksCache({ url, https, ...times, clock, onFetchFailed, importKeys: importProviderKeys });
  let { roles } = options;
  return {
    rolesClaim,
    close: () => https.close(),
    useRoles: (mapped) => {
      roles = mapped;
    },
    verify: async (token) => {
      if (token.length > TOKEN_CHARS_MAX) return { kind: 'refused', reason: 'It is too long.' };
      try {
        const claims = await verifyStrictJwt(token, keys, {
          ...{ issuer, audience, requiredClaims: ['exp'] },
          ...(options.isAccessTokenTypeRequired === true ? { typ: 'at+jwt' } : { types: TYPES }),
          clockTolerance: options.clockSkewSeconds,
          currentDate: new Date(clock.nowMs()),
        });
        refuseIdToken(claims);
        return readCaller(claims, { ...options, roles });
      } catch (error) {
        if (error instanceof StrictJwtError) return { kind: 'refused', reason: error.message };
        if (error instanceof JwksUnavailableError) return { kind: 'unavailable', reason: error.message };
        throw error;
      }
    },
  };
}

function readCaller(claims: JWTPayload, { nameClaim, rolesClaim, roles }: OidcOptions): OidcCheck {
  if (claims['cnf'] !== undefined)
    return { kind: 'refused', reason: 'It is bound to a key (cnf), which is not taken.' };
  const name = claimAt(claims, nameClaim);
  if (typeof name !== 'string' || !NAME.test(name)) {
    return { kind: 'refused', reason: `It lacks ${nameClaim}, which names the caller.` };
  }
  const given = textsOf(claimAt(claims, rolesClaim));
  const has = OPERATOR_ROLES.filter((role) => roles[role]?.some((each) => given.includes(each)));
  return { kind: 'valid', name, roles: has, expiresAtMs: (claims.exp ?? 0) * 1000 };
}
