import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { isSignedWith, makeSigningKey, until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// Evidence of a real service about real deliveries, and its check by the real command.

const bank = await startBank({ clients: ['tpp-a'] });
const call = operatorCalls(bank);
const cli = cliOf(bank);
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});
let receiver: Receiver;
let callbackUrl: string;
beforeEach(async () => {
  receiver = await startReceiver(bank);
  callbackUrl = `${receiver.origin}/v4.0/event-notifications`;
});
afterEach(async () => {
  await tpp.clear();
  await receiver.close();
});

const evidenceOf = (jti: string) => call('GET', `/operator/v1/notifications/${jti}/evidence`);
const subscribe = (data: object = { CallbackUrl: callbackUrl }) =>
  tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', ...data });

async function published(state = 'awaiting'): Promise<string> {
  const jti = await bank.publish('tpp-a');
  assert.ok(jti !== undefined);
  await until(async () => (await bank.notification(jti))['state'] === state, `it is ${state}`);
  return jti;
}

/** The JWKS as the bank publishes it, as a file. */
async function jwksFile(): Promise<string> {
  const file = join(bank.folder, 'jwks.json');
  writeFileSync(file, (await tpp.send('/.well-known/jwks.json')).body);
  return file;
}

describe('evidence of a notification', () => {
  test('holds the very SET that was sent, when, and the status and interaction id that came back', async () => {
    await subscribe();
    const jti = await published('acknowledged');
    const { status, body } = await evidenceOf(jti);
    assert.equal(status, 200);
    assert.deepEqual([body.format, body.version, body.jti, body.clientId], ['tidings-evidence', 1, jti, 'tpp-a']);
    assert.equal(body.set, receiver.received[0]?.body);
    assert.equal(body.setSha256, createHash('sha256').update(body.set).digest('hex'));
    assert.ok(isSignedWith(body.set, body.signingKey));
    assert.deepEqual(body.signingKey, bank.signingKey.jwk);
    assert.deepEqual([body.state, body.acknowledgedBy], ['acknowledged', 'push']);
    const [{ startedAt, durationMs, interactionId, ...attempt }, ...more] = body.attempts;
    assert.deepEqual(more, []);
    assert.ok(Date.parse(startedAt) >= Date.parse(body.publishedAt) && durationMs >= 0);
    assert.deepEqual(attempt, {
      ...{ callbackUrl, outcome: 'acknowledged', status: 202 },
      ...{ interactionIdEchoed: true, interactionIdReturned: interactionId },
    });
  });

  test('tells what came back in place of the echo', async () => {
    await subscribe();
    receiver.interactionId = 'another';
    const { body } = await evidenceOf(await published('acknowledged'));
    assert.deepEqual(
      [body.attempts[0].interactionIdEchoed, body.attempts[0].interactionIdReturned],
      [false, 'another'],
    );
  });

  test('says of one that is not acknowledged that it is awaiting', async () => {
    await subscribe();
    receiver.status = 500;
    const jti = await published();
    await until(async () => (await evidenceOf(jti)).body.attempts?.length === 3, 'attempts cease');
    const { body } = await evidenceOf(jti);
    assert.deepEqual([body.state, body.acknowledgedAt, body.acknowledgedBy], ['awaiting', undefined, undefined]);
  });

  test('is refused with 409 for one that was never signed, and with 404 for one that is not there', async () => {
    // Where the registration has changed, the next notification is signed later than it is published.
    await subscribe({ EventTypes: ['UK.OBIE.Resource-Update'] });
    assert.equal((await evidenceOf(await published())).status, 409);
    assert.equal((await evidenceOf('unknown')).status, 404);
  });

  test('of a poll tells what the TPP acknowledged and reported in it', async () => {
    await subscribe({});
    const jti = await published();
    await tpp.poll();
    await tpp.poll({ maxEvents: 0, setErrs: { [jti]: { err: 'jws', description: 'not verified' } } });
    await tpp.poll({ maxEvents: 0, ack: [jti] });
    const { body } = await evidenceOf(jti);
    assert.deepEqual([body.state, body.acknowledgedBy, body.attempts], ['acknowledged', 'poll', []]);
    assert.deepEqual([body.errors[0].err, body.errors[0].description], ['jws', 'not verified']);
  });
});

