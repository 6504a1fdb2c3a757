import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createHttpClient, headerOf, isSignedWith, makeSigningKey, until } from '@tidings/testing';
import { type SigningFiles, startBank } from '../support/bank.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { operatorCalls } from './calling.ts';

// A rotation over two instances of the real service on one PostgreSQL, and a third that was forgotten.

const KEYS = '/operator/v1/signing-keys';
const server = await startPostgres({ isDurable: false });
const bank = await startBank({
  clients: ['tpp-a'],
  settings: {
    store: { file: undefined, url: await server.createDatabase(), isMigratedAtStart: true, pollMs: 50 },
    signing: { announcedMs: 0 },
  },
});
const next = makeSigningKey('bank-signing-2');
const nextFile = join(bank.folder, 'signing-2.key');
writeFileSync(nextFile, next.keyPem, { mode: 0o600 });
const second: SigningFiles = { kid: 'bank-signing-1' };
const forgotten: SigningFiles = { kid: 'bank-signing-1' };
const services = [bank.service, await bank.another(second), await bank.another(forgotten)];
const calls = services.map((service) => operatorCalls({ ...bank, service }));
const [one, two, three] = calls;
/** Of the third. */
const operatorUrl = services[2]?.operatorUrl;
assert.ok(one && two && three);
const transport = bank.transportOf('tpp-a');
const tls = { ca: bank.authority.certificatePem, cert: transport.certificatePem, key: transport.keyPem };
const peers = services.map(({ apiUrl }) => createHttpClient(apiUrl, tls));
const receiver = await startReceiver(bank);
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  for (const peer of peers) peer.close();
  await receiver.close();
  await bank.stop();
  await server.stop();
});
await tpp.create('v4.0', 'event-subscriptions', {
  Version: '4.0',
  CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
});

/** The JWKS of each instance. */
const jwks = () =>
  Promise.all(
    peers.map(async (peer): Promise<{ kid: string }[]> => {
      return JSON.parse((await peer.send('/.well-known/jwks.json')).body.toString()).keys;
    }),
  );
const kids = async () => (await jwks()).map((keys) => keys.map(({ kid }) => kid));
const signsWith = () => Promise.all(calls.map(async (call) => (await call('GET', KEYS)).body.thisInstance.signsWith));

let events = 0;
/** Publishes an event at each instance. */
async function publishEverywhere(): Promise<void> {
  await Promise.all(
    calls.map(async (call) => {
      events += 1;
      const uri = `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${events}`;
      const resource = { id: `${events}`, type: 'domestic-payment', version: '4.0', uri };
      const event = {
        ...{ id: `e${events}`, clientId: 'tpp-a', occurredAt: new Date(Date.now() - 1000).toISOString() },
        resource: { ...resource, links: [{ version: 'v4.0', link: uri }] },
        events: [{ type: 'UK.OBIE.Resource-Update' }],
      };
      assert.equal((await call('POST', '/operator/v1/events', event)).status, 200);
    }),
  );
}

test('a key that one instance announces is in the JWKS of all, and signs nowhere', async () => {
  // Each has made its JWKS before, and keeps it for a while.
  assert.deepEqual((await kids()).flat(), ['bank-signing-1', 'bank-signing-1', 'bank-signing-1']);
  bank.signing.next = { kid: next.kid, keyFile: nextFile };
  assert.equal((await one('POST', `${KEYS}/reload`)).body.announced, 'bank-signing-2');
  const both = ['bank-signing-1', 'bank-signing-2'];
  assert.deepEqual((await kids())[0], both);
  await until(async () => (await kids()).every((each) => each.length === 2), 'the others hear of it');
  assert.deepEqual(await kids(), [both, both, both]);
  assert.deepEqual(await signsWith(), ['bank-signing-1', 'bank-signing-1', 'bank-signing-1']);
});

test('an instance that does not have a key refuses to rotate to it', async () => {
  const { status, body } = await two('POST', `${KEYS}/bank-signing-2/rotate`);
  assert.equal(status, 409);
  assert.match(body.detail, /^This instance does not have the private key/);
  second.next = { kid: next.kid, keyFile: nextFile };
  assert.deepEqual((await two('POST', `${KEYS}/reload`)).body, { kid: 'bank-signing-1', changed: false });
});

