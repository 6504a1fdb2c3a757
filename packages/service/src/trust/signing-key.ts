import { createPrivateKey, createPublicKey } from 'node:crypto';
import { createSigner, type JwsSigner, SigningKeyError } from '@tidings/protocol';
import { StartUpError } from '../base/start-up-error.ts';
import type { SigningKeyJwk } from '../model/signing-key.ts';
import { certificatesIn, readCertificates, readConfiguredFile } from './files.ts';

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
  readonly certificateFile?: string | undefined;
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
  return { main, next: next && (await loadSigningKey({ ...identity, ...next }, 'signing.next')) };
}

/** Loads one signing key. @throws {StartUpError} naming setting and file */
export async function loadSigningKey(
  options: KeyFile & { readonly organisationId: string; readonly trustAnchor: string },
  section = 'signing',
): Promise<OwnSigningKey> {
  const setting = `${section}.keyFile`;
  const pem = readConfiguredFile(setting, options.keyFile);
  try {
    const identity = { kid: options.kid, iss: options.organisationId, tan: options.trustAnchor };
    const signer = await createSigner(identity, pem);
    const publicJwk = { ...createPublicKey(pem).export({ format: 'jwk' }), kid: options.kid, use: 'sig', alg: 'PS256' };
    if (options.certificateFile !== undefined) assertOfKey(`${section}.certificateFile`, options.certificateFile, pem);
    return { signer, publicJwk };
  } catch (error) {
    if (!(error instanceof SigningKeyError)) throw error;
    throw new StartUpError(`The file ${options.keyFile}, named by "${setting}", ${error.message}.`);
  }
}

/** A certificate of another key would warn of the wrong day. @throws {StartUpError} */
function assertOfKey(setting: string, file: string, keyPem: string): void {
  const [certificate] = certificatesIn(readCertificates(setting, file));
  if (certificate?.checkPrivateKey(createPrivateKey(keyPem)) === true) return;
  throw new StartUpError(
    `The file ${file}, named by "${setting}", does not begin with the certificate of the signing key.`,
  );
}
