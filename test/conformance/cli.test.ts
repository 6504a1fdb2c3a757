import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { after, test } from 'node:test';
import type { JsonReport } from '@tidings/conformance';
import { temporaryFolder } from '@tidings/testing';
import { CLIENT_IDS, startTestedBank } from './world.ts';

// The program as a bank runs it: in a process of its own, with files.

const PROGRAM = 'packages/conformance/bin/tidings-conformance.js';
const folder = temporaryFolder();
const tested = await startTestedBank();
after(async () => {
  await tested.stop();
  folder.remove();
});

for (const [name, text] of Object.entries(tested.files)) writeFileSync(join(folder.path, name), text, { mode: 0o600 });

/** Writes a configuration beside its files. @param more settings that differ */
function writeConfig(more: object = {}): string {
  const file = join(folder.path, 'bank.json');
  writeFileSync(file, JSON.stringify({ ...tested.settings(), ...more }));
  return file;
}

function start(args: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
  return spawn(process.execPath, [PROGRAM, ...args], { stdio: 'pipe' });
}

async function run(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  const child = start(args);
  let [output, errors] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = await once(child, 'close');
  return { code: Number(code), output, errors };
}

test('a run shows its checks, writes three reports, and ends with 0', async () => {
  const report = (name: string) => join(folder.path, name);
  const { code, output } = await run(
    ...['aspsp', '--config', writeConfig(), '--only', 'SUB-01,POLL-02,RT-05,ACC-06'],
    ...['--report-html', report('a.html'), '--report-junit', report('a.xml'), '--report-json', report('a.json')],
  );
  assert.equal(code, 0, output);
  assert.match(output, /Test bank[\s\S]*SUB-01[\s\S]*POLL-02[\s\S]*RT-05/);
  assert.match(readFileSync(report('a.html'), 'utf8'), /^<!doctype html>[\s\S]*POLL-02/i);
  assert.match(readFileSync(report('a.xml'), 'utf8'), /<testsuites[^>]*tests="4"/);
  const { results }: JsonReport = JSON.parse(readFileSync(report('a.json'), 'utf8'));
  const outcomes = results.map(({ id, outcome }) => [id, outcome]);
  assert.deepEqual(Object.fromEntries(outcomes), {
    ...{ 'ACC-06': 'skipped', 'SUB-01': 'passed', 'POLL-02': 'passed', 'RT-05': 'passed' },
  });
});

test('a check that fails ends it with 1, and says what was expected and seen', async () => {
  const settings = tested.settings() as { bank: object };
  const config = writeConfig({ bank: { ...settings.bank, issuer: 'https://other.example/' } });
  const { code, output } = await run('aspsp', '--config', config, '--only', 'SET-10');
  assert.equal(code, 1);
  assert.match(output.replaceAll(/\s+/g, ' '), /iss https:\/\/other\.example\/.*https:\/\/bank\.example\//);
});

test('a command makes events, with the client and the type that are wanted', async () => {
  const script = `
    const [clientId, type, id, url, token] = process.argv.slice(1);
    const link = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/' + id;
    const resource = { id, type: 'domestic-payment', version: '4.0', uri: link, links: [{ version: 'v4.0', link }] };
    const body = JSON.stringify({ id, clientId, occurredAt: new Date().toISOString(), resource, events: [{ type }] });
    const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' };
    const answer = await fetch(url + '/operator/v1/events', { method: 'POST', headers, body });
    process.exitCode = answer.ok ? 0 : 1;`;
  const { operatorUrl } = tested.bank.service;
  const token = tested.files['operator.token']?.trim() ?? '';
  const argv = ['--input-type=module', '-e', script, '{clientId}', '{eventType}', '{uuid}', operatorUrl, token];
  const events = { make: { kind: 'command', argv: [process.execPath, ...argv] } };
  const { code, output } = await run('aspsp', '--config', writeConfig({ events }), '--only', 'POLL-02');
  assert.equal(code, 0, output);
});

test('a person at the terminal is asked for an event', async () => {
  const events = { make: { kind: 'ask', text: 'Please change a payment of {clientId}.' } };
  const child = start(['aspsp', '--config', writeConfig({ events }), '--only', 'POLL-02']);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', async (text: string) => {
    const before = output;
    output += text;
    if (before.includes('Press Enter') || !output.includes('Press Enter')) return;
    await tested.bank.publish(CLIENT_IDS[0]);
    child.stdin.write('\n');
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, output);
  assert.match(output, /Please change a payment of conformance-1\.\nPress Enter when it is done\./);
});

test('a key that does not belong to its certificate, and a port that is taken, are errors that name the setting', async () => {
  const settings = tested.settings() as { clients: readonly object[]; receiver: { untrusted: object } };
  const [first, second] = settings.clients;
  const clients = [{ ...first, keyFile: 'conformance-2.key' }, second];
  const taken = Number(new URL(tested.bank.service.apiUrl).port);
  const wrong: readonly (readonly [more: object, message: RegExp])[] = [
    [{ clients }, /clients\[0\]\.keyFile names a file that is not the private key of the certificate/],
    [
      { receiver: { ...settings.receiver, untrusted: { ...settings.receiver.untrusted, port: taken } } },
      /receiver\.untrusted\.port names a port/,
    ],
    [
      { receiver: { ...settings.receiver, port: taken } },
      /receiver\.port names a port at which nothing can listen: .* \(EADDRINUSE\)/,
    ],
  ];
  for (const [more, message] of wrong) {
    const { code, errors } = await run('aspsp', '--config', writeConfig(more), '--only', 'SUB-01');
    assert.equal(code, 2, errors);
    assert.match(errors, message);
  }
});
