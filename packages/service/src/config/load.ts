import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isJsonObject, parseStrictJson, type ShapeFault, StrictJsonError, shapeOf } from '@tidings/protocol';
import { Value } from 'typebox/value';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';
import { assertConsistent } from './consistency.ts';
import { type Config, ConfigSchema } from './schema.ts';

/** Checks settings against the schema; does not fill in defaults. */
const shapeConfig = shapeOf(ConfigSchema);

/**
 * Reads a configuration file: JSON, checked against the schema, with defaults filled in and absolute paths. Does not read
 * the files that it names.
 *
 * @throws {StartUpError} one sentence that names the setting and the remedy
 */
export function loadConfig(file: string): Config {
  return parseConfig(readJsonFile(file), dirname(resolve(file)), file);
}

/**
 * Checks settings that are already in memory, for tests and programs that embed the service.
 *
 * @param folder base of relative paths
 * @param source name of the configuration in messages
 * @throws {StartUpError}
 */
export function parseConfig(settings: unknown, folder: string, source = 'the configuration'): Config {
  const shaped = shapeConfig(Value.Default(ConfigSchema, structuredClone(settings)));
  if (!shaped.ok) throw new StartUpError(`${source}: ${describeFault(shaped.fault)}`);
  const config = withAbsolutePaths(shaped.value, folder);
  assertConsistent(config, source);
  WRITTEN.set(config, settings);
  return deepFreeze(config);
}

const WRITTEN = new WeakMap<Config, unknown>();

/** The settings from which a configuration was parsed, without defaults; undefined: it is not one that was parsed. */
export function writtenSettingsOf(config: Config): unknown {
  return WRITTEN.get(config);
}

/**
 * Reads a configuration file as JSON; checks nothing else.
 *
 * @throws {StartUpError} if it cannot be read or is not JSON
 */
function readJsonFile(file: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new StartUpError(`The configuration file ${file} cannot be read (${systemErrorCode(error) ?? 'unknown'}).`);
  }
  try {
    return parseStrictJson(bytes);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const where = error.path === '' ? '' : `: the setting "${error.path}"`;
    throw new StartUpError(`The configuration file ${file}${where} ${error.message}.`);
  }
}

/** Describes a fault of a setting and its remedy in one sentence, which follows the name of the source. */
function describeFault(fault: ShapeFault): string {
  if (fault.path === '') return 'it must be a JSON object that holds the settings.';
  const setting = `the setting "${fault.path}"`;
  if (fault.kind === 'missing') return `${setting} is missing; add it.`;
  if (fault.kind === 'invalid') {
    const { description } = schemaAt(fault.path);
    return `${setting} ${fault.why}${description === undefined ? '' : ` (${description})`}.`;
  }
  const nearest = nearestSetting(fault.path);
  const remedy = nearest === undefined ? 'remove it.' : `did you mean "${nearest}"?`;
  return `"${fault.path}" is not a setting; ${remedy}`;
}

