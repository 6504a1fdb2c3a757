import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { JwksError } from '@tidings/protocol';
import { createTppKeys } from '../../src/trust/tpp-keys.ts';

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

function jwksOf(...kids: readonly string[]) {
  return { keys: kids.map((kid) => ({ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' })) };
}

test('the keys of a TPP are imported once, as long as its JWKS is the same', async () => {
  const tppKeys = createTppKeys();
  const first = await tppKeys({ clientId: 'a', jwks: jwksOf('one') });
  assert.deepEqual(first.kids, ['one']);
  assert.equal(await tppKeys({ clientId: 'a', jwks: jwksOf('one') }), first);
});

test('another JWKS takes the place of the one before at once', async () => {
  const tppKeys = createTppKeys();
  await tppKeys({ clientId: 'a', jwks: jwksOf('one') });
  const second = await tppKeys({ clientId: 'a', jwks: jwksOf('two') });
  assert.deepEqual(second.kids, ['two']);
  assert.equal(await second.keyFor('one'), undefined);
});

test('a TPP never gets the keys of another', async () => {
  const tppKeys = createTppKeys();
  await tppKeys({ clientId: 'a', jwks: jwksOf('of-a') });
  const ofB = await tppKeys({ clientId: 'b', jwks: jwksOf('of-b') });
  assert.equal(await ofB.keyFor('of-a'), undefined);
  assert.equal((await ofB.keyFor('of-b'))?.kid, 'of-b');
});

test('a JWKS that is none is an error every time, and keeps nothing', async () => {
  const tppKeys = createTppKeys();
  await assert.rejects(tppKeys({ clientId: 'a', jwks: {} }), JwksError);
  await assert.rejects(tppKeys({ clientId: 'a', jwks: {} }), JwksError);
  assert.deepEqual((await tppKeys({ clientId: 'a', jwks: jwksOf('one') })).kids, ['one']);
});

test('beyond ten thousand TPPs the oldest entry is dropped, and only that', async () => {
  const tppKeys = createTppKeys();
  const empty = { keys: [] };
  const first = await tppKeys({ clientId: 'tpp-0', jwks: empty });
  const second = await tppKeys({ clientId: 'tpp-1', jwks: empty });
  for (let count = 2; count < 10_000; count += 1) await tppKeys({ clientId: `tpp-${count}`, jwks: empty });
  assert.equal(await tppKeys({ clientId: 'tpp-0', jwks: empty }), first);
  await tppKeys({ clientId: 'one-more', jwks: empty });
  assert.equal(await tppKeys({ clientId: 'tpp-1', jwks: empty }), second);
  assert.notEqual(await tppKeys({ clientId: 'tpp-0', jwks: empty }), first);
});
