import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isOurs, isProgram, needsOf, PACKAGES, type PackageName, ROOT, readLock, treeOf } from './lock.ts';
import { sbomOf } from './sbom.ts';

// Makes the files that npm installs, in dist/packed: one for each package, and its bill of materials beside it. A checkout
// runs the TypeScript as it is, but Node.js runs none below node_modules, so what is packed is compiled, and its
// package.json leads there.
//
// No version floats where it is installed. The programs bundle what they need, at the versions of package-lock.json; the
// libraries need exact versions of packages that need nothing themselves.

const STAGE = join(ROOT, 'dist', 'staged');
const PACKED = join(ROOT, 'dist', 'packed');
const EXACT = /^\d+\.\d+\.\d+$/;
const lock = readLock();

/** What of a package.json is looked at here. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: unknown;
}

rmSync(STAGE, { recursive: true, force: true });
rmSync(PACKED, { recursive: true, force: true });
mkdirSync(PACKED, { recursive: true });
const compile = ['-b', '--force', 'packages/sandbox/tsconfig.build.json'];
execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...compile], {
  cwd: ROOT,
  stdio: 'inherit',
});
const integrityOf: Record<string, string> = {};
for (const name of PACKAGES) {
  const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8'));
  const sbom = `${JSON.stringify(sbomOf(lock, name, integrityOf), undefined, 2)}\n`;
  const { filename, integrity } = pack(name, manifest, sbom);
  integrityOf[manifest.name] = integrity;
  writeFileSync(join(PACKED, filename.replace(/\.tgz$/, '.cdx.json')), sbom);
  process.stdout.write(`dist/packed/${filename}\n`);
}

function pack(name: PackageName, manifest: Manifest, sbom: string): { filename: string; integrity: string } {
  const home = join(ROOT, 'packages', name);
  const staged = join(STAGE, name);
  const isBuildInfo = (path: string) => path.endsWith('.tsbuildinfo');
  cpSync(join(home, 'dist'), join(staged, 'dist'), { recursive: true, filter: (path) => !isBuildInfo(path) });
  cpSync(join(home, 'README.md'), join(staged, 'README.md'));
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(ROOT, file), join(staged, file));
  if (name === 'service') stageProgram(home, staged);
  const bundled = isProgram(name) ? stageBundled(name, staged) : exactOnly(manifest);
  writeFileSync(join(staged, 'package.json'), `${JSON.stringify(packedManifest(manifest, bundled), undefined, 2)}\n`);
  writeFileSync(join(staged, 'sbom.cdx.json'), sbom);
  const npm = ['pack', '--json', '--pack-destination', PACKED];
  const [packed]: { filename: string; integrity: string }[] = JSON.parse(
    execFileSync('npm', npm, { cwd: staged, encoding: 'utf8' }),
  );
  if (packed === undefined) throw new Error(`npm packed nothing of ${name}`);
  return packed;
}

/** The program is JavaScript already, and starts what is compiled. */
function stageProgram(home: string, staged: string): void {
  const program = readFileSync(join(home, 'bin', 'tidings.js'), 'utf8');
  const compiled = program.replace('../src/cli/main.ts', '../dist/cli/main.js');
  if (compiled === program) throw new Error('bin/tidings.js no longer imports ../src/cli/main.ts');
  mkdirSync(join(staged, 'bin'), { recursive: true });
  writeFileSync(join(staged, 'bin', 'tidings.js'), compiled);
  chmodSync(join(staged, 'bin', 'tidings.js'), 0o755);
}

/**
 * Copies what a program needs of others into its own node_modules, as `npm ci` put it here.
 *
 * @returns the names that package.json gives as bundled: what these need comes with them
 */
function stageBundled(name: PackageName, staged: string): string[] {
  for (const [at, from] of treeOf(lock, `packages/${name}`, (each) => !isOurs(each))) {
    if (at === '') continue;
    const source = join(ROOT, from);
    const { version }: { version: string } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
    if (version !== lock[from]?.version) throw new Error(`${from} is not as package-lock.json says: run npm ci`);
    const isOwn = (path: string) => !relative(source, path).split(/[\\/]/).includes('node_modules');
    cpSync(source, join(staged, at), { recursive: true, filter: isOwn });
  }
  return needsOf(lock[`packages/${name}`] ?? {}).flatMap((need) => (isOurs(need.name) ? [] : [need.name]));
}

/** A library bundles nothing: whoever uses it has one copy of what it needs. */
function exactOnly({ name, dependencies }: Manifest): string[] {
  for (const [each, version] of Object.entries(dependencies)) {
    if (!EXACT.test(version)) throw new Error(`${name} must name one version of ${each} in place of ${version}`);
    const needs = isOurs(each) ? [] : needsOf(lock[`node_modules/${each}`] ?? {});
    if (needs.length > 0) throw new Error(`${name} needs ${each}, which needs others: their versions would float`);
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
