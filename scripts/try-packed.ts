import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Installs what `npm run pack` made into empty folders, as a stranger would, and uses it there: the TPP's side by itself,
// with its types, and the sandbox with all that it is made of.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PACKED = join(ROOT, 'dist', 'packed');
// The Node.js of the project first, whatever the machine has.
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
  trySandbox(install('sandbox', ['protocol', 'tpp', 'service', 'sandbox']));
  process.stdout.write('The packed files install and work.\n');
} finally {
  rmSync(work, { recursive: true, force: true });
}

function install(name: string, packages: readonly string[]): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const files = readdirSync(PACKED).filter((file) => packages.some((each) => file.startsWith(`tidings-${each}-`)));
  assert.equal(files.length, packages.length, `dist/packed holds ${files.join(', ')}`);
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', ...files.map((file) => join(PACKED, file)));
  return folder;
}

/** It has few dependencies, and types that a compiler takes. */
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

function trySandbox(folder: string): void {
  assert.match(run(folder, 'npx', '--no-install', 'tidings', '--help'), /Usage: tidings/);
  assert.match(run(folder, 'npx', '--no-install', 'tidings', 'sandbox', '--once'), /All \d+ steps happened/);
}

function run(folder: string, command: string, ...args: string[]): string {
  process.stdout.write(`$ ${[command, ...args].join(' ').replaceAll(work, '').slice(0, 120)}\n`);
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH } });
}
