import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { readYaml } from '../openapi/yaml.ts';

// The official OpenAPI files, where they lie beside the project; elsewhere nothing is checked against them.
const FOLDER = process.env['TEST_OFFICIAL_OPENAPI'] ?? join('..', 'shared', 'spec', 'openapi');

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, object>>;
}
interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { responses?: Readonly<Record<string, Response>> }>>>
  >;
  readonly components: { readonly responses: Readonly<Record<string, Response>> };
}

/** The official files are present. */
export const HAS_OFFICIAL_FILES = existsSync(FOLDER);

const documents = new Map<string, Document>();
const validators = new Map<string, ValidateFunction | undefined>();
const ajv = new Ajv({ strict: false, allErrors: true });
// The package is CommonJS: its function is the default export of the default export.
(typeof addFormats === 'function' ? addFormats : (addFormats as { default: (to: Ajv) => void }).default)(ajv);
ajv.addFormat('int32', true);

/** How many bodies have been checked, so that a test can tell that some were. */
export const checked = { bodies: 0 };

/**
 * Checks the body of an answer of the TPP-facing API against the official file of its version. Answers that the file
 * gives no body for, or does not know (such as 413), are not its matter.
 */
export function checkAgainstOfficial(method: string, path: string, status: number, body: Uint8Array): void {
  const match = /\/open-banking\/(v3\.1|v4\.0)\/(event-subscriptions|callback-urls|events)(\/[^/]+)?$/.exec(path);
  if (!HAS_OFFICIAL_FILES || match?.[2] === undefined || body.length === 0) return;
  const [, version = '', resource, below] = match;
  // There is no file for callback URLs of v4.0; their errors are in the form of v4.0.
  if (resource === 'callback-urls' && version === 'v4.0' && status >= 400) return;
  const file = fileFor(version, resource);
  const template = `/${resource}${below === undefined ? '' : idTemplate(resource)}`;
  const validate = validatorFor(file, template, method.toLowerCase(), status);
  if (validate === undefined) return;
  checked.bodies += 1;
  const value: unknown = JSON.parse(Buffer.from(body).toString());
  assert.ok(validate(value), `${method} ${path} ${status} is not of ${file}: ${ajv.errorsText(validate.errors)}`);
}

function fileFor(version: string, resource: string): string {
  if (resource === 'callback-urls') return 'callback-urls-3.1.2.yaml';
  return version === 'v4.0' ? 'events-4.0.0.yaml' : 'events-3.1.11.yaml';
}

function idTemplate(resource: string): string {
  return resource === 'callback-urls' ? '/{CallbackUrlId}' : '/{EventSubscriptionId}';
}

function documentOf(file: string): Document {
  const known = documents.get(file);
  if (known !== undefined) return known;
  const read = readYaml(readFileSync(join(FOLDER, file), 'utf8')) as unknown as Document;
  documents.set(file, read);
  ajv.addSchema(read, file);
  return read;
}

function validatorFor(file: string, template: string, method: string, status: number): ValidateFunction | undefined {
  const key = `${file} ${method} ${template} ${status}`;
  if (validators.has(key)) return validators.get(key);
  const pointer = schemaPointer(documentOf(file), template, method, status);
  const validate = pointer === undefined ? undefined : ajv.compile({ $ref: `${file}#${pointer}` });
  validators.set(key, validate);
  return validate;
}

function schemaPointer(read: Document, template: string, method: string, status: number): string | undefined {
  const response = read.paths[template]?.[method]?.responses?.[String(status)];
  if (response === undefined) return undefined;
  const own = ['paths', template, method, 'responses', String(status)];
  const parts = response.$ref === undefined ? own : response.$ref.split('/').slice(1);
  const resolved = response.$ref === undefined ? response : read.components.responses[parts.at(-1) ?? ''];
  const media = Object.keys(resolved?.content ?? {}).find((name) => name.startsWith('application/json'));
  if (media === undefined) return undefined;
  const escaped = [...parts, 'content', media, 'schema'].map((part) =>
    encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')),
  );
  return `/${escaped.join('/')}`;
}
