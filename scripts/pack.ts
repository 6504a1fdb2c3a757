import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Makes the files that npm installs, in dist/packed: one for each package. A checkout runs the TypeScript as it is, but
// Node.js runs none below node_modules, so what is packed is compiled, and its package.json leads there.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAGE = join(ROOT, 'dist', 'staged');
const PACKED = join(ROOT, 'dist', 'packed');
const PACKAGES = ['protocol', 'tpp', 'service', 'sandbox'] as const;

/** What of a package.json is looked at here. */
interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
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
for (const name of PACKAGES) process.stdout.write(`dist/packed/${pack(name)}\n`);

/** @returns the name of the file */
function pack(name: string): string {
  const home = join(ROOT, 'packages', name);
  const staged = join(STAGE, name);
  const isBuildInfo = (path: string) => path.endsWith('.tsbuildinfo');
  cpSync(join(home, 'dist'), join(staged, 'dist'), { recursive: true, filter: (path) => !isBuildInfo(path) });
  cpSync(join(ROOT, 'LICENSE'), join(staged, 'LICENSE'));
  if (name === 'service') stageProgram(home, staged);
  const manifest: Manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  writeFileSync(join(staged, 'package.json'), `${JSON.stringify(packedManifest(manifest), undefined, 2)}\n`);
  const npm = ['pack', '--json', '--pack-destination', PACKED];
  const [packed]: { filename: string }[] = JSON.parse(execFileSync('npm', npm, { cwd: staged, encoding: 'utf8' }));
  if (packed === undefined) throw new Error(`npm packed nothing of ${name}`);
  return packed.filename;
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

function packedManifest({ devDependencies: _, ...manifest }: Manifest): object {
  const exports = Object.entries(manifest.exports).map(([path, source]) => {
    const compiled = source.replace('./src/', './dist/').replace(/\.ts$/, '');
    return [path, { types: `${compiled}.d.ts`, default: `${compiled}.js` }];
  });
  return { ...manifest, exports: Object.fromEntries(exports) };
}
