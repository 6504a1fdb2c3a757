import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { JwksError } from '@tidings/protocol';
import { makeSigningKey, startRecordingServer, testPki } from '@tidings/testing';
import { calculateJwkThumbprint } from 'jose';
import { openDirectoryKeys } from '../../src/trust/directory.ts';
import { JwksUnavailableError } from '../../src/trust/jwks-cache.ts';
import { heldClock } from '../support/trust-clock.ts';

const ours = makeSigningKey('directory-1');
const other = makeSigningKey('directory-2');
const AGES = { maxAgeMs: 600_000, hardMaxAgeMs: 3_600_000, refetchMinMs: 30_000, timeoutMs: 5000 };

async function keysAt(t: TestContext, keyThumbprints?: string[]) {
  const clock = heldClock();
  const server = await startRecordingServer(t, { keys: [ours.jwk, other.jwk] });
  const { caPem: ca } = await testPki();
  const directory = { jwksUrl: `${server.origin}/jwks`, ...AGES };
  const pinned = keyThumbprints === undefined ? directory : { ...directory, keyThumbprints };
  const keys = await openDirectoryKeys({ directory: pinned, jwks: undefined, ca, clock });
  t.after(() => keys.close());
  return { clock, server, keys };
}

test('the keys of the directory are fetched when they are needed, and a key that it no longer publishes is not believed', async (t) => {
  const { clock, server, keys } = await keysAt(t);
  assert.equal(server.seen.length, 0);
  for (const kid of ['directory-1', 'directory-2']) assert.ok((await keys.keyFor(kid)) !== undefined);
  assert.equal(server.seen.length, 1);
  server.answer.body = JSON.stringify({ keys: [other.jwk] });
  clock.advance(AGES.maxAgeMs);
  assert.equal(await keys.keyFor('directory-1'), undefined);
});

test('a directory that is down is believed for as long as its keys may be used, and not longer', async (t) => {
  const { clock, server, keys } = await keysAt(t);
  await keys.keyFor('directory-1');
  server.answer.status = 503;
  clock.advance(AGES.maxAgeMs);
  assert.ok((await keys.keyFor('directory-1')) !== undefined);
  clock.advance(AGES.hardMaxAgeMs);
  await assert.rejects(keys.keyFor('directory-1'), JwksUnavailableError);
});

test('of the keys that a directory publishes only those are believed whose thumbprints are configured', async (t) => {
  const thumbprint = await calculateJwkThumbprint(ours.jwk, 'sha256');
  const { server, keys } = await keysAt(t, [thumbprint]);
  assert.ok((await keys.keyFor('directory-1')) !== undefined);
  assert.equal(await keys.keyFor('directory-2'), undefined);
  server.answer.body = JSON.stringify({ keys: [other.jwk] });
  const { keys: afterwards, server: elsewhere } = await keysAt(t, [thumbprint]);
  elsewhere.answer.body = server.answer.body;
  const wrong = await calculateJwkThumbprint(other.jwk, 'sha256');
  await assert.rejects(afterwards.keyFor('directory-2'), (error: unknown) => {
    assert.ok(error instanceof JwksUnavailableError);
    assert.match(error.message, new RegExp(`no key of "directory.keyThumbprints"; it has ${wrong}`));
    return true;
  });
});

test('a file whose JWKS is not one, or has none of the keys that are configured, is refused', async () => {
  const open = (jwks: unknown, keyThumbprints?: string[]) => {
    const settings = keyThumbprints === undefined ? AGES : { ...AGES, keyThumbprints };
    return openDirectoryKeys({ directory: settings, jwks, ca: undefined, clock: heldClock() });
  };
  await assert.rejects(open([]), JwksError);
  const thumbprints = [await calculateJwkThumbprint(other.jwk, 'sha256')];
  await assert.rejects(open({ keys: [ours.jwk] }, thumbprints), JwksError);
  const { keyFor } = await open({ keys: [ours.jwk, other.jwk] }, thumbprints);
  assert.deepEqual([await keyFor('directory-1'), (await keyFor('directory-2')) !== undefined], [undefined, true]);
});
