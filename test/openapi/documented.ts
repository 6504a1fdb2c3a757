import assert from 'node:assert/strict';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

// biome-ignore lint/suspicious/noExplicitAny: documents are read as the JSON that they are
export type Json = any;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

/** One operation of a document with where it stands. */
export interface FoundOperation {
  readonly path: string;
  readonly method: string;
  readonly operation: Json;
}

/** Every operation of a document, those in callbacks too. */
export function operationsOf(document: Json): FoundOperation[] {
  return Object.entries<Json>(document.paths).flatMap(([path, item]) => operationsIn(path, item, document));
}

function operationsIn(path: string, item: Json, document: Json): FoundOperation[] {
  return METHODS.filter((method) => item[method] !== undefined).flatMap((method) => {
    const operation = item[method];
    const callbacks = Object.values<Json>(operation.callbacks ?? {}).flatMap((callback) =>
      Object.entries<Json>(resolve(callback, document)).flatMap(([to, inner]) => operationsIn(to, inner, document)),
    );
    return [{ path, method, operation }, ...callbacks];
  });
}

/** What a reference leads to, or the value itself. */
export function resolve(value: Json, document: Json): Json {
  if (typeof value?.$ref !== 'string') return value;
  let found = document;
  for (const part of value.$ref.replace(/^#\//, '').split('/')) {
    found = found?.[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  assert.ok(found !== undefined, `${value.$ref} leads nowhere`);
  return resolve(found, document);
}

/** A schema with every reference in it replaced by what it leads to. */
export function inlined(schema: Json, document: Json): Json {
  if (Array.isArray(schema)) return schema.map((each) => inlined(each, document));
  if (typeof schema !== 'object' || schema === null) return schema;
  if (typeof schema.$ref === 'string') return inlined(resolve(schema, document), document);
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, inlined(value, document)]));
}

const validators = new WeakMap<object, ReturnType<typeof Compile>>();

/** Asserts that a value is of a schema of the document. */
export function assertOfSchema(value: unknown, schema: Json, document: Json, what: string): void {
  const validator = validators.get(schema) ?? Compile(inlined(schema, document) as TSchema);
  validators.set(schema, validator);
  if (validator.Check(value)) return;
  assert.fail(`${what} is not of its schema: ${JSON.stringify(validator.Errors(value))}: ${JSON.stringify(value)}`);
}

/** Headers of which the document tells wherever they come. */
const TOLD_HEADERS = ['etag', 'retry-after', 'www-authenticate'];

/** Asserts that an answer is one that the document tells of: its status, its type, its body; and what it was asked with. */
export function assertDocumented(
  document: Json,
  method: string,
  path: string,
  answer: { status: number; text: string; headers: Json },
): void {
  const found = operationsOf(document).find(
    (each) => each.method === method.toLowerCase() && pathPattern(each.path).test(path.split('?')[0] ?? ''),
  );
  // What is served nowhere is documented nowhere.
  if (found === undefined) return;
  const what = `${answer.status} of ${method} ${path}`;
  const declared = found.operation.responses[answer.status];
  assert.ok(declared !== undefined, `${what} is not documented: ${answer.text}`);
  if (answer.status < 400) assertParametersDocumented(found.operation, path, document);
  const { content = {}, headers = {} } = resolve(declared, document);
  for (const name of TOLD_HEADERS) {
    const isTold = Object.hasOwn(headers, name);
    assert.equal(
      answer.headers[name] !== undefined,
      isTold,
      `${what} is documented with${isTold ? '' : 'out'} ${name}`,
    );
  }
  const type = String(answer.headers['content-type'] ?? '').split(';')[0] ?? '';
  if (answer.text === '') return;
  assert.ok(content[type] !== undefined, `${what} is documented as ${Object.keys(content)}, and came as ${type}`);
  if (type.endsWith('json')) assertOfSchema(JSON.parse(answer.text), content[type].schema, document, what);
}

/** Asserts of every answer what {@link assertDocumented} does. @param read gets the document; called once, when it is needed */
export function documentedBy(read: () => Promise<Json>) {
  let document: Promise<Json> | undefined;
  return async (method: string, path: string, answer: { status: number; text: string; headers: Json }) => {
    document ??= read();
    assertDocumented(await document, method, path, answer);
  };
}

/** Of a call that was not refused: whatever its query holds was read. */
function assertParametersDocumented(operation: Json, path: string, document: Json): void {
  const declared = parametersOf(operation, 'query', document).map(({ name }) => name);
  for (const name of new URL(path, 'https://bank.example').searchParams.keys()) {
    assert.ok(declared.includes(name), `${operation.operationId} takes the parameter ${name}, which is not documented`);
  }
}

/** The parameters of an operation that stand in one place, such as the query. */
export function parametersOf(operation: Json, place: string, document: Json): Json[] {
  return (operation.parameters ?? [])
    .map((each: Json) => resolve(each, document))
    .filter((each: Json) => each.in === place);
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
}
