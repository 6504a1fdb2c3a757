import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type PackageName, ROOT } from './pack/lock.ts';
import type { Sbom } from './pack/sbom.ts';

// Installs the packages of `npm run pack` into empty folders and uses them there, as an outsider would: the TPP's
// packages with their types, the service, and the sandbox with its dependencies. The cache of npm is new, and only the
// first installation uses a registry. The others are offline: the dependencies of the libraries are in the cache by
// then, and all others are bundled. A version that is not pinned would therefore not be found.

const PACKED = join(ROOT, 'dist', 'packed');
// The project's own Node.js comes first.
const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
const work = mkdtempSync(join(tmpdir(), 'tidings-packed-'));

const CONSUMER = `
import { createReceiver, type ReceiverOptions } from '@tidings/tpp';
import { EventTypeCatalogue } from '@tidings/protocol';
export const make = (options: ReceiverOptions) => createReceiver(options);
export const catalogue: EventTypeCatalogue = new EventTypeCatalogue([]);
`;

try {
  run(ROOT, 'npm', 'run', '--silent', 'pack');
  tryTpp(install('tpp', ['protocol', 'tpp']));
  tryService(install('service', ['protocol', 'service'], '--offline'));
  trySandbox(install('sandbox', ['protocol', 'tpp', 'service', 'sandbox'], '--offline'));
  process.stdout.write('The packed files install and work.\n');
} finally {
  rmSync(work, { recursive: true, force: true });
}

/**
 * Installs a package with its workspace dependencies, and compares its bill of materials with the installed packages.
 */
function install(name: PackageName, packages: readonly PackageName[], ...options: readonly string[]): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const files = readdirSync(PACKED).filter(
    (file) => file.endsWith('.tgz') && packages.some((each) => file.startsWith(`tidings-${each}-`)),
  );
  assert.equal(files.length, packages.length, `dist/packed holds ${files.join(', ')}`);
  const flags = ['--no-audit', '--no-fund', '--cache', join(work, 'cache'), ...options];
  run(folder, 'npm', 'install', ...flags, ...files.map((file) => join(PACKED, file)));
  run(folder, 'npm', 'ls', '--all', '--parseable');
  const home = join(folder, 'node_modules', '@tidings', name);
  for (const file of ['README.md', 'CHANGELOG.md', 'LICENSE'])
    assert.ok(existsSync(join(home, file)), `${name}: ${file}`);
  const { components, metadata }: Sbom = JSON.parse(readFileSync(join(home, 'sbom.cdx.json'), 'utf8'));
  const listed = [...components, metadata.component].map((each) => `${each.name}@${each.version}`);
  assert.deepEqual([...new Set(listed)].sort(), [...new Set(installedIn(folder))].sort(), `the SBOM of ${name}`);
  return folder;
}

/** The packages in the node_modules of a folder and of those below, as `name@version`. */
function installedIn(folder: string): string[] {
  const below = (parent: string) =>
    existsSync(parent)
      ? readdirSync(parent)
          .filter((each) => !each.startsWith('.'))
          .map((each) => join(parent, each))
      : [];
  const homes = below(join(folder, 'node_modules')).flatMap((home) =>
    home.slice(dirname(home).length + 1).startsWith('@') ? below(home) : [home],
  );
  return homes.flatMap((home) => {
    const { name, version }: { name: string; version: string } = JSON.parse(
      readFileSync(join(home, 'package.json'), 'utf8'),
    );
    return [`${name}@${version}`, ...installedIn(home)];
  });
}

/** Checks that the kit has few dependencies, and types that compile. */
function tryTpp(folder: string): void {
  const installed = readdirSync(join(folder, 'node_modules')).filter((each) => !each.startsWith('.'));
  assert.deepEqual(installed.sort(), ['@tidings', 'jose', 'oauth4webapi', 'typebox']);
  writeFileSync(join(folder, 'consumer.ts'), CONSUMER);
  const types = join(ROOT, 'node_modules', '@types');
  const flags = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--typeRoots', types, '--types', 'node'];
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  run(folder, process.execPath, tsc, ...flags, '--noEmit', 'consumer.ts');
  const names = run(
    folder,
    process.execPath,
    '-e',
    "import('@tidings/tpp').then((it) => console.log(Object.keys(it)))",
  );
  assert.match(names, /createReceiver/);
}

/** Checks that the service runs as a program and can be embedded. */
function tryService(folder: string): void {
  assert.match(run(folder, 'npx', '--no-install', 'tidings', '--help'), /Usage: tidings/);
  const script = "import('@tidings/service').then((it) => console.log(Object.keys(it)))";
  assert.match(run(folder, process.execPath, '-e', script), /startService/);
}

function trySandbox(folder: string): void {
  assert.match(run(folder, 'npx', '--no-install', 'tidings', '--help'), /Usage: tidings/);
  assert.match(run(folder, 'npx', '--no-install', 'tidings', 'sandbox', '--once'), /All \d+ steps succeeded/);
}

function run(folder: string, command: string, ...args: string[]): string {
  process.stdout.write(`$ ${[command, ...args].join(' ').replaceAll(work, '').slice(0, 120)}\n`);
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH } });
}
