import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { operatorDocument } from '@tidings/service';
import openapi, { astToString } from 'openapi-typescript';

// Writes the types of the operator API, which the client of the console is made of, from its OpenAPI document.

const FILE = fileURLToPath(new URL('../src/api/operator-api.d.ts', import.meta.url));
const HEAD = '// Made by `npm run generate` from the OpenAPI document of the operator API; not to be edited.\n\n';

/** What is said of a member changes often, and its type seldom. */
function withoutTexts(key: string, value: unknown): unknown {
  return (key === 'description' || key === 'summary') && typeof value === 'string' ? undefined : value;
}

/** The types of the operator API, as TypeScript. */
export async function generateApi(): Promise<string> {
  const document = JSON.parse(JSON.stringify(operatorDocument('/'), withoutTexts));
  const types = astToString(await openapi(document));
  // A kind of operation that this API has none of.
  return `${HEAD}${types.replace(/^export type webhooks .*\n/m, '')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, await generateApi());
