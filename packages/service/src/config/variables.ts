import { parseStrictJson, StrictJsonError } from '@tidings/protocol';
import type { Environment } from '../base/process.ts';
import { nearestOf } from './nearest.ts';
import { schemaAt } from './paths.ts';
import { configurationReference } from './reference.ts';

/** A setting that a variable gives. */
export interface GivenSetting {
  readonly setting: string;
  readonly variable: string;
  readonly value: unknown;
}

const PREFIX = 'TIDINGS_';
/** Variables of the commands that call a running service. */
const OF_COMMANDS: readonly string[] = [
  'TIDINGS_OPERATOR_URL',
  'TIDINGS_TOKEN_FILE',
  'TIDINGS_CA_FILE',
  'TIDINGS_CERTIFICATE_FILE',
  'TIDINGS_KEY_FILE',
];

/** Kubernetes adds these for each Service whose name begins with "tidings"; the last also in the place of a setting such as `api.port`. */
const SERVICE_LINK = /_SERVICE_HOST$|_SERVICE_PORT(?:_\w+)?$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/;
const SERVICE_ADDRESS = /^(?:tcp|udp|sctp):\/\//;
const isServiceLink = (name: string, value: string) =>
  SERVICE_LINK.test(name) || (name.endsWith('_PORT') && SERVICE_ADDRESS.test(value));

/**
 * Reads the settings that variables give. Text is taken as it is; numbers, true, false and lists are JSON.
 *
 * @returns faults as sentences that name the variable and the remedy, and never its value
 */
export function settingsIn(environment: Environment): {
  readonly given: readonly GivenSetting[];
  readonly faults: readonly string[];
} {
  const given: GivenSetting[] = [];
  const faults: string[] = [];
  for (const [variable, text = ''] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || OF_COMMANDS.includes(variable) || isServiceLink(variable, text)) continue;
    const setting = settingsByVariable().get(variable);
    if (setting === undefined) {
      faults.push(unknownVariable(variable));
    } else if (text === '') {
      faults.push(`the environment variable ${variable} is empty; give it a value, or unset it.`);
    } else {
      const value = parsedAs(setting, text);
      if (value === undefined) faults.push(`the environment variable ${variable} ${typeFault(setting)}.`);
      else given.push({ setting, variable, value });
    }
  }
  return { given, faults };
}

let byVariable: ReadonlyMap<string, string> | undefined;

/** The settings by their variables; made once, when it is first needed. */
function settingsByVariable(): ReadonlyMap<string, string> {
  byVariable ??= new Map(
    configurationReference().flatMap(({ setting, variable }) => (variable === undefined ? [] : [[variable, setting]])),
  );
  return byVariable;
}

function unknownVariable(variable: string): string {
  const nearest = nearestOf(variable, [...settingsByVariable().keys(), ...OF_COMMANDS]);
  const remedy = nearest === undefined ? 'unset it.' : `did you mean ${nearest}?`;
  return `the environment variable ${variable} stands for no setting; ${remedy}`;
}

/** @returns undefined if the text is not of the type of the setting */
function parsedAs(setting: string, text: string): unknown {
  const type = schemaAt(setting).type ?? 'string';
  if (type === 'string') return text;
  try {
    const value = parseStrictJson(new TextEncoder().encode(text));
    if (type === 'array') return Array.isArray(value) ? value : undefined;
    return typeof value === (type === 'boolean' ? 'boolean' : 'number') ? value : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}

function typeFault(setting: string): string {
  const { type } = schemaAt(setting);
  if (type === 'boolean') return 'must be true or false';
  return type === 'array' ? 'must be a list in JSON, such as ["a", "b"]' : 'must be a number';
}
