import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSignedWith, makeSigningKey, temporaryFolder } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';

// The whole service with its key in a real module, SoftHSM2.

const LIBRARY = '/usr/lib/softhsm/libsofthsm2.so';
const isCompiled = await import('@tidings/signer-pkcs11').then(
  () => true,
  () => false,
);
const skip = isCompiled ? !existsSync(LIBRARY) && 'needs SoftHSM2 (softhsm2)' : 'pkcs11js was not compiled';

test('notifications are signed by a key that is in a module', { skip }, async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = (name: string, text: string) => {
    const path = join(folder.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  mkdirSync(join(folder.path, 'tokens'));
  process.env['SOFTHSM2_CONF'] = file('softhsm2.conf', `directories.tokendir = ${join(folder.path, 'tokens')}\n`);
  const util = (...args: string[]) => execFileSync('softhsm2-util', args, { stdio: 'ignore' });
  const signingKey = makeSigningKey('bank-signing-1');
  util('--init-token', '--free', '--label', 'bank', '--so-pin', '12345678', '--pin', '1234');
  const login = ['--token', 'bank', '--pin', '1234'];
  util('--import', file('key.pem', signingKey.keyPem), '--label', 'signing-1', '--id', '01', ...login);

  const pkcs11 = { libraryFile: LIBRARY, tokenLabel: 'bank', pinFile: file('pin', '1234') };
  const settings = { signing: { provider: 'pkcs11', keyFile: undefined, key: 'signing-1', pkcs11 } };
  const bank = await startBank({ clients: ['tpp-a'], signingKey, settings });
  t.after(() => bank.stop());
  const [receiver, tpp] = [await startReceiver(bank), await makeTpp(bank, 'tpp-a')];
  t.after(async () => {
    tpp.close();
    await receiver.close();
  });
  await tpp.create('v4.0', 'event-subscriptions', {
    Version: '4.0',
    CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
  });
  for (const _ of [1, 2, 3, 4, 5]) await bank.publish('tpp-a');
  await receiver.untilReceived(5);
  assert.ok(receiver.received.every(({ body }) => isSignedWith(body, signingKey.jwk)));
});
