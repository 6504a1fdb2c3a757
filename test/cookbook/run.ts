import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listenOn, until, unusedPort } from '@tidings/testing';
import { EXPECTED, makeBank, makeCases } from './cases.ts';
import { faultsOf } from './exchange.ts';
import { fileBlocks, missingOf, PROGRAMS, type Program, saveFiles } from './programs.ts';
import { type ProgramSettings, startSandboxBank } from './sandbox.ts';

// Runs the programs of docs/guides/cookbook.md against signed and forged SETs, and at the sandbox. A program is left out, with the
// reason, where its language or its packages are missing here. Fails when a program does.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = join(ROOT, 'node_modules', '.cache', 'cookbook');

const blocks = fileBlocks(readFileSync(join(ROOT, 'docs/guides/cookbook.md'), 'utf8'));
const bank = await makeBank();
const keystore = createServer((_, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [bank.jwk] }));
});
const jwksUrl = `http://127.0.0.1:${await listenOn(keystore)}/jwks`;
const sandbox = await startSandboxBank();
let passed = 0;
let failed = 0;

for (const program of PROGRAMS) {
  const startedMs = performance.now();
  const why = prepare(program);
  if (why !== undefined) {
    process.stdout.write(`${program.language}: not run, because ${why}\n`);
    continue;
  }
  const preparedMs = performance.now();
  const cases = await makeCases(bank);
  const faults = await tryProgram(program, cases);
  const seconds = (fromMs: number, toMs: number) => `${((toMs - fromMs) / 1000).toFixed(1)} s`;
  const times = `packages ${seconds(startedMs, preparedMs)}, run ${seconds(preparedMs, performance.now())}`;
  process.stdout.write(
    `${program.language}: ${cases.length} requests and one of the sandbox, ${faults.length} wrong answers (${times})\n`,
  );
  for (const fault of faults) process.stdout.write(`  ${fault}\n`);
  if (faults.length === 0) passed += 1;
  else failed += 1;
}
keystore.close();
await sandbox.close();
process.stdout.write(`${passed} passed, ${failed} failed, ${PROGRAMS.length - passed - failed} skipped\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** @returns why the program cannot be run here; undefined when it can */
function prepare(program: Program): string | undefined {
  const missing = missingOf(program);
  if (missing !== undefined) return `this machine has no ${missing}`;
  const folder = join(CACHE, program.language);
  saveFiles(program, blocks, folder);
  let isCompiling = false;
  try {
    program.prepare(folder, (command, ...args) => {
      isCompiling = command === 'javac' || args[0] === 'build';
      execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    });
    return undefined;
  } catch (error) {
    // A program that does not compile is broken; packages that do not come may be the network.
    if (isCompiling) throw error;
    return `its packages could not be installed: ${error instanceof Error ? error.message.slice(0, 500) : error}`;
  }
}

/** @returns the ways in which its answers are wrong, in words */
async function tryProgram(program: Program, cases: Parameters<typeof faultsOf>[1]): Promise<readonly string[]> {
  const settings = {
    BANK_ISSUER: EXPECTED.issuer,
    BANK_ORGANISATION_ID: EXPECTED.signer,
    BANK_JWKS_URL: jwksUrl,
    TPP_CLIENT_ID: EXPECTED.clientId,
  };
  const atMadeUp = await withProgram(program, settings, (port) => faultsOf(`http://127.0.0.1:${port}`, cases));
  const atSandbox = await withProgram(program, sandbox.settings, sandbox.notify);
  const acknowledged = cases.filter(({ status }) => status === 202).length + 1;
  const miscounted = [
    [atMadeUp.handled, acknowledged],
    [atSandbox.handled, 1],
  ].filter(([handled, expected]) => handled !== expected);
  return [
    ...atMadeUp.faults,
    ...atSandbox.faults,
    ...miscounted.map(([handled, expected]) => `${handled} handled, and ${expected} acknowledged`),
  ];
}

/** Runs a program while it is used. @returns what is wrong, and how many notifications it says it has handled */
async function withProgram(
  { language, start }: Program,
  settings: ProgramSettings,
  use: (port: number) => Promise<readonly string[]>,
): Promise<{ faults: readonly string[]; handled: number }> {
  const port = await unusedPort();
  const [command = '', ...args] = start;
  const child = spawn(command, args, {
    cwd: join(CACHE, language),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], PORT: String(port), ...settings },
  });
  const closed = once(child, 'close');
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  let faults: readonly string[];
  try {
    await until(async () => child.exitCode === null && (await isListening(port)), `the program in ${language}`);
    faults = await use(port);
  } finally {
    // All that it has printed is there then.
    child.kill('SIGKILL');
    await closed;
  }
  return { faults, handled: printed.split('\n').filter((line) => line !== '').length };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
