import { accessSync, constants, statSync } from 'node:fs';
import { readConfiguredFile } from '../../trust/files.ts';
import { type Examination, type Finding, ok, refusal, warning } from './finding.ts';

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
export function checkFiles({ config }: Examination): readonly Finding[] {
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
