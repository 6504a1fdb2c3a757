import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { prepareBank } from './bank-service.ts';
import { createCaller } from './operator-caller.ts';

// `tidings serve` and SIGHUP, with a process of its own; each step waits for the line of the log that tells of it.

const BIN = 'packages/service/bin/tidings.js';
// Windows has no SIGHUP that one process can send another.
const skip = process.platform === 'win32' && 'there is no SIGHUP here';

let bank: Awaited<ReturnType<typeof prepareBank>>;
before(async () => {
  bank = await prepareBank();
});
after(() => bank.cleanUp());

/** Starts `tidings serve`. @returns the process, and a function that waits for a line of its log */
function serve(configFile: string, environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [BIN, 'serve', '--config', configFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const log: string[] = [];
  const lineWith = async (pattern: RegExp): Promise<string> => {
    for (let next = await lines.next(); !next.done; next = await lines.next()) {
      log.push(next.value);
      if (pattern.test(next.value)) return next.value;
    }
    return assert.fail(`the service never said ${pattern}`);
  };
  return { child, lineWith, log };
}

test('SIGHUP reads the signing key again; a key that is not good leaves the old one in use', { skip }, async () => {
  const keyFile = join(bank.folder, 'signing.key');
  copyFileSync(bank.pki.bank.signing.keyFile, keyFile);
  const configFile = join(bank.folder, 'tidings.json');
  const settings = { ...bank.settings, signing: { kid: bank.pki.bank.signing.kid, keyFile } };
  writeFileSync(configFile, JSON.stringify(settings));
  const { child, lineWith } = serve(configFile);
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

test('SIGHUP reads what the file refers to again, and no secret is told to anyone', { skip }, async () => {
  const configFile = join(bank.folder, 'referring.json');
  const hash = (token: string) => createHash('sha256').update(token).digest('hex');
  const hashFile = join(bank.folder, 'token-hash');
  writeFileSync(hashFile, `${hash('first')}\n`);
  const secrets = { HOOK: `whsec_${randomBytes(32).toString('base64')}`, SESSIONS: randomBytes(32).toString('base64') };
  const { operator } = bank.settings;
  const [token] = operator.tokens;
  const settings = {
    ...bank.settings,
    store: { file: join(bank.folder, 'referring.db') },
    operator: { ...operator, tokens: [{ ...token, sha256: '${file:token-hash}' }] },
    notify: { webhooks: [{ name: 'on-call', url: 'https://127.0.0.1:9/', secret: '${env:HOOK}' }] },
  };
  writeFileSync(configFile, JSON.stringify(settings));
  const variables = { HOOK: secrets.HOOK, TIDINGS_OPERATOR_CONSOLE_SESSION_KEY: secrets.SESSIONS };
  const { child, lineWith, log } = serve(configFile, variables);
  try {
    const { operatorUrl: url } = JSON.parse(await lineWith(/Tidings runs/));
    const configurationFor = async (operatorToken: string) => {
      const caller = createCaller({ url, token: operatorToken, ca: bank.pki.root.certificatePem });
      const { status, text } = await caller.call('GET', '/operator/v1/configuration');
      caller.close();
      return { status, text };
    };
    const { status, text } = await configurationFor('first');
    assert.equal(status, 200);
    assert.equal((await configurationFor('second')).status, 401);
    writeFileSync(hashFile, hash('second'));
    child.kill('SIGHUP');
    await lineWith(/were reloaded/);
    assert.equal((await configurationFor('second')).status, 200);
    assert.equal((await configurationFor('first')).status, 401);
    writeFileSync(hashFile, '');
    child.kill('SIGHUP');
    assert.match(await lineWith(/are unchanged/), /tokens\[0\]\.sha256.* needs the file .* which is empty/);
    assert.match(text, /\$\{env:HOOK\}/);
    for (const secret of [...Object.values(secrets), hash('first')]) {
      assert.ok(!text.includes(secret) && !log.join('').includes(secret), 'a secret is told');
    }
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});
