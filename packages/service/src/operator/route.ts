import assert from 'node:assert/strict';
import { shapeOf } from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static, TSchema } from 'typebox';
import type { Header, MediaType, Method, Operation, Parameter, Response, Responses } from '../openapi/model.ts';
import { jsonOf, parameterRef, responseRef } from '../openapi/schemas.ts';
import type { LeastRole } from './access.ts';
import type { OperatorContext } from './options.ts';
import { documentedQuery, type QueryOf, type QueryParameters, readQuery } from './query.ts';
import { readJson, shapedValue } from './read.ts';

/** Schemas by their names in the OpenAPI document. */
type Schemas<S extends object = object> = Readonly<Record<string, S>>;

/** The body of an operation. */
export interface Body<T> {
  readonly isRequired: boolean;
  readonly content: Readonly<Record<string, MediaType>>;
  readonly schemas: Schemas;
  /** @throws {Problem} 400 that names the field */
  read(request: FastifyRequest): T;
}

/** The answer of an operation that succeeds. */
export interface Answer<S extends TSchema> {
  readonly responses: Responses;
  readonly schemas: Schemas<S>;
}

type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** A call that was let in, read and checked. */
export interface Call<Path extends string, Q extends QueryParameters, B> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly params: Readonly<Record<Names<Path>, string>>;
  readonly query: QueryOf<Q>;
  readonly body: B;
}

/** One operation: everything that route, checks and OpenAPI document need to know of it. */
interface Definition<Path extends string, Q extends QueryParameters, B, S extends TSchema> {
  readonly operationId: string;
  readonly method: Method;
  /** As the document has it: `{clientId}` stands for a parameter, which is one of the document's components. */
  readonly path: Path;
  /** The least role; `nobody`: no token is needed. */
  readonly role: LeastRole;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Left out: the query is not looked at. */
  readonly query?: Q;
  readonly headers?: readonly Parameter[];
  readonly body?: Body<B>;
  readonly response: Answer<S>;
  /** Statuses that it is refused with, beside those of every operation of its kind. */
  readonly refusals?: readonly number[];
  /** Left out: always. */
  readonly isServed?: (context: OperatorContext) => boolean;
  /** Before the body is read: what is refused here takes no memory. */
  readonly beforeBody?: (context: OperatorContext) => (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
  /** Is called once, when the route is added, for what holds it: state that its calls share lives there. */
  readonly handler: (
    context: OperatorContext,
  ) => (call: Call<Path, Q, B>) => Static<NoInfer<S>> | Promise<Static<NoInfer<S>>>;
}

/** An operation in the one table of them. */
export interface Route {
  readonly operationId: string;
  readonly method: Method;
  readonly path: string;
  readonly role: LeastRole;
  /** As the OpenAPI document has it. */
  readonly operation: Operation;
  /** Schemas that it refers to. */
  readonly schemas: Schemas;
  /** Media types of bodies that it takes. */
  readonly bodyTypes: readonly string[];
  /** Adds it to the listener. */
  add(app: FastifyInstance, context: OperatorContext): void;
}

const JSON_TYPE = 'application/json';

/** Makes an operation of the table, whose route and place in the OpenAPI document come of the same definition. */
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
          // The router gives every parameter of its path.
          const params = request.params as Call<Path, Q, B>['params'];
          return handle({ request, reply, params, ...readCall(definition, request) });
        },
      });
    },
  };
  return made;
}

function readCall<Q extends QueryParameters, B>(
  definition: Pick<Definition<string, Q, B, TSchema>, 'query' | 'body'>,
  request: FastifyRequest<{ Querystring: Readonly<Record<string, unknown>> }>,
): Pick<Call<string, Q, B>, 'query' | 'body'> {
  // Without parameters nothing is read, and without a body there is none: both are what the types say then.
  const query = definition.query === undefined ? {} : readQuery(definition.query, request.query);
  return { query: query as QueryOf<Q>, body: definition.body?.read(request) as B };
}

/** The operation as the document shows it: 401, 403, 500 and 503 can come of every one that needs a token. */
function operationOf<Q extends QueryParameters, B, S extends TSchema>(
  definition: Definition<string, Q, B, S>,
): Operation {
  const { operationId, method, path, role, tag, summary, description, query, headers = [], body } = definition;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => parameterRef(name));
  const parameters = [...inPath, ...documentedQuery(query ?? {}), ...headers];
  const refusals = new Set([
    // Any text that no store can hold is refused; a body is read where none is needed, too.
    ...(inPath.length > 0 || query !== undefined || body !== undefined ? [400] : []),
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
  /** Says what is wrong more clearly than the schema can, before the schema does. @throws {Problem} 400 */
  readonly check?: (value: unknown) => void;
  /** The value where there is no body; left out: there must be one. */
  readonly byDefault?: T;
}

/** A JSON body of a schema, which stands in the OpenAPI document under its name. */
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

/** 200 with JSON of a schema, which stands in the OpenAPI document under its name. */
export function ok<S extends TSchema>(
  description: string,
  named: Schemas<S>,
  headers?: Readonly<Record<string, Header>>,
): Answer<S> {
  const response = { description, ...(headers && { headers }), content: jsonOf(theOne(named)[0]) };
  return { responses: { 200: response }, schemas: named };
}

/** An answer that is not JSON of one schema. @param schemas that the responses refer to */
export function answer(responses: Readonly<Record<string, Response>>, schemas: Schemas<TSchema> = {}): Answer<TSchema> {
  return { responses, schemas };
}

function theOne<T>(named: Readonly<Record<string, T>>): readonly [string, T] {
  const [entry, ...others] = Object.entries(named);
  assert(entry !== undefined && others.length === 0, 'one schema, under its name');
  return entry;
}
