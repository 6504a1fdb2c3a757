import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testPki } from '@tidings/testing';
import { ROOT } from './lock.ts';

// Next.js has over 300 MB and is installed only here; the tests call its route handler as it does.
const NEXT = { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' };
const FROM_TESTS = ['express', 'fastify', 'hono', '@hono/node-server'];
const ROUTE = 'app/open-banking/v4.0/event-notifications';

/** Runs a command in a folder. @returns its standard output */
export type Run = (folder: string, command: string, ...args: string[]) => string;

/**
 * Installs the packed kit beside the frameworks, and tries every example of the package on each Node.js with a signed and a
 * forged SET.
 *
 * @param nodes the programs of the Node.js versions
 * @param npmFlags flags of `npm install`
 */
export async function tryFrameworks(
  folder: string,
  kit: string,
  nodes: readonly string[],
  { run, npmFlags }: { readonly run: Run; readonly npmFlags: readonly string[] },
): Promise<void> {
  mkdirSync(join(folder, ROUTE), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  run(folder, 'npm', 'install', ...npmFlags, kit, ...frameworks());
  const modules = join(folder, 'node_modules');
  // The script plays the bank, with the protocol that the kit brought.
  symlinkSync(
    join(modules, '@tidings/tpp/node_modules/@tidings/protocol'),
    join(modules, '@tidings/protocol'),
    'junction',
  );
  const examples = join(modules, '@tidings/tpp/examples');
  cpSync(examples, folder, { recursive: true });
  cpSync(join(ROOT, 'packages/tpp/test/support/examples-smoke.js'), join(folder, 'examples-smoke.js'));
  cpSync(join(examples, 'next-route.js'), join(folder, ROUTE, 'route.js'));
  cpSync(join(examples, 'my-receiver.js'), join(folder, ROUTE, 'my-receiver.js'));
  writeFileSync(join(folder, 'pki.json'), JSON.stringify(await testPki()));
  run(folder, process.execPath, 'node_modules/next/dist/bin/next', 'build');
  const answers = [202, 400];
  const expected = Object.fromEntries(
    ['lambda', 'next', 'listen', 'http', 'express', 'fastify', 'hono'].map((name) => [name, answers]),
  );
  for (const node of nodes) {
    const version = run(folder, node, '--version').trim();
    assert.deepEqual(
      JSON.parse(run(folder, node, 'examples-smoke.js')),
      expected,
      `the examples on Node.js ${version}`,
    );
    process.stdout.write(`every example of @tidings/tpp receives on Node.js ${version}\n`);
  }
}

/** The frameworks at the versions that the tests have, and Next.js. */
function frameworks(): string[] {
  const { devDependencies }: { devDependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, 'packages/tpp/package.json'), 'utf8'),
  );
  const tested = FROM_TESTS.map((name) => {
    const version = devDependencies[name];
    assert.ok(version !== undefined, `packages/tpp/package.json no longer has ${name}`);
    return `${name}@${version}`;
  });
  return [...tested, ...Object.entries(NEXT).map(([name, version]) => `${name}@${version}`)];
}
