import { createHash, createPublicKey } from 'node:crypto';
import { accessSync, constants, statSync } from 'node:fs';
import { createDestinations } from '../../alerts/destinations.ts';
import { provenanceOf } from '../../config/load.ts';
import { readConfiguredFile } from '../../trust/files.ts';
import { isPs256Signature, SignerUnavailableError } from '../../trust/provider-signer.ts';
import { loadSigningKeys, type OwnSigningKey } from '../../trust/signing-key.ts';
import { createSigningProviders } from '../../trust/signing-providers.ts';
import { type Finding, fault, faultFrom, type Inspection, ok, warning } from './finding.ts';

/** A section of the configuration, at any depth, with its settings. */
export interface FoundSection {
  /** Such as `api.tls`; empty for the whole configuration. */
  readonly path: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** The configuration and all sections in it, so that no setting that names a file is missed. */
export function sectionsOf(settings: object, path = ''): readonly FoundSection[] {
  const own = { path, settings: Object.fromEntries(Object.entries(settings)) };
  const inner = Object.entries(settings).flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null) return [];
    return sectionsOf(value, Array.isArray(settings) ? `${path}[${name}]` : join(path, name));
  });
  return Array.isArray(settings) ? inner : [own, ...inner];
}

const join = (path: string, name: string) => (path === '' ? name : `${path}.${name}`);

/** A file that a setting names. */
export interface NamedFile {
  /** Such as `api.tls.keyFile`. */
  readonly setting: string;
  /** Its last component, such as `keyFile`. */
  readonly name: string;
  readonly file: string;
}

/** Every file that the configuration names and that the service only reads. */
export function filesOf(config: object): readonly NamedFile[] {
  return sectionsOf(config).flatMap(({ path, settings }) =>
    Object.entries(settings).flatMap(([name, file]) => {
      if (!name.endsWith('File') || typeof file !== 'string') return [];
      return [{ setting: join(path, name), name, file }];
    }),
  );
}

/** Whether a file exists and can be read. Only {@link checkFiles} reports one that cannot. */
export function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The value if it is a string, or else undefined. */
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const SECRETS = new Set([
  'keyFile',
  'passwordFile',
  'secretFile',
  'clientSecretFile',
  'sessionKeyFile',
  'urlFile',
  'pinFile',
  'tokenFile',
]);
/** Permissions of users other than owner and group: some installations give a key to a group on purpose. */
const OTHERS = 0o007;

/** Checks that every named file exists and can be read, and that only owner and group can read keys and passwords. */
export function checkFiles({ config }: Inspection): readonly Finding[] {
  const files = filesOf(config);
  const referred = [...(provenanceOf(config)?.origins ?? [])].flatMap(([setting, origin]) =>
    origin.kind === 'reference' ? origin.files.map((file) => ({ setting, file })) : [],
  );
  const findings = [...files.flatMap(checkFile), ...referred.flatMap(checkPermissions)];
  if (findings.length > 0) return findings;
  return [ok('files', `All ${files.length} files named in the configuration can be read.`)];
}

function checkFile({ setting, name, file }: NamedFile): readonly Finding[] {
  try {
    readConfiguredFile(setting, file);
  } catch (error) {
    return [faultFrom('files', error, `Make the file readable for the user of the service, or correct "${setting}".`)];
  }
  return SECRETS.has(name) ? checkPermissions({ setting, file }) : [];
}

function checkPermissions({ setting, file }: Pick<NamedFile, 'setting' | 'file'>): readonly Finding[] {
  if (process.platform === 'win32') return [];
  const others = statSync(file).mode & OTHERS;
  if (others === 0) return [];
  const what = `Every user of this machine has access to the secret in ${file}, named by "${setting}".`;
  return [warning('files', what, `Run: chmod o-rwx ${file}`)];
}

/**
 * Checks the present and the next signing key: each signs once, and its signature is verified. Does not compare them with
 * the keys at the trust anchor.
 */
export async function checkSigningKey({ config, clock, importPackage }: Inspection): Promise<readonly Finding[]> {
  const { signing } = config;
  const { keyFile, next: announced } = signing;
  if ([keyFile, announced?.keyFile].some((file) => file !== undefined && !isReadable(file))) return [];
  const log = { error: () => undefined, info: () => undefined };
  const providers = createSigningProviders({ clock, log, importPackage });
  try {
    const { main, next } = await loadSigningKeys(config, providers);
    const findings = [await checkSignature('The signing key', main)];
    if (next === undefined) return findings;
    findings.push(await checkSignature('The next signing key', next));
    if (next.publicJwk['n'] !== main.publicJwk['n']) return findings;
    const setting = announced?.keyFile === undefined ? 'signing.next.key' : 'signing.next.keyFile';
    const what = `"${setting}" holds the present signing key, so a rotation would change nothing.`;
    return [...findings, warning('signing key', what, createAnother(announced?.keyFile))];
  } catch (error) {
    const create = keyFile === undefined ? '.' : `; create a new one with: ${commandFor(keyFile)}`;
    const remedy = `Use the key that is registered at the trust anchor as "${signing.kid}"${create}`;
    return [faultFrom('signing key', error, remedy)];
  } finally {
    await providers.close();
  }
}

