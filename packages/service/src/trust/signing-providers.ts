import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  type CreateSigningProvider,
  isJsonObject,
  parseStrictJson,
  rsaKeyFault,
  type SigningProvider,
} from '@tidings/protocol';
import { once } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type ImportPackage, importOptional } from '../base/optional-package.ts';
import { messageOf, StartUpError } from '../base/start-up-error.ts';
import { VERSION } from '../base/version.ts';
import type { Config } from '../config/schema.ts';
import { type KeySettings, PROVIDER_SECTIONS, type ProviderName } from '../config/signing.ts';
import { CallGate } from './call-gate.ts';
import { readCertificates, readConfiguredFile } from './files.ts';
import { faultOf, type OnProviderCall, openKey, ProviderSigner } from './provider-signer.ts';

/** The providers that the configuration names, each loaded from its package and made once. */
export interface SigningProviders {
  /**
   * Opens a key. The same key at the same provider is the same signer, with its circuit.
   *
   * @param setting path of the key's section, for messages
   * @throws {StartUpError} if the package is not installed, or the key is not usable
   */
  open(
    key: KeySettings & { readonly provider: ProviderName },
    signing: Config['signing'],
    setting: string,
  ): Promise<ProviderSigner>;
  /**
   * The sections of the providers as they take effect: a provider keeps the settings with which it was made.
   *
   * @param signing what the next provider is made with
   */
  sectionsInUse(signing: Config['signing']): Readonly<Record<string, object | undefined>>;
  /** Sets the observer of calls. */
  observe(onCall: OnProviderCall): void;
  /** Ends trials, connections and sessions. */
  close(): Promise<void>;
}

interface Entry {
  readonly provider: SigningProvider;
  readonly gate: CallGate;
  /** Each way in which a key was opened; more than one, if a key was replaced under its name. */
  readonly signers: { readonly key: string; readonly signer: ProviderSigner }[];
}

/** @param options.importPackage default: the packages that are installed beside the service */
export function createSigningProviders(options: {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error' | 'info'>;
  readonly importPackage?: ImportPackage | undefined;
}): SigningProviders {
  const { clock, log, importPackage } = options;
  const entries = new Map<ProviderName, { readonly settings: object; readonly made: Promise<Entry> }>();
  let observer: OnProviderCall | undefined;
  const onCall: OnProviderCall = (...call) => observer?.(...call);

  const entryOf = (name: ProviderName, signing: Config['signing']): Promise<Entry> => {
    const known = entries.get(name);
    if (known !== undefined) return known.made;
    const settings = settingsOf(name, signing);
    // Read by the package, which does not know the name of the setting.
    if ('caFile' in settings && settings.caFile !== undefined) {
      readCertificates(`signing.${PROVIDER_SECTIONS[name]}.caFile`, settings.caFile);
    }
    const made = loadProvider(name, settings, importPackage).then((provider): Entry => {
      return { provider, gate: new CallGate(settings, clock), signers: [] };
    });
    entries.set(name, { settings, made });
    // A package may be installed before the next reload.
    made.catch(() => entries.delete(name));
    return made;
  };

  return {
    open: async ({ provider: name, key = '', publicKeyFile }, signing, setting) => {
      const { provider, gate, signers } = await entryOf(name, signing);
      const { timeoutMs } = settingsOf(name, signing);
      const given = publicKeyFile === undefined ? undefined : readPublicKey(`${setting}.publicKeyFile`, publicKeyFile);
      const latest = signers.findLast((each) => each.key === key)?.signer;
      const common = { provider, name, key, clock, timeoutMs };
      const expected = given ?? latest?.publicKey;
      const opened = await openKey(common).catch((error: unknown) => {
        if (expected !== undefined && faultOf(error) !== 'denied') return undefined;
        throw new StartUpError(cannotOpen(common, setting, error));
      });
      const publicKey = opened === undefined ? expected : createPublicKey(opened.publicKeyPem);
      if (publicKey === undefined || (given !== undefined && !given.equals(publicKey))) {
        throw new StartUpError(
          `The key ${key} of ${name}, named by "${setting}.key", is not the one in ${publicKeyFile}, named by "${setting}.publicKeyFile"; correct one of them.`,
        );
      }
      assertAccepted(publicKey, common, setting);
      if (latest?.publicKey.equals(publicKey) === true) return latest;
      const signer = new ProviderSigner({ ...common, publicKey, opened, gate, circuit: signing.circuit, log, onCall });
      signers.push({ key, signer });
      return signer;
    },
    sectionsInUse: (signing) => {
      const made = [...entries].map(([name, { settings }]) => [PROVIDER_SECTIONS[name], settings]);
      const given = Object.values(PROVIDER_SECTIONS).map((section) => [section, signing[section]]);
      return Object.fromEntries([...given, ...made]);
    },
    observe: (given) => {
      observer = given;
    },
    close: once(async () => {
      const made = await Promise.allSettled([...entries.values()].map((each) => each.made));
      const open = made.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      for (const { signers } of open) for (const { signer } of signers) signer.close();
      await Promise.allSettled(open.map(({ provider }) => provider.close()));
    }),
  };
}

