import type { AnyNode } from 'acorn';
import { full } from 'acorn-walk';
import { parse, startLine } from './parse.ts';
import type { Violation } from './violation.ts';

const LEFT_OUT = /^(only|skip|todo)$/;
const TEST_FUNCTION = /^(test|it|describe|suite)$/;

/** Finds tests that do not run, or that keep the others from running: `.only(`, `.skip(`, `.todo(` and the options. */
export function checkSkips(path: string, source: string): Violation[] {
  const violations: Violation[] = [];
  full(parse(source).program, (node) => {
    if (node.type !== 'CallExpression') return;
    for (const found of leftOut(node)) {
      const remedy = 'let the test run, or delete it; what a machine may lack is a skip with a reason in allowed.ts';
      violations.push({ path, line: startLine(node), rule: 'skip', found, remedy });
    }
  });
  return violations;
}

function leftOut({ callee, arguments: args }: AnyNode & { type: 'CallExpression' }): string[] {
  if (callee.type === 'MemberExpression' && !callee.computed && callee.property.type === 'Identifier') {
    return LEFT_OUT.test(callee.property.name) ? [`.${callee.property.name}(`] : [];
  }
  if (callee.type !== 'Identifier' || !TEST_FUNCTION.test(callee.name)) return [];
  return args.flatMap((argument) => (argument.type === 'ObjectExpression' ? optionsOf(argument) : []));
}

// `{ skip: true }` and `{ skip: 'reason' }` always skip; a computed value is a condition, and allowed.
function optionsOf(options: AnyNode & { type: 'ObjectExpression' }): string[] {
  return options.properties.flatMap((each) => {
    if (each.type !== 'Property' || each.key.type !== 'Identifier' || !LEFT_OUT.test(each.key.name)) return [];
    return each.value.type === 'Literal' && each.value.value ? [`{ ${each.key.name} }`] : [];
  });
}
