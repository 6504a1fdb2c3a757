import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventOf, ndjson } from '../publish/events.ts';
import { OPERATOR_TOKEN, settingsOf } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { BIN, onlyEnvironment } from '../support/command.ts';

// Real pipes whose reader has gone before the first byte is written, as with `tidings … | true`.

const bank = await startBankWithTpps({ clients: ['tpp-1'], settings: { realTime: { isOffered: false } } });
after(() => bank.stop());
const tokenFile = join(bank.folder, 'token');
writeFileSync(tokenFile, OPERATOR_TOKEN);
const rootFile = join(bank.folder, 'root.pem');
const environment = {
  TIDINGS_OPERATOR_URL: bank.service.operatorUrl,
  TIDINGS_TOKEN_FILE: tokenFile,
  TIDINGS_CA_FILE: rootFile,
};

// Whatever has not ended by then is ended, and its test fails.
const PATIENCE_MS = 30_000;

type Closed = 'stdout' | 'stderr';

/** Runs `tidings` with pipes that nobody reads. @returns its exit code and what it wrote to the others */
async function runClosed(args: readonly string[], closed: readonly Closed[]) {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: onlyEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    if (closed.includes(name)) child[name].destroy();
    else
      child[name].setEncoding('utf8').on('data', (text: string) => {
        written[name] += text;
      });
  }
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...written };
}

const config = join(bank.folder, 'tidings.json');
const material = { certificateFile: 'transport.pem', keyFile: 'transport.key', rootFile: 'root.pem' };
const authorisationServer = { issuer: bank.tokenIssuer, jwksUri: `${bank.tokenIssuer}/jwks` };
writeFileSync(config, JSON.stringify(settingsOf({ ...material, signingKeyFile: 'signing.key' }, authorisationServer)));
const events = join(bank.folder, 'events.ndjson');
writeFileSync(events, ndjson([eventOf('tpp-1', 'e-1'), eventOf('tpp-1', 'e-2')]));
const bad = join(bank.folder, 'bad.ndjson');
writeFileSync(bad, ndjson([eventOf('tpp-1', 'e-3'), 'nonsense']));

before(async () => {
  assert.equal((await bank.tpp('tpp-1').subscribe({ Version: '4.0' })).status, 201);
});

describe('a command ends quietly when nobody reads its standard output:', () => {
  for (const [code, ...args] of [
    [0, '--help'],
    [0, 'openapi', 'operator', '--config', config],
    [0, 'config', 'reference', '--json'],
    [0, 'completion', 'bash'],
    [0, 'status'],
    [0, 'tpps', 'list', '--json'],
    [0, 'audit'],
    [0, 'publish', events],
    [0, 'tail', '--since', '1h', '--json'],
    [1, 'notifications', 'show', '190364f8-4f9c-420e-b4d1-76a6b5317fab'],
    [2, 'openapi', 'operator', '--config', 'no-such-file'],
  ] as const) {
    test(`tidings ${args.join(' ').replace(bank.folder, '')} exits with ${code}`, async () => {
      const run = await runClosed(args, ['stdout']);
      assert.deepEqual([run.code, run.signal], [code, null], run.stderr);
      if (code === 0) assert.equal(run.stderr, '');
      assert.doesNotMatch(run.stderr, /EPIPE|\n {4}at /);
    });
  }
});

describe('a command does its work when nobody reads its standard error, and what it says is its exit code:', () => {
  for (const [code, closed, ...args] of [
    [1, ['stderr'], 'publish', bad],
    [1, ['stdout', 'stderr'], 'publish', bad, '--json'],
    [2, ['stderr'], 'no-such-command'],
    [1, ['stderr'], 'notifications', 'show', '190364f8-4f9c-420e-b4d1-76a6b5317fab'],
    [0, ['stdout', 'stderr'], 'status'],
  ] as const) {
    test(`${args.join(' ').replace(bank.folder, '')} without ${closed.join(' and ')} exits with ${code}`, async () => {
      const run = await runClosed(args, closed);
      assert.deepEqual([run.code, run.signal], [code, null], run.stderr);
      assert.equal(run.stderr, '');
    });
  }
});

test('a sandbox that would stay up ends when nobody reads what it prints', async () => {
  const state = join(bank.folder, 'sandbox');
  const run = await runClosed(['sandbox', '--state', state, '--port', '0'], ['stdout']);
  assert.deepEqual([run.code, run.stderr], [0, '']);
});

test('an output that cannot be written for another reason is said, and exits with 1', async () => {
  const child = spawn('sh', ['-c', 'exec "$0" "$@" > /dev/full', process.execPath, BIN, 'config', 'reference'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  assert.deepEqual(await once(child, 'close'), [1, null]);
  assert.equal(stderr, 'tidings: standard output cannot be written (ENOSPC).\n');
});
