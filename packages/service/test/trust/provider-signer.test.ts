import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as soon } from 'node:timers/promises';
import { SigningProviderError } from '@tidings/protocol';
import { FakeSigningProvider, makeSigningKey } from '@tidings/testing';
import { CallGate } from '../../src/trust/call-gate.ts';
import { isPs256Signature, ProviderSigner, SignerUnavailableError } from '../../src/trust/provider-signer.ts';
import { FakeClock } from '../support/fake-clock.ts';

const KEY = makeSigningKey('kid-1');
const INPUT = Buffer.from('header.payload');
const LIMITS = { concurrencyMax: 4, perSecondMax: 0 };
const TIMEOUT_MS = 1000;

async function bench(changes: { limits?: typeof LIMITS; isAway?: boolean } = {}) {
  const clock = new FakeClock(async () => {
    for (let turn = 0; turn < 5; turn += 1) await soon();
  });
  const provider = new FakeSigningProvider();
  provider.keys.set('bank', KEY);
  const outcomes: string[] = [];
  const logged: string[] = [];
  const publicKey: KeyObject = createPublicKey(KEY.privateKey);
  const signer = new ProviderSigner({
    ...{ provider, name: 'pkcs11', key: 'bank', publicKey, clock, timeoutMs: TIMEOUT_MS },
    opened: changes.isAway === true ? undefined : await provider.openKey('bank'),
    gate: new CallGate(changes.limits ?? LIMITS, clock),
    circuit: { failuresMax: 3, pauseMs: 100, pauseMaxMs: 400 },
    log: {
      error: (_: object, text?: string) => logged.push(`${text}`),
      info: (_: object, text?: string) => logged.push(`${text}`),
    },
    onCall: (_, outcome) => outcomes.push(outcome),
  });
  const signMany = (count: number) => Promise.allSettled(Array.from({ length: count }, () => signer.sign(INPUT)));
  return { clock, provider, outcomes, logged, publicKey, signer, signMany };
}

test('a signature of the provider is verified and returned', async () => {
  const { signer, publicKey, outcomes } = await bench();
  assert.ok(isPs256Signature(INPUT, await signer.sign(INPUT), publicKey));
  assert.deepEqual([outcomes, signer.problem()], [['signed'], undefined]);
});

test('a signature that does not verify, such as one with a salt of another length, is never returned', async () => {
  const { signer, provider } = await bench();
  provider.state = 'broken';
  await assert.rejects(signer.sign(INPUT), SignerUnavailableError);
});

test('no more calls are made at once than allowed, in the order in which they came', async () => {
  const { provider, signMany } = await bench();
  provider.delay = () => soon();
  const results = await signMany(20);
  assert.ok(results.every(({ status }) => status === 'fulfilled'));
  assert.deepEqual([provider.underWay.most, provider.calls.sign], [4, 20]);
});

test('no more calls are made in a second than allowed', async () => {
  const { clock, provider, signMany } = await bench({ limits: { concurrencyMax: 100, perSecondMax: 10 } });
  const signing = signMany(30);
  await clock.advance(1000);
  assert.ok(provider.calls.sign >= 9 && provider.calls.sign <= 12, `${provider.calls.sign} calls in the first second`);
  await clock.advance(3000);
  assert.equal(provider.calls.sign, 30);
  await signing;
});

test('a throttled call is repeated, later and with fewer at once', async () => {
  const { clock, provider, outcomes, signer, signMany } = await bench();
  provider.state = 'throttled';
  const signing = signMany(4);
  await clock.advance(50);
  assert.deepEqual([provider.calls.sign, signer.problem()], [4, undefined]);
  provider.state = 'up';
  provider.underWay.most = 0;
  provider.delay = () => soon();
  await clock.advance(100);
  assert.ok((await signing).every(({ status }) => status === 'fulfilled'));
  assert.equal(provider.underWay.most, 2);
  assert.deepEqual(
    outcomes,
    ['throttled', 'signed'].flatMap((each) => [each, each, each, each]),
  );
});

test('after consecutive failures nothing is called but a trial after each pause, and the pauses grow', async () => {
  const { clock, provider, signer, signMany } = await bench();
  provider.state = 'unavailable';
  for (const _ of [1, 2, 3]) await assert.rejects(signer.sign(INPUT), SignerUnavailableError);
  assert.match(
    `${signer.problem()}`,
    /^pkcs11 has not signed with the key bank since \S+Z, and deliveries pause: it is/,
  );
  const { sign } = provider.calls;
  const refused = await signMany(100);
  assert.ok(refused.every((each) => each.status === 'rejected' && each.reason instanceof SignerUnavailableError));
  assert.equal(provider.calls.sign, sign);
  const opened = provider.calls.openKey;
  // After 100, 200, 400 and 400 ms.
  await clock.advance(1150);
  assert.equal(provider.calls.openKey, opened + 4);
  provider.state = 'up';
  await clock.advance(400);
  assert.equal(signer.problem(), undefined);
  await signer.sign(INPUT);
});

