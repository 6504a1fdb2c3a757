import type { SettingSchema } from './paths.ts';
import { ConfigSchema } from './schema.ts';

/** A setting in the reference. */
export interface SettingReference {
  /** Its path, as in `api.port` or `operator.tokens[].name`. */
  readonly setting: string;
  /** A section of settings that is optional as a whole. */
  readonly isSection?: true;
  /** The variable of the environment that gives it; settings within lists have none. */
  readonly variable?: string;
  readonly isRequired: boolean;
  readonly default?: unknown;
  /** As in `1 to 65535`; left out if there is none. */
  readonly range?: string;
  readonly meaning: string;
}

/** All settings in the order of the schema, including those within lists; an optional section has a row too. */
export function configurationReference(): readonly SettingReference[] {
  return rowsOf(ConfigSchema, '');
}

function rowsOf(section: SettingSchema, path: string): SettingReference[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, found]) => {
    const schema: SettingSchema = found;
    const setting = path === '' ? name : `${path}.${name}`;
    const canBeLeftOut = section.required?.includes(name) !== true || schema.default !== undefined;
    if (schema.type === 'object') {
      const isOptional = canBeLeftOut && schema.default === undefined;
      const row = { setting, isSection: true, isRequired: false, meaning: 'optional section' } as const;
      return isOptional ? [row, ...rowsOf(schema, setting)] : rowsOf(schema, setting);
    }
    const range = rangeOf(schema);
    const row = {
      setting,
      ...(!setting.includes('[]') && { variable: variableOf(setting) }),
      isRequired: !canBeLeftOut,
      ...(schema.default !== undefined && { default: schema.default }),
      ...(range !== undefined && { range }),
      meaning: schema.description ?? '',
    };
    const entry: SettingSchema = schema.items ?? {};
    return entry.type === 'object' ? [row, ...rowsOf(entry, `${setting}[]`)] : [row];
  });
}

function rangeOf({ minimum, exclusiveMinimum, maximum, minItems, maxItems }: SettingSchema): string | undefined {
  if (exclusiveMinimum !== undefined) return `above ${exclusiveMinimum}, up to ${maximum}`;
  if (minimum !== undefined || maximum !== undefined) return `${minimum} to ${maximum}`;
  return minItems === undefined && maxItems === undefined ? undefined : `${minItems ?? 0} to ${maxItems} entries`;
}

/** The variable of a setting: `api.publicUrl` is `TIDINGS_API_PUBLIC_URL`. */
function variableOf(setting: string): string {
  return `TIDINGS_${setting.replaceAll('.', '_').replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** The reference as a table in Markdown, ending in a line feed. */
export function configurationTable(): string {
  const rows = configurationReference().map(({ setting, variable, isSection, range = '', meaning, ...row }) => {
    const shown = variable === undefined ? '' : `\`${variable}\``;
    const cells = [`\`${setting}\``, shownDefault(row), range, meaning, shown];
    return isSection ? `| \`${setting}\` | none | | ${meaning} | |` : `| ${cells.join(' | ')} |`;
  });
  const head = '| setting | default | range | meaning | environment variable |\n|---|---|---|---|---|';
  return `${head}\n${rows.join('\n')}\n`;
}

function shownDefault({ isRequired, ...row }: Pick<SettingReference, 'isRequired' | 'default'>): string {
  if (row.default !== undefined) return `\`${JSON.stringify(row.default)}\``;
  return isRequired ? '**required**' : 'none';
}
