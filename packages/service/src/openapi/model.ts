/** The part of OpenAPI 3.1 that the documents here use. @see https://spec.openapis.org/oas/v3.1.1.html */

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

/** Alternatives, each of which demands all of its schemes. */
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
  /** Of the operator API: the least role of whoever calls it. */
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
