import type { AnyNode, ImportDeclaration } from 'acorn';
import { full } from 'acorn-walk';
import { parse, startLine } from './parse.ts';
import type { Violation } from './violation.ts';

// Names that make connections, by module, and the option that says how each verifies its peer, or the function that makes
// its options (with brackets), which has a test of its own. The environment
// (`NODE_TLS_REJECT_UNAUTHORIZED=0`) turns verification off wherever a client leaves it to Node.js.
const PINNED = 'rejectUnauthorized';
const TLS_CLIENTS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'node:tls': { connect: [PINNED], TLSSocket: [PINNED] },
  'node:https': { request: [PINNED, 'agent'], get: [PINNED, 'agent'], Agent: [PINNED] },
  'node:http2': { connect: [PINNED] },
  '@platformatic/kafka': Object.fromEntries(
    ['Admin', 'Consumer', 'Producer'].map((name) => [name, ['connectionOptions()']]),
  ),
  nodemailer: { createTransport: ['tls'] },
  undici: Object.fromEntries(
    ['Agent', 'BalancedPool', 'Client', 'H2CClient', 'Pool', 'RoundRobinPool'].map((name) => [name, ['connect']]),
  ),
};
// Functions of undici that go over a dispatcher of ours, or over one that pins nothing.
const OVER_DISPATCHER = ['connect', 'fetch', 'pipeline', 'request', 'stream', 'upgrade', 'WebSocket', 'EventSource'];
// What cannot be given a connector, and so pins nothing.
const NEVER = ['ProxyAgent', 'EnvHttpProxyAgent', 'Socks5ProxyAgent', 'setGlobalDispatcher', 'getGlobalDispatcher'];

const REMEDY =
  'write `rejectUnauthorized: true` in the call, or give undici `connect` of net/connector.ts, or a `dispatcher` that has it, ' +
  'or give a client of Kafka `connectionOptions()`';

/** Finds TLS clients whose verification is not pinned in the call that makes them. */
export function checkTlsClients(path: string, source: string): Violation[] {
  const { program } = parse(source);
  const found: { readonly node: AnyNode; readonly what: string }[] = [];
  const optionsOf = new Map<string, readonly string[]>();
  for (const node of program.body) {
    if (node.type !== 'ImportDeclaration') continue;
    const module = String(node.source.value);
    const clients = clientsOf(module);
    for (const specifier of clients === undefined ? [] : node.specifiers) {
      const name = nameOf(specifier);
      const options = name === undefined ? [] : clients?.[name];
      if (options?.length === 0) found.push({ node: specifier, what: name ?? `all of ${module}` });
      else if (options !== undefined) optionsOf.set(specifier.local.name, options);
    }
  }
  full(program, (node) => {
    const made = madeBy(node);
    const options = made && optionsOf.get(made.name);
    if (options?.length && !made?.given.some((given) => pins(given, options))) {
      found.push({ node, what: `${made?.name}()` });
    }
    const loaded = loadedBy(node);
    if (loaded !== undefined && clientsOf(loaded) !== undefined) found.push({ node, what: `import('${loaded}')` });
  });
  return found.map(({ node, what }) => {
    return { path, line: startLine(node), rule: 'tls-client', found: what, remedy: REMEDY };
  });
}

/** The name that is imported; undefined: all of the module. */
function nameOf(specifier: ImportDeclaration['specifiers'][number]): string | undefined {
  if (specifier.type !== 'ImportSpecifier') return undefined;
  return specifier.imported.type === 'Identifier' ? specifier.imported.name : String(specifier.imported.value);
}

function loadedBy(node: AnyNode): string | undefined {
  return node.type === 'ImportExpression' && node.source.type === 'Literal' ? String(node.source.value) : undefined;
}

/** What a call, `new`, or a class that extends another one makes, and what it is given. */
function madeBy(node: AnyNode): { readonly name: string; readonly given: readonly AnyNode[] } | undefined {
  if (node.type === 'CallExpression' || node.type === 'NewExpression') {
    return node.callee.type === 'Identifier' ? { name: node.callee.name, given: node.arguments } : undefined;
  }
  if ((node.type !== 'ClassDeclaration' && node.type !== 'ClassExpression') || node.superClass?.type !== 'Identifier') {
    return undefined;
  }
  const given: AnyNode[] = [];
  full(node.body, (inner) => {
    if (inner.type === 'CallExpression' && inner.callee.type === 'Super') given.push(...inner.arguments);
  });
  return { name: node.superClass.name, given };
}

function clientsOf(module: string): Readonly<Record<string, readonly string[]>> | undefined {
  const isPackage = module === 'undici' || Object.hasOwn(TLS_CLIENTS, module);
  const name = isPackage || module.startsWith('node:') ? module : `node:${module}`;
  if (name !== 'undici') return TLS_CLIENTS[name];
  return {
    ...TLS_CLIENTS['undici'],
    ...Object.fromEntries(OVER_DISPATCHER.map((each) => [each, ['dispatcher']])),
    ...Object.fromEntries(NEVER.map((each) => [each, []])),
  };
}

function pins(given: AnyNode, options: readonly string[]): boolean {
  if (given.type === 'CallExpression') {
    return given.callee.type === 'Identifier' && options.includes(`${given.callee.name}()`);
  }
  if (given.type !== 'ObjectExpression') return false;
  return given.properties.some((property) => {
    if (property.type === 'SpreadElement') return pins(property.argument, options);
    if (property.type !== 'Property' || property.key.type !== 'Identifier') return false;
    const { name } = property.key;
    if (!options.includes(name)) return false;
    if (name === PINNED) return property.value.type === 'Literal' && property.value.value === true;
    // Options in place of a connector would leave verification to the environment, unless they pin it.
    return property.value.type !== 'ObjectExpression' || pins(property.value, [PINNED]);
  });
}
