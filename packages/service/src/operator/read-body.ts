import { parseStrictJson, type Shaped, StrictJsonError } from '@tidings/protocol';
import { Problem } from './problem.ts';

/** Reads a JSON body. @throws {Problem} 400 */
export function readJson(body: unknown): unknown {
  try {
    return parseStrictJson(body instanceof Uint8Array ? body : new Uint8Array());
  } catch (error) {
    if (error instanceof StrictJsonError) throw new Problem(400, `The body ${error.message}.`);
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

/** A 400 that names a field. */
export function fieldProblem(path: string, why: string): Problem {
  return new Problem(400, `${path === '' ? 'The body' : path} ${why}.`, path === '' ? {} : { field: path });
}

/** `[3]` and `resource.id` make `[3].resource.id`. */
export function joinPath(at: string, path: string): string {
  return at === '' || path === '' ? `${at}${path}` : `${at}.${path}`;
}
