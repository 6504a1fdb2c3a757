import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bringsOurs, isOurs, isProgram, needsOf, PACKAGES, type PackageName, ROOT, readLock, treeOf } from './lock.ts';
import { sbomOf } from './sbom.ts';

// Creates the installable packages in dist/packed, each with its bill of materials. A checkout runs TypeScript
// directly, but Node.js does not do so below node_modules. Packages are therefore compiled, and their package.json
// refers to the JavaScript. All versions are pinned: programs bundle their dependencies at the versions of
// package-lock.json, and libraries depend on exact versions of packages that have no dependencies of their own. The TPP's
// package and the conformance runner bundle the protocol, so that their files can each be installed alone.

const STAGE = join(ROOT, 'dist', 'staged');
const PACKED = join(ROOT, 'dist', 'packed');
const EXACT = /^\d+\.\d+\.\d+$/;
// npm lists every file of a package, of which the SDK of a cloud has thousands.
const LISTING_BYTES_MAX = 100_000_000;
const lock = readLock();

/** The members of a package.json that are used here. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: unknown;
}

const wanted = chosen(process.argv.slice(2));
// All of them are made from scratch. A few are made again only where their sources have changed: that is quick.
const isWhole = wanted.length === PACKAGES.length;
const projects = wanted.map((name) => `packages/${name}/tsconfig.build.json`);
if (isWhole) for (const folder of [STAGE, PACKED]) rmSync(folder, { recursive: true, force: true });
mkdirSync(PACKED, { recursive: true });
execFileSync(
  process.execPath,
  [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', ...(isWhole ? ['--force'] : []), ...projects],
  { cwd: ROOT, stdio: 'inherit' },
);
if (wanted.includes('service'))
  execFileSync('npm', ['run', 'build', '--workspace', 'packages/console'], { cwd: ROOT, stdio: 'inherit' });
const integrityOf: Record<string, string> = {};
for (const name of wanted) {
  rmSync(join(STAGE, name), { recursive: true, force: true });
  const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8'));
  const sbom = `${JSON.stringify(sbomOf(lock, name, integrityOf), undefined, 2)}\n`;
  const { filename, integrity } = pack(name, manifest, sbom);
  integrityOf[manifest.name] = integrity;
  writeFileSync(join(PACKED, filename.replace(/\.tgz$/, '.cdx.json')), sbom);
  process.stdout.write(`dist/packed/${filename}\n`);
}

/** The packages up to the one that is named, or all: each is after those that it needs. */
function chosen([name, ...more]: readonly string[]): readonly PackageName[] {
  if (name === undefined) return PACKAGES;
  const names: readonly string[] = PACKAGES;
  const at = names.indexOf(name);
  if (at < 0 || more.length > 0) throw new Error(`name one package of ${names.join(', ')}, or none for all`);
  return PACKAGES.slice(0, at + 1);
}

function pack(name: PackageName, manifest: Manifest, sbom: string): { filename: string; integrity: string } {
  const home = join(ROOT, 'packages', name);
  const staged = join(STAGE, name);
  const isBuildInfo = (path: string) => path.endsWith('.tsbuildinfo');
  cpSync(join(home, 'dist'), join(staged, 'dist'), { recursive: true, filter: (path) => !isBuildInfo(path) });
  cpSync(join(home, 'README.md'), join(staged, 'README.md'));
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(ROOT, file), join(staged, file));
  if (name === 'service') {
    stageProgram(home, staged, 'tidings.js');
    cpSync(join(home, 'console'), join(staged, 'console'), { recursive: true });
  }
  if (name === 'tpp' || name === 'conformance') {
    stageProgram(home, staged, `tidings-${name}.js`);
    cpSync(join(home, 'examples'), join(staged, 'examples'), { recursive: true });
  }
  const bundled = isProgram(name) ? stageBundled(name, staged) : exactOnly(manifest);
  const theirs = bringsOurs(name) ? stageOurs(manifest, staged) : {};
  // A program has bundled those already.
  const dependencies = isProgram(name) ? manifest.dependencies : { ...manifest.dependencies, ...theirs };
  if (bringsOurs(name)) bundled.push(...Object.keys(dependencies).filter(isOurs));
  const packedAs = packedManifest({ ...manifest, dependencies }, bundled);
  writeFileSync(join(staged, 'package.json'), `${JSON.stringify(packedAs, undefined, 2)}\n`);
  writeFileSync(join(staged, 'sbom.cdx.json'), sbom);
  const npm = ['pack', '--json', '--pack-destination', PACKED];
  const [packed]: { filename: string; integrity: string }[] = JSON.parse(
    execFileSync('npm', npm, { cwd: staged, encoding: 'utf8', maxBuffer: LISTING_BYTES_MAX }),
  );
  if (packed === undefined) throw new Error(`npm packed no file for ${name}`);
  return packed;
}

