import { type CryptoKey, importJWK } from 'jose';
import { isJsonObject } from './strict-json.ts';

/** A public key for PS256 signatures, made by {@link importSigningKeys} only. */
export interface VerificationKey {
  readonly kid: string;
  readonly cryptoKey: CryptoKey;
}

/**
 * Source of the keys of one participant: an imported set, or a cache in front of a JWKS URL. It holds the keys of that
 * participant only, so the `kid` of any other participant is unknown.
 */
export interface KeySource {
  /** The key with this `kid`, or undefined when there is none. Rejects only when the keys are unavailable. */
  keyFor(kid: string): Promise<VerificationKey | undefined>;
}

/** The usable signing keys of a JWKS, and the reasons why others were left out. */
export interface SigningKeySet extends KeySource {
  readonly kids: readonly string[];
  readonly leftOut: readonly { readonly kid: string; readonly reason: string }[];
}

/** An invalid JWKS. `message` may be shown to its supplier. */
export class JwksError extends Error {
  override readonly name = 'JwksError';
}

/** Maximum number of keys in a JWKS, including those not for signing. */
export const JWKS_KEYS_MAX = 100;
const RSA_MODULUS_BITS_MIN = 2048;
/** Larger keys make every verification expensive, and their size is chosen by the publisher. */
const RSA_MODULUS_BITS_MAX = 8192;
/** Verification time grows with the length of the exponent; 65537 has 17 bits. */
const RSA_EXPONENT_BITS_MAX = 32;

// The bounds above in base64url; generous, since a number may have leading zeros. The imported key is measured exactly.
const MODULUS_CHARS_MAX = 2048;
const EXPONENT_CHARS_MAX = 64;

/** The members of a JWKS (RFC 7517 section 5), not parsed. @throws {JwksError} when the value is not a JWKS */
export function keysOfJwks(jwks: unknown): readonly unknown[] {
  const keys = membersOf(jwks, 'A JWKS');
  if (keys.length > JWKS_KEYS_MAX) throw new JwksError(`A JWKS may hold at most ${JWKS_KEYS_MAX} keys.`);
  return keys;
}

/**
 * Removes from a JWKS the keys that a second JWKS lists as revoked (`software_jwks_revoked_endpoint`). A key is revoked
 * if its `kid` or its numbers match, because a revoked key under a new name stays revoked. The list of revoked keys may
 * hold keys of any type and any number of them.
 *
 * @throws {JwksError} when either value is not a JWKS
 */
export function withoutRevokedKeys(jwks: unknown, revokedJwks: unknown): { readonly keys: readonly unknown[] } {
  const revoked = membersOf(revokedJwks, 'The JWKS of revoked keys');
  const names = new Set(revoked.flatMap(namesOf));
  return { keys: keysOfJwks(jwks).filter((jwk) => !namesOf(jwk).some((name) => names.has(name))) };
}

/** The identities of a key: its `kid`, and its numbers (RFC 7638 section 3.2). */
function namesOf(jwk: unknown): readonly string[] {
  if (!isJsonObject(jwk)) return [];
  const numbers = [jwk['n'], jwk['x'], jwk['y']].map((number) => (typeof number === 'string' ? number : ''));
  const kid = kidOf(jwk);
  return [
    ...(kid === undefined ? [] : [`kid ${kid}`]),
    ...(numbers.join('') === '' ? [] : [`key ${numbers.join(' ').replaceAll('=', '')}`]),
  ];
}

function membersOf(jwks: unknown, what: string): readonly unknown[] {
  const keys: unknown = isJsonObject(jwks) ? jwks['keys'] : undefined;
  if (!Array.isArray(keys)) throw new JwksError(`${what} must be an object with an array "keys".`);
  return keys;
}

/** Why an RSA JWK must not be imported, judged by the length of its numbers alone; undefined when it may be. */
export function rsaJwkFault(n: string, e: string): string | undefined {
  if (n.length > MODULUS_CHARS_MAX) return `it has over ${RSA_MODULUS_BITS_MAX} bits`;
  return e.length > EXPONENT_CHARS_MAX ? `its exponent has over ${RSA_EXPONENT_BITS_MAX} bits` : undefined;
}

