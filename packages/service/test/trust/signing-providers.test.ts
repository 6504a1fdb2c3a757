import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeSigningProvider, makeSigningKey } from '@tidings/testing';
import { settingsToRestart } from '../../src/config/effective.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createSigningProviders } from '../../src/trust/signing-providers.ts';
import { MINIMAL } from '../config/settings.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('the settings of a provider need a restart to change once it has opened a key, and none before', async () => {
  const fake = new FakeSigningProvider();
  const key = makeSigningKey('kid-1');
  fake.keys.set('bank', key);
  const signingWith = (tokenLabel: string) => {
    const pkcs11 = { libraryFile: 'module.so', tokenLabel, pinFile: 'pin' };
    return parseConfig({ ...MINIMAL, signing: { ...MINIMAL.signing, pkcs11 } }, '/').signing;
  };
  const providers = createSigningProviders({
    clock: new FakeClock(),
    log: { info: () => undefined, error: () => undefined },
    importPackage: async () => ({ createProvider: () => fake }),
  });
  const [before, after] = [signingWith('bank'), signingWith('another')];
  const changes = () =>
    settingsToRestart({ signing: { ...before, ...providers.sectionsInUse(after) } }, { signing: after });
  assert.deepEqual(changes(), []);
  await providers.open({ kid: key.kid, provider: 'pkcs11', key: 'bank' }, before, 'signing');
  assert.deepEqual(changes(), ['signing.pkcs11.tokenLabel']);
  await providers.close();
});
