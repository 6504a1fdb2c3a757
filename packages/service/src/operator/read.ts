import {
  fitText,
  isUtf8,
  parseMediaType,
  parseStrictJson,
  type Shaped,
  StrictJsonError,
  textFault,
} from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { hasContent } from '../base/http-refusal.ts';
import { Problem } from './problem.ts';

const JSON_TYPE = 'application/json';
const OTHER_JSON_TYPE = /^application\/(?!cloudevents).+\+json$/;

/**
 * Refuses a body of a type that the operation does not take, with a {@link Problem} 415, before the body is read. What is
 * JSON under another name is JSON.
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
 * Takes a value out of a shape check.
 *
 * @param at where the value stands in the body, as in `[3]`; empty for the body itself
 * @throws {Problem} 400 that names the field
 */
export function shapedValue<T>(shaped: Shaped<T>, at = ''): T {
  if (shaped.ok) return shaped.value;
  const { path, why, kind } = shaped.fault;
  const remedy = kind === 'unexpected' ? 'is not a field here; take it out' : why;
  throw fieldProblem(joinPath(at, path), remedy);
}

/** Refuses parameters of path and query that the store could not look for. @throws {Problem} 400 that names the first */
export function refuseUnfitParameters(parameters: Readonly<Record<string, unknown>>): void {
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

/** `[3]` and `resource.id` make `[3].resource.id`. */
export function joinPath(at: string, path: string): string {
  return at === '' || path === '' ? `${at}${path}` : `${at}.${path}`;
}

// RFC 3339, as the format date-time of the schemas; seconds may be left out. Without a zone it would be that of the machine.
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/i;

/**
 * Reads a time that a field of a body, or a parameter of a query, may have. Nothing here is older than 1970.
 *
 * @param what what it must be; default: a date and time
 * @throws {Problem} 400 that names the field
 */
export function readTime(field: string, given: unknown, what = 'a date and time'): number | undefined {
  if (given === undefined) return undefined;
  const timeMs = typeof given === 'string' && TIME.test(given) ? Date.parse(given) : Number.NaN;
  if (timeMs >= 0) return timeMs;
  throw fieldProblem(field, `must be ${what} with its zone, such as 2026-11-21T09:30:00Z`);
}

/** A time as the operator reads it: ISO 8601 in UTC, milliseconds kept. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
