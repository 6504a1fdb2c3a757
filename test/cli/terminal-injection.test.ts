import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createLog } from '@tidings/service';
import { buildProgram, commandsOf } from '@tidings/service/cli';
import { listenOn } from '@tidings/testing';
import { cliOf, printed } from '../operator/calling.ts';
import { startBank } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';
import { BIN } from '../support/command.ts';
import { makeTpp } from '../support/tpp.ts';

// A TPP chooses texts that the bank's staff read on a terminal. Each of these makes one do something.

const EVIL = '\u001b[2J\u009b31m\u009d0;x\u009c\u202egnp.exe\u2066\u200b\u007f\u2028done';
const UNSAFE = /[^\P{C}\n\t]|\u2028|\u2029/u;

const bank = await startBank({ clients: ['tpp-a'] });
const cli = cliOf(bank);
const party = await makeTpp(bank, 'tpp-a');
let jti = '';

before(async () => {
  await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  jti = String(await bank.publish('tpp-a'));
  await party.poll({});
  await party.poll({ maxEvents: 0, setErrs: { [jti]: { err: 'jws\u009b1m', description: EVIL } } });
});
after(async () => {
  party.close();
  await bank.stop();
});

describe('what a TPP reports as an error moves nothing on a terminal', () => {
  test('in tables and facts', async () => {
    const shown = printed(await cli('notifications', 'show', jti));
    assert.doesNotMatch(shown, UNSAFE);
    assert.match(shown, /done/);
  });

  test('in JSON, which still says what was reported', async () => {
    const shown = printed(await cli('notifications', 'show', jti, '--json'));
    assert.doesNotMatch(shown, UNSAFE);
    assert.equal(JSON.parse(shown).errors[0].description, EVIL);
    const evidence = printed(await cli('evidence', jti));
    assert.doesNotMatch(evidence, UNSAFE);
    assert.ok(JSON.stringify(JSON.parse(evidence)).includes(JSON.stringify(EVIL)));
  });

  for (const form of [[], ['--json']]) {
    test(`in the live stream${form.length > 0 ? ', as JSON' : ''}`, async () => {
      const child = spawn(process.execPath, [BIN, 'tail', '--since', '1h', ...form], {
        env: {
          TIDINGS_OPERATOR_URL: bank.service.operatorUrl.replace('localhost', '127.0.0.1'),
          TIDINGS_TOKEN_FILE: join(bank.folder, 'operator-token'),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 30_000,
      });
      let text = '';
      for await (const chunk of child.stdout.setEncoding('utf8')) {
        text += chunk;
        if (/reported-error.*\n/.test(text)) break;
      }
      child.kill('SIGTERM');
      assert.match(text, /reported-error/);
      assert.doesNotMatch(text, UNSAFE);
    });
  }
});

describe('what a service answers moves nothing on a terminal, whatever the command', async () => {
  const detail = `${EVIL}\ntidings: all is well`;
  const server = createServer((request, response) => {
    request.resume();
    response
      .writeHead(400, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify({ status: 400, detail }));
  });
  before(async () => {
    await listenOn(server);
  });
  after(() => server.close());
  for (const args of [['status'], ['tpps', 'show', 'x'], ['tail'], ['keys', 'list', '--json'], ['backup', '/none/x']]) {
    test(`tidings ${args.join(' ')}`, async () => {
      const operatorUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const tokenFile = join(bank.folder, 'operator-token');
      const run = await runCli([...args, '--operator-url', operatorUrl, '--token-file', tokenFile]);
      assert.notEqual(run.code, 0);
      assert.doesNotMatch(run.stdout + run.stderr, UNSAFE);
      assert.match(run.stderr, /^tidings: .+\n$/, 'one line, of which none is made up');
    });
  }
});

test('what stands on the command line itself moves nothing, in the words of every command', async () => {
  for (const { command } of commandsOf(await buildProgram())) {
    if (command.commands.length === 0) continue;
    const path = command.name() === 'tidings' ? [] : [command.name()];
    const { code, stderr } = await runCli([...path, EVIL]);
    assert.deepEqual([code, UNSAFE.test(stderr)], [2, false], stderr);
  }
});

test('lines of the log hold it escaped', () => {
  const file = join(bank.folder, 'evil.log');
  createLog('info', file).info({ description: EVIL, [EVIL]: 1 }, EVIL);
  const line = readFileSync(file, 'utf8');
  assert.doesNotMatch(line, UNSAFE);
  assert.equal(JSON.parse(line).description, EVIL);
});
