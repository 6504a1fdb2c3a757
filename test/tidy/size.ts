import type { AnyNode } from 'acorn';
import { fullAncestor } from 'acorn-walk';
import { parse, startLine } from './parse.ts';
import type { Violation } from './violation.ts';

const SOURCE_LINES_MAX = 399;
const TEST_LINES_MAX = 599;
const FUNCTION_LINES_MAX = 60;

/** A file of sources stays under 400 lines, a test under 600. */
export function checkFileLength(path: string, source: string): Violation[] {
  const linesMax = /^packages\/[^/]+\/src\//.test(path) ? SOURCE_LINES_MAX : TEST_LINES_MAX;
  const lines = source.split('\n').length - (source.endsWith('\n') ? 1 : 0);
  if (lines <= linesMax) return [];
  const found = `${lines} lines, ${linesMax} at most`;
  return [{ path, line: lines, rule: 'file-length', found, remedy: 'split it where its subject changes' }];
}

/** A function fits on a screen: 60 lines, from its first to its last, with every function inside it. */
export function checkFunctionLength(path: string, source: string): Violation[] {
  const violations: Violation[] = [];
  fullAncestor(parse(source).program, (node, _state, ancestors) => {
    if (!isFunction(node) || node.loc == null) return;
    const lines = node.loc.end.line - node.loc.start.line + 1;
    if (lines <= FUNCTION_LINES_MAX) return;
    const found = `${nameOf(node, ancestors.at(-2))} has ${lines} lines, ${FUNCTION_LINES_MAX} at most`;
    const remedy = 'name its steps and make each a function, so that it reads as the list of them';
    violations.push({ path, line: startLine(node), rule: 'function-length', found, remedy });
  });
  return violations;
}

function isFunction(node: AnyNode): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

function nameOf(node: AnyNode, parent: AnyNode | undefined): string {
  if ((node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression') && node.id) return node.id.name;
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') return parent.id.name;
  const isMember = parent?.type === 'MethodDefinition' || parent?.type === 'Property';
  if (isMember && parent.key.type === 'Identifier') return parent.key.name;
  return 'a function';
}
