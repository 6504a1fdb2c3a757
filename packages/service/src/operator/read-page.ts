import { fieldProblem } from './read-body.ts';

/** How the pages of a list are asked for. */
export interface PageRules {
  /** The parameter that says where the page begins. */
  readonly cursor: string;
  /** What the cursor must be; undefined: any text. */
  readonly cursorPattern?: RegExp;
  readonly limitDefault: number;
  readonly limitMax: number;
}

/** Reads cursor and `limit` off a query; nothing else may stand in it. @throws {Problem} 400 */
export function readPage(
  query: Readonly<Record<string, unknown>>,
  { cursor: name, cursorPattern = /^/, limitDefault, limitMax }: PageRules,
): { readonly cursor: string | undefined; readonly limit: number } {
  const { [name]: cursor, limit = String(limitDefault), ...others } = query;
  refuseOthers(others);
  if (cursor !== undefined && typeof cursor !== 'string') throw fieldProblem(name, 'must be given once');
  if (cursor !== undefined && !cursorPattern.test(cursor)) throw fieldProblem(name, 'must be "next" of a page');
  if (typeof limit !== 'string' || !/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > limitMax) {
    throw fieldProblem('limit', `must be a whole number from 1 to ${limitMax}`);
  }
  return { cursor, limit: Number(limit) };
}

/** @throws {Problem} 400 that names a parameter which is none here */
export function refuseOthers(others: Readonly<Record<string, unknown>>): void {
  const [other] = Object.keys(others);
  if (other !== undefined) throw fieldProblem(other, 'is not a parameter here; take it out of the query');
}