test('a rotation at one reaches every instance that has the key, and a cached JWKS verifies all of it', async () => {
  const [cached = []] = await jwks();
  const publishing = async () => {
    for (let rounds = 0; rounds < 8; rounds += 1) await publishEverywhere();
  };
  await Promise.all([publishing(), one('POST', `${KEYS}/bank-signing-2/rotate`)]);
  await until(async () => (await signsWith())[1] === 'bank-signing-2', 'the other one signs with it');
  await publishEverywhere();
  await receiver.untilReceived(events);
  for (const { body } of receiver.received) {
    const jwk = cached.find(({ kid }) => kid === headerOf(body)['kid']) ?? assert.fail('it is in the cached JWKS');
    assert.ok(isSignedWith(body, jwk));
  }
  const kidsUsed = receiver.received.slice(-3).map(({ body }) => headerOf(body)['kid']);
  assert.deepEqual(kidsUsed.toSorted(), ['bank-signing-1', 'bank-signing-2', 'bank-signing-2']);
});

test('an instance that was forgotten says so, and what it signs with stays published and is not retired', async () => {
  await until(async () => (await three('GET', '/operator/v1/status')).body.signingKeyProblem, 'it says so');
  const { thisInstance } = (await three('GET', KEYS)).body;
  assert.deepEqual([thisInstance.signsWith, thisInstance.holds], ['bank-signing-1', ['bank-signing-1']]);
  assert.match(thisInstance.problem, /^the current signing key bank-signing-2 is not in the configuration of this/);
  assert.match(bank.log(), /"level":50.*the current signing key bank-signing-2 is not in the configuration/);
  assert.equal((await one('GET', '/operator/v1/status')).body.signingKeyProblem, undefined);
  const stillUsed = async () => (await one('GET', `${KEYS}/bank-signing-1`)).body.stillUsedAt;
  await until(async () => (await stillUsed()) !== undefined, 'the others know of it');
  await until(async () => (await one('GET', '/operator/v1/status')).body.awaiting === 0, 'all is acknowledged');
  const refused = await two('POST', `${KEYS}/bank-signing-1/retire`);
  assert.match(refused.body.detail, /^This key signed within the last minute/);
  const ready = await fetch(`${operatorUrl}/readyz`);
  assert.equal(ready.status, 200, 'what it signs can be verified');
});

test('retired by force, it signs nothing and is not ready until it has a key; what it published is delivered', async () => {
  assert.equal((await two('POST', `${KEYS}/bank-signing-1/retire`, { force: true })).body.state, 'withdrawn');
  const whyNotReady = async (): Promise<string[]> => {
    const { because }: { because: string[] } = JSON.parse(await (await fetch(`${operatorUrl}/readyz`)).text());
    return because;
  };
  await until(async () => (await whyNotReady()).length > 0, 'it is not ready');
  assert.deepEqual(await whyNotReady(), ['it has no key to sign with']);
  assert.deepEqual((await signsWith())[2], undefined);
  await until(async () => (await kids()).every((each) => each.length === 1), 'all hear of it');
  assert.deepEqual((await kids()).flat(), ['bank-signing-2', 'bank-signing-2', 'bank-signing-2']);
  forgotten.next = { kid: next.kid, keyFile: nextFile };
  assert.deepEqual((await three('POST', `${KEYS}/reload`)).body, { kid: 'bank-signing-2', changed: true });
  await until(async () => (await whyNotReady()).length === 0, 'it is ready');
  await publishEverywhere();
  await receiver.untilReceived(events);
  assert.deepEqual(new Set(receiver.received.slice(-3).map(({ body }) => headerOf(body)['kid'])), new Set([next.kid]));
});

test('a restart with the configuration of before the rotation does not undo it', async () => {
  const restarted = await bank.another({ kid: 'bank-signing-1', next: { kid: next.kid, keyFile: nextFile } });
  const { thisInstance } = (await operatorCalls({ ...bank, service: restarted })('GET', KEYS)).body;
  assert.equal(thisInstance.signsWith, 'bank-signing-2');
  assert.deepEqual(await signsWith(), ['bank-signing-2', 'bank-signing-2', 'bank-signing-2']);
});
