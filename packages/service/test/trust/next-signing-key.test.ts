import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signCompact } from '@tidings/protocol';
import { StartUpError } from '../../src/base/start-up-error.ts';
import type { SigningKeys } from '../../src/trust/signing-keys.ts';
import {
  type Bank,
  bankWith,
  change,
  first,
  KEPT_MS,
  kidsOf,
  payload,
  second,
  third,
  verifies,
} from '../support/signing-bank.ts';

// Keys of several instances: the next one, and what an instance does that lacks the current one.

/** Instances of one fleet: `first` is their key, `second` the next one. */
async function announcing(changes: Partial<Bank> = {}): Promise<[Bank, SigningKeys]> {
  const bank = bankWith(first);
  Object.assign(bank, { isShared: true, next: second, ...changes });
  return [bank, await bank.keys()];
}

test('a next key is in the JWKS, and signs nothing until it is the current one', async () => {
  const bank = bankWith(first);
  bank.isShared = true;
  const keys = await bank.keys();
  bank.next = second;
  assert.deepEqual(await keys.reload(), { kid: 'first', changed: false, announced: 'second' });
  assert.deepEqual(await keys.reload(), { kid: 'first', changed: false, announced: undefined });
  assert.deepEqual(await kidsOf(keys), ['first', 'second']);
  assert.deepEqual([keys.current().kid, keys.held()], ['first', ['first', 'second']]);
  change(bank, 'second', 'rotate');
  await keys.follow();
  assert.equal(await verifies(keys, await signCompact(payload, keys.signer, 1)), 'second');
  assert.deepEqual(await kidsOf(keys), ['second', 'first']);
  assert.equal(keys.problem(), undefined);
});

test('a restart with the configuration of before a rotation does not undo it', async () => {
  for (const isShared of [true, false]) {
    const [bank] = await announcing({ isShared });
    change(bank, 'second', 'rotate');
    assert.equal((await bank.keys()).current().kid, 'second');
    bank.file = second;
    bank.next = undefined;
    const keys = await bank.keys();
    assert.equal(keys.current().kid, 'second');
    assert.equal(keys.problem(), undefined);
  }
});

test('an instance that lacks the current key says so once, and goes on with its own, which stays in the JWKS', async () => {
  const [bank, keys] = await announcing();
  bank.next = undefined;
  const lacking = await bank.keys();
  change(bank, 'second', 'rotate');
  for (let days = 0; days < 5; days += 1) {
    bank.clock.advance(86_400_000);
    await Promise.all([keys.follow(), lacking.follow()]);
    assert.equal(lacking.current().kid, 'first');
    assert.equal(keys.current().kid, 'second');
    assert.deepEqual(await kidsOf(keys), ['second', 'first'], 'others publish what it signs with');
  }
  assert.match(String(lacking.problem()), /current signing key second is not .* signs with first; name it in/);
  assert.equal(bank.logged.filter((line) => line === lacking.problem()).length, 1);
  bank.file = second;
  assert.deepEqual(await lacking.reload(), { kid: 'second', changed: true, announced: undefined });
  assert.equal(lacking.problem(), undefined);
  bank.clock.advance(KEPT_MS);
  assert.deepEqual(await kidsOf(keys), ['second']);
});

test('an instance that starts with a former key alone does not make it the current one of all', async () => {
  const [bank, keys] = await announcing();
  change(bank, 'second', 'rotate');
  bank.next = undefined;
  const stale = await bank.keys();
  await keys.follow();
  assert.deepEqual([stale.current().kid, keys.current().kid], ['first', 'second']);
});

test('an instance whose only key was withdrawn signs nothing, publishes it no more, and recovers', async () => {
  const [bank, keys] = await announcing();
  bank.next = undefined;
  const lacking = await bank.keys();
  change(bank, 'second', 'rotate');
  change(bank, 'first', 'withdraw');
  await Promise.all([keys.follow(), lacking.follow()]);
  assert.deepEqual([lacking.canSign(), keys.canSign()], [false, true]);
  await assert.rejects(signCompact(payload, lacking.signer, 1), /signing key first was retired/);
  assert.deepEqual(await kidsOf(lacking), ['second']);
  await assert.rejects(bank.keys(), { name: 'StartUpError', message: /"signing\.kid" \(first\) was retired/ });
  await assert.rejects(lacking.reload(), StartUpError);
  bank.next = second;
  await lacking.reload();
  assert.deepEqual([lacking.canSign(), lacking.current().kid], [true, 'second']);
  assert.equal((await bank.keys()).current().kid, 'second', 'a withdrawn key beside the current one does no harm');
});

test('a kid that was another key is refused as the next one too', async () => {
  const bank = bankWith(first);
  await bank.keys();
  bank.file = third;
  bank.next = { ...second, kid: 'first', jwk: { ...second.jwk, kid: 'first' } };
  await assert.rejects(bank.keys(), { name: 'StartUpError', message: /"signing\.next\.kid" \(first\)/ });
});
