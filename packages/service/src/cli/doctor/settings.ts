import { createHash, createPublicKey } from 'node:crypto';
import { accessSync, constants, statSync } from 'node:fs';
import { readConfiguredFile } from '../../trust/files.ts';
import { loadSigningKeys, type OwnSigningKey } from '../../trust/signing-key.ts';
import { type Finding, fault, type Inspection, ok, refusal, warning } from './finding.ts';

/** A section of the configuration, wherever it stands, and what is in it. */
export interface FoundSection {
  /** As in `api.tls`; empty for the whole. */
  readonly path: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** The configuration and all sections in it, so that nothing that names a file is passed over. */
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
  /** As in `api.tls.keyFile`. */
  readonly setting: string;
  /** The last word of it. */
  readonly name: string;
  readonly file: string;
}

/** Every file that the configuration names and the service only reads. */
export function filesOf(config: object): readonly NamedFile[] {
  return sectionsOf(config).flatMap(({ path, settings }) =>
    Object.entries(settings).flatMap(([name, file]) => {
      if (!name.endsWith('File') || typeof file !== 'string') return [];
      return [{ setting: join(path, name), name, file }];
    }),
  );
}

/** Whether a file is there and can be read; what cannot is told once, by the check of the files. */
export function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** A text among settings, or undefined. */
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const SECRETS = new Set(['keyFile', 'passwordFile']);
/** Permissions of all but owner and group: some installations give a key to a group on purpose. */
const OTHERS = 0o007;

/** Every file that is named is there and can be read; keys and passwords by their owner and group alone. */
export function checkFiles({ config }: Inspection): readonly Finding[] {
  const files = filesOf(config);
  const findings = files.flatMap(checkFile);
  if (findings.length > 0) return findings;
  return [ok('files', `All ${files.length} files that the configuration names can be read.`)];
}

function checkFile({ setting, name, file }: NamedFile): readonly Finding[] {
  try {
    readConfiguredFile(setting, file);
  } catch (error) {
    return [
      refusal('files', error, `Put the file there, readable by the user of the service, or correct "${setting}".`),
    ];
  }
  if (!SECRETS.has(name) || process.platform === 'win32') return [];
  const others = statSync(file).mode & OTHERS;
  if (others === 0) return [];
  const what = `Every user of this machine may use the secret in ${file}, named by "${setting}".`;
  return [warning('files', what, `Run: chmod o-rwx ${file}`)];
}

/** The keys that SETs are, or will be, signed with can be used. Does not look at what the trust anchor publishes. */
export async function checkSigningKey({ config }: Inspection): Promise<readonly Finding[]> {
  const { kid, keyFile, next: announced } = config.signing;
  if (!isReadable(keyFile) || (announced !== undefined && !isReadable(announced.keyFile))) return [];
  try {
    const { main, next } = await loadSigningKeys(config);
    if (next === undefined) return [described('The signing key', main)];
    const findings = [described('The signing key', main), described('The next signing key', next)];
    if (next.publicJwk['n'] !== main.publicJwk['n']) return findings;
    const what = `"signing.next.keyFile" holds the key that signs now, so that rotating to it would change nothing.`;
    return [warning('signing key', what, `Make another: ${commandFor(announced?.keyFile ?? keyFile)}`)];
  } catch (error) {
    const remedy = `Use the key that the trust anchor has under "${kid}"; a new one is made with: ${commandFor(keyFile)}`;
    return [refusal('signing key', error, remedy)];
  }
}

function described(what: string, { publicJwk }: OwnSigningKey): Finding {
  const { asymmetricKeyDetails } = createPublicKey({ key: publicJwk, format: 'jwk' });
  return ok('signing key', `${what} "${publicJwk.kid}" is an RSA key of ${asymmetricKeyDetails?.modulusLength} bits.`);
}

const commandFor = (file: string) => `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ${file}`;

/** Nothing at all, which an unset variable is; the variable itself, in single quotes; what examples say. */
const GUESSED = ['', '$TOKEN', 'TOKEN', 'token', 'secret', 'password', 'change-me', 'changeme', 'operator', 'admin'];
const GUESSED_HASHES: ReadonlySet<string> = new Set(
  GUESSED.flatMap((text) => [text, `${text}\n`]).map((text) => createHash('sha256').update(text).digest('hex')),
);
/** Stands for a hash in examples. */
const PLACEHOLDER = /^(.)\1*$|^(?:0123456789abcdef)+$/;

const MAKE = 'make one with: openssl rand -hex 32, and put its SHA-256 there: printf %s "$TOKEN" | sha256sum';

/** Operator tokens are none that anybody could guess, and each is told apart from the others. */
export function checkOperatorTokens({ config }: Inspection): readonly Finding[] {
  const { tokens } = config.operator;
  const findings = tokens.flatMap(({ name, sha256 }, at): Finding[] => {
    const setting = `"operator.tokens[${at}]" (${name})`;
    const twin = tokens.findIndex((other) => other.sha256 === sha256);
    if (twin < at) {
      const what = `${setting} has the same token as "operator.tokens[${twin}]", so that the audit trail cannot tell them apart.`;
      return [fault('operator tokens', what, `Give each its own: ${MAKE}`)];
    }
    if (GUESSED_HASHES.has(sha256) || PLACEHOLDER.test(sha256)) {
      const what = `${setting} is the hash of an empty or well-known text, not of a secret.`;
      return [fault('operator tokens', what, `Replace the token; ${MAKE}`)];
    }
    if (tokens.findIndex((other) => other.name === name) === at) return [];
    const what = `${setting} has the name of another token, so that the audit trail cannot tell them apart.`;
    return [warning('operator tokens', what, 'Give each token the name of whoever uses it.')];
  });
  if (findings.length > 0 || tokens.length === 0) return findings;
  return [
    ok('operator tokens', tokens.length === 1 ? '1 token is accepted.' : `${tokens.length} tokens are accepted.`),
  ];
}
