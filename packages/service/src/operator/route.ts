import assert from 'node:assert/strict';
import { shapeOf } from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static, TSchema } from 'typebox';
import {
  type Header,
  jsonOf,
  type MediaType,
  type Method,
  type Operation,
  type Parameter,
  parameterRef,
  type Response,
  type Responses,
  responseRef,
} from '../openapi/model.ts';
import type { LeastRole } from './access.ts';
import type { OperatorContext } from './options.ts';
import { documentedQuery, type QueryOf, type QueryParameters, readJson, readQuery, shapedValue } from './request.ts';

/** Schemas by name in the OpenAPI document. */
type Schemas<S extends object = object> = Readonly<Record<string, S>>;

/** The body of an operation. */
export interface Body<T> {
  readonly isRequired: boolean;
  readonly content: Readonly<Record<string, MediaType>>;
  readonly schemas: Schemas;
  /** @throws {Problem} 400 that names the field */
  read(request: FastifyRequest): T;
}

/** The response of an operation that succeeds. */
export interface Answer<S extends TSchema> {
  readonly responses: Responses;
  readonly schemas: Schemas<S>;
}

type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** A call after authentication and validation. */
export interface Call<Path extends string, Q extends QueryParameters, B> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly params: Readonly<Record<Names<Path>, string>>;
  readonly query: QueryOf<Q>;
  readonly body: B;
}

/** The definition of an operation, from which its route, its checks and its entry in the OpenAPI document come. */
interface Definition<Path extends string, Q extends QueryParameters, B, S extends TSchema> {
  readonly operationId: string;
  readonly method: Method;
  /** Path in the notation of OpenAPI; `{clientId}` refers to a parameter of the document's components. */
  readonly path: Path;
  /** Least role of the caller; `nobody`: no token is needed. */
  readonly role: LeastRole;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Its query parameters. Default: none. Any other parameter is answered 400. */
  readonly query?: Q;
  /** Whether it ignores query parameters: probes and scrapers may add some of their own. Default: false. */
  readonly ignoresQuery?: boolean;
  readonly headers?: readonly Parameter[];
  readonly body?: Body<B>;
  readonly response: Answer<S>;
  /** Error statuses in addition to those that every operation of its kind has. */
  readonly refusals?: readonly number[];
  /** Whether this service has it. Default: always. */
  readonly isServed?: (context: OperatorContext) => boolean;
  /** Runs before the body is read, so that a request rejected here takes no memory. */
  readonly beforeBody?: (context: OperatorContext) => (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
  /** Called once, when the route is added; it may hold state that the calls share. */
  readonly handler: (
    context: OperatorContext,
  ) => (call: Call<Path, Q, B>) => Static<NoInfer<S>> | Promise<Static<NoInfer<S>>>;
}

/** An operation in the table of operations. */
export interface Route {
  readonly operationId: string;
  readonly method: Method;
  readonly path: string;
  readonly role: LeastRole;
  /** Its entry in the OpenAPI document. */
  readonly operation: Operation;
  /** Schemas that it refers to. */
  readonly schemas: Schemas;
  /** Media types of bodies that it takes. */
  readonly bodyTypes: readonly string[];
  /** Adds it to the listener. */
  add(app: FastifyInstance, context: OperatorContext): void;
}

const JSON_TYPE = 'application/json';

/** Makes an operation for the table: its route and its entry in the OpenAPI document come from the same definition. */
export function route<
  const Path extends string,
  S extends TSchema,
  B = undefined,
  const Q extends QueryParameters = Record<never, never>,
>(definition: Definition<Path, Q, B, S>): Route {
  const { operationId, method, path, role, body, response } = definition;
  const made: Route = {
    ...{ operationId, method, path, role },
    operation: operationOf(definition),
    schemas: { ...body?.schemas, ...response.schemas },
    bodyTypes: Object.keys(body?.content ?? { [JSON_TYPE]: undefined }),
    add: (app, context) => {
      if (definition.isServed?.(context) === false) return;
      const handle = definition.handler(context);
      app.route<{ Querystring: Readonly<Record<string, unknown>> }>({
        method,
        url: path.replaceAll(/\{(\w+)\}/g, ':$1'),
        config: { operation: made },
        ...(definition.beforeBody && { onRequest: definition.beforeBody(context) }),
        handler: async (request, reply) => {
          // The router provides every parameter of its path.
          const params = request.params as Call<Path, Q, B>['params'];
          return handle({ request, reply, params, ...readCall(definition, request) });
        },
      });
    },
  };
  return made;
}

function readCall<Q extends QueryParameters, B>(
  definition: Pick<Definition<string, Q, B, TSchema>, 'query' | 'ignoresQuery' | 'body'>,
  request: FastifyRequest<{ Querystring: Readonly<Record<string, unknown>> }>,
): Pick<Call<string, Q, B>, 'query' | 'body'> {
  // Without declared parameters the query is empty, and without a declared body it is undefined, as the types say.
  const query = readQuery(definition.query ?? {}, definition.ignoresQuery === true ? {} : request.query);
  return { query: query as QueryOf<Q>, body: definition.body?.read(request) as B };
}

/** The entry in the OpenAPI document. Any operation that needs a token can be answered 401, 403, 500 and 503. */
function operationOf<Q extends QueryParameters, B, S extends TSchema>(
  definition: Definition<string, Q, B, S>,
): Operation {
  const { operationId, method, path, role, tag, summary, description, query, headers = [], body } = definition;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => parameterRef(name));
  const parameters = [...inPath, ...documentedQuery(query ?? {}), ...headers];
  const refusals = new Set([
    // An unknown query parameter is rejected nearly everywhere, and so is a body of a type that is not expected.
    400,
    ...(method === 'get' ? [] : [413, 415]),
    ...(role === 'nobody' ? [] : [401, 403, 500, 503]),
    ...(definition.refusals ?? []),
  ]);
  const refused = Object.fromEntries([...refusals].map((status) => [status, responseRef(`Problem${status}`)]));
  return {
    ...{ operationId, tags: [tag], summary },
    ...(description !== undefined && { description }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: body.isRequired, content: body.content } }),
    responses: { ...refused, ...definition.response.responses },
    ...(role === 'nobody' ? { security: [] } : { security: [{ operatorToken: [] }], 'x-tidings-role': role }),
  };
}

