/** RSA keys of the sandbox: generation, key ids and JWK form. */

import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** The key size of Open Banking certificates, and the minimum that verifiers accept. */
const MODULUS_BITS = 2048;

/** The public half of a signing key as a member of a JWKS (RFC 7517, RFC 7518 section 6.3.1). */
export interface RsaSigningJwk {
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
  readonly kid: string;
  readonly alg: 'PS256';
  readonly use: 'sig';
}

/** Generates an RSA-2048 key. @returns the private key in PEM, PKCS #8, unencrypted */
export async function makeKeyPem(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: MODULUS_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

/**
 * The public JWK of a private key. Its `kid` is the RFC 7638 thumbprint of the key, and so always the same.
 *
 * @throws {TypeError} when the PEM does not contain an RSA key
 */
export function publicSigningJwk(keyPem: string): RsaSigningJwk {
  const { kty, n, e } = publicKeyOf(keyPem).export({ format: 'jwk' });
  if (kty !== 'RSA' || n === undefined || e === undefined) throw new TypeError('The signing key is not an RSA key');
  // RFC 7638 section 3.2: the required members only, in lexicographic order, without white space.
  const kid = createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
  return { kty, n, e, kid, alg: 'PS256', use: 'sig' };
}

/** The public key of a private key in PEM. */
export function publicKeyOf(keyPem: string): KeyObject {
  return createPublicKey(createPrivateKey(keyPem));
}
