import { isLongerThan } from '@tidings/protocol';
import type { Parameter } from '../openapi/model.ts';
import { fieldProblem, readTime } from './read.ts';

/** A parameter of a query: what the OpenAPI document says of it, and how its text is read. */
export interface QueryParameter<T> {
  readonly description: string;
  readonly schema: object;
  readonly isRequired?: true;
  /** Whether it may be given several times; `read` gets all of them, separated by commas. */
  readonly isList?: true;
  /** @param text undefined where it is left out @throws {Problem} 400 that names the parameter */
  read(name: string, text: string | undefined): T;
}

/** The parameters of a query by their names. */
export type QueryParameters = Readonly<Record<string, QueryParameter<unknown>>>;

/** The values of a query that has these parameters. */
export type QueryOf<Q extends QueryParameters> = {
  readonly [Name in keyof Q]: Q[Name] extends QueryParameter<infer T> ? T : never;
};

/** Reads a query, in which nothing but these parameters may stand. @throws {Problem} 400 that names the first at fault */
export function readQuery<Q extends QueryParameters>(
  parameters: Q,
  query: Readonly<Record<string, unknown>>,
): QueryOf<Q> {
  const other = Object.keys(query).find((name) => !Object.hasOwn(parameters, name));
  if (other !== undefined) throw fieldProblem(other, 'is not a parameter here; take it out of the query');
  const entries = Object.entries(parameters).map(([name, parameter]) => {
    const given = query[name];
    if (given === undefined && parameter.isRequired) throw fieldProblem(name, 'must be given');
    if (Array.isArray(given) && !parameter.isList) throw fieldProblem(name, 'must be given once');
    return [name, parameter.read(name, given === undefined ? undefined : String(given))];
  });
  // Of every parameter what it reads, which no type of the language's own says.
  return Object.fromEntries(entries) as QueryOf<Q>;
}

/** The parameters of a query in an OpenAPI document. */
export function documentedQuery(parameters: QueryParameters): Parameter[] {
  return Object.entries(parameters).map(([name, { description, schema, isRequired }]) => {
    return { name, in: 'query', description, schema, ...(isRequired && { required: true }) };
  });
}

/** A text of at most so many characters. */
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

/** The client_id of one TPP. */
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

/** One of some values. */
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

/** A time, in milliseconds. */
export function time(description: string): QueryParameter<number | undefined> {
  return { description, schema: { type: 'string', format: 'date-time' }, read: readTime };
}

/** Where a page begins: `next` of the page before. @param pattern what it must be; left out: any text */
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

/** Most entries on a page. */
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
 * Parts what was found, of which one more was asked for than a page shows.
 *
 * @param nextOf where the page after an entry begins
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