test('one failure is not enough to pause, and a success forgets it', async () => {
  const { provider, signer } = await bench();
  for (const _ of [1, 2, 3, 4]) {
    provider.state = 'unavailable';
    await assert.rejects(signer.sign(INPUT), SignerUnavailableError);
    provider.state = 'up';
    await signer.sign(INPUT);
  }
  assert.equal(signer.problem(), undefined);
});

test('after one fault of the provider the key is opened anew, once, and signs again', async () => {
  const { provider, signer, signMany, publicKey } = await bench();
  // As a PKCS #11 module does whose process ended: what was opened with it never signs again.
  const opened = provider.openKey.bind(provider);
  let ended = 0;
  provider.openKey = async (name) => {
    const { calls } = provider;
    const key = await opened(name);
    const at = calls.openKey;
    const sign = async (input: Uint8Array, signal: AbortSignal) => {
      if (at <= ended) throw new SigningProviderError('unavailable', 'the process of the module ended');
      return key.sign(input, signal);
    };
    return { ...key, sign };
  };
  provider.state = 'unavailable';
  await assert.rejects(signer.sign(INPUT), SignerUnavailableError);
  provider.state = 'up';
  await signer.sign(INPUT);
  for (const _ of [1, 2, 3, 4]) {
    ended = provider.calls.openKey;
    await assert.rejects(signer.sign(INPUT), SignerUnavailableError);
    const { openKey } = provider.calls;
    const signed = await signMany(4);
    assert.ok(signed.every((each) => each.status === 'fulfilled' && isPs256Signature(INPUT, each.value, publicKey)));
    assert.equal(provider.calls.openKey, openKey + 1);
  }
  assert.equal(signer.problem(), undefined);
});

test('signatures that end with one process count as one failure, however many were under way', async () => {
  const { provider, signer, signMany, publicKey } = await bench({ limits: { concurrencyMax: 8, perSecondMax: 0 } });
  const { delay } = provider;
  const crash = Promise.reject(new SigningProviderError('unavailable', 'the process of the module ended'));
  provider.delay = () => crash;
  assert.ok((await signMany(8)).every(({ status }) => status === 'rejected'));
  assert.equal(signer.problem(), undefined);
  provider.delay = delay;
  const signed = await signMany(8);
  assert.ok(signed.every((each) => each.status === 'fulfilled' && isPs256Signature(INPUT, each.value, publicKey)));
});

test('a call that was too slow does not open the key anew, which would end the others', async () => {
  const { clock, provider, signer } = await bench();
  provider.state = 'silent';
  const signing = assert.rejects(signer.sign(INPUT), SignerUnavailableError);
  await clock.advance(TIMEOUT_MS);
  await signing;
  provider.state = 'up';
  await signer.sign(INPUT);
  assert.equal(provider.calls.openKey, 1);
});

test('one refusal is enough to pause', async () => {
  const { provider, signer } = await bench();
  provider.state = 'denied';
  await assert.rejects(signer.sign(INPUT), SignerUnavailableError);
  assert.match(`${signer.problem()}`, /denied/);
});

test('a call that is never answered counts as a failure when its time is over', async () => {
  const { clock, provider, outcomes, signer, signMany } = await bench();
  provider.state = 'silent';
  const signing = signMany(3);
  await clock.advance(TIMEOUT_MS);
  assert.ok((await signing).every(({ status }) => status === 'rejected'));
  assert.deepEqual([outcomes, signer.problem() === undefined], [['unavailable', 'unavailable', 'unavailable'], false]);
});

test('a key that was replaced under its name does not sign', async () => {
  const { clock, provider, signer, logged } = await bench({ isAway: true });
  provider.keys.set('bank', makeSigningKey('kid-1'));
  await clock.advance(100);
  assert.match(`${signer.problem()}`, /the key was replaced by another one/);
  provider.keys.set('bank', KEY);
  await clock.advance(200);
  assert.equal(signer.problem(), undefined);
  assert.deepEqual(logged, ['the provider does not sign; deliveries pause', 'the provider signs again']);
});

test('what a provider asks its callers to wait is waited', async () => {
  const { clock, provider, signer } = await bench();
  let throttled = true;
  provider.delay = async () => {
    if (throttled) throw new SigningProviderError('throttled', 'slow down', { retryAfterMs: 700 });
  };
  const signing = signer.sign(INPUT);
  await clock.advance(10);
  throttled = false;
  await clock.advance(600);
  assert.equal(provider.calls.sign, 1);
  await clock.advance(100);
  await signing;
});

test('no trial is made once the signer is closed', async () => {
  const { clock, signer } = await bench({ isAway: true });
  signer.close();
  assert.equal(clock.timers, 0);
});
