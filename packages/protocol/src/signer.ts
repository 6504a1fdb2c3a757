import { type CryptoKey, importPKCS8 } from 'jose';
import type { SignerIdentity } from './jose-header.ts';
import type { JwsSigner } from './jws.ts';
import { rsaCryptoKeyFault } from './keys.ts';

/** A private key that cannot sign PS256. `message` gives the reason and never the key. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

// RFC 7518 section 3.5: the salt is as long as the hash. Verifiers reject any other.
const PS256 = { name: 'RSA-PSS', saltLength: 32 };

/**
 * Creates a signer from an RSA private key in PKCS #8 PEM. The key is held as non-extractable. Signatures are computed
 * by WebCrypto on the thread pool of Node.js, measured as fast as `crypto.sign` with a callback.
 *
 * @throws {SigningKeyError} when the text is not such a key, or verifiers would reject it: under 2048 or over 8192
 *   bits, or an exponent of over 32 bits
 */
export async function createSigner(identity: SignerIdentity, privateKeyPem: string): Promise<JwsSigner> {
  let key: CryptoKey;
  try {
    key = await importPKCS8(privateKeyPem, 'PS256');
  } catch {
    throw new SigningKeyError('is not an RSA private key in PKCS #8 PEM ("-----BEGIN PRIVATE KEY-----")');
  }
  const fault = rsaCryptoKeyFault(key);
  if (fault !== undefined) throw new SigningKeyError(`is an RSA key that verifiers reject: ${fault}`);
  return {
    ...identity,
    sign: async (signingInput) =>
      new Uint8Array(await crypto.subtle.sign(PS256, key, signingInput as Uint8Array<ArrayBuffer>)),
  };
}
