import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder, testPki } from '@tidings/testing';
import { main } from '../../src/cli/main.ts';
import { type JsonReport, TPP_CHECKS } from '../../src/index.ts';
import {
  EXPECTED,
  type Habits,
  type ReferenceReceiver,
  startReferenceReceiver,
} from '../support/reference-receiver.ts';

interface CommandRun {
  readonly flags: readonly string[];
  /** Port of the JWKS. Default: any. */
  readonly port?: number;
  /** Called with the URL of the JWKS when the command prints it. */
  readonly onJwks?: (url: string) => void;
}

/** Runs the command with a configuration for a receiver. */
async function runCommand({ callbackUrl }: ReferenceReceiver, { flags, port = 0, onJwks }: CommandRun) {
  const folder = temporaryFolder();
  const file = (name: string) => join(folder.path, name);
  const seen = { printed: '', errors: '' };
  try {
    writeFileSync(file('ca.pem'), (await testPki()).caPem);
    const { issuer, organisationId, clientId } = EXPECTED;
    const about = { name: 'Example TPP', callbackUrl, clientId, bank: { issuer, organisationId } };
    const config = { ...about, signing: { jwks: { port } }, tls: { caFile: 'ca.pem' } };
    writeFileSync(file('tpp.json'), JSON.stringify(config));
    const reports = ['--report-html', file('r.html'), '--report-json', file('r.json'), '--report-junit', file('r.xml')];
    const code = await main(['tpp', '--config', file('tpp.json'), ...reports, ...flags], {
      print: (text) => {
        seen.printed += text;
        const [, url] = /^JWKS of the bank: (http:\/\/localhost:\d+\/jwks)\n/.exec(text) ?? [];
        if (url !== undefined) onJwks?.(url);
      },
      printError: (text) => {
        seen.errors += text;
      },
      ...{ isTerminal: false, columns: undefined },
    });
    const text = (name: string) => readFileSync(file(name), { encoding: 'utf8', flag: 'a+' });
    return { code, ...seen, json: text('r.json'), html: text('r.html'), junit: text('r.xml') };
  } finally {
    folder.remove();
  }
}

/** Runs it against a receiver with these habits, which is told the URL that the command prints. */
async function runAgainst(habits: Habits, ...flags: string[]) {
  const receiver = await startReferenceReceiver(habits);
  try {
    const run = await runCommand(receiver, { flags, onJwks: (url) => receiver.knows(url) });
    assert.equal(run.errors, '');
    const report: JsonReport = JSON.parse(run.json);
    return { ...run, report };
  } finally {
    await receiver.close();
  }
}

test('tpp tests a callback URL, shows what it finds and writes every report', async () => {
  const { code, printed, report, html, junit } = await runAgainst({}, '--only', 'acknowledgement');
  assert.equal(code, 0, printed);
  assert.match(printed, /Conformance of Example TPP \(TPP\)\n.*\n.*\n\nAcknowledgement\n {2}ok {4}TPP-ACK-01 /);
  assert.match(printed, /\nConforms\nNothing failed that must pass: 9 checks passed\.\n/);
  assert.deepEqual(
    report.results.map(({ id }) => id),
    TPP_CHECKS.filter(({ area }) => area === 'Acknowledgement').map(({ id }) => id),
  );
  assert.ok(report.results.every(({ remedy, exchanges }) => remedy !== undefined && exchanges.length > 0));
  assert.match(html, /<strong>Conforms<\/strong>/);
  assert.match(junit, /<testsuites name="tpp conformance: Example TPP" tests="9" failures="0" errors="0" skipped="0"/);
});

test('the exit code is 1 when a check fails that counts', async () => {
  const refusesWithoutBody: Habits = { reply: (good) => ({ ...good, body: '' }) };
  const outcomeOf = async (...flags: string[]) => {
    const { code, report } = await runAgainst(refusesWithoutBody, '--only', ...flags);
    return [code, report.verdict];
  };
  assert.deepEqual(await outcomeOf('TPP-ERR-01,TPP-ERR-02'), [0, 'conforms']);
  assert.deepEqual(await outcomeOf('TPP-ERR-01,TPP-ERR-02', '--fail-on', 'should'), [1, 'does-not-conform']);
  assert.deepEqual(await outcomeOf('TPP-ERR-02'), [1, 'incomplete']);
});

test('a port that is in use is wrong use, and named; a TPP that does not know the JWKS is told of it', async () => {
  const receiver = await startReferenceReceiver({ keyOf: () => undefined });
  try {
    const port = Number(new URL(receiver.callbackUrl).port);
    const { code, errors } = await runCommand(receiver, { flags: [], port });
    assert.equal(code, 2);
    assert.match(errors, /: signing\.jwks cannot be served \(listen EADDRINUSE: .*\); choose another host and port/);
    const { printed } = await runCommand(receiver, { flags: ['--only', 'TPP-ACK-01'] });
    assert.match(printed.replaceAll(/\s+/g, ' '), /nobody has fetched the JWKS at http:\/\/localhost:\d+\/jwks/);
  } finally {
    await receiver.close();
  }
});
