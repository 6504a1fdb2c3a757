import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseStrictJson, type ShapeFault, StrictJsonError } from '@tidings/protocol';

/** A configuration that cannot be used. `message` names the field and the remedy. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Such as `bank.apiUrls`; empty for the whole file. */
  readonly field: string;

  /** @param why the sentence after the field, without its full stop */
  constructor(field: string, why: string) {
    super(`${field === '' ? 'The configuration' : field} ${why}.`);
    this.field = field;
  }

  /** The error of a file that is not of the schema. */
  static ofFault({ kind, path, why }: ShapeFault): ConfigError {
    const remedy = {
      missing: '; add it',
      unexpected: ': there is no such setting; remove it, or correct its name',
      invalid: '',
    };
    return new ConfigError(path, `${why}${remedy[kind]}`);
  }
}

/** A configuration file as it was read. */
export interface ConfigFile {
  /** JSON, not checked any further. */
  readonly value: unknown;
  /**
   * Reads a file that the configuration names; paths are relative to the configuration.
   *
   * @param field the setting that names it
   * @throws {ConfigError}
   */
  readFile(path: string, field: string): string;
}

/** Reads a configuration file: JSON without duplicate members. @throws {ConfigError} */
export function readConfigFile(file: string): ConfigFile {
  const read = (path: string, field: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      throw new ConfigError(field, `names the file ${path}, which cannot be read (${code}); correct the path`);
    }
  };
  const bytes = read(file, '--config');
  try {
    return {
      value: parseStrictJson(bytes),
      readFile: (path, field) => read(resolve(dirname(file), path), field).toString('utf8'),
    };
  } catch (error) {
    if (error instanceof StrictJsonError) throw new ConfigError(error.path || file, error.message);
    throw error;
  }
}
