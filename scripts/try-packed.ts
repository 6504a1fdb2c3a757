import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { testPki } from '@tidings/testing';
import { tryFrameworks } from './pack/frameworks.ts';
import { type Lock, type PackageName, ROOT, readLock, treeOf, withConsole } from './pack/lock.ts';
import type { Sbom } from './pack/sbom.ts';

// Installs the packages of `npm run pack` into empty folders and uses them there, as an outsider would: the TPP's
// packages with their types, the conformance runner, the service, and the sandbox with its dependencies. The cache of npm
// is new, and only the kit, the frameworks and the older Node.js are installed from a registry. The others are offline: the dependencies of
// the libraries are in the cache by then, and all others are bundled. A version that is not pinned would therefore not be
// found.

const PACKED = join(ROOT, 'dist', 'packed');
// The project's own Node.js comes first.
const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
const work = mkdtempSync(join(tmpdir(), 'tidings-packed-'));
const NPM_FLAGS = ['--no-audit', '--no-fund', '--cache', join(work, 'cache')];

const CONSUMER = `
import { createReceiver, createSigner, type EventNotification, importSigningKeys, type ReceiverOptions } from '@tidings/tpp';
export const make = (options: ReceiverOptions) => createReceiver(options);
export const idOf = (each: EventNotification): string | undefined => (each.kind === 'other' ? each.eventType : each.resourceId);
export const more = [createSigner, importSigningKeys] as const;
`;

const TPP_PACKAGES_MAX = 5;
const TPP_BYTES_MAX = 3_000_000;
/** The Node.js versions that the TPP's package is tried on, besides the project's own. */
const OLDER_NODES = ['20.20.2', '22.23.5'];

try {
  run(ROOT, 'npm', 'run', '--silent', 'pack');
  const tpp = install('tpp', ['tpp']);
  const nodes = [process.execPath, ...OLDER_NODES.flatMap(olderNode)];
  await tryTpp(tpp, nodes);
  const kit = readdirSync(PACKED).find((file) => /^tidings-tpp-.*\.tgz$/.test(file)) ?? '';
  await tryFrameworks(join(work, 'frameworks'), join(PACKED, kit), nodes, { run, npmFlags: NPM_FLAGS });
  tryConformance(install('conformance', ['conformance'], '--offline'));
  tryService(install('service', ['protocol', 'service'], '--offline'));
  tryIntake(install('intake-kafka', ['protocol', 'service', 'intake-kafka'], '--offline'));
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
  run(folder, 'npm', 'install', ...NPM_FLAGS, ...options, ...files.map((file) => join(PACKED, file)));
  run(folder, 'npm', 'ls', '--all', '--parseable');
  const home = join(folder, 'node_modules', '@tidings', name);
  for (const file of ['README.md', 'CHANGELOG.md', 'LICENSE'])
    assert.ok(existsSync(join(home, file)), `${name}: ${file}`);
  const { components, metadata }: Sbom = JSON.parse(readFileSync(join(home, 'sbom.cdx.json'), 'utf8'));
  const listed = [...components, metadata.component].map((each) => `${each.name}@${each.version}`);
  const present = new Set([...installedIn(folder), ...builtIntoPages(name)]);
  assert.deepEqual([...new Set(listed)].sort(), [...present].sort(), `the SBOM of ${name}`);
  return folder;
}

