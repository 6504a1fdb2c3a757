import { accessSync, constants, statSync } from 'node:fs';

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
