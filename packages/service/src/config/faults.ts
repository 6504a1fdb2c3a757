import { dirname, resolve } from 'node:path';
import { isJsonObject, type ShapeFault, shapeOf } from '@tidings/protocol';
import { Value } from 'typebox/value';
import { StartUpError } from '../base/start-up-error.ts';
import { parseConfig, readJsonFile, sayFault, shapeConfig } from './load.ts';
import { type Config, ConfigSchema } from './schema.ts';

/** A configuration file with everything that is wrong with it, where the service names only the first fault. */
export interface ExaminedConfig {
  /** Undefined when there is a fault. */
  readonly config: Config | undefined;
  /** Each a sentence that names a setting and the remedy, as the service says it at start. */
  readonly faults: readonly string[];
}

const FAULTS_MAX = 50;

/**
 * Reads a configuration file as the service does, and goes on after a fault where it can: what is wrong is left out, and
 * the rest looked at again. What settings say together is looked at once each of them is good.
 *
 * @throws {StartUpError} when the file cannot be read, or is no JSON
 */
export function examineConfig(file: string): ExaminedConfig {
  const settings = structuredClone(readJsonFile(file));
  const faults: string[] = [];
  let schema: Schema = ConfigSchema;
  while (faults.length < FAULTS_MAX) {
    const fault = firstFault(settings, schema);
    if (fault === undefined) break;
    faults.push(sayFault(fault));
    if (fault.kind === 'missing') schema = withoutRequired(schema, namesIn(fault.path));
    else if (!leaveOut(settings, namesIn(fault.path))) break;
  }
  if (faults.length > 0) return { config: undefined, faults };
  try {
    return { config: parseConfig(settings, dirname(resolve(file)), file), faults };
  } catch (error) {
    if (!(error instanceof StartUpError)) throw error;
    return { config: undefined, faults: [error.message.replace(`${file}: `, '')] };
  }
}

/** The part of a JSON schema that is read here. */
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

/** As in `operator.tokens[0].name`. */
const namesIn = (path: string): readonly string[] => path.split(/[.[\]]+/).filter((name) => name !== '');

/** The schema in which this setting need not be there, so that what else is wrong can be told. */
function withoutRequired(schema: Schema, [name = '', ...inner]: readonly string[]): Schema {
  if (inner.length === 0) return { ...schema, required: schema.required?.filter((each) => each !== name) ?? [] };
  if (schema.items !== undefined) return { ...schema, items: withoutRequired(schema.items, inner) };
  const section = schema.properties?.[name] ?? {};
  return { ...schema, properties: { ...schema.properties, [name]: withoutRequired(section, inner) } };
}

/** Takes what a fault is about out of the settings. @returns whether it was there */
function leaveOut(settings: unknown, names: readonly string[]): boolean {
  const last = names.at(-1);
  let section = settings;
  for (const name of names.slice(0, -1)) {
    if (Array.isArray(section)) section = section[Number(name)];
    else section = isJsonObject(section) ? section[name] : undefined;
  }
  if (last === undefined || !isJsonObject(section) || !(last in section)) return false;
  return Reflect.deleteProperty(section, last);
}
