import { readFileSync, writeFileSync } from 'node:fs';
import { ConfigSchema } from '@tidings/service';

// npm run docs: writes docs/configuration.md from the schema that the service checks its configuration with. A test
// fails when the page is out of date.

const PAGE = 'docs/configuration.md';

/** What is read of a JSON schema here. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

/** The reference of all settings, as Markdown. */
export function configurationPage(): string {
  // The schema as plain JSON, which is all that a page needs of it.
  const schema: Schema = JSON.parse(JSON.stringify(ConfigSchema));
  return `# Configuration

\`tidings serve --config FILE\` reads one JSON file. An unknown setting, a missing one or one out of its range is an error
that names it (exit code 2). Paths are relative to the file. No secret is in it: keys are files, operator tokens are
given by their SHA-256 (\`printf %s "$TOKEN" | sha256sum\`). Units are the last word of a setting's name.

The smallest file that works is what the sandbox writes: run \`npm start\` and look at \`.tidings/sandbox/tidings.json\`.

This page is made from the schema in \`packages/service/src/config/schema.ts\` by \`npm run docs\`.

| setting | default | range | meaning |
|---|---|---|---|
${rows(schema, '').join('\n')}
`;
}

function rows(section: Schema, path: string): string[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, schema]) => {
    const setting = path === '' ? name : `${path}.${name}`;
    const isRequired = section.required?.includes(name) === true && schema.default === undefined;
    if (schema.type === 'object') {
      const optional = section.required?.includes(name) !== true && schema.default === undefined;
      return optional
        ? [`| \`${setting}\` | none | | the section can be left out |`, ...rows(schema, setting)]
        : rows(schema, setting);
    }
    const row = `| \`${setting}\` | ${defaultOf(schema, isRequired)} | ${rangeOf(schema)} | ${schema.description ?? ''} |`;
    return schema.items?.type === 'object' ? [row, ...rows(schema.items, `${setting}[]`)] : [row];
  });
}

function defaultOf(schema: Schema, isRequired: boolean): string {
  if (schema.default !== undefined) return `\`${JSON.stringify(schema.default)}\``;
  return isRequired ? '**required**' : 'none';
}

function rangeOf({ minimum, maximum, minItems, maxItems }: Schema): string {
  if (minimum !== undefined || maximum !== undefined) return `${minimum} to ${maximum}`;
  return minItems === undefined && maxItems === undefined ? '' : `${minItems ?? 0} to ${maxItems} entries`;
}

if (import.meta.main) {
  const page = configurationPage();
  const changed = page !== readFileSync(PAGE, { encoding: 'utf8', flag: 'a+' });
  if (changed) writeFileSync(PAGE, page);
  process.stdout.write(`${PAGE}: ${changed ? 'written' : 'up to date'}\n`);
}
