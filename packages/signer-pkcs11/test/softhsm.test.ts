import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, createPublicKey, verify } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SigningProviderError } from '@tidings/protocol';
import { makeSigningKey, temporaryFolder } from '@tidings/testing';

// A real module: SoftHSM2, with a token and keys that the test makes.

const LIBRARIES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so'];
const libraryFile = LIBRARIES.find((each) => existsSync(each));
const pkcs11 = await import('../src/index.ts').catch(() => undefined);
const skip =
  libraryFile === undefined ? 'needs SoftHSM2 (softhsm2)' : pkcs11 === undefined && 'pkcs11js was not compiled';

const INPUT = Buffer.from('header.payload');
const never = new AbortController().signal;

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function isPs256(publicKey: string, signature: Uint8Array): boolean {
  const key = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return verify('sha256', INPUT, key, signature);
}

describe('keys of a token', { skip }, () => {
  const folder = temporaryFolder();
  const file = (name: string, text: string) => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };
  after(() => folder.remove());
  mkdirSync(join(folder.path, 'tokens'));
  process.env['SOFTHSM2_CONF'] = file('softhsm2.conf', `directories.tokendir = ${join(folder.path, 'tokens')}\n`);
  const util = (...args: string[]) => execFileSync('softhsm2-util', args, { stdio: 'ignore' });
  const key = makeSigningKey('bank-1');
  if (skip === false) {
    util('--init-token', '--free', '--label', 'bank', '--so-pin', '12345678', '--pin', '1234');
    const keyFile = file('key.pem', key.keyPem);
    for (const [id, label] of [
      ['01', 'signing-1'],
      ['02', 'twice'],
      ['03', 'twice'],
    ] as const) {
      util('--import', keyFile, '--token', 'bank', '--label', label, '--id', id, '--pin', '1234', '--no-public-key');
    }
  }
  const pinFile = file('pin', '1234\n');
  const create = () => {
    if (pkcs11 === undefined || libraryFile === undefined) throw new Error('skipped');
    return pkcs11.createProvider({ libraryFile, tokenLabel: 'bank', pinFile, concurrencyMax: 4 });
  };
  const fails = (fault: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof SigningProviderError);
    assert.equal(error.fault, fault);
    assert.match(error.message, message);
    return true;
  };

  test('a key signs PS256, many times at once, and its public part is read from the token', async () => {
    const provider = create();
    try {
      const { publicKeyPem, sign } = await provider.openKey('signing-1', never);
      assert.deepEqual(createPublicKey(publicKeyPem).export({ format: 'jwk' }).n, key.jwk['n']);
      const signatures = await Promise.all(Array.from({ length: 50 }, () => sign(INPUT, never)));
      assert.ok(signatures.every((each) => isPs256(publicKeyPem, each)));
    } finally {
      await provider.close();
    }
  });

  test('a key that is not there, or whose label is not its own, is denied', async () => {
    const provider = create();
    try {
      await assert.rejects(provider.openKey('none', never), fails('denied', /no private key labelled "none"/));
      await assert.rejects(provider.openKey('twice', never), fails('denied', /several private keys labelled "twice"/));
      const { publicKeyPem, sign } = await provider.openKey('signing-1', never);
      assert.ok(isPs256(publicKeyPem, await sign(INPUT, never)));
    } finally {
      await provider.close();
    }
  });

  test('a PIN that the token refused is not tried again, and a corrected one is', async () => {
    const provider = create();
    try {
      writeFileSync(pinFile, 'wrong');
      await assert.rejects(provider.openKey('signing-1', never), fails('denied', /CKR_PIN_INCORRECT/));
      await assert.rejects(provider.openKey('signing-1', never), fails('denied', /is not tried again/));
      writeFileSync(pinFile, '1234');
      const { publicKeyPem, sign } = await provider.openKey('signing-1', never);
      assert.ok(isPs256(publicKeyPem, await sign(INPUT, never)));
    } finally {
      await provider.close();
    }
  });

  test('once the process of the module has ended, signatures fail until the key is opened again', async () => {
    const provider = create();
    const { sign } = await provider.openKey('signing-1', never);
    await provider.close();
    await assert.rejects(sign(INPUT, never), fails('unavailable', /process of the module ended/));
    const again = await provider.openKey('signing-1', never);
    assert.ok(isPs256(again.publicKeyPem, await again.sign(INPUT, never)));
    await provider.close();
  });

  test('a crash ends all signatures that are under way with one error, and the key can be opened again', async () => {
    const before = new Set(childrenOf(process.pid));
    const provider = create();
    try {
      const { sign } = await provider.openKey('signing-1', never);
      const [made] = childrenOf(process.pid).filter((pid) => !before.has(pid));
      assert.ok(made !== undefined);
      // Stopped, so that none is signed before it ends.
      process.kill(made, 'SIGSTOP');
      const signing = Promise.allSettled(Array.from({ length: 8 }, () => sign(INPUT, never)));
      process.kill(made, 'SIGKILL');
      const errors = (await signing).map((each) => (each.status === 'rejected' ? each.reason : undefined));
      assert.ok(errors[0] instanceof SigningProviderError);
      assert.equal(new Set(errors).size, 1);
      const again = await provider.openKey('signing-1', never);
      assert.ok(isPs256(again.publicKeyPem, await again.sign(INPUT, never)));
    } finally {
      await provider.close();
    }
  });

  test('a signal that is sent to all processes of the service leaves it able to sign while it stops', async () => {
    const before = new Set(childrenOf(process.pid));
    const provider = create();
    try {
      const { publicKeyPem, sign } = await provider.openKey('signing-1', never);
      const made = childrenOf(process.pid).filter((pid) => !before.has(pid));
      for (const pid of made) process.kill(pid, 'SIGTERM');
      assert.equal(made.length, 1);
      assert.ok(isPs256(publicKeyPem, await sign(INPUT, never)));
    } finally {
      await provider.close();
    }
  });

  test('a token or library that is not there is unavailable', async () => {
    if (pkcs11 === undefined || libraryFile === undefined) return;
    const settings = { libraryFile, tokenLabel: 'bank', pinFile, concurrencyMax: 4 };
    for (const wrong of [{ tokenLabel: 'other' }, { libraryFile: join(folder.path, 'none.so') }]) {
      const provider = pkcs11.createProvider({ ...settings, ...wrong });
      await assert.rejects(
        provider.openKey('signing-1', never),
        fails('unavailable', /no token labelled|module fails/),
      );
      await provider.close();
    }
  });
});
