import { stripTypeScriptTypes } from 'node:module';
import { type Comment, type Program, parse as parseJavaScript } from 'acorn';

/**
 * A source with its types blanked out. Offsets and lines are those of the original,
 * which is why it is stripped rather than compiled: a violation can name its line.
 */
export interface Parsed {
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly source: string;
  readonly stripped: string;
}

const cache = new Map<string, Parsed>();

/** Parses TypeScript or JavaScript. Throws a SyntaxError on what is neither; JSX is not understood. */
export function parse(source: string): Parsed {
  const known = cache.get(source);
  if (known !== undefined) return known;
  const stripped = stripQuietly(source);
  const comments: Comment[] = [];
  const program = parseJavaScript(stripped, {
    ecmaVersion: 'latest',
    sourceType: 'module',
    allowHashBang: true,
    locations: true,
    onComment: comments,
  });
  const parsed = { program, comments, source, stripped };
  cache.set(source, parsed);
  return parsed;
}

/** Whether a source can be parsed at all; where it cannot, the function-length rule says so once. */
export function isParsable(source: string): boolean {
  try {
    return parse(source) !== undefined;
  } catch {
    return false;
  }
}

/** Whether the text at this offset was a type, that is: there in the source and blank after stripping. */
export function isErased(parsed: Parsed, offset: number): boolean {
  return parsed.source[offset] !== parsed.stripped[offset];
}

/** First line, from 1, of a node. */
export function startLine(node: { readonly loc?: { readonly start: { readonly line: number } } | null }): number {
  return node.loc?.start.line ?? 1;
}

// Node calls stripping experimental and says so on stderr at its first use; in a test's output that is only noise.
function stripQuietly(source: string): string {
  const emitWarning = process.emitWarning;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
