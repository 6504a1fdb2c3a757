import { builtinModules } from 'node:module';
import { type Import, importsOf, resolveRelative } from './imports.ts';
import { COMPUTED_IMPORTS, FACES, FOREIGN, PACKAGES, SERVICE } from './layers.ts';
import type { Violation } from './violation.ts';

const BUILTINS: ReadonlySet<string> = new Set(builtinModules);

/** Where a file stands: in the sources of a package, elsewhere in a package (tests), or outside all of them. */
interface Place {
  readonly package: string | undefined;
  readonly inSources: boolean;
}

/** Why an import is not allowed, before it is given its file and line. */
type Objection = Pick<Violation, 'rule' | 'found' | 'remedy'>;

/** Checks who imports whom: between packages, within the service, and from tests. Type-only imports count too. */
export function checkDirection(path: string, source: string): Violation[] {
  const from = placeOf(path);
  return importsOf(path, source).flatMap((each) => {
    const objection = from.inSources ? fromSources(path, from, each) : fromTests(path, from, each);
    return objection === undefined ? [] : [{ path, line: each.line, ...objection }];
  });
}

function placeOf(path: string): Place {
  const match = /^packages\/([^/]+)\/(src\/)?/.exec(path);
  return { package: match?.[1], inSources: match?.[2] !== undefined };
}

function fromSources(path: string, from: Place, each: Import): Objection | undefined {
  if (each.specifier === undefined) return COMPUTED_IMPORTS.includes(path) ? undefined : COMPUTED;
  const target = resolveRelative(path, each.specifier);
  if (target !== undefined) return withinPackage(path, target, from.package ?? '');
  if (each.specifier.startsWith('@tidings/')) return betweenPackages(each.specifier, from.package ?? '');
  return toForeign(each.specifier, from.package ?? '');
}

const COMPUTED: Objection = {
  rule: 'direction',
  found: 'dynamic import of a computed specifier',
  remedy: `write the specifier out, so that this test can see it; only ${COMPUTED_IMPORTS.join(' and ')} may compute one`,
};

function withinPackage(path: string, target: string, name: string): Objection | undefined {
  const root = `packages/${name}/`;
  if (target === `${root}package.json`) return undefined;
  if (!target.startsWith(`${root}src/`)) {
    return {
      rule: 'packages',
      found: `imports ${target}, outside its own sources`,
      remedy: 'import another package by its name, and move what tests and sources share into src',
    };
  }
  return name === 'service' ? withinService(path, target) : undefined;
}

function withinService(path: string, target: string): Objection | undefined {
  const from = servicePlace(path);
  const to = servicePlace(target);
  const allowed = SERVICE[from];
  if (allowed === undefined || SERVICE[to] === undefined) {
    return {
      rule: 'direction',
      found: `${allowed === undefined ? from : to} has no place among the layers of the service`,
      remedy: 'move the file into a layer, or shared helpers into base/; a new layer goes into test/tidy/layers.ts',
    };
  }
  if (from === to || allowed.includes(to)) return undefined;
  return {
    rule: 'direction',
    found: `${from} imports ${to} (${target})`,
    remedy: `${from} may import only ${['itself', ...allowed].join(', ')}; pass it in, or move what both need to base/`,
  };
}

function servicePlace(path: string): string {
  return path.slice('packages/service/src/'.length).split('/')[0] ?? '';
}

function betweenPackages(specifier: string, name: string): Objection | undefined {
  const target = specifier.split('/')[1] ?? '';
  const allowed = PACKAGES[name] ?? [];
  if (!allowed.includes(target)) {
    const names = allowed.map((each) => `@tidings/${each}`).join(', ');
    return {
      rule: 'packages',
      found: `packages/${name} imports ${specifier}`,
      remedy: `of ours, ${name} may import ${names === '' ? 'nothing' : `only ${names}`}`,
    };
  }
  return publicFaceOnly(specifier);
}

function publicFaceOnly(specifier: string): Objection | undefined {
  if (/^@tidings\/[^/]+$/.test(specifier) || FACES.includes(specifier)) return undefined;
  return {
    rule: 'packages',
    found: `imports ${specifier}, which is inside another package`,
    remedy: 'import the package by its bare name; export what is missing from its index.ts',
  };
}

function toForeign(specifier: string, name: string): Objection | undefined {
  const limits = FOREIGN[name];
  if (limits === undefined) return undefined;
  const parts = specifier.split('/');
  const root = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
  const isNode = specifier.startsWith('node:') || BUILTINS.has(specifier);
  if (isNode ? limits.node : limits.packages.includes(root)) return undefined;
  return {
    rule: 'packages',
    found: `packages/${name} imports ${specifier}`,
    remedy: `beside our own packages, ${name} may import only ${limits.packages.join(', ')}${limits.node ? ' and node:' : ''}`,
  };
}

/** Tests, benches and examples: the sources of their own package, and every package by its public face. */
function fromTests(path: string, from: Place, each: Import): Objection | undefined {
  if (each.specifier === undefined) return undefined;
  const target = resolveRelative(path, each.specifier);
  if (target === undefined) return each.specifier.startsWith('@tidings/') ? publicFaceOnly(each.specifier) : undefined;
  const trespasses =
    from.package === undefined ? placeOf(target).inSources : !target.startsWith(`packages/${from.package}/`);
  if (!trespasses) return undefined;
  return {
    rule: 'tests',
    found: `imports ${target} by a relative path`,
    remedy: 'a test imports what is not of its own package by package name',
  };
}
