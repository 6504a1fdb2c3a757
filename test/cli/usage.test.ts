import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../support/cli.ts';
import { BIN, run } from '../support/command.ts';

const EXIT_CONFIGURATION = 2;

test('--help lists the commands and exits 0', async () => {
  const { code, stdout, stderr } = await run(['--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: tidings \[options\] \[command\]/);
  assert.match(stdout, /^ {2}serve /m);
  assert.match(stdout, /^ {2}sandbox /m);
  assert.equal(stderr, '');
});

test('serve --help names its option, gives examples and tells where the settings are', async () => {
  const { code, stdout } = await runCli(['serve', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /-c, --config <file>/);
  assert.match(stdout, /tidings serve --config /);
  assert.match(stdout, /docs\/configuration\.md/);
});

test('sandbox --help names its options with their defaults and choices', async () => {
  const { code, stdout } = await runCli(['sandbox', '--help']);
  assert.equal(code, 0);
  for (const option of ['--once', '--json', '--state <folder>', '--port <number>', '--change <what>']) {
    assert.ok(stdout.includes(option), option);
  }
  for (const change of ['payment-settled', 'consent-revoked', 'account-closed', 'funds-consent-revoked']) {
    assert.ok(stdout.includes(change), change);
  }
});

test('--version prints the version and exits 0', async () => {
  const { code, stdout } = await run(['--version']);
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

for (const [args, said] of [
  [[], /^Usage: tidings/],
  [['unknown'], /unknown command 'unknown'/],
  [['--unknown'], /unknown option '--unknown'/],
  [['serve'], /required option '-c, --config <file>' not specified/],
  [['serve', '--config'], /option '-c, --config <file>' argument missing/],
  [['serve', '--config', 'x', '--confg'], /unknown option '--confg'\n\(Did you mean --config\?\)/],
  [['serve', '--config', 'x', 'more'], /too many arguments/],
  [['sandbox', '--unknown'], /unknown option '--unknown'/],
  [['sandbox', '--change', 'weather'], /Allowed choices are payment-settled/],
  [['sandbox', '--port', 'http'], /whole number from 0/],
  [['sandbox', '--port', '65532'], /whole number from 0/],
  [['sandbox', '--port', '-1'], /argument missing|whole number from 0/],
] as const) {
  test(`tidings ${args.join(' ')} is wrong use: one message on standard error, exit code 2`, async () => {
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, EXIT_CONFIGURATION, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /\n {4}at /, 'no stack');
  });
}

const olderNode = findOlderNode();

test('an older Node.js is told which one is needed, and nothing else happens', {
  skip: olderNode === undefined && 'no Node.js below 24 is on the PATH',
}, async () => {
  assert.ok(olderNode !== undefined);
  const { code, stdout, stderr } = await run(['--help'], { node: olderNode });
  assert.equal(code, EXIT_CONFIGURATION);
  assert.equal(stdout, '');
  assert.match(stderr, /^tidings: Node\.js 24 or later is needed, this is \d+\.\d+\.\d+\. .*\n$/);
});

/** The first Node.js below 24 on the PATH; those that npm brings into node_modules do not count. */
function findOlderNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((each) => !each.includes('node_modules'));
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path) && majorOf(path) < 24);
}

function majorOf(node: string): number {
  return Number(/^v(\d+)\./.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1]);
}

/** Has a process find no sandbox, as where only the service is installed. */
const WITHOUT_SANDBOX = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve: (specifier, context, next) => {
      if (!specifier.startsWith('@tidings/sandbox')) return next(specifier, context);
      throw Object.assign(new Error("Cannot find package '@tidings/sandbox'"), { code: 'ERR_MODULE_NOT_FOUND' });
    },
  });`)}`;

for (const args of [['sandbox'], ['sandbox', '--once'], ['sandbox', '--state', 'folder', '--json']]) {
  test(`tidings ${args.join(' ')} says how to install the sandbox where it is not`, () => {
    const node = ['--import', WITHOUT_SANDBOX, BIN, ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
    assert.equal(stderr, 'tidings: The sandbox is not installed; run "npm install @tidings/sandbox" and try again.\n');
    assert.equal(stdout, '');
    assert.equal(status, 2);
  });
}

test('tidings --help says where the sandbox is not installed', () => {
  const { stdout } = spawnSync(process.execPath, ['--import', WITHOUT_SANDBOX, BIN, '--help'], { encoding: 'utf8' });
  assert.match(stdout.replaceAll(/\s+/g, ' '), /Run the complete flow on this machine \(requires the package/);
});

/** What takes long to load, and no help needs. */
const HEAVY = [
  '@tidings/protocol',
  'typebox',
  'jose',
  'undici',
  'fastify',
  'pino',
  'pg',
  'cli-progress',
  'prom-client',
];
const WITHOUT_HEAVY = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve: (specifier, context, next) => {
      if (!${JSON.stringify(HEAVY)}.includes(specifier)) return next(specifier, context);
      throw new Error(specifier + ' is loaded by ' + context.parentURL);
    },
  });`)}`;

test('no command loads a heavy module before it is run, so that its help comes at once', () => {
  // The completion defines every command.
  const node = ['--import', WITHOUT_HEAVY, BIN, 'completion', 'bash'];
  const { status, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
