import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isProgram, type Lock, type LockEntry, type PackageName, ROOT, treeOf, withConsole } from './lock.ts';

/** The members of a CycloneDX document that are used here. */
export interface Sbom {
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly hashes?: readonly object[];
  }[];
}

/**
 * The software bill of materials of one package as CycloneDX 1.5 in JSON: each runtime package, and each whose code
 * is in the pages of the console, with its version, licence and SHA-512.
 *
 * npm writes it, from a lock file for that package alone. For a workspace, npm 11 would omit packages that the tests of
 * the repository also need, such as pg and undici, and name the document after the folder.
 *
 * @param integrityOf `sha512-…` by name of the workspace packages packed before
 */
export function sbomOf(installed: Lock, name: PackageName, integrityOf: Readonly<Record<string, string>> = {}): Sbom {
  const lock = withConsole(installed);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-sbom-'));
  const manifest: LockEntry & { readonly name: string } = JSON.parse(
    readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8'),
  );
  const { dependencies } = lock[`packages/${name}`] ?? {};
  const root = { ...manifest, dependencies, devDependencies: undefined };
  const packages = [...treeOf(lock, `packages/${name}`)].map(([at, from]): [string, object] => {
    if (at === '') return [at, root];
    const integrity = integrityOf[at.slice('node_modules/'.length)];
    const entry = { ...lock[from], dev: undefined, devOptional: undefined, devDependencies: undefined };
    return [at, integrity === undefined ? entry : { ...entry, integrity }];
  });
  const lockFile = { name: manifest.name, version: manifest.version, lockfileVersion: 3, requires: true };
  try {
    writeFileSync(join(folder, 'package.json'), JSON.stringify(root));
    writeFileSync(
      join(folder, 'package-lock.json'),
      JSON.stringify({ ...lockFile, packages: Object.fromEntries(packages) }),
    );
    const type = isProgram(name) ? 'application' : 'library';
    const options = ['--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', type];
    const written: Sbom = JSON.parse(execFileSync('npm', ['sbom', ...options], { cwd: folder, encoding: 'utf8' }));
    const component = { ...written.metadata.component, name: manifest.name };
    return { ...written, metadata: { ...written.metadata, component } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
