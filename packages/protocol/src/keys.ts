import { type CryptoKey, importJWK } from 'jose';
import { isJsonObject } from './strict-json.ts';

/** A public key that may verify PS256 signatures; only {@link importSigningKeys} makes one. */
export interface VerificationKey {
  readonly kid: string;
  readonly cryptoKey: CryptoKey;
}

/**
 * Where a verifier finds the keys of one participant: an imported set, or a cache in front of a JWKS URL. It holds the
 * keys of that participant only, so that a `kid` of somebody else is unknown here.
 */
export interface KeySource {
  /** The key with this `kid`, or undefined. Rejects only when the keys are unavailable. */
  keyFor(kid: string): Promise<VerificationKey | undefined>;
}

/** The usable signing keys of a JWKS, and why the others were left out. */
export interface SigningKeySet extends KeySource {
  readonly kids: readonly string[];
  readonly leftOut: readonly { readonly kid: string; readonly reason: string }[];
}

/** A JWKS that is not one. `message` is fit to be shown to whoever supplied it. */
export class JwksError extends Error {
  override readonly name = 'JwksError';
}

/** Most keys in a JWKS, those that are not for signing included. */
export const JWKS_KEYS_MAX = 100;
const RSA_MODULUS_BITS_MIN = 2048;
/** A larger key makes every verification expensive, and whoever publishes it chooses its size. */
const RSA_MODULUS_BITS_MAX = 8192;
/** The time of a verification grows with the length of the exponent; 65537 has 17 bits. */
const RSA_EXPONENT_BITS_MAX = 32;

// Base64url of the bounds above; generous, since a number may begin with zeros. The imported key is measured exactly.
const MODULUS_CHARS_MAX = 2048;
const EXPONENT_CHARS_MAX = 64;

/** The members of a JWKS (RFC 7517 section 5), unread. @throws {JwksError} when it has not the shape of one */
export function keysOfJwks(jwks: unknown): readonly unknown[] {
  const keys = membersOf(jwks, 'A JWKS');
  if (keys.length > JWKS_KEYS_MAX) throw new JwksError(`A JWKS may hold at most ${JWKS_KEYS_MAX} keys.`);
  return keys;
}

/**
 * A JWKS without the keys that another one lists as revoked (`software_jwks_revoked_endpoint`): those with the same `kid`,
 * and those with the same numbers, since a key is no better under another name. The revoked ones may be of any kind and
 * number.
 *
 * @throws {JwksError} when either has not the shape of a JWKS
 */
export function withoutRevokedKeys(jwks: unknown, revokedJwks: unknown): { readonly keys: readonly unknown[] } {
  const revoked = membersOf(revokedJwks, 'The JWKS of revoked keys');
  const names = new Set(revoked.flatMap(namesOf));
  return { keys: keysOfJwks(jwks).filter((jwk) => !namesOf(jwk).some((name) => names.has(name))) };
}

/** The identity of a key: its kid, and its numbers (RFC 7638 section 3.2). */
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

/** Why the numbers of an RSA key in a JWK are not worth importing, judged by their length alone; undefined: they are. */
export function rsaJwkFault(n: string, e: string): string | undefined {
  if (n.length > MODULUS_CHARS_MAX) return `it has over ${RSA_MODULUS_BITS_MAX} bits`;
  return e.length > EXPONENT_CHARS_MAX ? `its exponent has over ${RSA_EXPONENT_BITS_MAX} bits` : undefined;
}

/**
 * Why an RSA key may not be used for signatures; undefined: it may. The exponent must be odd and at least 3 (RFC 8017
 * section 3.1): with 1 anybody can write a signature that verifies.
 */
export function rsaKeyFault(modulusBits: number, publicExponent: bigint): string | undefined {
  if (modulusBits < RSA_MODULUS_BITS_MIN) return `it has under ${RSA_MODULUS_BITS_MIN} bits`;
  if (modulusBits > RSA_MODULUS_BITS_MAX) return `it has over ${RSA_MODULUS_BITS_MAX} bits`;
  if (publicExponent >= 1n << BigInt(RSA_EXPONENT_BITS_MAX)) {
    return `its exponent has over ${RSA_EXPONENT_BITS_MAX} bits`;
  }
  return publicExponent < 3n || publicExponent % 2n === 0n ? 'its numbers make no RSA key' : undefined;
}

/** As {@link rsaKeyFault}, of a key that WebCrypto holds. */
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
 * Imports the signing keys of a JWKS (RFC 7517). A JWKS holds transport keys too, so keys are filtered: RSA of 2048 to
 * 8192 bits with an exponent of at most 32 bits, `use` = `sig`, `alg` absent or PS256, a `kid`. Of keys that share a `kid`
 * none is used, since a signature would be checked against whichever came first. Fetches nothing: certificate members
 * (`x5u`, `x5c`) are ignored.
 *
 * @throws {JwksError} when the value has not the shape of a JWKS, or more than {@link JWKS_KEYS_MAX} keys
 */
export async function importSigningKeys(jwks: unknown): Promise<SigningKeySet> {
  const keys = keysOfJwks(jwks);
  const usable = new Map<string, VerificationKey>();
  const leftOut: { kid: string; reason: string }[] = [];
  const timesSeen = countKids(keys);
  for (const jwk of keys) {
    const outcome = (timesSeen.get(kidOf(jwk)) ?? 0) > 1 ? 'its kid occurs twice' : await importSigningKey(jwk);
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

/** @returns the key, or the reason why it is not usable */
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
    // Only the public members, so that a private key given by mistake is never held.
    const cryptoKey = await importJWK({ kty, n, e }, 'PS256');
    if (cryptoKey instanceof Uint8Array) return 'it is not an RSA key';
    return rsaCryptoKeyFault(cryptoKey) ?? { kid, cryptoKey };
  } catch {
    return 'its numbers make no RSA key';
  }
}
