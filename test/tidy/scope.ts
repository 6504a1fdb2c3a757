import type { AnyNode, Pattern, VariableDeclaration } from 'acorn';

const cache = new WeakMap<AnyNode, ReadonlySet<string>>();

/** Whether a name, used under these ancestors, is the global one, and not a parameter, variable or import. */
export function isGlobal(name: string, ancestors: readonly AnyNode[]): boolean {
  return !ancestors.some((node) => boundNames(node).has(name));
}

function boundNames(node: AnyNode): ReadonlySet<string> {
  const known = cache.get(node);
  if (known !== undefined) return known;
  const names = new Set(collect(node));
  cache.set(node, names);
  return names;
}

/** The names a node declares for what is inside it. `var` is not hoisted: the linter forbids it. */
function collect(node: AnyNode): string[] {
  switch (node.type) {
    case 'Program':
    case 'BlockStatement':
    case 'StaticBlock':
      return node.body.flatMap(declaredBy);
    case 'SwitchStatement':
      return node.cases.flatMap((each) => each.consequent.flatMap(declaredBy));
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return node.params.flatMap(namesIn);
    case 'ForStatement':
      return node.init?.type === 'VariableDeclaration' ? declaredNames(node.init) : [];
    case 'ForOfStatement':
    case 'ForInStatement':
      return node.left.type === 'VariableDeclaration' ? declaredNames(node.left) : [];
    case 'CatchClause':
      return node.param ? namesIn(node.param) : [];
    default:
      return [];
  }
}

function declaredBy(node: AnyNode): string[] {
  switch (node.type) {
    case 'VariableDeclaration':
      return declaredNames(node);
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return node.id ? [node.id.name] : [];
    case 'ImportDeclaration':
      return node.specifiers.map((specifier) => specifier.local.name);
    case 'ExportNamedDeclaration':
      return node.declaration ? declaredBy(node.declaration) : [];
    default:
      return [];
  }
}

function declaredNames(node: VariableDeclaration): string[] {
  return node.declarations.flatMap((declarator) => namesIn(declarator.id));
}

function namesIn(pattern: Pattern): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((each) => namesIn(each.type === 'RestElement' ? each.argument : each.value));
    case 'ArrayPattern':
      return pattern.elements.flatMap((each) => (each === null ? [] : namesIn(each)));
    case 'RestElement':
      return namesIn(pattern.argument);
    case 'AssignmentPattern':
      return namesIn(pattern.left);
    default:
      return [];
  }
}
