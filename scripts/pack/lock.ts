import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Reads the installed versions from package-lock.json. Exactly these are packed.

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The packages to pack, each after its workspace dependencies. */
export const PACKAGES = [
  'protocol',
  'tpp',
  'conformance',
  'signer-aws-kms',
  'signer-azure-key-vault',
  'signer-gcp-kms',
  'signer-pkcs11',
  'signer-vault',
  'service',
  'sandbox',
  'intake-kafka',
] as const;
export type PackageName = (typeof PACKAGES)[number];

/** Whether a package bundles its dependencies: a program, or one that is loaded by a program. The others are libraries. */
export function isProgram(name: PackageName): boolean {
  const signers = ['signer-aws-kms', 'signer-azure-key-vault', 'signer-gcp-kms'];
  return ['conformance', ...signers, 'service', 'sandbox', 'intake-kafka'].includes(name);
}

/** Whether a package brings those of this repository that it needs, so that its file alone can be installed. */
export function bringsOurs(name: PackageName): boolean {
  return name === 'tpp' || name === 'conformance';
}

/** One package in package-lock.json, with the members that are used here. */
export interface LockEntry {
  readonly version?: string;
  /** With `link`: folder in this repository. */
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** Packages by folder, as in `packages` of package-lock.json: `node_modules/fastify`, `packages/service`. */
export type Lock = Readonly<Record<string, LockEntry>>;

/** Packages of a tree: path below its root, such as `node_modules/a/node_modules/b`, to folder in the lock. */
export type Tree = ReadonlyMap<string, string>;

export function readLock(): Lock {
  return JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
}

export function isOurs(name: string): boolean {
  return name.startsWith('@tidings/');
}

/**
 * The direct and indirect runtime dependencies of a package, laid out below it so that each resolves its dependencies
 * to the same versions as here.
 *
 * @param root folder of the package in the lock, which is `''` in the tree
 * @param isIncluded excludes packages and their exclusive dependencies
 * @throws {Error} when a dependency is not in the lock
 */
export function treeOf(lock: Lock, root: string, isIncluded: (name: string) => boolean = () => true): Tree {
  const tree = new Map([['', root]]);
  // Breadth first: packages at a higher level are placed before those below are resolved.
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

/**
 * The lock with what the console is built of among the dependencies of the service, whose package has the built pages: their
 * code is in it, though none of it is installed.
 */
export function withConsole(lock: Lock): Lock {
  const service = lock['packages/service'] ?? {};
  const dependencies = { ...lock['packages/console']?.dependencies, ...service.dependencies };
  return { ...lock, 'packages/service': { ...service, dependencies } };
}

/** A runtime dependency. */
export interface Need {
  readonly name: string;
  /** Whether the dependency is optional. */
  readonly isOptional: boolean;
}

// Optional parts of the Kafka client, which does without: one has a native file for each platform, of which a bundle has but one, and
// the other is for schema registries, which we do not read.
const LEFT_OUT: ReadonlySet<string> = new Set(['@node-rs/crc32', 'protobufjs']);

/** The runtime dependencies of a package, including peer dependencies unless they are optional. */
export function needsOf(entry: LockEntry): Need[] {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = entry;
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
  // npm also lists an optional dependency among the regular ones.
  const names = new Set([...Object.keys(dependencies), ...peers, ...Object.keys(optionalDependencies)]);
  return [...names]
    .filter((name) => !LEFT_OUT.has(name))
    .map((name) => ({ name, isOptional: name in optionalDependencies }));
}

/** Resolves a package like Node.js: in the importing folder, then in each parent folder. */
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
