import { type Static, Type } from 'typebox';
import { StartUpError } from '../base/start-up-error.ts';
import { file, section, sectionOfDefaults, text, whole } from './setting.ts';

/** The providers of signing keys that are packages of their own, with the name of their section in `signing`. */
export const PROVIDER_SECTIONS = {
  pkcs11: 'pkcs11',
  'aws-kms': 'awsKms',
  'azure-key-vault': 'azureKeyVault',
  'gcp-kms': 'gcpKms',
  vault: 'vault',
} as const;

/** A provider of signing keys that is a package of its own, `@tidings/signer-…`. */
export type ProviderName = keyof typeof PROVIDER_SECTIONS;

const PROVIDERS = ['file', 'pkcs11', 'aws-kms', 'azure-key-vault', 'gcp-kms', 'vault'] as const;

/** Limits of the calls to a provider. */
const callLimits = (concurrency: number, perSecond: number) => ({
  concurrencyMax: whole(
    concurrency,
    1,
    1024,
    'Concurrent calls; fewer are made for a while after the provider answered that there were too many',
  ),
  perSecondMax: whole(perSecond, 0, 100_000, 'Calls a second, below the quota of the account; 0 for no limit'),
  timeoutMs: whole(
    2000,
    50,
    60_000,
    'Deadline of a signature, from its first call to the last; waiting for its turn before that is not counted',
  ),
});

/** A URL of HTTPS, or of HTTP on this machine: calls carry credentials. */
const serviceUrl = (description: string) =>
  Type.String({
    format: 'uri',
    pattern: '^(?:https://|http://(?:localhost|127\\.0\\.0\\.1)(?=[:/]|$))[^@?#]*$',
    maxLength: 2048,
    description,
  });

const PROVIDER_SETTINGS = {
  pkcs11: Type.Optional(
    section({
      libraryFile: file('PKCS #11 library of the module, a shared object'),
      tokenLabel: text('Label of the token that holds the keys'),
      pinFile: file('PIN of the user of the token. It is read at each login, so it can be changed without a restart'),
      ...callLimits(8, 0),
    }),
  ),
  awsKms: Type.Optional(
    section({
      region: text('Region of the keys, such as eu-west-2'),
      endpointUrl: Type.Optional(serviceUrl('URL of the service, such as an interface endpoint. Default: by region')),
      ...callLimits(32, 400),
    }),
  ),
  azureKeyVault: Type.Optional(
    section({
      vaultUrl: Type.String({
        format: 'uri',
        pattern: '^https://[^@?#]*$',
        maxLength: 2048,
        description: 'URL of the vault or managed HSM, such as https://tidings.vault.azure.net',
      }),
      caFile: Type.Optional(
        file('Root certificates that the certificate of the vault must chain to, PEM. Default: those of Node.js'),
      ),
      ...callLimits(32, 150),
    }),
  ),
  gcpKms: Type.Optional(
    section({
      endpointUrl: Type.Optional(
        serviceUrl(
          'URL of the service, such as a Private Service Connect endpoint. Default: https://cloudkms.googleapis.com',
        ),
      ),
      ...callLimits(32, 40),
    }),
  ),
  vault: Type.Optional(
    section({
      url: serviceUrl(
        'URL of the server, such as https://vault.bank.example:8200; http only for an agent on this machine',
      ),
      mount: Type.String({
        default: 'transit',
        pattern: '^[\\w-]+(?:/[\\w-]+)*$',
        maxLength: 256,
        description: 'Path of the transit secrets engine',
      }),
      namespace: Type.Optional(text('Namespace, in editions that have them')),
      tokenFile: file('Token. It is read at each call, so that an agent can renew it'),
      caFile: Type.Optional(
        file('Root certificates that the certificate of the server must chain to, PEM. Default: those of Node.js'),
      ),
      ...callLimits(32, 0),
    }),
  ),
};