/**
 * Why an RSA key must not be used for signatures; undefined when it may be. The exponent must be odd and at least 3
 * (RFC 8017 section 3.1): with 1, anyone can forge a signature.
 */
export function rsaKeyFault(modulusBits: number, publicExponent: bigint): string | undefined {
  if (modulusBits < RSA_MODULUS_BITS_MIN) return `it has under ${RSA_MODULUS_BITS_MIN} bits`;
  if (modulusBits > RSA_MODULUS_BITS_MAX) return `it has over ${RSA_MODULUS_BITS_MAX} bits`;
  if (publicExponent >= 1n << BigInt(RSA_EXPONENT_BITS_MAX)) {
    return `its exponent has over ${RSA_EXPONENT_BITS_MAX} bits`;
  }
  return publicExponent < 3n || publicExponent % 2n === 0n ? 'its numbers do not form an RSA key' : undefined;
}

/** {@link rsaKeyFault} for a WebCrypto key. */
export function rsaCryptoKeyFault({ algorithm }: CryptoKey): string | undefined {
  const { modulusLength = 0, publicExponent = new Uint8Array() } = algorithm as {
    modulusLength?: number;
    publicExponent?: Uint8Array;
  };
  return rsaKeyFault(
    modulusLength,
    publicExponent.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
  );
}

/**
 * Imports the signing keys of a JWKS (RFC 7517). A JWKS also holds transport keys, so keys are filtered: RSA of 2048 to
 * 8192 bits with an exponent of at most 32 bits, `use` = `sig`, `alg` absent or PS256, and a `kid`. Keys that share a
 * `kid` are all left out, because it would be ambiguous which of them verifies. Fetches nothing: certificate members
 * (`x5u`, `x5c`) are ignored.
 *
 * @throws {JwksError} when the value is not a JWKS, or has more than {@link JWKS_KEYS_MAX} keys
 */
export async function importSigningKeys(jwks: unknown): Promise<SigningKeySet> {
  const keys = keysOfJwks(jwks);
  const usable = new Map<string, VerificationKey>();
  const leftOut: { kid: string; reason: string }[] = [];
  const timesSeen = countKids(keys);
  for (const jwk of keys) {
    const outcome =
      (timesSeen.get(kidOf(jwk)) ?? 0) > 1 ? 'its kid occurs more than once' : await importSigningKey(jwk);
    if (typeof outcome === 'string') leftOut.push({ kid: kidOf(jwk) ?? '', reason: outcome });
    else usable.set(outcome.kid, outcome);
  }
  return { kids: [...usable.keys()], leftOut, keyFor: (kid) => Promise.resolve(usable.get(kid)) };
}

function countKids(keys: readonly unknown[]): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const jwk of keys) {
    const kid = kidOf(jwk);
    if (kid !== undefined) counts.set(kid, (counts.get(kid) ?? 0) + 1);
  }
  return counts;
}

function kidOf(jwk: unknown): string | undefined {
  const kid = isJsonObject(jwk) ? jwk['kid'] : undefined;
  return typeof kid === 'string' && kid !== '' ? kid : undefined;
}

/** @returns the key, or the reason why it cannot be used */
async function importSigningKey(jwk: unknown): Promise<VerificationKey | string> {
  if (!isJsonObject(jwk)) return 'it is not an object';
  const kid = kidOf(jwk);
  if (kid === undefined) return 'it has no kid';
  const { kty, n, e, use, alg } = jwk;
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') return 'it is not an RSA key';
  if (use !== 'sig') return 'its use is not sig';
  if (alg !== undefined && alg !== 'PS256') return 'its alg is not PS256';
  const keyOps = jwk['key_ops'];
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.includes('verify'))) return 'its key_ops lack verify';
  const tooLarge = rsaJwkFault(n, e);
  if (tooLarge !== undefined) return tooLarge;
  try {
    // Only the public members, so that a private key supplied by mistake is never kept.
    const cryptoKey = await importJWK({ kty, n, e }, 'PS256');
    if (cryptoKey instanceof Uint8Array) return 'it is not an RSA key';
    return rsaCryptoKeyFault(cryptoKey) ?? { kid, cryptoKey };
  } catch {
    return 'its numbers do not form an RSA key';
  }
}