describe('tidings evidence and verify-evidence', () => {
  test('export one to a file that verifies against the JWKS of the bank, without a service', async () => {
    await subscribe();
    const jti = await published('acknowledged');
    const file = join(bank.folder, 'evidence.json');
    assert.equal(printed(await cli('evidence', jti, '--out', file)), '');
    const said = printed(await cli('verify-evidence', file, '--jwks', await jwksFile()));
    assert.match(said, /^passed {2}format /);
    assert.match(said, new RegExp(`passed {2}acknowledgement {2}\\S+Z, by 202 from ${callbackUrl}`));
    assert.ok(said.endsWith('No check failed.\n'));
    const again = await cli('evidence', jti, '--out', file);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /already exists and is not overwritten/);
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).jti, jti);
  });

  test('find a file out that was changed, say which check failed, and end with 1', async () => {
    await subscribe();
    const jti = await published('acknowledged');
    const evidence = JSON.parse(printed(await cli('evidence', jti)));
    const file = join(bank.folder, 'changed.json');
    writeFileSync(file, JSON.stringify({ ...evidence, jti: 'another', acknowledgedAt: '2026-01-01T00:00:00.000Z' }));
    const { code, stdout } = await cli('verify-evidence', file, '--jwks', await jwksFile());
    assert.equal(code, 1);
    assert.match(stdout, /^failed {2}identity /m);
    assert.match(stdout, /Do not rely on this file: \d of \d checks failed\.\n$/);
    const json = await cli('verify-evidence', file, '--jwks', await jwksFile(), '--json');
    assert.equal(json.code, 1);
    assert.equal(JSON.parse(json.stdout).isVerified, false);
  });

  test('verify what an earlier key signed, while the JWKS holds it', () =>
    withBank({}, async (party, own) => {
      const run = cliOf(own);
      await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      const jti = await own.publish('tpp-a');
      assert.ok(jti !== undefined);
      await party.poll({ ack: Object.keys((await party.poll()).sets) });
      const next = makeSigningKey('bank-signing-2');
      writeFileSync(own.signingKeyFile, next.keyPem);
      own.signing.kid = next.kid;
      assert.equal((await own.operate('POST', '/operator/v1/signing-keys/reload')).body['changed'], true);
      const [file, jwks, onlyNew] = [join(own.folder, 'e'), join(own.folder, 'j'), join(own.folder, 'n')];
      printed(await run('evidence', jti, '--out', file));
      writeFileSync(jwks, (await party.send('/.well-known/jwks.json')).body);
      const { checks } = JSON.parse(printed(await run('verify-evidence', file, '--jwks', jwks, '--json')));
      const signature = checks.find(({ check }: { check: string }) => check === 'signature');
      assert.match(signature.detail, new RegExp(`key ${own.signingKey.kid} of the JWKS`));
      writeFileSync(onlyNew, JSON.stringify({ keys: [next.jwk] }));
      assert.equal((await run('verify-evidence', file, '--jwks', onlyNew)).code, 1);
    }));

  test('of an erased one verify with the copy that the TPP kept, and the export before it has all', async () => {
    await subscribe();
    const jti = await published('acknowledged');
    const [file, exported, copy] = ['erased.json', 'export.ndjson', 'copy.jwt'].map((name) => join(bank.folder, name));
    assert.ok(file && exported && copy);
    writeFileSync(copy, `${receiver.received[0]?.body}\n`);
    const { subject } = Object.values<{ subject: Record<string, string> }>(
      (await call('GET', `/operator/v1/notifications/${jti}`)).body.claims.events,
    )[0] ?? { subject: {} };
    const resourceId = subject['http://openbanking.org.uk/rid'] ?? '';
    assert.match(
      printed(await cli('data', 'export', '--resource', resourceId, exported)),
      /complete: 1 × notification\.$/m,
    );
    assert.equal(JSON.parse(readFileSync(exported, 'utf8').split('\n')[1] ?? '').jti, jti);
    const dry = printed(await cli('data', 'erase', '--resource', resourceId, '--dry-run'));
    assert.match(dry, /^1 notification is selected for erasure \(dry run/);
    const done = printed(await cli('data', 'erase', '--resource', resourceId, '--yes'));
    assert.equal(done, '1 notification is erased.\n');
    const shown = await cli('notifications', 'show', jti);
    assert.deepEqual([shown.code, /The content of this notification was erased at/.test(shown.stderr)], [1, true]);
    printed(await cli('evidence', jti, '--out', file));
    const jwks = await jwksFile();
    assert.match(printed(await cli('verify-evidence', file, '--jwks', jwks)), /^none {4}hash .*the SET was erased at/m);
    assert.match(printed(await cli('verify-evidence', file, '--jwks', jwks, '--set', copy)), /^passed {2}signature /m);
  });

  test('used wrongly end with 2, and of what is not there with 1', async () => {
    const jwks = await jwksFile();
    assert.equal((await cli('verify-evidence', '/nowhere', '--jwks', jwks)).code, 2);
    assert.equal((await cli('verify-evidence', jwks, '--jwks', '/nowhere')).code, 2);
    const out = join(bank.folder, 'none.json');
    const { code, stderr } = await cli('evidence', '190364f8-4f9c-420e-b4d1-76a6b5317fab', '--out', out);
    assert.equal(code, 1);
    assert.match(stderr, /There is no notification with this jti/);
    assert.equal(existsSync(out), false);
  });
});
