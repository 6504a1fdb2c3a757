import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, parseStrictJson } from '@tidings/protocol';
import { StartUpError } from '../base/start-up-error.ts';
import { examineConfig, writtenSettingsOf } from './load.ts';
import { configurationReference } from './reference.ts';
import { type Config, ConfigSchema } from './schema.ts';

/** A setting with its effective value. */
export interface EffectiveSetting {
  /** Its path, as in `operator.tokens[0].name`. */
  readonly setting: string;
  /** Paths are absolute; {@link REDACTED} for secrets; left out if there is none. */
  readonly value?: unknown;
  readonly source: 'file' | 'default' | 'environment' | 'none';
}

/** Stands for a value that is not shown. */
const REDACTED = 'redacted';
// A hash of a token is not a secret, but whoever has it can guess tokens offline.
const SECRETS = new Set(['sha256']);
/** Environment variables that provide a default. */
const VARIABLES: Readonly<Record<string, string>> = { 'store.passwordFile': 'PGPASSWORD' };

/**
 * Every setting with its value and its source.
 *
 * @param environment names of variables that are set; their values are not read
 * @throws {StartUpError} with all faults, if the configuration is invalid
 */
export function effectiveSettings(file: string, environment: ReadonlySet<string>): readonly EffectiveSetting[] {
  const { config, faults } = examineConfig(file);
  if (config === undefined) throw new StartUpError(`${file}: ${faults.join(' ')}`);
  const written = parseStrictJson(readFileSync(file));
  const shown = shownSettings(config).map(({ setting, value }): EffectiveSetting => {
    return { setting, value, source: sourceIn(written, setting) };
  });
  const order = configurationReference().filter(({ isSection }) => isSection !== true);
  const ofSetting = Map.groupBy(shown, ({ setting }) => setting.replaceAll(/\[\d+\]/g, '[]'));
  const ofList = new Set(shown.flatMap(({ setting }) => listsOf(setting)));
  const isPostgres = config.store.url !== undefined;
  return order.flatMap(({ setting }): readonly EffectiveSetting[] => {
    const found = ofSetting.get(setting);
    if (found !== undefined) return found;
    // The settings of its sections stand for a list.
    if (ofList.has(setting)) return [];
    // An empty list or an omitted section has no settings to show.
    if (setting.includes('[]') || !isSectionThere(config, setting)) return [];
    const variable = VARIABLES[setting];
    if (variable === undefined || !environment.has(variable) || !isPostgres) return [{ setting, source: 'none' }];
    return [{ setting, value: `${variable}, ${REDACTED}`, source: 'environment' }];
  });
}

/** Every setting that has a value, in the order of the sections; secrets are redacted. */
export function shownSettings(config: Config): readonly { readonly setting: string; readonly value: unknown }[] {
  return leavesOf(config, '').map(({ setting, value }) => {
    const isSecret = SECRETS.has(setting.split('.').at(-1) ?? '');
    return { setting, value: isSecret ? REDACTED : value };
  });
}

/** Every setting that has a value, with whether the configuration file sets it; no source where that is not known. */
export function sourcedSettings(config: Config) {
  const written = writtenSettingsOf(config);
  return shownSettings(config).map(({ setting, value }) => {
    if (written === undefined) return { setting, value };
    return { setting, value, source: sourceIn(written, setting) };
  });
}

function sourceIn(written: unknown, setting: string): 'file' | 'default' {
  return valueAt(written, setting) === undefined ? 'default' : 'file';
}

/** Settings that SIGHUP applies; see `reload` of the service. */
const RELOADED =
  /^(?:notify\.(?!evaluateMs$).*|signing\.(?:provider|kid|key|keyFile|publicKeyFile|next\b.*)|(?:api|operator)\.tls\..+File|operator\.(?:tokens|oidc\.roles)\b.*)$/;

/** The settings that differ between two configurations and take effect only after a restart, by their paths. */
export function settingsToRestart(before: object, after: object): readonly string[] {
  const paths = [before, after].flatMap((config) => leavesOf(config, '').map(({ setting }) => setting));
  return [...new Set(paths)].filter((setting) => {
    return !RELOADED.test(setting) && !isDeepStrictEqual(valueAt(before, setting), valueAt(after, setting));
  });
}

/** A list of sections is split into its settings; a list of values is one value. */
function leavesOf(value: unknown, path: string): readonly { readonly setting: string; readonly value: unknown }[] {
  if (Array.isArray(value)) {
    if (value.length > 0 && value.every(isJsonObject)) {
      return value.flatMap((entry, at) => leavesOf(entry, `${path}[${at}]`));
    }
  } else if (isJsonObject(value)) {
    return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, path === '' ? name : `${path}.${name}`));
  }
  return [{ setting: path, value }];
}

/** The lists that a setting is in: `a.b[].c` is in `a.b`. */
function listsOf(setting: string): readonly string[] {
  const names = setting.split(/\[\d+\]/);
  return names.slice(0, -1).map((_, at) => names.slice(0, at + 1).join('[]'));
}

function valueAt(settings: unknown, path: string): unknown {
  let value = settings;
  for (const name of path.split(/[.[\]]+/).filter((part) => part !== '')) {
    if (Array.isArray(value)) value = value[Number(name)];
    else value = isJsonObject(value) ? value[name] : undefined;
  }
  return value;
}

function isSectionThere(config: object, setting: string): boolean {
  const section = setting.slice(0, Math.max(setting.lastIndexOf('.'), 0));
  return section === '' ? Object.hasOwn(ConfigSchema.properties, setting) : valueAt(config, section) !== undefined;
}
