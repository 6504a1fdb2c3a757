import type { AnyNode, ImportDeclaration } from 'acorn';
import { fullAncestor } from 'acorn-walk';
import { CALLED, type Forbidden, GLOBALS, IMPORTED, MEMBERS, STRICT_JSON, TLS } from './forbidden.ts';
import { parse, startLine } from './parse.ts';
import { isGlobal } from './scope.ts';
import type { Violation } from './violation.ts';

/** What a node reaches for, and the rule against it. */
interface Hit {
  readonly what: string;
  readonly forbidden: Forbidden;
}

/** Finds what sources may not reach for directly: clock, timers, randomness, network, environment, console, eval. */
export function checkCalls(path: string, source: string): Violation[] {
  const violations: Violation[] = [];
  fullAncestor(parse(source).program, (node, _state, ancestors, type) => {
    // A binding of the same name is a pattern, not a use.
    if (type === 'VariablePattern') return;
    for (const { what, forbidden } of hitsOf(node, ancestors)) {
      if (forbidden.rule === 'json-parse' && !STRICT_JSON.test(path)) continue;
      violations.push({ path, line: startLine(node), rule: forbidden.rule, found: what, remedy: remedyOf(forbidden) });
    }
  });
  return violations;
}

function remedyOf({ rule, remedy }: Forbidden): string {
  return rule === 'tls' ? remedy : `${remedy}; at a true edge, add an entry with its reason to test/tidy/allowed.ts`;
}

function hitsOf(node: AnyNode, ancestors: readonly AnyNode[]): Hit[] {
  switch (node.type) {
    case 'Identifier':
      return globalHit(node, ancestors);
    case 'MemberExpression':
      if (!node.computed && keyOf(node) === TLS_VARIABLE) return [{ what: TLS_VARIABLE, forbidden: TLS }];
      return [...globalHit(node, ancestors), ...memberHit(node.object, keyOf(node), ancestors)];
    case 'VariableDeclarator':
      return destructuringHits(node, ancestors);
    case 'NewExpression':
      return node.arguments.length > 0 && node.callee.type === 'Identifier' && node.callee.name === 'Date'
        ? []
        : callHit(node.callee, ancestors, 'new ');
    case 'CallExpression':
      return callHit(node.callee, ancestors, '');
    case 'Property':
      return isFalse(node.value) && keyOf(node) === 'rejectUnauthorized' ? [TLS_OFF] : [];
    case 'AssignmentExpression':
      return isFalse(node.right) && node.left.type === 'MemberExpression' && keyOf(node.left) === 'rejectUnauthorized'
        ? [TLS_OFF]
        : [];
    case 'Literal':
      return node.value === TLS_VARIABLE ? [{ what: TLS_VARIABLE, forbidden: TLS }] : [];
    case 'ImportDeclaration':
      return importHits(node);
    default:
      return [];
  }
}

const TLS_OFF: Hit = { what: 'rejectUnauthorized: false', forbidden: TLS };
const TLS_VARIABLE = 'NODE_TLS_REJECT_UNAUTHORIZED';

function globalHit(node: AnyNode, ancestors: readonly AnyNode[]): Hit[] {
  const name = globalName(node, ancestors);
  const forbidden = name === undefined ? undefined : GLOBALS[name];
  return name === undefined || forbidden === undefined ? [] : [{ what: name, forbidden }];
}

function memberHit(object: AnyNode, key: string | undefined, ancestors: readonly AnyNode[]): Hit[] {
  const name = globalName(object, ancestors);
  const forbidden = name === undefined || key === undefined ? undefined : MEMBERS[name]?.[key];
  return forbidden === undefined ? [] : [{ what: `${name}.${key}`, forbidden }];
}

function destructuringHits(node: AnyNode & { type: 'VariableDeclarator' }, ancestors: readonly AnyNode[]): Hit[] {
  const { id, init } = node;
  if (id.type !== 'ObjectPattern' || init == null) return [];
  return id.properties.flatMap((each) => (each.type === 'Property' ? memberHit(init, keyOf(each), ancestors) : []));
}

function callHit(callee: AnyNode, ancestors: readonly AnyNode[], prefix: string): Hit[] {
  const name = globalName(callee, ancestors);
  const forbidden = name === undefined ? undefined : CALLED[name];
  return forbidden === undefined ? [] : [{ what: `${prefix}${name}()`, forbidden }];
}

function importHits(node: ImportDeclaration): Hit[] {
  const module = String(node.source.value);
  const rules = IMPORTED[module.startsWith('node:') ? module : `node:${module}`];
  return node.specifiers.flatMap((specifier) => {
    const name = importedName(specifier);
    const forbidden = rules?.[name] ?? rules?.['*'];
    return forbidden === undefined ? [] : [{ what: `${name} of ${module}`, forbidden }];
  });
}

function importedName(specifier: ImportDeclaration['specifiers'][number]): string {
  if (specifier.type !== 'ImportSpecifier') return '*';
  return specifier.imported.type === 'Identifier' ? specifier.imported.name : String(specifier.imported.value);
}

/** The global that an expression names, as `x` or `globalThis.x`. `process` is the same one when imported. */
function globalName(node: AnyNode, ancestors: readonly AnyNode[]): string | undefined {
  if (node.type === 'Identifier') {
    return node.name === 'process' || isGlobal(node.name, ancestors) ? node.name : undefined;
  }
  const isOfGlobalThis =
    node.type === 'MemberExpression' &&
    node.object.type === 'Identifier' &&
    /^(globalThis|global)$/.test(node.object.name);
  return isOfGlobalThis ? keyOf(node) : undefined;
}

/** The name of a member or property when it is written out: `a.b`, `a['b']`, `{ b: … }`. */
function keyOf(node: AnyNode): string | undefined {
  if (node.type !== 'MemberExpression' && node.type !== 'Property') return undefined;
  const key: AnyNode = node.type === 'MemberExpression' ? node.property : node.key;
  if (key.type === 'Identifier' && !node.computed) return key.name;
  return key.type === 'Literal' && typeof key.value === 'string' ? key.value : undefined;
}

function isFalse(node: AnyNode): boolean {
  return node.type === 'Literal' && node.value === false;
}