/** The setting whose name is closest to a misspelt one, in the same section. */
function nearestSetting(path: string): string | undefined {
  const section = path.slice(0, Math.max(path.lastIndexOf('.'), 0));
  const wrong = section === '' ? path : path.slice(section.length + 1);
  const [nearest] = Object.keys(schemaAt(section).properties ?? {})
    .map((name) => ({ name, distance: editDistance(name.toLowerCase(), wrong.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 3))
    .sort((left, right) => left.distance - right.distance);
  return nearest && (section === '' ? nearest.name : `${section}.${nearest.name}`);
}

/** The part of a JSON schema that messages use. */
interface SettingSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, object>>;
  readonly items?: object;
}

/** The schema of a setting or section, as in `operator.tokens[0].name`; empty if there is none. */
function schemaAt(path: string): SettingSchema {
  let schema: SettingSchema = ConfigSchema;
  for (const part of path === '' ? [] : path.split('.')) {
    const name = part.replace(/\[\d+\]$/, '');
    const found: SettingSchema = schema.properties?.[name] ?? {};
    schema = name === part ? found : (found.items ?? {});
  }
  return schema;
}

/** Levenshtein distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Settings named `file` or ending in `File` are paths. */
function withAbsolutePaths<T>(settings: T, folder: string): T {
  if (Array.isArray(settings)) return settings.map((entry) => withAbsolutePaths(entry, folder)) as T;
  if (typeof settings !== 'object' || settings === null) return settings;
  const entries = Object.entries(settings).map(([name, value]) => {
    const isPath = typeof value === 'string' && (name === 'file' || name.endsWith('File'));
    return [name, isPath ? resolve(folder, value) : withAbsolutePaths(value, folder)];
  });
  return Object.fromEntries(entries) as T;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}

/** A configuration file with all of its faults; the service at start names only the first. */
export interface ExaminedConfig {
  /** Undefined if there is a fault. */
  readonly config: Config | undefined;
  /** Sentences that name the setting and the remedy, worded as at start. */
  readonly faults: readonly string[];
}

const FAULTS_MAX = 50;

/**
 * Reads a configuration file as the service does, and continues after a fault where it can: it drops the faulty setting
 * and checks the rest again. Settings are checked against each other only once each of them is valid.
 *
 * @throws {StartUpError} if the file cannot be read or is not JSON
 */
export function examineConfig(file: string): ExaminedConfig {
  const settings = structuredClone(readJsonFile(file));
  const faults: string[] = [];
  let schema: Schema = ConfigSchema;
  while (faults.length < FAULTS_MAX) {
    const fault = firstFault(settings, schema);
    if (fault === undefined) break;
    faults.push(describeFault(fault));
    const names = namesIn(fault.path);
    if (fault.kind !== 'missing' && !removeSetting(settings, names)) break;
    // Removed because it is invalid, it would be reported as missing too.
    if (fault.kind !== 'unexpected') schema = withoutRequired(schema, names);
  }
  if (faults.length > 0) return { config: undefined, faults };
  try {
    return { config: parseConfig(settings, dirname(resolve(file)), file), faults };
  } catch (error) {
    if (!(error instanceof StartUpError)) throw error;
    return { config: undefined, faults: [error.message.replace(`${file}: `, '')] };
  }
}

/** The part of a JSON schema that {@link examineConfig} reads. */
interface Schema {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, object>>;
  readonly items?: object;
}

function firstFault(settings: unknown, schema: Schema): ShapeFault | undefined {
  const shape = schema === ConfigSchema ? shapeConfig : shapeOf(schema);
  const shaped = shape(Value.Default(ConfigSchema, structuredClone(settings)));
  return shaped.ok ? undefined : shaped.fault;
}

/** Splits a path such as `operator.tokens[0].name`. */
const namesIn = (path: string): readonly string[] => path.split(/[.[\]]+/).filter((name) => name !== '');

/** The schema with this setting made optional, so that further faults can be found. */
function withoutRequired(schema: Schema, [name = '', ...inner]: readonly string[]): Schema {
  if (inner.length === 0) return { ...schema, required: schema.required?.filter((each) => each !== name) ?? [] };
  if (schema.items !== undefined) return { ...schema, items: withoutRequired(schema.items, inner) };
  const section = schema.properties?.[name] ?? {};
  return { ...schema, properties: { ...schema.properties, [name]: withoutRequired(section, inner) } };
}

/** Removes the faulty setting. @returns whether it was present */
function removeSetting(settings: unknown, names: readonly string[]): boolean {
  const last = names.at(-1);
  let section = settings;
  for (const name of names.slice(0, -1)) {
    if (Array.isArray(section)) section = section[Number(name)];
    else section = isJsonObject(section) ? section[name] : undefined;
  }
  if (last === undefined || !isJsonObject(section) || !(last in section)) return false;
  return Reflect.deleteProperty(section, last);
}
