import { createPublicKey } from 'node:crypto';
import { createSigner, type JwsSigner, SigningKeyError } from '@tidings/protocol';
import { StartUpError } from '../base/start-up-error.ts';
import type { SigningKeyJwk } from '../model/signing-key.ts';
import { readConfiguredFile } from './files.ts';

/** Our own signing key: signs SETs and responses. */
export interface OwnSigningKey {
  readonly signer: JwsSigner;
  /** For the JWKS: `kty`, `n`, `e`, `kid`, `use` and `alg`. */
  readonly publicJwk: SigningKeyJwk;
}

/** The signing keys that the configuration names. */
export interface OwnSigningKeys {
  /** `signing.kid` */
  readonly main: OwnSigningKey;
  /** `signing.next` */
  readonly next: OwnSigningKey | undefined;
}

interface KeyFile {
  readonly kid: string;
  readonly keyFile: string;
}

/** The part of the configuration that our own keys are loaded from. */
export interface SigningSettings {
  readonly signing: KeyFile & { readonly next?: KeyFile | undefined };
  readonly organisationId: string;
  readonly trustAnchor: string;
}

/** Loads the ASPSP's signing keys. @throws {StartUpError} naming setting and file */
export async function loadSigningKeys({ signing, ...identity }: SigningSettings): Promise<OwnSigningKeys> {
  const { next } = signing;
  if (next?.kid === signing.kid) {
    throw new StartUpError(
      `"signing.next.kid" (${next.kid}) is "signing.kid" as well; give the next key a kid of its own.`,
    );
  }
  const main = await loadSigningKey({ ...identity, ...signing });
  return { main, next: next && (await loadSigningKey({ ...identity, ...next }, 'signing.next.keyFile')) };
}

/** Loads one signing key. @throws {StartUpError} naming setting and file */
export async function loadSigningKey(
  options: KeyFile & { readonly organisationId: string; readonly trustAnchor: string },
  setting = 'signing.keyFile',
): Promise<OwnSigningKey> {
  const pem = readConfiguredFile(setting, options.keyFile);
  try {
    const identity = { kid: options.kid, iss: options.organisationId, tan: options.trustAnchor };
    const signer = await createSigner(identity, pem);
    const publicJwk = { ...createPublicKey(pem).export({ format: 'jwk' }), kid: options.kid, use: 'sig', alg: 'PS256' };
    return { signer, publicJwk };
  } catch (error) {
    if (!(error instanceof SigningKeyError)) throw error;
    throw new StartUpError(`The file ${options.keyFile}, named by "${setting}", ${error.message}.`);
  }
}