interface JsonOptions<T> {
  readonly example?: unknown;
  /** Runs before validation against the schema, for clearer messages. @throws {Problem} 400 */
  readonly check?: (value: unknown) => void;
  /** The value if there is no body. Default: a body is required. */
  readonly byDefault?: T;
}

/** A JSON body. @param named its schema, under its name in the OpenAPI document */
export function json<S extends TSchema>(named: Schemas<S>, options: JsonOptions<Static<S>> = {}): Body<Static<S>> {
  const [name, schema] = theOne(named);
  const { example, check, byDefault } = options;
  const shape = shapeOf(schema);
  return {
    isRequired: byDefault === undefined,
    content: jsonOf(name, example),
    schemas: named,
    read: ({ body }) => {
      if (byDefault !== undefined && !(body instanceof Uint8Array && body.length > 0)) return byDefault;
      const value = readJson(body);
      check?.(value);
      return shapedValue(shape(value));
    },
  };
}

/** 200 with a JSON body. @param named its schema, under its name in the OpenAPI document */
export function ok<S extends TSchema>(
  description: string,
  named: Schemas<S>,
  headers?: Readonly<Record<string, Header>>,
): Answer<S> {
  const response = { description, ...(headers && { headers }), content: jsonOf(theOne(named)[0]) };
  return { responses: { 200: response }, schemas: named };
}

/** A response that is not 200 with JSON of one schema. @param schemas that the responses refer to */
export function answer(responses: Readonly<Record<string, Response>>, schemas: Schemas<TSchema> = {}): Answer<TSchema> {
  return { responses, schemas };
}

function theOne<T>(named: Readonly<Record<string, T>>): readonly [string, T] {
  const [entry, ...others] = Object.entries(named);
  assert(entry !== undefined && others.length === 0, 'one schema, under its name');
  return entry;
}