const TRIAL = new TextEncoder().encode('signature of tidings doctor');

/** Signs once, and verifies the signature. */
async function checkSignature(what: string, { signer, publicJwk }: OwnSigningKey): Promise<Finding> {
  const publicKey = createPublicKey({ key: publicJwk, format: 'jwk' });
  const bits = publicKey.asymmetricKeyDetails?.modulusLength;
  const named = `${what} "${publicJwk.kid}" is an RSA key of ${bits} bits`;
  try {
    if (isPs256Signature(TRIAL, await signer.sign(TRIAL), publicKey)) return ok('signing key', `${named}, and signs.`);
    return fault('signing key', `${named}, but its signature does not verify.`, 'Replace the key.');
  } catch (error) {
    if (!(error instanceof SignerUnavailableError)) throw error;
    const remedy = 'Check the provider; until it signs, events are accepted and deliveries wait.';
    return fault('signing key', `${named}, but does not sign: ${error.message}.`, remedy);
  }
}

const createAnother = (keyFile: string | undefined) =>
  keyFile === undefined ? 'Create another key at the provider.' : `Create another key: ${commandFor(keyFile)}`;

const commandFor = (file: string) => `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ${file}`;

/** An unset variable (empty), the variable name in single quotes, and words from examples. */
const GUESSED = ['', '$TOKEN', 'TOKEN', 'token', 'secret', 'password', 'change-me', 'changeme', 'operator', 'admin'];
const GUESSED_HASHES: ReadonlySet<string> = new Set(
  GUESSED.flatMap((text) => [text, `${text}\n`]).map((text) => createHash('sha256').update(text).digest('hex')),
);
/** Placeholders for a hash in examples. */
const PLACEHOLDER = /^(.)\1*$|^(?:0123456789abcdef)+$/;

const CREATE =
  'create one with "openssl rand -hex 32" and configure its SHA-256, printed by: printf %s "$TOKEN" | sha256sum';

/** Checks that operator tokens are not guessable, and that tokens and names are distinct. */
export function checkOperatorTokens({ config }: Inspection): readonly Finding[] {
  const { tokens } = config.operator;
  const findings = tokens.flatMap(({ name, sha256 }, at): Finding[] => {
    const setting = `"operator.tokens[${at}]" (${name})`;
    const twin = tokens.findIndex((other) => other.sha256 === sha256);
    if (twin < at) {
      const what = `${setting} is the same token as "operator.tokens[${twin}]", so the audit trail cannot distinguish them.`;
      return [fault('operator tokens', what, `Give each user a separate token; ${CREATE}`)];
    }
    if (GUESSED_HASHES.has(sha256) || PLACEHOLDER.test(sha256)) {
      const what = `${setting} is the hash of an empty or well-known string, not of a secret.`;
      return [fault('operator tokens', what, `Replace the token; ${CREATE}`)];
    }
    if (tokens.findIndex((other) => other.name === name) === at) return [];
    const what = `${setting} has the same name as another token, so the audit trail cannot distinguish them.`;
    return [warning('operator tokens', what, 'Give each token the name of its user.')];
  });
  if (findings.length > 0 || tokens.length === 0) return findings;
  return [
    ok('operator tokens', tokens.length === 1 ? '1 token is accepted.' : `${tokens.length} tokens are accepted.`),
  ];
}

/** Checks the secrets of the destinations of alerts. Sends nothing. */
export async function checkDestinations({ config: { notify }, clock }: Inspection): Promise<readonly Finding[]> {
  const files = filesOf(notify);
  if (files.length === 0 || !files.every(({ file }) => isReadable(file))) return [];
  try {
    const destinations = createDestinations(notify, clock);
    await Promise.all(destinations.map(({ channel }) => channel.close()));
    const [first] = destinations;
    const what = `${destinations.length} destinations of alerts are usable as far as their files tell`;
    return [ok('alerts', `${what}; try each with "tidings alerts test ${first?.name}".`)];
  } catch (error) {
    return [faultFrom('alerts', error, 'Correct the file, or the setting that names it.')];
  }
}
