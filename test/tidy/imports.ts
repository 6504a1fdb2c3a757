import { posix } from 'node:path';
import type { AnyNode } from 'acorn';
import { full } from 'acorn-walk';
import { isErased, type Parsed, parse, startLine } from './parse.ts';
import { lineOf } from './violation.ts';

/** One import, re-export or dynamic import of a file. */
export interface Import {
  /** What is imported as written; undefined for a dynamic import of a computed specifier. */
  readonly specifier: string | undefined;
  readonly line: number;
  /** `import type`, `export type … from` and `import('…').T`: gone at run time. */
  readonly typeOnly: boolean;
}

const TYPE_IMPORT = /\b(?:import|export)\s+type\b[^;'"]*?\bfrom\s*(['"])([^'"]+)\1/g;
const TYPE_QUERY = /\bimport\s*\(\s*(['"])([^'"]+)\1/g;
const JSX_IMPORT = /^\s*(?:import|export)\b(\s+type\b)?(?:[^;'"]*?\bfrom)?\s*(['"])([^'"]+)\2/gm;

/** Every import of a source. JSX cannot be parsed here, so in a .tsx file the statements are found by their shape. */
export function importsOf(path: string, source: string): Import[] {
  if (path.endsWith('.tsx')) return importsOfJsx(source);
  const parsed = parse(source);
  return [...runtimeImports(parsed), ...erasedImports(parsed)].sort((a, b) => a.line - b.line);
}

/** The file that a relative import leads to, or undefined for a package. */
export function resolveRelative(path: string, specifier: string): string | undefined {
  return /^\.\.?(\/|$)/.test(specifier) ? posix.join(posix.dirname(path), specifier) : undefined;
}

function runtimeImports(parsed: Parsed): Import[] {
  const found: Import[] = [];
  full(parsed.program, (node) => {
    const specifier = specifierOf(node);
    if (specifier !== null) found.push({ specifier, line: startLine(node), typeOnly: false });
  });
  return found;
}

/** The specifier of a node that imports, undefined when it is computed, null when the node imports nothing. */
function specifierOf(node: AnyNode): string | undefined | null {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
      return String(node.source.value);
    case 'ExportNamedDeclaration':
      return node.source == null ? null : String(node.source.value);
    case 'ImportExpression':
      return literalOf(node.source);
    default:
      return null;
  }
}

function literalOf(node: AnyNode): string | undefined {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node.type === 'TemplateLiteral' && node.expressions.length === 0)
    return node.quasis[0]?.value.cooked ?? undefined;
  return undefined;
}

// Stripping removes what is only type, and with it the direction it points in; the text still has it.
function erasedImports(parsed: Parsed): Import[] {
  return [TYPE_IMPORT, TYPE_QUERY].flatMap((pattern) =>
    [...parsed.source.matchAll(pattern)]
      .filter((match) => isErased(parsed, match.index))
      .map((match) => ({ specifier: match[2], line: lineOf(parsed.source, match.index), typeOnly: true })),
  );
}

function importsOfJsx(source: string): Import[] {
  return [...source.matchAll(JSX_IMPORT)].map((match) => ({
    specifier: match[3],
    line: lineOf(source, match.index + match[0].search(/\S/)),
    typeOnly: match[1] !== undefined,
  }));
}
