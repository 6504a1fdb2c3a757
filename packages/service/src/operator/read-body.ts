import { fitText, parseStrictJson, type Shaped, StrictJsonError, textFault } from '@tidings/protocol';
import { Problem } from './problem.ts';

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