/** Where a signing key is. */
const KEY_SETTINGS = {
  keyFile: Type.Optional(file('Private signing key, RSA of 2048 to 8192 bits, PKCS #8 PEM, for the provider file')),
  key: Type.Optional(
    text(
      'Name of the key at the provider: label (pkcs11), id, ARN or alias (aws-kms), name/version (azure-key-vault, vault), resource name of the version (gcp-kms)',
    ),
  ),
  publicKeyFile: Type.Optional(
    file(
      'Public part of the key, PEM or JWK. If given, the key of the provider must match it, and the service can start while the provider is unavailable',
    ),
  ),
  certificateFile: Type.Optional(
    file(
      'Certificate of the signing key, as the trust anchor issued it, PEM. It is used for nothing but alerts before it expires',
    ),
  ),
};

/** The section `signing`: our own keys, and what keeps them. */
export const SIGNING_SECTION = section({
  provider: Type.Enum([...PROVIDERS], {
    default: 'file',
    description:
      'What keeps the key: file, pkcs11, aws-kms, azure-key-vault, gcp-kms or vault. Each but file is a package to install, such as @tidings/signer-pkcs11',
  }),
  kid: text('Key id under which the trust anchor publishes our signing key'),
  ...KEY_SETTINGS,
  next: Type.Optional(
    section({
      provider: Type.Optional(
        Type.Enum([...PROVIDERS], { description: 'What keeps the next key. Default: "signing.provider"' }),
      ),
      kid: text(
        'Key id of the next signing key: it is announced in the JWKS, and signs once an operator rotates to it',
      ),
      ...KEY_SETTINGS,
    }),
  ),
  announcedMs: whole(
    86_400_000,
    0,
    31_536_000_000,
    'How long the next key must have been in the JWKS before it may sign, so that TPPs that cache the JWKS know it',
  ),
  formerKeysKeptMs: whole(
    7_776_000_000,
    0,
    315_360_000_000,
    'How long a former key stays in the JWKS after its last use; it stays longer while notifications that it signed are awaiting',
  ),
  circuit: sectionOfDefaults({
    failuresMax: whole(
      5,
      1,
      1000,
      'Consecutive signatures that fail before calls to the provider pause, and deliveries with them; one refusal for lack of permission is enough',
    ),
    pauseMs: whole(
      1000,
      10,
      3_600_000,
      'First pause; after it one signature is tried, and each failed trial doubles the pause',
    ),
    pauseMaxMs: whole(30_000, 10, 86_400_000, 'Longest pause'),
  }),
  ...PROVIDER_SETTINGS,
});

type Signing = Static<typeof SIGNING_SECTION>;
/** A key of the configuration. */
export type KeySettings = Pick<NonNullable<Signing['next']>, 'kid' | 'provider' | keyof typeof KEY_SETTINGS>;

/**
 * Checks that each key is named in the way of its provider, whose section is given.
 *
 * @param source name of the configuration in messages
 * @throws {StartUpError} one sentence that names the settings and the remedy
 */
export function assertSigning(signing: Signing, source: string): void {
  assertKey(signing, signing, 'signing', source);
  if (signing.next !== undefined) {
    assertKey(
      { ...signing.next, provider: signing.next.provider ?? signing.provider },
      signing,
      'signing.next',
      source,
    );
  }
  if (signing.circuit.pauseMaxMs >= signing.circuit.pauseMs) return;
  throw new StartUpError(`${source}: "signing.circuit.pauseMaxMs" must not be below "signing.circuit.pauseMs".`);
}

function assertKey(
  { provider = 'file', keyFile, key, publicKeyFile }: KeySettings,
  signing: Signing,
  path: string,
  source: string,
): void {
  const isFile = provider === 'file';
  if (isFile && keyFile === undefined) {
    throw new StartUpError(`${source}: the setting "${path}.keyFile" is missing; add it.`);
  }
  if (!isFile && key === undefined) {
    throw new StartUpError(`${source}: the setting "${path}.key" is missing; add the name of the key at ${provider}.`);
  }
  const strays = isFile ? { key, publicKeyFile } : { keyFile };
  for (const [stray, value] of Object.entries(strays)) {
    if (value === undefined) continue;
    throw new StartUpError(
      `${source}: "${path}.${stray}" is not for the provider ${provider}; remove it, or set "${path}.provider".`,
    );
  }
  if (provider === 'file') return;
  const needed = PROVIDER_SECTIONS[provider];
  if (signing[needed] !== undefined) return;
  throw new StartUpError(`${source}: the provider ${provider} needs the section "signing.${needed}"; add it.`);
}
