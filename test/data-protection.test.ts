import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

// Whoever adds a column decides whose data it holds, and for how long, or this fails.

const PAGE = 'docs/data-protection.md';
const SCHEMAS = [
  ...['sqlite', 'postgres'].map((store) => `packages/service/src/store/${store}/schema.ts`),
  ...['sqlite', 'postgres'].map((store) => `packages/tpp/src/inbox/${store}-schema.ts`),
  ...['sqlite', 'postgres'].map((store) => `packages/tpp/src/inbox/${store}-store.ts`),
];

/** Columns by table, of every CREATE TABLE and ALTER TABLE of the schemas. Partitions have those of their table. */
function columnsInSchemas(): Map<string, Set<string>> {
  const tables = new Map<string, Set<string>>();
  const add = (table: string, column: string) => tables.set(table, (tables.get(table) ?? new Set()).add(column));
  for (const file of SCHEMAS) {
    const source = readFileSync(file, 'utf8');
    for (const [, table = '', body = ''] of source.matchAll(
      /CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(([^;]*)\)[^;)]*(?:;|')/g,
    )) {
      for (const [, column = ''] of body.matchAll(
        /(?:^|\n)\s*([a-z][a-z_]*) +(?:TEXT|INTEGER|BLOB|REAL|text|integer|bigint|boolean|bytea)\b/g,
      )) {
        add(table, column);
      }
    }
    for (const [, table = '', column = ''] of source.matchAll(
      /ALTER TABLE (\w+) ADD COLUMN (?:IF NOT EXISTS )?(\w+)/g,
    )) {
      add(table, column);
    }
  }
  return tables;
}

/** Columns by table, as the page lists them. */
function columnsOnPage(): Map<string, Set<string>> {
  const rows = readFileSync(PAGE, 'utf8').matchAll(
    /^\| `([a-z_]+)` \| (`[a-z_]+`(?:, `[a-z_]+`)*) \| [^|]+ \| [^|]+ \|$/gm,
  );
  return new Map(
    [...rows].map(([, table = '', columns = '']) => [
      table,
      new Set([...columns.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)),
    ]),
  );
}

test('the page about data protection lists every table and column of the stores and of the inbox, and no other', () => {
  const sorted = (tables: ReadonlyMap<string, ReadonlySet<string>>) =>
    Object.fromEntries([...tables].map(([table, columns]) => [table, [...columns].sort()] as const).sort());
  const inSchemas = columnsInSchemas();
  assert.deepEqual(sorted(columnsOnPage()), sorted(inSchemas));
  // Both ways of writing a schema were read.
  assert.ok(inSchemas.get('settled')?.has('content_day') && inSchemas.get('signed_set')?.has('set_jws'));
});
