/** RSA keys of the sandbox: making them, naming them, and the forms that others want them in. */

import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** The size that Open Banking certificates have, and the least that verifiers accept. */
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

/** Makes an RSA-2048 key; returns the private key as PKCS #8 in PEM, unencrypted. */
export async function makeKeyPem(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: MODULUS_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

/**
 * The public JWK of a private key; its `kid` is the key's RFC 7638 thumbprint, so it is the same whenever it is
 * asked for.
 *
 * @throws TypeError when the PEM holds something other than an RSA key.
 */
export function publicSigningJwk(keyPem: string): RsaSigningJwk {
  const { kty, n, e } = publicKeyOf(keyPem).export({ format: 'jwk' });
  if (kty !== 'RSA' || n === undefined || e === undefined) throw new TypeError('The signing key is not an RSA key');
  // RFC 7638 section 3.2: the required members only, in lexicographic order, without white space.
  const kid = createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
  return { kty, n, e, kid, alg: 'PS256', use: 'sig' };
}

/** The public key that belongs to a private key in PEM. */
export function publicKeyOf(keyPem: string): KeyObject {
  return createPublicKey(createPrivateKey(keyPem));
}
