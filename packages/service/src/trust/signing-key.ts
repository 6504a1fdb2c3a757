import { createPublicKey } from 'node:crypto';
import { createSigner, type JwsSigner, SigningKeyError } from '@tidings/protocol';
import { StartUpError } from '../base/start-up-error.ts';
import { readConfiguredFile } from './files.ts';

/** A public signing key as it stands in our JWKS: `kty`, `n`, `e`, `kid`, `use` and `alg`. */
export interface PublicSigningJwk {
  readonly kid: string;
  readonly [member: string]: unknown;
}

/** Our own signing key: signs SETs and responses. */
export interface OwnSigningKey {
  readonly signer: JwsSigner;
  /** For the JWKS. */
  readonly publicJwk: PublicSigningJwk;
}

/** Loads the ASPSP's signing key. @throws {StartUpError} naming setting and file */
export async function loadSigningKey(options: {
  kid: string;
  keyFile: string;
  organisationId: string;
  trustAnchor: string;
}): Promise<OwnSigningKey> {
  const pem = readConfiguredFile('signing.keyFile', options.keyFile);
  try {
    const identity = { kid: options.kid, iss: options.organisationId, tan: options.trustAnchor };
    const signer = await createSigner(identity, pem);
    const publicJwk = { ...createPublicKey(pem).export({ format: 'jwk' }), kid: options.kid, use: 'sig', alg: 'PS256' };
    return { signer, publicJwk };
  } catch (error) {
    if (!(error instanceof SigningKeyError)) throw error;
    throw new StartUpError(`The file ${options.keyFile}, named by "signing.keyFile", ${error.message}.`);
  }
}