/** The packages whose code is in the pages of the console, and which are not installed. */
function builtIntoPages(name: PackageName): string[] {
  const lock = readLock();
  const foldersOf = (each: Lock) => new Set(treeOf(each, `packages/${name}`).values());
  const installed = foldersOf(lock);
  const built = [...foldersOf(withConsole(lock))].filter((folder) => !installed.has(folder));
  return built.map((folder) => `${folder.slice(folder.lastIndexOf('node_modules/') + 13)}@${lock[folder]?.version}`);
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

/** Checks that the kit has few dependencies and no native code, is small, has types that compile, and runs on each Node.js. */
async function tryTpp(folder: string, nodes: readonly string[]): Promise<void> {
  const modules = join(folder, 'node_modules');
  const packages = installedIn(folder).filter((each) => !each.startsWith('@tidings/tpp@'));
  assert.ok(packages.length <= TPP_PACKAGES_MAX, `the kit depends on ${packages.join(', ')}`);
  const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  assert.deepEqual(
    files.filter(({ name }) => /\.(node|gyp|so|dll|wasm)$/.test(name)),
    [],
  );
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  process.stdout.write(`@tidings/tpp: ${packages.length} dependencies, ${bytes} bytes installed\n`);
  assert.ok(bytes < TPP_BYTES_MAX, `the kit has ${bytes} bytes, of at most ${TPP_BYTES_MAX}`);
  writeFileSync(join(folder, 'consumer.ts'), CONSUMER);
  const types = join(ROOT, 'node_modules', '@types');
  const flags = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--typeRoots', types, '--types', 'node'];
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  run(folder, process.execPath, tsc, ...flags, '--noEmit', 'consumer.ts');
  // The smoke test plays the bank too, with the protocol that the package brought.
  const brought = join(modules, '@tidings/tpp/node_modules/@tidings/protocol');
  if (!existsSync(join(modules, '@tidings/protocol')))
    symlinkSync(brought, join(modules, '@tidings/protocol'), 'junction');
  cpSync(join(ROOT, 'packages/tpp/test/support/smoke.js'), join(folder, 'smoke.js'));
  cpSync(join(modules, '@tidings/tpp/examples'), folder, { recursive: true });
  writeFileSync(join(folder, 'pki.json'), JSON.stringify(await testPki()));
  for (const node of nodes) {
    const version = run(folder, node, '--version').trim();
    const { statuses, handled }: { statuses: unknown; handled: unknown } = JSON.parse(run(folder, node, 'smoke.js'));
    const expected = { statuses: [202, 202, 400, 413, 202], handled: ['jti-1', 'jti-2', 'jti-3'] };
    assert.deepEqual({ statuses, handled }, expected);
    assert.match(run(folder, node, 'node_modules/.bin/tidings-tpp', '--help'), /inspect TOKEN/);
    process.stdout.write(`@tidings/tpp runs on Node.js ${version}\n`);
  }
}

/** Installs the program of an older Node.js, which npm has for Linux. @returns its path; none on other systems */
function olderNode(version: string): string[] {
  if (process.platform !== 'linux') return [];
  const name = `node-linux-${process.arch}`;
  const folder = join(work, `node-${version}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  run(folder, 'npm', 'install', ...NPM_FLAGS, '--ignore-scripts', `${name}@${version}`);
  return [join(folder, 'node_modules', name, 'bin', 'node')];
}

/** Checks that the runner installs alone and lists its checks, and reads the example that it brings. */
function tryConformance(folder: string): void {
  assert.match(run(folder, 'npx', '--no-install', 'tidings-conformance', 'list'), /POLL-01 +must/);
  const example = JSON.parse(
    readFileSync(join(folder, 'node_modules/@tidings/conformance/examples/bank.json'), 'utf8'),
  );
  assert.equal(example.clients.length, 2);
}

/** Checks that the service runs as a program and can be embedded. */
function tryService(folder: string): void {
  assert.match(run(folder, 'npx', '--no-install', 'tidings', '--help'), /Usage: tidings/);
  const script = "import('@tidings/service').then((it) => console.log(Object.keys(it)))";
  assert.match(run(folder, process.execPath, '-e', script), /startService/);
}

/** Checks that the service finds the package beside it: it gets as far as the broker, which is not there. */
function tryIntake(folder: string): void {
  const script = "import('@tidings/intake-kafka').then((it) => console.log(Object.keys(it)))";
  assert.match(run(folder, process.execPath, '-e', script), /openKafkaSource/);
}

function trySandbox(folder: string): void {
  assert.match(run(folder, 'npx', '--no-install', 'tidings', '--help'), /Usage: tidings/);
  assert.match(run(folder, 'npx', '--no-install', 'tidings', 'sandbox', '--once'), /All \d+ steps succeeded/);
}

function run(folder: string, command: string, ...args: string[]): string {
  process.stdout.write(`$ ${[command, ...args].join(' ').replaceAll(work, '').slice(0, 120)}\n`);
  return execFileSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PATH, NEXT_TELEMETRY_DISABLED: '1' },
  });
}
