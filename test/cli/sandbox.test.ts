import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listenOn } from '@tidings/testing';
import { type CliRun, runCli } from '../support/cli.ts';
import { type Running, run, start } from '../support/command.ts';
import { testInterruptedAfter } from './interrupted-sandbox.ts';

const base = mkdtempSync(join(tmpdir(), 'tidings-sandbox-'));
after(() => rmSync(base, { recursive: true }));
const state = join(base, 'state');

type Step = Readonly<Record<string, unknown>> & { readonly step: string };

function stepsOf(stdout: string): Step[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function stepOf({ stdout, stderr }: Pick<CliRun, 'stdout' | 'stderr'>, name: string): Step {
  const found = stepsOf(stdout).find(({ step }) => step === name);
  assert.ok(found !== undefined, `${name} in ${stdout}${stderr}`);
  return found;
}

const ORDER = [
  'pki',
  'start',
  'register-tpp',
  'register',
  'change',
  'publish',
  'deliver',
  'verify',
  'duplicate',
  'token',
  'fetch',
  'poll',
  'ack',
  'err-redelivered',
  'v3-registration',
  'summary',
];

const REVOKED = 'urn:uk:org:openbanking:events:consent-authorization-revoked';
const EVENTS = [
  ['consent-revoked', [REVOKED]],
  ['funds-consent-revoked', ['urn:uk:org:openbanking:events:resource-update', REVOKED]],
] as const;

// The others are played without the command, by test/flow.
for (const [change, expected] of EVENTS) {
  test(`sandbox --once --json --change ${change} plays every step and exits 0`, async () => {
    const ended = await runCli(['sandbox', '--once', '--json', '--state', state, '--change', change]);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.equal(ended.stderr, '');
    const steps = stepsOf(ended.stdout);
    assert.deepEqual(
      steps.map(({ step }) => step),
      ORDER,
    );
    assert.ok(steps.every(({ ok, ms }) => ok === true && typeof ms === 'number'));
    const attempts = stepOf(ended, 'deliver')['attempts'] as readonly { status: number }[];
    assert.deepEqual(
      attempts.map(({ status }) => status),
      [500, 400, 202],
    );
    const { events, jti } = stepOf(ended, 'verify')['claims'] as { events: object; jti: string };
    assert.deepEqual(Object.keys(events), expected);
    assert.equal(stepOf(ended, 'publish')['jti'], jti);
    assert.equal(stepOf(ended, 'register')['created'], true);
    assert.equal(stepOf(ended, 'fetch')['status'], 200);
    const polled = stepOf(ended, 'poll');
    assert.equal((polled['claims'] as { jti: string }).jti, polled['jti']);
    assert.notEqual(polled['jti'], jti);
    assert.equal(polled['moreAvailable'], false);
    const { state: acknowledged, jti: acknowledgedJti, moreAvailable } = stepOf(ended, 'ack');
    assert.deepEqual([acknowledged, acknowledgedJti, moreAvailable], ['acknowledged', polled['jti'], false]);
    const { err, state: redelivered } = stepOf(ended, 'err-redelivered');
    assert.deepEqual([err, redelivered], ['authentication_failed', 'acknowledged']);
    assert.notEqual(
      stepOf(ended, 'v3-registration')['eventSubscriptionId'],
      stepOf(ended, 'register')['eventSubscriptionId'],
    );
    assert.equal(stepOf(ended, 'summary')['steps'], ORDER.length - 1);
    assert.deepEqual(
      readdirSync(state).filter((name) => name.startsWith('once-')),
      [],
      'what only this run needed is gone',
    );
  });
}

test('sandbox --once prints the flow for people, without colours where it is no terminal', async () => {
  const { code, stdout } = await run(['sandbox', '--once', '--state', state]);
  assert.equal(code, 0);
  assert.ok(!stdout.includes('\u001b'), 'no escape codes');
  assert.match(stdout, /attempt 1 → 500 .*\n.*attempt 2 → 400 .*\n.*attempt 3 → 202 /);
  assert.match(stdout, /\nAll 15 steps succeeded in \d+\.\d s\.\n$/);
});

test('keys and tokens of the state folder are for their owner alone', { skip: process.platform === 'win32' }, () => {
  for (const name of ['operator-token', 'pki/bank-signing.key', 'pki/tpp-transport.key', 'pki/pki.json']) {
    assert.equal(statSync(join(state, name)).mode & 0o077, 0, name);
  }
});

/** Starts a sandbox that stays up, and waits for its summary. */
async function stayingUp(): Promise<Running> {
  const running = start(['sandbox', '--json', '--state', state, '--port', '0']);
  const summary: Step = JSON.parse(await running.line(/"step":"summary"/));
  assert.equal(summary['ok'], true);
  return running;
}

function portsOf(step: Step): number[] {
  const urls = Object.values(step).filter((value) => typeof value === 'string' && value.startsWith('https:'));
  return [...new Set(urls.map((url) => Number(new URL(String(url)).port)))];
}

/** Whether anything listens there. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('a sandbox that stays up', () => {
  let running: Running;
  before(async () => {
    running = await stayingUp();
  });
  after(() => running?.child.kill('SIGKILL'));

  test('prints what is published by hand, and that it reached the TPP', async () => {
    const { operator } = stepOf(running.output(), 'start') as unknown as { operator: string };
    const token = readFileSync(join(state, 'operator-token'), 'utf8');
    const { createOperatorClient } = await import('@tidings/sandbox');
    const caPem = readFileSync(join(state, 'pki', 'root.pem'), 'utf8');
    const bank = createOperatorClient({ url: operator, token, caPem });
    const uri = 'https://bank.example/aac-1';
    const { jti } = await bank.publish({
      id: 'by-hand-1',
      clientId: 'tidings-sample-tpp',
      occurredAt: new Date().toISOString(),
      transactionId: 'txn-1',
      resource: {
        id: 'aac-1',
        type: 'account-access-consent',
        version: '4.0',
        uri,
        links: [{ version: 'v4.0', link: uri }],
      },
      events: [{ type: 'UK.OBIE.Consent-Authorization-Revoked' }],
    });
    const printed = JSON.parse(await running.line(/"received"/));
    assert.equal(printed.received, jti);
    bank.close();
  });

  test('ends on SIGINT with 0 and leaves nothing running; the next reuses keys and replaces the subscription', async () => {
    const runs: { stdout: string; stderr: string }[] = [];
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      if (runs.length > 0) running = await stayingUp();
      const ports = portsOf(stepOf(running.output(), 'start'));
      assert.equal(ports.length, 5);
      for (const port of ports) assert.ok(await listens(port), `${port} listens`);
      running.child.kill(signal);
      const ended = await running.ended;
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal(ended.stderr, '');
      for (const port of ports) assert.ok(!(await listens(port)), `${port} is free again`);
      runs.push(ended);
    }
    const [first, second] = runs;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(stepOf(second, 'register-tpp')['kid'], stepOf(first, 'register-tpp')['kid']);
    assert.equal(stepOf(first, 'register')['created'], true);
    assert.equal(stepOf(second, 'register')['created'], false);
    // The last step of the first run put a subscription of its own in the place of the one that it began with.
    const left = stepOf(first, 'v3-registration')['eventSubscriptionId'];
    assert.equal(typeof left, 'string');
    assert.equal(stepOf(second, 'register')['eventSubscriptionId'], left, 'one subscription, replaced');
    assert.notEqual(stepOf(first, 'register')['callbackUrl'], stepOf(second, 'register')['callbackUrl']);
  });
});

// Earlier steps: interrupted-sandbox.long.test.ts.
testInterruptedAfter('publish', state);

test('a state folder below a regular file cannot be used: one sentence, exit code 2, nothing made', async () => {
  const file = join(base, 'regular-file');
  writeFileSync(file, 'content');
  const { code, stdout, stderr } = await runCli(['sandbox', '--once', '--state', join(file, 'state')]);
  assert.equal(code, 2, stdout);
  assert.match(stderr, /^tidings: .*regular-file.*\n$/);
  assert.match(stderr, /ENOTDIR.*choose a state folder|choose another one with --state/);
  assert.equal(readFileSync(file, 'utf8'), 'content');
});

test('a damaged PKI is reported with its file and the remedy, and is left as it is', async () => {
  const folder = join(base, 'damaged');
  cpSync(join(state, 'pki'), join(folder, 'pki'), { recursive: true });
  const kept = join(folder, 'pki', 'pki.json');
  writeFileSync(kept, '{}');
  const { code, stderr } = await runCli(['sandbox', '--once', '--json', '--state', folder]);
  assert.equal(code, 2);
  assert.match(stderr, /^tidings: .*pki\.json is damaged; remove that file .*\n$/);
  assert.equal(readFileSync(kept, 'utf8'), '{}');
});

for (const [offset, what] of [
  'authorisation server',
  'API',
  'operator API',
  'resource server',
  'callback URL',
].entries()) {
  test(`sandbox with the port of the ${what} in use says which, exits with 2, and leaves nothing behind`, async () => {
    const server = createServer();
    const port = await listenOn(server);
    const { code, stdout, stderr } = await runCli([
      'sandbox',
      '--once',
      '--json',
      '--state',
      state,
      '--port',
      String(port - offset),
    ]);
    server.close();
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      /^tidings: .*Port \d+ is in use; stop the process that uses it, or choose other ports with --port\.\n$/,
    );
    const steps = stepsOf(stdout);
    assert.deepEqual(
      steps.map(({ step, ok }) => [step, ok]),
      [
        ['pki', true],
        ['start', false],
        ['summary', false],
      ],
    );
    assert.deepEqual(
      readdirSync(state).filter((name) => name.startsWith('once-')),
      [],
    );
    assert.ok(existsSync(join(state, 'pki', 'pki.json')), 'the keys are kept');
  });
}
