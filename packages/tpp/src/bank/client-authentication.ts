import { createPrivateKey, type KeyObject, type webcrypto } from 'node:crypto';
import * as oauth from 'oauth4webapi';

/** How the client identifies itself to the authorisation server. */
export type ClientAuthentication =
  /** Mutual TLS with the certificate of `transport` (RFC 8705 section 2). */
  { readonly method: 'tls_client_auth' } | PrivateKeyJwtAuthentication;

/**
 * A signed assertion (OpenID Connect Core section 9; RFC 7523), in addition to mutual TLS, to which the token stays bound.
 * Signed with PS256, as FAPI requires.
 */
export interface PrivateKeyJwtAuthentication {
  readonly method: 'private_key_jwt';
  /** PEM of the RSA signing key, PKCS #8, unencrypted, 2048 bits or more. Its public key is in the TPP's JWKS. */
  readonly keyPem: string;
  /** `kid` of the key in the TPP's JWKS. */
  readonly kid: string;
  /** `aud` of the assertion. Default: the issuer. Some older servers require the URL of the token endpoint. */
  readonly audience?: string;
}

/** Makes the client authentication of token requests. */
export type ClientAuthSource = () => Promise<oauth.ClientAuth>;

const BITS_MIN = 2048;

/** @throws {TypeError} for a key that cannot sign with PS256 */
export function clientAuthOf(given: ClientAuthentication = { method: 'tls_client_auth' }): ClientAuthSource {
  if (given.method === 'tls_client_auth') {
    const mutualTls = oauth.TlsClientAuth();
    return async () => mutualTls;
  }
  const { kid, audience } = given;
  const key = rsaKeyOf(given.keyPem);
  let made: Promise<oauth.ClientAuth> | undefined;
  return () => {
    made ??= importForPs256(key).then((imported) =>
      oauth.PrivateKeyJwt(
        { key: imported, kid },
        {
          [oauth.modifyAssertion]: (_header, payload) => {
            if (audience !== undefined) payload['aud'] = audience;
          },
        },
      ),
    );
    return made;
  };
}

function rsaKeyOf(keyPem: string): KeyObject {
  const why = `clientAuthentication.keyPem must be an unencrypted RSA private key in PEM, of ${BITS_MIN} bits or more`;
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
  } catch {
    // Without the cause, which may show parts of the key.
    throw new TypeError(why);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa' || bits < BITS_MIN) throw new TypeError(why);
  return key;
}

function importForPs256(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), { name: 'RSA-PSS', hash: 'SHA-256' }, false, ['sign']);
}
