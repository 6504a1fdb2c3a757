import { type Html, html } from './html.ts';

/** The part of a JSON schema that is read here. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

/** One row for each member of a schema, however deep. */
export function schemaTable(schema: object): Html {
  const rows = rowsOf(schema, '', true);
  return html`<table><thead><tr><th>member</th><th>type</th><th></th><th>meaning</th></tr></thead>
<tbody>${rows.map(({ path, type, need, meaning }) => html`<tr><td><code>${path}</code></td><td>${type}</td><td>${need}</td><td>${meaning}</td></tr>`)}</tbody></table>`;
}

interface Row {
  readonly path: string;
  readonly type: Html;
  readonly need: string;
  readonly meaning: string;
}

function rowsOf(schema: Schema, path: string, isRequired: boolean): Row[] {
  const own = {
    path,
    type: typeOf(schema),
    need: isRequired ? 'required' : 'optional',
    meaning: schema.description ?? '',
  };
  const members = Object.entries(schema.properties ?? {}).flatMap(([name, member]) =>
    rowsOf(member, path === '' ? name : `${path}.${name}`, schema.required?.includes(name) === true),
  );
  const byName = Object.values(schema.patternProperties ?? {}).flatMap((member) =>
    rowsOf(member, `${path}.{name}`, false),
  );
  const items = schema.items?.properties === undefined ? [] : rowsOf(schema.items, `${path}[]`, true);
  return [...(path === '' ? [] : [own]), ...members, ...byName, ...items];
}

function typeOf(schema: Schema): Html {
  if (schema.$ref !== undefined) return linkToSchema(schema.$ref);
  if (schema.anyOf !== undefined)
    return html`${schema.anyOf.map((one, at) => html`${at > 0 ? ' or ' : ''}${typeOf(one)}`)}`;
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum !== undefined) {
    return html`one of ${schema.enum.map((value, at) => html`${at > 0 ? ', ' : ''}<code>${String(value)}</code>`)}`;
  }
  const items = schema.items === undefined ? '' : html` of ${typeOf(schema.items)}`;
  return html`${schema.type ?? 'anything'}${items}${limitsOf(schema)}`;
}

/** A reference as a link to where the schema is shown on the page. */
export function linkToSchema(reference: string): Html {
  const name = reference.split('/').at(-1) ?? '';
  return html`<a href="#schema-${name}">${name}</a>`;
}

function limitsOf(schema: Schema): string {
  const unit = schema.type === 'array' ? 'entries' : 'characters';
  const limits = [
    schema.format,
    rangeOf(schema.minimum, schema.maximum, ''),
    rangeOf(schema.minLength ?? schema.minItems, schema.maxLength ?? schema.maxItems, ` ${unit}`),
    schema.pattern === undefined ? undefined : `as ${schema.pattern}`,
  ].filter((limit) => limit !== undefined);
  return limits.length === 0 ? '' : ` (${limits.join('; ')})`;
}

function rangeOf(from: number | undefined, to: number | undefined, unit: string): string | undefined {
  if (from === undefined && to === undefined) return undefined;
  if (to === undefined) return `at least ${from}${unit}`;
  return from === undefined ? `at most ${to}${unit}` : `${from} to ${to}${unit}`;
}
