import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { isJsonObject, keysOfJwks, rsaJwkFault, rsaKeyFault } from '@tidings/protocol';
import type { JwtKey, JwtKeys } from './strict-jwt.ts';

/**
 * Imports the signing keys of an identity provider (RFC 7517): RSA of 2048 to 8192 bits for RS256 and PS256, or the one
 * of them that `alg` names; P-256 for ES256. What has another `use`, no `kid`, or a `kid` that occurs twice is left out. A key
 * says itself which algorithms it is for: a token's header never decides.
 *
 * @throws {JwksError} when the value has not the shape of a JWKS
 */
export function importProviderKeys(jwks: unknown): JwtKeys {
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
