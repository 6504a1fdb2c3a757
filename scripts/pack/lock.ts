import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What package-lock.json says of the versions that are installed here. Those, and no others, are packed.

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The packages that are packed, each after those of ours that it needs. */
export const PACKAGES = ['protocol', 'tpp', 'service', 'sandbox'] as const;
export type PackageName = (typeof PACKAGES)[number];

/** Whether a package is run as it is, and so bundles what it needs; the others are libraries. */
export function isProgram(name: PackageName): boolean {
  return name === 'service' || name === 'sandbox';
}

/** What package-lock.json holds of one package; of these members only those that are looked at here have a type. */
export interface LockEntry {
  readonly version?: string;
  /** With `link`: the folder in this repository. */
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** By folder, as in `packages` of package-lock.json: `node_modules/fastify`, `packages/service`. */
export type Lock = Readonly<Record<string, LockEntry>>;

/** Where each package of a tree is, as `node_modules/a/node_modules/b` below its root, with its folder in the lock. */
export type Tree = ReadonlyMap<string, string>;

export function readLock(): Lock {
  return JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
}

export function isOurs(name: string): boolean {
  return name.startsWith('@tidings/');
}

/**
 * The packages that one needs at run time, directly or through others, laid out below it such that each finds the very
 * package that it finds here.
 *
 * @param root its folder in the lock, which is `''` in the tree
 * @param isIncluded leaves packages out, and what is needed by them alone
 * @throws {Error} when something that is needed is not in the lock
 */
export function treeOf(lock: Lock, root: string, isIncluded: (name: string) => boolean = () => true): Tree {
  const tree = new Map([['', root]]);
  // Breadth first: what stands higher is placed before anything below it is looked for.
  for (const [at, folder] of tree) {
    for (const need of needsOf(lock[folder] ?? {})) {
      const needed = isIncluded(need.name) ? neededBy(lock, folder, need) : undefined;
      const found = foundFrom(at, need.name, (where) => tree.get(where));
      if (needed !== undefined && found !== needed) tree.set(below(found === undefined ? '' : at, need.name), needed);
    }
  }
  return tree;
}

function neededBy(lock: Lock, folder: string, { name, isOptional }: Need): string | undefined {
  const needed = foundFrom(folder, name, (where) => targetOf(lock, where));
  if (needed === undefined && !isOptional) {
    throw new Error(`${folder} needs ${name}, which package-lock.json does not have`);
  }
  return needed;
}

/** What a package needs at run time. */
export interface Need {
  readonly name: string;
  /** It can do without. */
  readonly isOptional: boolean;
}

/** What a package needs at run time: peers too, unless they are optional. */
export function needsOf(entry: LockEntry): Need[] {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = entry;
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
  // npm lists an optional dependency among the others too.
  const names = new Set([...Object.keys(dependencies), ...peers, ...Object.keys(optionalDependencies)]);
  return [...names].map((name) => ({ name, isOptional: name in optionalDependencies }));
}

/** Looks for a package as Node.js does: in the folder that asks, then in each above it. */
export function foundFrom<T>(folder: string, name: string, lookAt: (where: string) => T | undefined): T | undefined {
  const found = lookAt(below(folder, name));
  if (found !== undefined || folder === '') return found;
  const above = folder.lastIndexOf('/node_modules/');
  return foundFrom(above < 0 ? '' : folder.slice(0, above), name, lookAt);
}

function targetOf(lock: Lock, where: string): string | undefined {
  const entry = lock[where];
  if (entry === undefined) return undefined;
  return entry.link === true ? entry.resolved : where;
}

function below(folder: string, name: string): string {
  return folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
}
