import { createPublicKey, type KeyObject } from 'node:crypto';
import { createSigner, type JwsSigner, SigningKeyError } from '@tidings/protocol';
import { StartUpError } from '../base/start-up-error.ts';
import type { Config } from '../config/schema.ts';
import type { KeySettings, ProviderName } from '../config/signing.ts';
import type { SigningKeyJwk } from '../model/signing-key.ts';
import { certificatesIn, readCertificates, readConfiguredFile } from './files.ts';
import type { SigningProviders } from './signing-providers.ts';

/** Our own signing key: signs SETs and responses. */
export interface OwnSigningKey {
  readonly signer: JwsSigner;
  /** For the JWKS: `kty`, `n`, `e`, `kid`, `use` and `alg`. */
  readonly publicJwk: SigningKeyJwk;
  /** Why the provider of the key does not sign now. Absent for a key in a file, which always signs. */
  readonly providerProblem?: () => string | undefined;
}

/** The signing keys that the configuration names. */
export interface OwnSigningKeys {
  /** `signing.kid` */
  readonly main: OwnSigningKey;
  /** `signing.next` */
  readonly next: OwnSigningKey | undefined;
}

/** The part of the configuration that our own keys are loaded from. */
export type SigningSettings = Pick<Config, 'signing' | 'organisationId' | 'trustAnchor'>;

/** Loads the ASPSP's signing keys. @throws {StartUpError} naming setting and file */
export async function loadSigningKeys(
  settings: SigningSettings,
  providers: Pick<SigningProviders, 'open'>,
): Promise<OwnSigningKeys> {
  const { kid, provider, next } = settings.signing;
  if (next?.kid === kid) {
    throw new StartUpError(
      `"signing.next.kid" (${next.kid}) is "signing.kid" as well; give the next key a kid of its own.`,
    );
  }
  const load = (key: KeySettings, setting: string) =>
    loadSigningKey({ provider, ...key }, { setting, settings, providers });
  return { main: await load(settings.signing, 'signing'), next: next && (await load(next, 'signing.next')) };
}

interface Loading {
  /** Path of the section. */
  readonly setting: string;
  readonly settings: SigningSettings;
  readonly providers: Pick<SigningProviders, 'open'>;
}

async function loadSigningKey(key: KeySettings, loading: Loading): Promise<OwnSigningKey> {
  const { provider = 'file' } = key;
  const { setting, settings } = loading;
  const loaded = provider === 'file' ? loadKeyFile(key, loading) : loadProviderKey({ ...key, provider }, loading);
  const { publicKey, problem, sign } = await loaded;
  if (key.certificateFile !== undefined) assertOfKey(`${setting}.certificateFile`, key.certificateFile, publicKey);
  const { kid } = key;
  return {
    signer: { kid, iss: settings.organisationId, tan: settings.trustAnchor, sign },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'PS256' },
    ...(problem !== undefined && { providerProblem: problem }),
  };
}

interface LoadedKey extends Pick<JwsSigner, 'sign'> {
  readonly publicKey: KeyObject;
  readonly problem?: () => string | undefined;
}

async function loadKeyFile({ kid, keyFile = '' }: KeySettings, { setting, settings }: Loading): Promise<LoadedKey> {
  const pem = readConfiguredFile(`${setting}.keyFile`, keyFile);
  try {
    const identity = { kid, iss: settings.organisationId, tan: settings.trustAnchor };
    const { sign } = await createSigner(identity, pem);
    return { sign, publicKey: createPublicKey(pem) };
  } catch (error) {
    if (!(error instanceof SigningKeyError)) throw error;
    throw new StartUpError(`The file ${keyFile}, named by "${setting}.keyFile", ${error.message}.`);
  }
}

async function loadProviderKey(
  key: KeySettings & { readonly provider: ProviderName },
  { setting, settings, providers }: Loading,
): Promise<LoadedKey> {
  const signer = await providers.open(key, settings.signing, setting);
  const sign: JwsSigner['sign'] = (input) => signer.sign(input);
  return { sign, publicKey: signer.publicKey, problem: () => signer.problem() };
}

/** A certificate of another key would warn of the wrong day. @throws {StartUpError} */
function assertOfKey(setting: string, file: string, publicKey: KeyObject): void {
  const [certificate] = certificatesIn(readCertificates(setting, file));
  if (certificate?.publicKey.equals(publicKey) === true) return;
  throw new StartUpError(
    `The file ${file}, named by "${setting}", does not begin with the certificate of the signing key.`,
  );
}
