import {
  fitText,
  isLongerThan,
  isUtf8,
  parseMediaType,
  parseStrictJson,
  type Shaped,
  StrictJsonError,
  textFault,
} from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { hasContent } from '../base/http-refusal.ts';
import type { Parameter } from '../openapi/model.ts';
import { Problem } from './problem.ts';

const JSON_TYPE = 'application/json';
const OTHER_JSON_TYPE = /^application\/(?!cloudevents).+\+json$/;

/**
 * Rejects a body of a type that the operation does not take with a {@link Problem} 415, before the body is read. Types
 * such as `application/vnd.bank+json` count as JSON.
 */
export function guardBodies(app: FastifyInstance): void {
  app.addHook('preParsing', async ({ raw, headers, is404, routeOptions }) => {
    if (is404 || !hasContent(raw)) return;
    const taken = routeOptions.config.operation?.bodyTypes ?? [];
    const type = parseMediaType(headers['content-type']);
    const named = OTHER_JSON_TYPE.test(type?.essence ?? '') ? JSON_TYPE : type?.essence;
    if (type === undefined || named === undefined || !taken.includes(named)) {
      const [last = '', ...others] = taken.toReversed();
      throw new Problem(
        415,
        `The body must be ${[others.toReversed().join(', '), last].filter(Boolean).join(' or ')}.`,
      );
    }
    if (!isUtf8(type)) throw new Problem(415, 'The body must be UTF-8; leave the charset out of Content-Type.');
  });
}

/** Reads a JSON body. @throws {Problem} 400 */
export function readJson(body: unknown): unknown {
  try {
    return parseStrictJson(body instanceof Uint8Array ? body : new Uint8Array());
  } catch (error) {
    if (error instanceof StrictJsonError) throw fieldProblem(error.path, error.message);
    throw error;
  }
}

/**
 * The value of a shape check.
 *
 * @param at path of the value in the body, such as `[3]`; empty for the body itself
 * @throws {Problem} 400 that names the field
 */
export function shapedValue<T>(shaped: Shaped<T>, at = ''): T {
  if (shaped.ok) return shaped.value;
  const { path, why, kind } = shaped.fault;
  const remedy = kind === 'unexpected' ? 'is not a known field; remove it' : why;
  throw fieldProblem(joinPath(at, path), remedy);
}

/** Rejects path and query parameters that no store can hold, such as texts with U+0000. @throws {Problem} 400 that names the first */
export function assertStorableParameters(parameters: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(parameters)) {
    const fault = [value].flat().map((each) => (typeof each === 'string' ? textFault(each) : undefined));
    const why = textFault(name) ?? fault.find((each) => each !== undefined);
    if (why !== undefined) throw fieldProblem(fitText(name), why);
  }
}

/** A 400 that names a field. */
export function fieldProblem(path: string, why: string): Problem {
  return new Problem(400, `${path === '' ? 'The body' : path} ${why}.`, path === '' ? {} : { field: path });
}

/** Joins paths: `[3]` and `resource.id` to `[3].resource.id`. */
export function joinPath(at: string, path: string): string {
  return at === '' || path === '' ? `${at}${path}` : `${at}.${path}`;
}

// RFC 3339, as the format date-time of the schemas; seconds are optional. Without a zone, the zone of the machine would apply.
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/i;

/**
 * Reads an optional time of a body or query, in milliseconds since the epoch. Times before 1970 are rejected.
 *
 * @param what the expected value, for the message
 * @throws {Problem} 400 that names the field
 */
export function readTime(field: string, given: unknown, what = 'a date and time'): number | undefined {
  if (given === undefined) return undefined;
  const timeMs = typeof given === 'string' && TIME.test(given) ? Date.parse(given) : Number.NaN;
  if (timeMs >= 0) return timeMs;
  throw fieldProblem(field, `must be ${what} with its zone, such as 2026-11-21T09:30:00Z`);
}

/** Schema of a time in an answer. */
export const dateTime = (description: string) => Type.String({ format: 'date-time', description });

/** Formats a time as ISO 8601 in UTC, with milliseconds. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** A query parameter: its description in the OpenAPI document, and how its text is read. */
export interface QueryParameter<T> {
  readonly description: string;
  readonly schema: object;
  readonly isRequired?: true;
  /** May be given several times; `read` gets all values, separated by commas. */
  readonly isList?: true;
  /** @param text undefined if the parameter is absent @throws {Problem} 400 that names the parameter */
  read(name: string, text: string | undefined): T;
}

/** The parameters of a query by their names. */
export type QueryParameters = Readonly<Record<string, QueryParameter<unknown>>>;

/** The values of these parameters. */
export type QueryOf<Q extends QueryParameters> = {
  readonly [Name in keyof Q]: Q[Name] extends QueryParameter<infer T> ? T : never;
};

