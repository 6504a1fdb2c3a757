import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { FakeSigningProvider, headerOf, isSignedWith, makeSigningKey, until } from '@tidings/testing';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { operatorCalls } from './calling.ts';

// A bank whose keys are kept by a provider: it goes away and comes back, and its keys are rotated.

const KEYS = '/operator/v1/signing-keys';
const provider = new FakeSigningProvider();
const [first, second] = [makeSigningKey('bank-signing-1'), makeSigningKey('bank-signing-2')];
provider.keys.set('tidings-1', first);
provider.keys.set('tidings-2', second);
const packages: string[] = [];
const bank = await startBank({
  clients: ['tpp-a'],
  signingKey: first,
  settings: {
    signing: {
      ...{ provider: 'pkcs11', keyFile: undefined, key: 'tidings-1', announcedMs: 0 },
      pkcs11: { libraryFile: 'module.so', tokenLabel: 'bank', pinFile: 'pin', timeoutMs: 500 },
      circuit: { failuresMax: 2, pauseMs: 20, pauseMaxMs: 40 },
    },
  },
  importPackage: async (name) => {
    packages.push(name);
    return { createProvider: () => provider };
  },
});
const call = operatorCalls(bank);
const receiver = await startReceiver(bank);
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await receiver.close();
  await bank.stop();
  assert.equal(provider.calls.close, packages.length);
});
await tpp.create('v4.0', 'event-subscriptions', {
  Version: '4.0',
  CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
});
const problem = async () => (await call('GET', '/operator/v1/status')).body.signingKeyProblem;
const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
const metricsText = async () => (await fetch(`${bank.service.operatorUrl}/metrics`, { headers })).text();

// One story, told in order: each test goes on where the one before ended.
describe('a provider of signing keys', () => {
  test('signs notifications and responses with its key, whose public part is in the JWKS', async () => {
    await bank.publish('tpp-a');
    await receiver.untilReceived(1);
    assert.ok(isSignedWith(receiver.received[0]?.body ?? '', first.jwk));
    const { keys } = JSON.parse((await tpp.send('/.well-known/jwks.json')).body.toString());
    assert.deepEqual(keys, [first.jwk]);
    assert.deepEqual(packages, ['@tidings/signer-pkcs11']);
  });

  test('goes away: events are accepted, deliveries pause and resume, and nothing is lost', async () => {
    provider.state = 'unavailable';
    for (const _ of [1, 2, 3]) await bank.publish('tpp-a');
    await until(async () => (await problem()) !== undefined);
    for (const _ of [1, 2, 3, 4, 5]) await bank.publish('tpp-a');
    assert.match(
      await problem(),
      /^pkcs11 has not signed with the key tidings-1 since .* it is unavailable in this test$/,
    );
    assert.equal((await fetch(`${bank.service.operatorUrl}/readyz`)).status, 200);
    assert.equal((await tpp.call('GET', 'v4.0', 'event-subscriptions')).status, 500);
    assert.equal(receiver.received.length, 1);
    provider.state = 'up';
    await receiver.untilReceived(9);
    assert.equal(await problem(), undefined);
    const jtis = receiver.received.map(
      ({ body }) => JSON.parse(Buffer.from(body.split('.')[1] ?? '', 'base64url').toString()).jti,
    );
    assert.equal(new Set(jtis).size, 9);
  });

  test('is measured: every call with its duration and outcome', async () => {
    const text = await metricsText();
    for (const outcome of ['signed', 'unavailable']) {
      const series = [`outcome="${outcome}"`, 'provider="pkcs11"'];
      const lines = text.split('\n').filter((line) => line.startsWith('tidings_signing_provider_seconds_count'));
      assert.ok(
        lines.some((line) => series.every((label) => line.includes(label))),
        outcome,
      );
    }
    assert.match(text, /^tidings_signing_key_problem 0$/m);
  });

  test('rotates to its next key, which is announced first', async () => {
    bank.signing.next = { kid: 'bank-signing-2', key: 'tidings-2' };
    assert.equal((await call('POST', `${KEYS}/reload`)).body.announced, 'bank-signing-2');
    assert.equal((await call('POST', `${KEYS}/bank-signing-2/rotate`)).body.state, 'current');
    await bank.publish('tpp-a');
    await receiver.untilReceived(10);
    const { body = '' } = receiver.received[9] ?? {};
    assert.deepEqual([headerOf(body)['kid'], isSignedWith(body, second.jwk)], ['bank-signing-2', true]);
  });

  test('gives way to a key in a file, with the same announcement and rotation', async () => {
    const third = makeSigningKey('bank-signing-3');
    const keyFile = join(bank.folder, 'third.key');
    writeFileSync(keyFile, third.keyPem, { mode: 0o600 });
    Object.assign(bank.signing, { kid: 'bank-signing-2', key: 'tidings-2' });
    bank.signing.next = { kid: third.kid, provider: 'file', keyFile };
    assert.equal((await call('POST', `${KEYS}/reload`)).body.announced, third.kid);
    assert.equal((await call('POST', `${KEYS}/${third.kid}/rotate`)).body.state, 'current');
    provider.state = 'silent';
    await bank.publish('tpp-a');
    await receiver.untilReceived(11);
    assert.ok(isSignedWith(receiver.received[10]?.body ?? '', third.jwk));
    provider.state = 'up';
  });

  test('is refused with the name of the setting if its root certificates cannot be read', async () => {
    const caFile = join(bank.folder, 'none.pem');
    const vault = { url: 'https://vault.bank.example:8200', tokenFile: 'token', caFile };
    bank.signing.next = { kid: 'bank-signing-4', provider: 'vault', key: 'tidings' };
    Object.assign(bank.signing, { vault });
    const { status, body } = await call('POST', `${KEYS}/reload`);
    assert.deepEqual([status, /none\.pem.*"signing\.vault\.caFile"/.test(body.detail)], [409, true], body.detail);
    Reflect.deleteProperty(bank.signing, 'next');
  });

  test('need not be there at start if the public key is given, which its key must match', async () => {
    const publicKeyFile = join(bank.folder, 'first.pub');
    const write = (key: typeof first) =>
      writeFileSync(publicKeyFile, createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' }));
    const signing = { ...bank.config.signing, publicKeyFile };
    const store = { ...bank.config.store, file: join(bank.folder, 'another.db') };
    const start = () => bank.another(signing, { signing, store });
    write(second);
    await assert.rejects(start(), /tidings-1 of pkcs11, named by "signing\.key", is not the one in \S+first\.pub/);
    write(first);
    provider.state = 'unavailable';
    const other = await start();
    const problemThere = async () => {
      const status = await fetch(`${other.operatorUrl}/operator/v1/status`, { headers });
      const body: { signingKeyProblem?: string } = JSON.parse(await status.text());
      return body.signingKeyProblem;
    };
    assert.match(`${await problemThere()}`, /unavailable/);
    provider.state = 'up';
    await until(async () => (await problemThere()) === undefined);
  });
});