/** Copies the program, which is JavaScript, and makes it start the compiled code. */
function stageProgram(home: string, staged: string, file: string): void {
  const program = readFileSync(join(home, 'bin', file), 'utf8');
  const compiled = program.replace('../src/cli/main.ts', '../dist/cli/main.js');
  if (compiled === program) throw new Error(`bin/${file} no longer imports ../src/cli/main.ts`);
  mkdirSync(join(staged, 'bin'), { recursive: true });
  writeFileSync(join(staged, 'bin', file), compiled);
  chmodSync(join(staged, 'bin', file), 0o755);
}

/**
 * Copies the dependencies of a program into its own node_modules, as `npm ci` installed them here; also those of the packages
 * of this repository that it brings.
 *
 * @returns names for `bundleDependencies` in package.json; their own dependencies are included
 */
function stageBundled(name: PackageName, staged: string): string[] {
  for (const [at, from] of treeOf(lock, `packages/${name}`, (each) => bringsOurs(name) || !isOurs(each))) {
    // Our own packages come as they were packed. What npm has put below one of them is not ours.
    if (at === '' || !from.includes('node_modules/')) continue;
    const source = join(ROOT, from);
    const { version }: { version: string } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
    if (version !== lock[from]?.version) throw new Error(`${from} differs from package-lock.json: run npm ci`);
    const isOwn = (path: string) => !relative(source, path).split(/[\\/]/).includes('node_modules');
    cpSync(source, join(staged, at), { recursive: true, filter: isOwn });
  }
  return needsOf(lock[`packages/${name}`] ?? {}).flatMap((need) => (isOurs(need.name) ? [] : [need.name]));
}

/**
 * Copies the packages of this repository that a package depends on, as they were packed.
 *
 * @returns the dependencies of the package and of what was copied: npm does not install those of a bundled package
 */
function stageOurs({ dependencies }: Manifest, staged: string): Readonly<Record<string, string>> {
  const all = { ...dependencies };
  for (const each of Object.keys(dependencies).filter(isOurs)) {
    const home = join(STAGE, each.replace('@tidings/', ''));
    cpSync(home, join(staged, 'node_modules', each), { recursive: true });
    const { dependencies: theirs }: Manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
    Object.assign(all, theirs);
  }
  return all;
}

/** Checks a library, which bundles nothing of others so that its users have one copy of each dependency. */
function exactOnly({ name, dependencies }: Manifest): string[] {
  for (const [each, version] of Object.entries(dependencies)) {
    if (!EXACT.test(version)) throw new Error(`${name} must depend on an exact version of ${each}, not ${version}`);
    const needs = isOurs(each) ? [] : needsOf(lock[`node_modules/${each}`] ?? {});
    if (needs.length > 0) throw new Error(`${name} depends on ${each}, whose own dependencies would not be pinned`);
  }
  return [];
}

function packedManifest({ devDependencies: _, ...manifest }: Manifest, bundled: readonly string[]): object {
  const exports = Object.entries(manifest.exports).map(([path, source]) => {
    const compiled = source.replace('./src/', './dist/').replace(/\.ts$/, '');
    return [path, { types: `${compiled}.d.ts`, default: `${compiled}.js` }];
  });
  const bundling = bundled.length > 0 && { bundleDependencies: bundled };
  return { ...manifest, exports: Object.fromEntries(exports), ...bundling };
}
