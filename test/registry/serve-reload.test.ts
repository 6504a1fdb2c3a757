import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { prepareBank } from './bank-service.ts';

// `tidings serve` and SIGHUP, with a process of its own; each step waits for the line of the log that tells of it.

const BIN = 'packages/service/bin/tidings.js';

let bank: Awaited<ReturnType<typeof prepareBank>>;
before(async () => {
  bank = await prepareBank();
});
after(() => bank.cleanUp());

test('SIGHUP reads the signing key again; a key that is not good leaves the old one in use', {
  // Windows has no SIGHUP that one process can send another.
  skip: process.platform === 'win32' && 'there is no SIGHUP here',
}, async () => {
  const keyFile = join(bank.folder, 'signing.key');
  copyFileSync(bank.pki.bank.signing.keyFile, keyFile);
  const configFile = join(bank.folder, 'tidings.json');
  const settings = { ...bank.settings, signing: { kid: bank.pki.bank.signing.kid, keyFile } };
  writeFileSync(configFile, JSON.stringify(settings));
  const child = spawn(process.execPath, [BIN, 'serve', '--config', configFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const lineWith = async (pattern: RegExp): Promise<string> => {
    for (let next = await lines.next(); !next.done; next = await lines.next()) {
      if (pattern.test(next.value)) return next.value;
    }
    return assert.fail(`the service never said ${pattern}`);
  };
  try {
    await lineWith(/Tidings runs/);
    child.kill('SIGHUP');
    await lineWith(/were reloaded/);
    // New roots would be taken over, and the certificate that leads to them never asked for.
    const tls = { ...settings.operator.tls, clientCaFile: bank.pki.root.certificateFile };
    writeFileSync(configFile, JSON.stringify({ ...settings, operator: { ...settings.operator, tls } }));
    child.kill('SIGHUP');
    assert.match(await lineWith(/are unchanged/), /operator\.tls\.clientCaFile.* restart the service/);
    const { signing } = settings;
    const tokens = settings.operator.tokens.slice(0, 1).map((token) => ({ ...token, role: 'viewer' }));
    // A provider is made when the first key that it keeps is opened, so that its section may be added.
    const pkcs11 = { libraryFile: 'module.so', tokenLabel: 'bank', pinFile: 'pin' };
    const changedSigning = { ...signing, announcedMs: 1000, pkcs11 };
    const changed = { log: { level: 'info' }, retry: { delayMs: 77 }, signing: changedSigning };
    writeFileSync(configFile, JSON.stringify({ ...settings, ...changed, operator: { ...settings.operator, tokens } }));
    child.kill('SIGHUP');
    const { settings: restarting } = JSON.parse(await lineWith(/need a restart to take effect/));
    assert.deepEqual(restarting.toSorted(), ['retry.delayMs', 'signing.announcedMs']);
    writeFileSync(configFile, JSON.stringify(settings));
    writeFileSync(keyFile, 'not a key');
    child.kill('SIGHUP');
    assert.match(await lineWith(/are unchanged/), /signing\.keyFile/);
    // The same kid for another key would leave signatures behind that verify with neither.
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    child.kill('SIGHUP');
    assert.match(await lineWith(/are unchanged/), /signing\.kid/);
  } finally {
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  }
});
