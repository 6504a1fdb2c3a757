import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openTppSession, readTppConfig, runChecks, systemClock, TPP_CHECKS } from '@tidings/conformance';
import { CLIENT_ID, openPki, startSandbox } from '@tidings/sandbox';
import { temporaryFolder } from '@tidings/testing';

// The sample TPP of the sandbox, tested as docs/guides/conformance.md says: with the key of the sandbox's bank.

const NEEDS_MORE = ['TPP-CLM-05', 'TPP-KEY-01', 'TPP-KEY-02', 'TPP-KEY-03', 'TPP-TLS-11'];

const folder = temporaryFolder();
const pki = await openPki({ folder: join(folder.path, 'pki'), nowMs: Date.now() });
const sandbox = await startSandbox(pki, { folder: folder.path, once: true, port: 0 });
after(async () => {
  await sandbox.stop();
  folder.remove();
});

test('the sample TPP fails no check, and skips those that need more than a key of the bank', async () => {
  const files: Readonly<Record<string, string>> = { key: pki.bank.signing.keyPem, ca: pki.root.certificatePem };
  const { issuer, organisationId } = sandbox.facts;
  const config = readTppConfig({
    value: {
      ...{ name: 'Sample TPP', callbackUrl: sandbox.tpp.callbackUrl, clientId: CLIENT_ID },
      ...{ bank: { issuer, organisationId }, signing: { keyFile: 'key', kid: pki.bank.signing.kid } },
      ...{ tls: { caFile: 'ca' }, burst: 20, timing: { answerMs: 20_000, slowBodyMs: 60, quietMs: 1000 } },
    },
    readFile: (path) => files[path] ?? '',
  });
  const session = await openTppSession(config);
  const { results } = await runChecks({
    ...({ side: 'tpp', target: { name: config.name, url: config.callbackUrl }, version: '0.1.0' } as const),
    ...{ checks: TPP_CHECKS, clock: systemClock, contextOf: session.contextOf },
  });
  await session.close();
  const others = results.filter(({ outcome }) => outcome.kind !== 'passed');
  assert.deepEqual(
    others.map(({ id }) => id).toSorted(),
    NEEDS_MORE,
    JSON.stringify(others.map(({ id, outcome }) => ({ id, ...outcome }))),
  );
  assert.ok(others.every(({ outcome }) => outcome.kind === 'skipped'));
});
