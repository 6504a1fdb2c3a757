import { fieldProblem } from './read-body.ts';

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
