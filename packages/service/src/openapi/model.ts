/** The part of OpenAPI 3.1 that the documents use, and helpers to write it. @see https://spec.openapis.org/oas/v3.1.1.html */

/** JSON Schema 2020-12, as a schema or a reference to one. */
export type SchemaObject = object;

export interface Reference {
  readonly $ref: string;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: SchemaObject;
}

export interface Header {
  readonly description: string;
  readonly required?: boolean;
  readonly schema: SchemaObject;
}

export interface Example {
  readonly summary?: string;
  readonly value: unknown;
}

export interface MediaType {
  readonly schema: SchemaObject;
  readonly examples?: Readonly<Record<string, Example>>;
}

export interface RequestBody {
  readonly required: boolean;
  readonly content: Readonly<Record<string, MediaType>>;
}

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header | Reference>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}

export type Responses = Readonly<Record<string, Response | Reference>>;

/** Alternatives, each of which requires all of its schemes. */
export type Security = readonly Readonly<Record<string, readonly string[]>>[];

export type Method = 'get' | 'post' | 'put' | 'delete';

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: RequestBody;
  readonly responses: Responses;
  readonly security: Security;
  /** Least role of the caller; operator API only. */
  readonly 'x-tidings-role'?: string;
  readonly callbacks?: Readonly<Record<string, Readonly<Record<string, PathItem>>>>;
}

export type PathItem = Readonly<Partial<Record<Method, Operation>>>;

export interface Tag {
  readonly name: string;
  readonly description: string;
}

export interface OpenApiDocument {
  readonly openapi: '3.1.1';
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: object;
  };
  readonly servers: readonly { readonly url: string; readonly description: string }[];
  readonly tags: readonly Tag[];
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, SchemaObject>>;
    readonly headers: Readonly<Record<string, Header>>;
    readonly parameters: Readonly<Record<string, Parameter>>;
    readonly responses: Readonly<Record<string, Response>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

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
 * A copy of a schema with descriptions of its members, so that the document shows the schema that validates.
 *
 * @param descriptions by the path of the member: `Data.CallbackUrl`; `[]` enters an array, and the empty path is the
 *   schema itself
 * @throws {Error} if a path does not exist
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

/** The schema as plain JSON, without the markers of the library that made it. */
function plain(schema: object): PlainSchema {
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue);
  return isPlainSchema(value) ? plain(value) : value;
}
