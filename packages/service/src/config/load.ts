import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isJsonObject, parseStrictJson, type ShapeFault, StrictJsonError, shapeOf } from '@tidings/protocol';
import { Value } from 'typebox/value';
import type { Environment } from '../base/process.ts';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';
import { assertConsistent } from './consistency.ts';
import { type Gathered, gatherSettings, type Origin } from './gather.ts';
import { nearestOf } from './nearest.ts';
import { namesIn, schemaAt } from './paths.ts';
import { type Config, ConfigSchema } from './schema.ts';

/** Checks settings against the schema; does not fill in defaults. */
const shapeConfig = shapeOf(ConfigSchema);

/**
 * Reads a configuration file: JSON, checked against the schema, with defaults filled in and absolute paths. Does not read
 * the files that it names, but those that it refers to as `${file:PATH}`.
 *
 * @param environment for `${env:NAME}`, and for the variables that override settings
 * @throws {StartUpError} one sentence that names the setting and the remedy
 */
export function loadConfig(file: string, environment: Environment = {}): Config {
  const written = readJsonFile(file);
  const gathered = gatherSettings(written, dirname(resolve(file)), environment);
  const [fault] = gathered.faults;
  if (fault !== undefined) throw new StartUpError(`${file}: ${fault.sentence}`);
  return configOf(written, gathered, file);
}

/**
 * Checks settings that are already in memory, for tests and programs that embed the service. Texts are taken as they are.
 *
 * @param folder base of relative paths
 * @param source name of the configuration in messages
 * @throws {StartUpError}
 */
export function parseConfig(settings: unknown, folder: string, source = 'the configuration'): Config {
  return checked(settings, { written: settings, origins: NO_ORIGINS }, folder, source);
}

function configOf(written: unknown, { settings, origins }: Gathered, file: string): Config {
  return checked(settings, { written, origins }, dirname(resolve(file)), file);
}

function checked(settings: unknown, provenance: Provenance, folder: string, source: string): Config {
  const shaped = shapeConfig(Value.Default(ConfigSchema, structuredClone(settings)));
  if (!shaped.ok) throw new StartUpError(`${source}: ${describeFault(shaped.fault, provenance.origins)}`);
  const config = withAbsolutePaths(shaped.value, folder);
  assertConsistent(config, source);
  PROVENANCE.set(config, provenance);
  return deepFreeze(config);
}

/** Where the values of a configuration come from. */
export interface Provenance {
  /** The settings as they are written in the file, without defaults; references are not replaced. */
  readonly written: unknown;
  readonly origins: ReadonlyMap<string, Origin>;
}

const NO_ORIGINS: ReadonlyMap<string, Origin> = new Map();
const PROVENANCE = new WeakMap<Config, Provenance>();

/** Where the values come from; undefined: the configuration is not one that was parsed. */
export function provenanceOf(config: Config): Provenance | undefined {
  return PROVENANCE.get(config);
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
function describeFault(fault: ShapeFault, origins: ReadonlyMap<string, Origin>): string {
  if (fault.path === '') return 'it must be a JSON object that holds the settings.';
  const origin = origins.get(fault.path);
  const variable = origin?.kind === 'environment' ? ` (environment variable ${origin.variable})` : '';
  const setting = `the setting "${fault.path}"${variable}`;
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
  const nearest = nearestOf(wrong, Object.keys(schemaAt(section).properties ?? {}));
  return nearest && (section === '' ? nearest : `${section}.${nearest}`);
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
export function examineConfig(file: string, environment: Environment = {}): ExaminedConfig {
  const written = readJsonFile(file);
  const gathered = gatherSettings(written, dirname(resolve(file)), environment);
  const { settings, origins } = gathered;
  const faults: string[] = [];
  let schema: Schema = ConfigSchema;
  // Removed because it is invalid, a setting would be reported as missing too.
  const leaveOut = (names: readonly string[]) => {
    schema = withoutRequired(schema, names);
  };
  for (const { setting, sentence } of gathered.faults.slice(0, FAULTS_MAX)) {
    faults.push(sentence);
    if (setting !== undefined && removeSetting(settings, namesIn(setting))) leaveOut(namesIn(setting));
  }
  while (faults.length < FAULTS_MAX) {
    const fault = firstFault(settings, schema);
    if (fault === undefined) break;
    faults.push(describeFault(fault, origins));
    const names = namesIn(fault.path);
    if (fault.kind !== 'missing' && !removeSetting(settings, names)) break;
    if (fault.kind !== 'unexpected') leaveOut(names);
  }
  if (faults.length > 0) return { config: undefined, faults };
  try {
    return { config: configOf(written, gathered, file), faults };
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
