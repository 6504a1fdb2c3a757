/** The members of a JSON schema that the table reads. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly const?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** A table of all settings of a configuration schema, as Markdown: name, default, range and meaning. */
export function settingsTable(schema: object): string {
  const rows = rowsOf(schema, '');
  return `| setting | default | range | meaning |\n|---|---|---|---|\n${rows.map((row) => `| ${row.join(' | ')} |\n`).join('')}`;
}

function rowsOf({ properties = {}, required = [] }: Schema, prefix: string, kind?: string): string[][] {
  return Object.entries(properties).flatMap(([member, schema]) => {
    const name = /^\w+$/.test(member) ? `${prefix}${member}` : `${prefix.slice(0, -1)}["${member}"]`;
    return rowsOfSetting(schema, { name, isRequired: required.includes(member), kind });
  });
}

interface Setting {
  readonly name: string;
  readonly isRequired: boolean;
  /** The kind of the object that has this setting, where there are several. */
  readonly kind: string | undefined;
}

function rowsOfSetting(schema: Schema, { name, isRequired, kind }: Setting): string[][] {
  if (schema.const !== undefined) return [];
  const byDefault = schema.default === undefined ? 'none' : `\`${JSON.stringify(schema.default)}\``;
  const shown = `\`${name}\`${kind === undefined ? '' : ` (${kind})`}`;
  const row = [shown, isRequired ? '**required**' : byDefault, rangeOf(schema), schema.description ?? 'section'];
  const variants = schema.anyOf?.filter((each) => each.type === 'object') ?? [];
  if (variants.length > 0) {
    return [
      [
        shown,
        row[1] ?? '',
        variants.map((each) => `\`${kindOf(each)}\``).join(', '),
        'section; the setting `kind` says which',
      ],
      ...variants.flatMap((each) => rowsOf(each, `${name}.`, kindOf(each))),
    ];
  }
  if (schema.items?.type === 'object') return [row, ...rowsOf(schema.items, `${name}[].`, kind)];
  return schema.properties === undefined ? [row] : [row, ...rowsOf(schema, `${name}.`, kind)];
}

function kindOf({ properties }: Schema): string {
  return String(properties?.['kind']?.const);
}

function rangeOf({ minimum, maximum, minItems, maxItems, anyOf }: Schema): string {
  if (anyOf !== undefined) return anyOf.map((each) => `\`${each.const}\``).join(', ');
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minItems === undefined) return '';
  return maxItems === undefined ? `at least ${minItems}` : `${minItems} to ${maxItems} entries`.replace('2 to 2', '2');
}
