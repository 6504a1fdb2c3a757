import type { AnyNode } from 'acorn';
import { type Parsed, parse, startLine } from './parse.ts';
import type { Violation } from './violation.ts';

/**
 * What a package exports is read by strangers: every exported function, class and constant has a docstring.
 * Constants on consecutive lines are one group, and the docstring before the first speaks for them all.
 */
export function checkDocstrings(path: string, source: string): Violation[] {
  const parsed = parse(source);
  const documented = new Set<AnyNode>();
  return parsed.program.body.flatMap((node, index, body) => {
    const name = exportedName(node);
    if (name === undefined) return [];
    const before = body[index - 1];
    const joins = before !== undefined && documented.has(before) && isNextConstant(parsed, before, node);
    if (joins || isDocumented(parsed, node.start, name)) {
      documented.add(node);
      return [];
    }
    const remedy = 'say what it does, what it does not do, units, errors and the source, in /** … */ right before it';
    return [{ path, line: startLine(node), rule: 'docstring', found: `${name} has none`, remedy }];
  });
}

function isNextConstant({ source }: Parsed, before: AnyNode, node: AnyNode): boolean {
  const areConstants = [before, node].every(
    (each) => each.type === 'ExportNamedDeclaration' && each.declaration?.type === 'VariableDeclaration',
  );
  return areConstants && /^\n[^\S\n]*$/.test(source.slice(before.end, node.start));
}

function exportedName(node: AnyNode): string | undefined {
  if (node.type !== 'ExportNamedDeclaration' || node.declaration == null) return undefined;
  const { declaration } = node;
  if (declaration.type !== 'VariableDeclaration') return declaration.id.name;
  const id = declaration.declarations[0]?.id;
  return id?.type === 'Identifier' ? id.name : 'an exported constant';
}

function isDocumented({ comments, source }: Parsed, start: number, name: string): boolean {
  const last = comments.findLast((comment) => comment.end <= start);
  if (last === undefined || last.type !== 'Block' || !last.value.startsWith('*')) return false;
  const between = source.slice(last.end, start);
  // Overloads are types, so what is parsed is the implementation behind them: the docstring stands before the first.
  const overload = /^\s*\n?export (?:async )?function (\w+)/.exec(between);
  return /^\s*$/.test(between) ? !/\n\s*\n/.test(between) : overload?.[1] === name;
}