/** Reads a query. @throws {Problem} 400 that names the first faulty or unknown parameter */
export function readQuery<Q extends QueryParameters>(
  parameters: Q,
  query: Readonly<Record<string, unknown>>,
): QueryOf<Q> {
  const unknown = Object.keys(query).find((name) => !Object.hasOwn(parameters, name));
  if (unknown !== undefined)
    throw fieldProblem(unknown, `is not a query parameter of this operation; ${describeKnown(parameters)}`);
  const entries = Object.entries(parameters).map(([name, parameter]) => {
    const given = query[name];
    if (given === undefined && parameter.isRequired) throw fieldProblem(name, 'must be given');
    if (Array.isArray(given) && !parameter.isList) throw fieldProblem(name, 'must be given once');
    return [name, parameter.read(name, given === undefined ? undefined : String(given))];
  });
  // Each entry is what its parameter reads, which Object.fromEntries cannot express.
  return Object.fromEntries(entries) as QueryOf<Q>;
}

function describeKnown(parameters: QueryParameters): string {
  const known = Object.keys(parameters);
  return known.length === 0 ? 'it has none' : `known parameters are ${known.join(', ')}`;
}

/** The query parameters in an OpenAPI document. */
export function documentedQuery(parameters: QueryParameters): Parameter[] {
  return Object.entries(parameters).map(([name, { description, schema, isRequired }]) => {
    return { name, in: 'query', description, schema, ...(isRequired && { required: true }) };
  });
}

/** A text parameter of 1 to `charsMax` characters. */
export function text(description: string, charsMax: number): QueryParameter<string | undefined> {
  return {
    description,
    schema: { type: 'string', minLength: 1, maxLength: charsMax },
    read: (name, given) => {
      if (given === undefined || (given !== '' && !isLongerThan(given, charsMax))) return given;
      throw fieldProblem(name, `must have 1 to ${charsMax} characters`);
    },
  };
}

/** A parameter that is the client_id of one TPP. */
export function oneClientId(description: string): QueryParameter<string | undefined> {
  return {
    description,
    schema: { type: 'string' },
    read: (name, given) => {
      if (given === '') throw fieldProblem(name, 'must be one client_id');
      return given;
    },
  };
}

/** A parameter with a fixed set of values. */
export function choice<const T extends string>(
  description: string,
  values: readonly T[],
): QueryParameter<T | undefined> {
  return {
    description,
    schema: { type: 'string', enum: [...values] },
    read: (name, given) => {
      const chosen = values.find((value) => value === given);
      if (chosen !== undefined || given === undefined) return chosen;
      throw fieldProblem(name, `must be ${values.length === 2 ? values.join(' or ') : `one of ${values.join(', ')}`}`);
    },
  };
}

/** A parameter that is true, or false, which is the default. */
export function flag(description: string): QueryParameter<boolean> {
  return {
    description,
    schema: { type: 'boolean', default: false },
    read: (name, given = 'false') => {
      if (given === 'true' || given === 'false') return given === 'true';
      throw fieldProblem(name, 'must be true or false');
    },
  };
}

/** A time parameter, read as milliseconds since the epoch. */
export function time(description: string): QueryParameter<number | undefined> {
  return { description, schema: { type: 'string', format: 'date-time' }, read: readTime };
}

/** The cursor of a page: `next` of the previous page. @param pattern default: any text */
export function cursor(
  description: string,
  {
    pattern = /^/,
    ...limits
  }: { readonly pattern?: RegExp; readonly minLength?: number; readonly maxLength?: number } = {},
): QueryParameter<string | undefined> {
  return {
    description,
    schema: { type: 'string', ...limits },
    read: (name, given) => {
      if (given === undefined || pattern.test(given)) return given;
      throw fieldProblem(name, 'must be "next" of a page');
    },
  };
}

/** The page size. */
export function limit(description: string, byDefault: number, maximum: number): QueryParameter<number> {
  return {
    description,
    schema: { type: 'integer', minimum: 1, maximum, default: byDefault },
    read: (name, given = String(byDefault)) => {
      if (/^[1-9]\d{0,3}$/.test(given) && Number(given) <= maximum) return Number(given);
      throw fieldProblem(name, `must be a whole number from 1 to ${maximum}`);
    },
  };
}

/**
 * Makes a page of entries that were fetched with a limit of `entriesMax + 1`.
 *
 * @param nextOf cursor of the page after an entry
 */
export function pageOf<T>(
  found: readonly T[],
  entriesMax: number,
  nextOf: (last: T) => string,
): { readonly shown: readonly T[]; readonly next: { readonly next?: string } } {
  const shown = found.slice(0, entriesMax);
  const last = shown.at(-1);
  return { shown, next: found.length > shown.length && last !== undefined ? { next: nextOf(last) } : {} };
}
