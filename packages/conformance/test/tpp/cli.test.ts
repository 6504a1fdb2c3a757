import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder, testPki } from '@tidings/testing';
import { main } from '../../src/cli/main.ts';
import { type JsonReport, TPP_CHECKS } from '../../src/index.ts';
import { EXPECTED, type Habits, startReferenceReceiver } from '../support/reference-receiver.ts';

/** Runs the command against a receiver, which is told the URL that the command prints. */
async function runAgainst(habits: Habits, ...flags: string[]) {
  const receiver = await startReferenceReceiver(habits);
  const folder = temporaryFolder();
  const file = (name: string) => join(folder.path, name);
  let printed = '';
  try {
    writeFileSync(file('ca.pem'), (await testPki()).caPem);
    const { issuer, organisationId, clientId } = EXPECTED;
    const bank = { issuer, organisationId };
    const about = { name: 'Example TPP', callbackUrl: receiver.callbackUrl, clientId, bank };
    const config = { ...about, signing: { jwks: { port: 0 } }, tls: { caFile: 'ca.pem' } };
    writeFileSync(file('tpp.json'), JSON.stringify(config));
    const reports = ['--report-html', file('r.html'), '--report-json', file('r.json'), '--report-junit', file('r.xml')];
    const code = await main(['tpp', '--config', file('tpp.json'), ...reports, ...flags], {
      print: (text) => {
        printed += text;
        const [, url] = /^JWKS of the bank: (http:\/\/localhost:\d+\/jwks)\n/.exec(text) ?? [];
        if (url !== undefined) receiver.knows(url);
      },
      printError: (text) => assert.fail(text),
      ...{ isTerminal: false, columns: undefined },
    });
    const text = (name: string) => readFileSync(file(name), 'utf8');
    const json: JsonReport = JSON.parse(text('r.json'));
    return { code, printed, json, html: text('r.html'), junit: text('r.xml') };
  } finally {
    await receiver.close();
    folder.remove();
  }
}

test('tpp tests a callback URL, shows what it finds and writes every report', async () => {
  const only = ['--only', 'acknowledgement'];
  const { code, printed, json, html, junit } = await runAgainst({}, ...only);
  assert.equal(code, 0, printed);
  assert.match(printed, /Conformance of Example TPP \(TPP\)\n.*\n.*\n\nAcknowledgement\n {2}ok {4}TPP-ACK-01 /);
  assert.match(printed, /\nConforms\nNothing failed that must pass: 9 checks passed\.\n/);
  assert.deepEqual(
    json.results.map(({ id }) => id),
    TPP_CHECKS.filter(({ area }) => area === 'Acknowledgement').map(({ id }) => id),
  );
  assert.ok(json.results.every(({ remedy, exchanges }) => remedy !== undefined && exchanges.length > 0));
  assert.match(html, /<strong>Conforms<\/strong>/);
  assert.match(junit, /<testsuites name="tpp conformance: Example TPP" tests="9" failures="0" errors="0" skipped="0"/);
});

test('the exit code is 1 when a check fails that counts', async () => {
  const refusesWithoutBody: Habits = { reply: (good) => ({ ...good, body: '' }) };
  const lenient = await runAgainst(refusesWithoutBody, '--only', 'TPP-ERR-02');
  assert.deepEqual([lenient.code, lenient.json.verdict], [1, 'incomplete'], 'nothing passed');
  const strict = await runAgainst(refusesWithoutBody, '--only', 'TPP-ERR-01,TPP-ERR-02', '--fail-on', 'should');
  assert.deepEqual([strict.code, strict.json.verdict], [1, 'does-not-conform']);
  const passing = await runAgainst(refusesWithoutBody, '--only', 'TPP-ERR-01,TPP-ERR-02');
  assert.deepEqual([passing.code, passing.json.verdict], [0, 'conforms']);
});