function settingsOf(name: ProviderName, signing: Config['signing']) {
  const settings = signing[PROVIDER_SECTIONS[name]];
  if (settings === undefined) throw new StartUpError(`The section "signing.${PROVIDER_SECTIONS[name]}" is missing.`);
  return settings;
}

async function loadProvider(
  name: ProviderName,
  settings: object,
  importPackage: ImportPackage | undefined,
): Promise<SigningProvider> {
  const packageName = `@tidings/signer-${name}`;
  const loaded = await importOptional(packageName, importPackage);
  if (loaded === undefined) {
    const missing = `The signing provider ${name} needs the package ${packageName}, which is not installed`;
    throw new StartUpError(`${missing}; run "npm install ${packageName}@${VERSION}" where the service is installed.`);
  }
  const create = Reflect.get(loaded, 'createProvider');
  if (typeof create !== 'function') {
    throw new StartUpError(`The package ${packageName} has no "createProvider"; install version ${VERSION} of it.`);
  }
  const createProvider: CreateSigningProvider<object> = (given) => create(given);
  try {
    return createProvider(settings);
  } catch (error) {
    throw new StartUpError(`The signing provider ${name} cannot be used: ${messageOf(error)}.`);
  }
}

function cannotOpen({ name, key }: { name: string; key: string }, setting: string, error: unknown): string {
  const what = `The key ${key} of ${name}, named by "${setting}.key", cannot be used: ${messageOf(error)}`;
  if (faultOf(error) === 'denied') return `${what}; correct the setting, or the permissions at the provider.`;
  return `${what}; check the provider. With "${setting}.publicKeyFile" the service starts while it is unavailable.`;
}

/** Reads a public key in PEM or JWK. @throws {StartUpError} */
function readPublicKey(setting: string, file: string): KeyObject {
  const text = readConfiguredFile(setting, file);
  try {
    if (!text.trimStart().startsWith('{')) return createPublicKey(text);
    const jwk = parseStrictJson(new TextEncoder().encode(text));
    if (isJsonObject(jwk)) return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    // Said below.
  }
  throw new StartUpError(`The file ${file}, named by "${setting}", is not a public key in PEM or JWK.`);
}

/** @throws {StartUpError} if verifiers would reject the key */
function assertAccepted(publicKey: KeyObject, { name, key }: { name: string; key: string }, setting: string): void {
  const { modulusLength = 0, publicExponent = 0n } = publicKey.asymmetricKeyDetails ?? {};
  const isRsa = publicKey.asymmetricKeyType === 'rsa';
  const fault = isRsa ? rsaKeyFault(modulusLength, publicExponent) : 'it is not an RSA key';
  if (fault === undefined) return;
  throw new StartUpError(
    `The key ${key} of ${name}, named by "${setting}.key", is one that verifiers reject: ${fault}.`,
  );
}
