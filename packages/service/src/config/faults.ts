import { dirname, resolve } from 'node:path';
import { isJsonObject, type ShapeFault } from '@tidings/protocol';
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
  for (let fault = firstFault(settings); fault !== undefined; fault = firstFault(settings)) {
    faults.push(sayFault(fault));
    if (fault.kind === 'missing' || !leaveOut(settings, fault) || faults.length === FAULTS_MAX) break;
  }
  if (faults.length > 0) return { config: undefined, faults };
  try {
    return { config: parseConfig(settings, dirname(resolve(file)), file), faults };
  } catch (error) {
    if (!(error instanceof StartUpError)) throw error;
    return { config: undefined, faults: [error.message.replace(`${file}: `, '')] };
  }
}

function firstFault(settings: unknown): ShapeFault | undefined {
  const shaped = shapeConfig(Value.Default(ConfigSchema, structuredClone(settings)));
  return shaped.ok ? undefined : shaped.fault;
}

/** Takes what a fault is about out of the settings. @returns whether it was there */
function leaveOut(settings: unknown, { path }: ShapeFault): boolean {
  const names = path.split(/[.[\]]+/).filter((name) => name !== '');
  const last = names.pop();
  let section = settings;
  for (const name of names) {
    if (Array.isArray(section)) section = section[Number(name)];
    else section = isJsonObject(section) ? section[name] : undefined;
  }
  if (last === undefined || !isJsonObject(section) || !(last in section)) return false;
  return Reflect.deleteProperty(section, last);
}
