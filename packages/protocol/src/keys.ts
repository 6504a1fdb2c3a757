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
  /** The key with this `kid`, or undefined. Rejects only when the keys cannot be had at all. */
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

const MODULUS_BITS_MIN = 2048;
const KEYS_MAX = 100;

/**
 * Imports the signing keys of a JWKS (RFC 7517). A JWKS holds transport keys too, so keys are filtered: RSA of at least
 * 2048 bits, `use` = `sig`, `alg` absent or PS256, a `kid`. Of keys that share a `kid` none is used, since a signature
 * would be checked against whichever came first. Fetches nothing: certificate members (`x5u`, `x5c`) are ignored.
 *
 * @throws {JwksError} when the value has not the shape of a JWKS
 */
export async function importSigningKeys(jwks: unknown): Promise<SigningKeySet> {
  const keys = isJsonObject(jwks) ? jwks['keys'] : undefined;
  if (!Array.isArray(keys)) throw new JwksError('A JWKS must be an object with an array "keys".');
  if (keys.length > KEYS_MAX) throw new JwksError(`A JWKS may hold at most ${KEYS_MAX} keys.`);
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
  try {
    // Only the public members, so that a private key given by mistake is never held.
    const cryptoKey = await importJWK({ kty, n, e }, 'PS256');
    if (cryptoKey instanceof Uint8Array) return 'it is not an RSA key';
    const { modulusLength, publicExponent } = cryptoKey.algorithm as {
      modulusLength?: number;
      publicExponent?: Uint8Array;
    };
    if (modulusLength === undefined || modulusLength < MODULUS_BITS_MIN) return `it has under ${MODULUS_BITS_MIN} bits`;
    if (!isPublicExponent(publicExponent ?? new Uint8Array())) return 'its numbers make no RSA key';
    return { kid, cryptoKey };
  } catch {
    return 'its numbers make no RSA key';
  }
}

/** RFC 8017 section 3.1: odd and at least 3. With an exponent of 1 anybody can write a signature that verifies. */
function isPublicExponent(bytes: Uint8Array): boolean {
  const lowest = bytes.at(-1) ?? 0;
  return lowest % 2 === 1 && (lowest >= 3 || bytes.subarray(0, -1).some((byte) => byte !== 0));
}
