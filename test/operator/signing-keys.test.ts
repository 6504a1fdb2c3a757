import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { headerOf, isSignedWith, makeSigningKey, until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// The life of our signing keys at one instance: announced, rotated to, retired, with what depends on each.

const HOUR_MS = 3_600_000;
const KEYS = '/operator/v1/signing-keys';
const bank = await startBank({
  clients: ['tpp-a', 'tpp-b'],
  settings: { signing: { announcedMs: HOUR_MS, formerKeysKeptMs: HOUR_MS }, polling: { reofferMs: 1000 } },
});
const call = operatorCalls(bank);
const cli = cliOf(bank);
const receiver = await startReceiver(bank);
const [pushed, polling] = [await makeTpp(bank, 'tpp-a'), await makeTpp(bank, 'tpp-b')];
after(async () => {
  pushed.close();
  polling.close();
  await receiver.close();
  await bank.stop();
});
await pushed.create('v4.0', 'event-subscriptions', {
  Version: '4.0',
  CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
});
await polling.create('v4.0', 'event-subscriptions', { Version: '4.0' });

const next = makeSigningKey('bank-signing-2');
const nextFile = join(bank.folder, 'signing-2.key');
writeFileSync(nextFile, next.keyPem, { mode: 0o600 });
const jwks = async (): Promise<Record<string, unknown>[]> =>
  JSON.parse((await polling.send('/.well-known/jwks.json')).body.toString()).keys;
const kids = async () => (await jwks()).map(({ kid }) => kid);
const states = async () =>
  (await call('GET', KEYS)).body.keys.map(({ kid, state }: { kid: string; state: string }) => `${kid} ${state}`);
const audited = async () => {
  const { entries } = (await call('GET', '/operator/v1/audit?limit=1')).body;
  const { actor, action, subject, before, after: became } = entries[0];
  return { actor, action, subject, before, became };
};

// One story, told in order: each test goes on where the one before ended.
describe('signing keys', () => {
  test('the one that signs is shown with its thumbprint, and nothing depends on it yet', async () => {
    const { keys, thisInstance } = (await call('GET', KEYS)).body;
    assert.deepEqual(thisInstance, { signsWith: 'bank-signing-1', holds: ['bank-signing-1'] });
    const [{ since, thumbprint, ...current }, ...others] = keys;
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000);
    assert.match(thumbprint, /^[\w-]{43}$/);
    assert.deepEqual(current, {
      ...{ kid: 'bank-signing-1', algorithm: 'PS256', state: 'current', isPublished: true },
      dependents: { awaiting: 0, isAtLeast: false, evidence: true },
    });
    assert.deepEqual(others, []);
    assert.deepEqual((await call('GET', `${KEYS}/bank-signing-1`)).body, keys[0]);
    assert.equal((await call('GET', `${KEYS}/unknown`)).status, 404);
  });

  test('a next one is announced by a reload of the configuration, and signs nothing', async () => {
    bank.signing.next = { kid: next.kid, keyFile: nextFile };
    const announced = { kid: 'bank-signing-1', changed: false, announced: 'bank-signing-2' };
    assert.deepEqual((await call('POST', `${KEYS}/reload`)).body, announced);
    assert.deepEqual(await audited(), {
      ...{ actor: 'tests', action: 'signing-key-announced', subject: 'bank-signing-2' },
      ...{ before: undefined, became: { kid: 'bank-signing-2' } },
    });
    assert.deepEqual(await kids(), ['bank-signing-1', 'bank-signing-2']);
    assert.deepEqual(await states(), ['bank-signing-1 current', 'bank-signing-2 next']);
    const { rotatableFrom, since } = (await call('GET', `${KEYS}/bank-signing-2`)).body;
    assert.equal(Date.parse(rotatableFrom) - Date.parse(since), HOUR_MS);
  });

  test('one that was announced only a short while ago does not sign unless that is forced', async () => {
    const { status, body } = await call('POST', `${KEYS}/bank-signing-2/rotate`);
    assert.equal(status, 409);
    assert.match(body.detail, /TPPs with a cached JWKS may not know it before \S+Z; wait until then, or force it\.$/);
    assert.deepEqual(await states(), ['bank-signing-1 current', 'bank-signing-2 next']);
    assert.equal((await call('POST', `${KEYS}/unknown/rotate`)).status, 404);
    assert.equal((await call('POST', `${KEYS}/bank-signing-2/rotate`, { now: true })).status, 400);
  });

  test('a TPP that fetched the JWKS while it was announced verifies everything over the rotation', async () => {
    const cached = await jwks();
    const awaiting = (await bank.publish('tpp-b', { id: 'before' })) ?? '';
    assert.deepEqual(Object.keys((await polling.poll()).sets), [awaiting]);
    bank.clock.aheadMs += HOUR_MS;
    let published = 0;
    const publishing = async () => {
      for (; published < 40 || (await kids())[0] !== 'bank-signing-2'; published += 1) await bank.publish('tpp-a');
    };
    const rotating = async () => {
      await receiver.untilReceived(10);
      const { status, body } = await call('POST', `${KEYS}/bank-signing-2/rotate`);
      assert.deepEqual([status, body.state], [200, 'current']);
    };
    await Promise.all([publishing(), rotating()]);
    await bank.publish('tpp-a');
    await receiver.untilReceived(published + 1);
    const signedBy = receiver.received.map(({ body }) => {
      const { kid } = headerOf(body);
      const jwk = cached.find((each) => each['kid'] === kid) ?? assert.fail(`${kid} is not in the cached JWKS`);
      assert.ok(isSignedWith(body, jwk));
      return kid;
    });
    assert.deepEqual(new Set(signedBy), new Set(['bank-signing-1', 'bank-signing-2']));
    assert.equal(signedBy.at(-1), 'bank-signing-2');
    assert.deepEqual(await kids(), ['bank-signing-2', 'bank-signing-1']);
    const { before, became } = await audited();
    assert.deepEqual([before, became], [{ kid: 'bank-signing-1' }, { kid: 'bank-signing-2' }]);
  });

  test('rotating again changes nothing, and is no second entry of the audit', async () => {
    const before = (await call('GET', '/operator/v1/audit?limit=1')).body.entries[0].id;
    assert.equal((await call('POST', `${KEYS}/bank-signing-2/rotate`)).status, 200);
    assert.equal((await call('GET', '/operator/v1/audit?limit=1')).body.entries[0].id, before);
  });

  test('a former one tells what depends on it, and is not retired before that is over', async () => {
    const { dependents, retiredAt, publishedUntil } = (await call('GET', `${KEYS}/bank-signing-1`)).body;
    assert.deepEqual([dependents.awaiting, dependents.isAtLeast, dependents.evidence], [1, false, true]);
    assert.equal(dependents.oldest.publishedAt, (await bank.notification(dependents.oldest.jti))['publishedAt']);
    assert.equal(Date.parse(publishedUntil) - Date.parse(retiredAt), HOUR_MS);
    const refused = await call('POST', `${KEYS}/bank-signing-1/retire`);
    assert.equal(refused.status, 409);
    assert.match(
      refused.body.detail,
      /^This key signed the SETs of 1 awaiting notifications; wait until none are left, or force it/,
    );
    await polling.poll({ ack: [dependents.oldest.jti], maxEvents: 0, returnImmediately: true });
    const early = await call('POST', `${KEYS}/bank-signing-1/retire`);
    assert.match(early.body.detail, /^This key signed within the last minute/);
    assert.equal((await call('POST', `${KEYS}/bank-signing-2/retire`, { force: true })).status, 409, 'the current one');
  });

  test('the command line shows the same', async () => {
    const listed = printed(await cli('keys', 'list'));
    assert.match(listed, /^bank-signing-2 +current +\S+Z \([\w ]+\) +yes +0 +[\w-]{43}$/m);
    assert.match(listed, /^bank-signing-1 +former +\S+Z \([\w ]+\) +until \S+Z \(in \w+\) +0 +[\w-]{43}$/m);
    assert.match(listed, /^The called instance holds bank-signing-1, bank-signing-2 and signs with bank-signing-2\.$/m);
    assert.match(printed(await cli('keys', 'show', 'bank-signing-1')), /kept evidence +may depend on it/);
    assert.equal((await cli('keys', 'retire', 'bank-signing-1')).code, 1);
    assert.match(printed(await cli('keys', 'announce')), /No new key is announced\. bank-signing-2 still signs/);
    const again = JSON.parse(printed(await cli('keys', 'rotate', 'bank-signing-2', '--json')));
    assert.equal(again.state, 'current');
  });

  test('a retired one leaves the JWKS for good, and evidence of it can still be exported', async () => {
    bank.clock.aheadMs += 60_000;
    assert.equal(printed(await cli('keys', 'retire', 'bank-signing-1')), 'bank-signing-1 is removed from the JWKS.\n');
    assert.deepEqual(await audited(), {
      ...{ actor: 'tests', action: 'signing-key-retired', subject: 'bank-signing-1' },
      ...{ before: { state: 'former' }, became: { state: 'withdrawn' } },
    });
    assert.deepEqual(await kids(), ['bank-signing-2']);
    const again = await call('POST', `${KEYS}/bank-signing-1/retire`);
    assert.deepEqual([again.status, again.body.state, again.body.isPublished], [200, 'withdrawn', false]);
    const back = await call('POST', `${KEYS}/bank-signing-1/rotate`, { force: true });
    assert.match(back.body.detail, /retired permanently/);
    const { jti } = JSON.parse(Buffer.from(receiver.received[0]?.body.split('.')[1] ?? '', 'base64url').toString());
    await until(async () => (await bank.notification(jti))['state'] === 'acknowledged', 'it is acknowledged');
    const { body } = await call('GET', `/operator/v1/notifications/${jti}/evidence`);
    assert.equal(body.signingKey.kid, 'bank-signing-1');
    assert.deepEqual((await call('GET', '/operator/v1/status')).body.signingKeyProblem, undefined);
  });

  test('no private key is in an answer, the audit or the log', async () => {
    const texts = [JSON.stringify((await call('GET', KEYS)).body), bank.log(), printed(await cli('audit', '--json'))];
    const secret = readFileSync(nextFile, 'utf8').split('\n')[1] ?? assert.fail();
    for (const text of texts) assert.ok(!text.includes(secret) && !/"(?:d|p|q)":/.test(text));
  });
});
