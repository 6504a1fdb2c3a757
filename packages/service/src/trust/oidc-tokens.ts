import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { isJsonObject, keysOfJwks, rsaJwkFault, rsaKeyFault } from '@tidings/protocol';
import type { JWTPayload } from 'jose';
import type { Clock } from '../base/clock.ts';
import { OPERATOR_ROLES, type OperatorRole } from '../config/schema.ts';
import { KEYS_HARD_MAX_AGE_MS, KEYS_MAX_AGE_MS } from '../config/setting.ts';
import { createHttpsClient } from '../net/https-client.ts';
import { createJwksCache, JWKS_BYTES_MAX, JwksUnavailableError, type OnFetchFailed } from './jwks-cache.ts';
import type { JwtKey, JwtKeys } from './strict-jwt.ts';
import { claimAt, rejectIdToken, StrictJwtError, textsOf, verifyStrictJwt } from './strict-jwt.ts';

/** As the section `operator.oidc` of the configuration has them. */
export interface OidcOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly rolesClaim: string;
  readonly nameClaim: string;
  /** The values of the roles claim that give each role. */
  readonly roles: Readonly<Partial<Record<OperatorRole, readonly string[]>>>;
  readonly clockSkewSeconds: number;
  readonly timeoutMs: number;
  /** Whether `typ` must be at+jwt (RFC 9068 section 2.1), which no ID token has. */
  readonly isAccessTokenTypeRequired?: boolean | undefined;
  /** As `maxAgeMs` and `hardMaxAgeMs` of {@link KeyAges}; by default as in the configuration. */
  readonly keysMaxAgeMs?: number | undefined;
  readonly keysHardMaxAgeMs?: number | undefined;
  /** Root certificates for `jwksUrl`, PEM; undefined: those of Node.js. */
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
      /** Values of the roles claim that map to a role. */
      readonly values: readonly string[];
      /** `exp`, without clock skew. */
      readonly expiresAtMs: number;
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Verifies tokens of the bank's identity provider; see {@link createOidcVerifier}. */
export interface OidcVerifier {
  readonly rolesClaim: string;
  verify(token: string): Promise<OidcCheck>;
  /** The roles that values of the roles claim give now. */
  rolesOf(values: readonly string[]): readonly OperatorRole[];
  /** Replaces the mapping of the roles claim to roles. */
  useRoles(roles: OidcOptions['roles']): void;
  close(): Promise<void>;
}

const TOKEN_CHARS_MAX = 16_384;
const KEYS_REFETCH_MIN_MS = 10_000;
// RFC 9068, or the `typ` of providers that do not follow it; never that of another kind of token.
const TYPES = /^(?:application\/)?(?:at\+jwt|jwt)$/i;
// A name without control characters, which a terminal, a log or a page might act on.
const NAME = /^[^\p{C}]{1,128}$/u;

/**
 * Verifies access tokens of the bank's identity provider (JWT bearer, RFC 6750 and 9068; RFC 7519): RS256, PS256 or ES256 by a
 * key that it publishes, `iss`, `aud`, `exp`, `nbf`, and the caller's name. `typ` must be at+jwt, JWT or absent, or at+jwt where
 * that is required; ID tokens are refused by their claims. A token that is bound to a key (`cnf`) is refused, since nothing here
 * verifies the proof of possession. Does not check revocation, and does not fetch the discovery document, whose content is
 * configured.
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
    rolesOf: (values) => rolesOf(values, roles),
    useRoles: (mapped) => {
      roles = mapped;
    },
    verify: async (token) => {
      if (token.length > TOKEN_CHARS_MAX) return { kind: 'refused', reason: 'It is too long.' };
      try {
        const claims = await verifyStrictJwt(token, keys, {
          issuer,
          audience,
          requiredClaims: ['exp'],
          ...(options.isAccessTokenTypeRequired === true ? { typ: 'at+jwt' } : { types: TYPES }),
          clockTolerance: options.clockSkewSeconds,
          currentDate: new Date(clock.nowMs()),
        });
        rejectIdToken(claims);
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
    return { kind: 'refused', reason: 'It is bound to a key (cnf), which is not supported.' };
  const name = claimAt(claims, nameClaim);
  if (typeof name !== 'string' || !NAME.test(name)) {
    return { kind: 'refused', reason: `It lacks ${nameClaim}, which names the caller.` };
  }
  const given = textsOf(claimAt(claims, rolesClaim));
  // The others are of no use here, and may be many.
  const values = given.filter((each) => rolesOf([each], roles).length > 0);
  return { kind: 'valid', name, roles: rolesOf(given, roles), values, expiresAtMs: (claims.exp ?? 0) * 1000 };
}

function rolesOf(values: readonly string[], roles: OidcOptions['roles']): readonly OperatorRole[] {
  return OPERATOR_ROLES.filter((role) => roles[role]?.some((each) => values.includes(each)));
}

/**
 * Imports the signing keys of an identity provider (RFC 7517): RSA of 2048 to 8192 bits for RS256 and PS256, or the one
 * of them that `alg` names; P-256 for ES256. Keys with another `use`, without `kid`, or with a `kid` that occurs twice are left
 * out. The key determines its algorithms, never the header of a token.
 *
 * @throws {JwksError} when the value is not a JWKS
 */
function importProviderKeys(jwks: unknown): JwtKeys {
  const usable = new Map<string, JwtKey | undefined>();
  for (const jwk of keysOfJwks(jwks)) {
    if (!isJsonObject(jwk)) continue;
    const { kid } = jwk;
    if (typeof kid !== 'string' || kid === '') continue;
    usable.set(kid, usable.has(kid) ? undefined : importKey(jwk));
  }
  return { keyFor: (kid) => Promise.resolve(usable.get(kid)) };
}

function importKey({ kty, n, e, crv, x, y, use, alg }: Readonly<Record<string, unknown>>): JwtKey | undefined {
  if (use !== undefined && use !== 'sig') return undefined;
  const algorithms = algorithmsOf(kty, crv).filter((each) => alg === undefined || alg === each);
  if (algorithms.length === 0) return undefined;
  if (kty === 'RSA' && !isRsaWorthImporting(n, e)) return undefined;
  try {
    // Only the public members, so that a private key given by mistake is never held.
    const key = { kty, n, e, crv, x, y } as JsonWebKey;
    const cryptoKey = createPublicKey({ key, format: 'jwk' });
    return kty === 'RSA' && !isGoodRsa(cryptoKey) ? undefined : { cryptoKey, algorithms };
  } catch {
    return undefined;
  }
}

function algorithmsOf(kty: unknown, crv: unknown): readonly string[] {
  if (kty === 'RSA') return ['RS256', 'PS256'];
  return kty === 'EC' && crv === 'P-256' ? ['ES256'] : [];
}

function isRsaWorthImporting(n: unknown, e: unknown): boolean {
  return typeof n === 'string' && typeof e === 'string' && rsaJwkFault(n, e) === undefined;
}

function isGoodRsa({ asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  return rsaKeyFault(modulusLength, publicExponent) === undefined;
}
