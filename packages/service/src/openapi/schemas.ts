import type { MediaType, Reference, SchemaObject } from './model.ts';

/** A reference to a schema of the document's components. */
export function schemaRef(name: string): Reference {
  return { $ref: `#/components/schemas/${name}` };
}

/** A reference to a response of the document's components. */
export function responseRef(name: string): Reference {
  return { $ref: `#/components/responses/${name}` };
}

/** A reference to a header of the document's components. */
export function headerRef(name: string): Reference {
  return { $ref: `#/components/headers/${name}` };
}

/** A reference to a parameter of the document's components. */
export function parameterRef(name: string): Reference {
  return { $ref: `#/components/parameters/${name}` };
}

/** JSON of a schema of the document's components, with one example. */
export function jsonOf(schema: string, example?: unknown): Readonly<Record<string, MediaType>> {
  const examples = example === undefined ? {} : { examples: { example: { value: example } } };
  return { 'application/json': { schema: schemaRef(schema), ...examples } };
}

/**
 * A copy of a schema with descriptions at its members, so that the schema that validates is the one that is shown.
 *
 * @param descriptions by the path of the member: `Data.CallbackUrl`; `[]` goes into an array, the empty path is the
 *   schema itself
 * @throws {Error} when a path leads to no member
 */
export function described(schema: object, descriptions: Readonly<Record<string, string>>): SchemaObject {
  const copy = plain(schema);
  for (const [path, description] of Object.entries(descriptions)) {
    const member = path.split('.').reduce(memberOf, copy);
    member['description'] = description;
  }
  return copy;
}

type PlainSchema = Record<string, unknown>;

function memberOf(schema: PlainSchema, name: string): PlainSchema {
  if (name === '') return schema;
  const inside = name === '[]' ? schema['items'] : childrenOf(schema)[name];
  if (!isPlainSchema(inside)) throw new Error(`the schema has no member ${name} to describe`);
  return inside;
}

function childrenOf(schema: PlainSchema): PlainSchema {
  return isPlainSchema(schema['properties']) ? schema['properties'] : {};
}

function isPlainSchema(value: unknown): value is PlainSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The JSON of a schema: the marks of the library that made it are no part of the document. */
function plain(schema: object): PlainSchema {
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue);
  return isPlainSchema(value) ? plain(value) : value;
}
