import { isDeepStrictEqual } from 'node:util';
import type { Environment } from '../base/process.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { Origin } from './gather.ts';
import { examineConfig, type Provenance, provenanceOf } from './load.ts';
import { leavesOf, schemaAt, valueAt } from './paths.ts';
import { configurationReference } from './reference.ts';
import { type Config, ConfigSchema } from './schema.ts';

/** Where a value comes from: "reference" is `${env:NAME}` or `${file:PATH}` in the configuration file. */
export const SETTING_SOURCES = ['file', 'reference', 'environment', 'default'] as const;

/** A setting with its effective value. */
export interface EffectiveSetting {
  /** Its path, as in `operator.tokens[0].name`. */
  readonly setting: string;
  /** Paths are absolute; "redacted" for secrets; as it is written, if that has a reference; left out if there is none. */
  readonly value?: unknown;
  readonly source: (typeof SETTING_SOURCES)[number] | 'none';
  /** The variable of the environment, or the references. */
  readonly from?: string;
}

/** Stands for a value that is not shown. */
const REDACTED = 'redacted';
/** Environment variables that provide a default. */
const VARIABLES: Readonly<Record<string, string>> = { 'store.password': 'PGPASSWORD' };

/**
 * Every setting with its value and its source.
 *
 * @throws {StartUpError} with all faults, if the configuration is invalid
 */
export function effectiveSettings(file: string, environment: Environment): readonly EffectiveSetting[] {
  const { config, faults } = examineConfig(file, environment);
  if (config === undefined) throw new StartUpError(`${file}: ${faults.join(' ')}`);
  const shown = shownSettings(config).map((each): EffectiveSetting => ({ source: 'default', ...each }));
  const order = configurationReference().filter(({ isSection }) => isSection !== true);
  const ofSetting = Map.groupBy(shown, ({ setting }) => setting.replaceAll(/\[\d+\]/g, '[]'));
  const ofList = new Set(shown.flatMap(({ setting }) => listsOf(setting)));
  const needsPassword = config.store.url !== undefined && config.store.passwordFile === undefined;
  return order.flatMap(({ setting }): readonly EffectiveSetting[] => {
    const found = ofSetting.get(setting);
    if (found !== undefined) return found;
    // The settings of its sections stand for a list.
    if (ofList.has(setting)) return [];
    // An empty list or an omitted section has no settings to show.
    if (setting.includes('[]') || !isSectionThere(config, setting)) return [];
    const variable = VARIABLES[setting];
    if (variable === undefined || environment[variable] === undefined || !needsPassword) {
      return [{ setting, source: 'none' }];
    }
    return [{ setting, value: REDACTED, source: 'environment', from: variable }];
  });
}

/** A setting with its value as it may be shown; no source where that is not known. */
export type ShownSetting = Pick<EffectiveSetting, 'setting' | 'from'> & {
  readonly value: unknown;
  readonly source?: (typeof SETTING_SOURCES)[number];
};

/** Every setting that has a value, in the order of the sections. Neither secrets nor what references stand for is shown. */
export function shownSettings(config: Config): readonly ShownSetting[] {
  const provenance = provenanceOf(config);
  return leavesOf(config).map(({ setting, value }): ShownSetting => {
    const shown = isRedacted(setting) ? REDACTED : value;
    if (provenance === undefined) return { setting, value: shown };
    const { written, origins } = provenance;
    const origin = originOf(origins, setting);
    if (origin === undefined) {
      return { setting, value: shown, source: valueAt(written, setting) === undefined ? 'default' : 'file' };
    }
    if (origin.kind === 'environment') return { setting, value: shown, source: origin.kind, from: origin.variable };
    return { setting, value: valueAt(written, setting), source: origin.kind, from: origin.references.join(' ') };
  });
}

// A hash of a token is not a secret, but whoever has it can guess tokens offline.
const isRedacted = (setting: string) => schemaAt(setting).isSecret === true || setting.endsWith('.sha256');

/** The origin of a setting, of the list that it is in, or of the entries of the list that it is. */
function originOf(origins: Provenance['origins'], setting: string): Origin | undefined {
  const [own] = [setting, ...listsOf(setting)].flatMap((path) => origins.get(path) ?? []);
  if (own !== undefined) return own;
  const entries = [...origins].flatMap(([path, origin]) =>
    path.startsWith(`${setting}[`) && origin.kind === 'reference' ? [origin] : [],
  );
  if (entries.length === 0) return undefined;
  return {
    kind: 'reference',
    references: [...new Set(entries.flatMap(({ references }) => references))],
    files: entries.flatMap(({ files }) => files),
  };
}

/** Settings that SIGHUP applies; see `reload` of the service. */
const RELOADED =
  /^(?:notify\.(?!evaluateMs$).*|signing\.(?:provider|kid|key|keyFile|publicKeyFile|next\b.*)|(?:api|operator)\.tls\..+File|operator\.(?:tokens|oidc\.roles)\b.*)$/;

/** The settings that differ between two configurations and take effect only after a restart, by their paths. */
export function settingsToRestart(before: object, after: object): readonly string[] {
  const paths = [before, after].flatMap((config) => leavesOf(config).map(({ setting }) => setting));
  return [...new Set(paths)].filter((setting) => {
    return !RELOADED.test(setting) && !isDeepStrictEqual(valueAt(before, setting), valueAt(after, setting));
  });
}

/** The lists that a setting is in, of sections: `a.b[0].c` is in `a.b`. */
function listsOf(setting: string): readonly string[] {
  const names = setting.split(/\[\d+\]/);
  return names.slice(0, -1).map((_, at) => names.slice(0, at + 1).join('[]'));
}

function isSectionThere(config: object, setting: string): boolean {
  const section = setting.slice(0, Math.max(setting.lastIndexOf('.'), 0));
  return section === '' ? Object.hasOwn(ConfigSchema.properties, setting) : valueAt(config, section) !== undefined;
}
