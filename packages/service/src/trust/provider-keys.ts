import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { isJsonObject, JwksError } from '@tidings/protocol';
import type { JwtKey, JwtKeys } from './strict-jwt.ts';

const KEYS_MAX = 100;
const MODULUS_BITS_MIN = 2048;

/**
 * Imports the signing keys of an identity provider (RFC 7517): RSA of at least 2048 bits for RS256 and PS256, or the one of
 * them that `alg` names; P-256 for ES256. What has another `use`, no `kid`, or a `kid` that occurs twice is left out. A key
 * says itself which algorithms it is for: a token's header never decides.
 *
 * @throws {JwksError} when the value has not the shape of a JWKS
 */
export function importProviderKeys(jwks: unknown): JwtKeys {
  const keys = isJsonObject(jwks) ? jwks['keys'] : undefined;
  if (!Array.isArray(keys)) throw new JwksError('A JWKS must be an object with an array "keys".');
  if (keys.length > KEYS_MAX) throw new JwksError(`A JWKS may hold at most ${KEYS_MAX} keys.`);
  const usable = new Map<string, JwtKey | undefined>();
  for (const jwk of keys) {
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

/** RFC 8017 section 3.1: an odd exponent of at least 3. With 1 anybody can write a signature that verifies. */
function isGoodRsa({ asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  return modulusLength >= MODULUS_BITS_MIN && publicExponent >= 3n && publicExponent % 2n === 1n;
}
