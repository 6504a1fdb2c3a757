import { isJsonObject } from '@tidings/protocol';
import { ConfigSchema } from './schema.ts';

// Settings by their paths, as in `operator.tokens[0].name`.

/** The part of a JSON schema that is read of a setting or section. */
export interface SettingSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
  readonly items?: object;
  /** See `secret` in setting.ts. */
  readonly isSecret?: boolean;
}

/** Splits a path into names and indexes. */
export const namesIn = (path: string): readonly string[] => path.split(/[.[\]]+/).filter((name) => name !== '');

/** The schema of a setting or section; empty if there is none. */
export function schemaAt(path: string): SettingSchema {
  let schema: SettingSchema = ConfigSchema;
  for (const name of namesIn(path)) schema = schema.properties?.[name] ?? schema.items ?? {};
  return schema;
}

/** The value at a path; undefined if there is none. */
export function valueAt(settings: unknown, path: string): unknown {
  let value = settings;
  for (const name of namesIn(path)) {
    if (Array.isArray(value)) value = value[Number(name)];
    else value = isJsonObject(value) ? value[name] : undefined;
  }
  return value;
}

/** A setting with its value. */
export interface SettingValue {
  readonly setting: string;
  readonly value: unknown;
}

/** All settings that have a value. A list of sections is split into its settings; a list of values is one value. */
export function leavesOf(value: unknown, path = ''): readonly SettingValue[] {
  if (Array.isArray(value)) {
    if (value.length > 0 && value.every(isJsonObject)) {
      return value.flatMap((entry, at) => leavesOf(entry, `${path}[${at}]`));
    }
  } else if (isJsonObject(value)) {
    return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, path === '' ? name : `${path}.${name}`));
  }
  return [{ setting: path, value }];
}
