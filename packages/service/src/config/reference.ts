import { ConfigSchema } from './schema.ts';

/** A setting in the reference. */
export interface SettingReference {
  /** Its path, as in `api.port` or `operator.tokens[].name`. */
  readonly setting: string;
  /** A section of settings that is optional as a whole. */
  readonly isSection?: true;
  readonly isRequired: boolean;
  readonly default?: unknown;
  /** As in `1 to 65535`; left out if there is none. */
  readonly range?: string;
  readonly meaning: string;
}

/** The part of a JSON schema that the reference uses. */
interface Schema {
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
}

/** All settings in the order of the schema, including those within lists; an optional section has a row too. */
export function configurationReference(): readonly SettingReference[] {
  return rowsOf(ConfigSchema, '');
}

function rowsOf(section: Schema, path: string): SettingReference[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, found]) => {
    const schema: Schema = found;
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
      isRequired: !canBeLeftOut,
      ...(schema.default !== undefined && { default: schema.default }),
      ...(range !== undefined && { range }),
      meaning: schema.description ?? '',
    };
    const entry: Schema = schema.items ?? {};
    return entry.type === 'object' ? [row, ...rowsOf(entry, `${setting}[]`)] : [row];
  });
}

function rangeOf({ minimum, exclusiveMinimum, maximum, minItems, maxItems }: Schema): string | undefined {
  if (exclusiveMinimum !== undefined) return `above ${exclusiveMinimum}, up to ${maximum}`;
  if (minimum !== undefined || maximum !== undefined) return `${minimum} to ${maximum}`;
  return minItems === undefined && maxItems === undefined ? undefined : `${minItems ?? 0} to ${maxItems} entries`;
}

/** The reference as a table in Markdown, ending in a line feed. */
export function configurationTable(): string {
  const rows = configurationReference().map(({ setting, isSection, range = '', meaning, ...row }) => {
    const cells = [`\`${setting}\``, shownDefault(row), range, meaning];
    return isSection ? `| \`${setting}\` | none | | ${meaning} |` : `| ${cells.join(' | ')} |`;
  });
  return `| setting | default | range | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function shownDefault({ isRequired, ...row }: Pick<SettingReference, 'isRequired' | 'default'>): string {
  if (row.default !== undefined) return `\`${JSON.stringify(row.default)}\``;
  return isRequired ? '**required**' : 'none';
}
