import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { makeSigningKey } from '@tidings/testing';
import { pino } from 'pino';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { SigningKeys } from '../../src/trust/signing-keys.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

// SHA-256 of "token".
const TOKENS = [
  { name: 'alice', sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0', role: 'administrator' },
] as const;

const BEFORE = {
  kid: 'kid-1',
  iss: 'org-bank',
  tan: 'openbanking.org.uk',
  sign: () => assert.fail('nothing is signed'),
};

/** The keys of an instance that learns what another one rotated to only when it looks, which takes a while. */
function keysBehind(): SigningKeys {
  let current = BEFORE;
  return {
    current: () => current,
    signer: BEFORE,
    held: () => ['kid-1', 'kid-2'],
    problem: () => (current === BEFORE ? 'it has not looked' : undefined),
    isPaused: () => false,
    canSign: () => true,
    reload: () => assert.fail('nothing is reloaded'),
    follow: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      current = { ...BEFORE, kid: 'kid-2' };
    },
    revision: () => '1',
    publicJwks: async () => [],
  };
}

for (const [what, method, path] of [
  ['listing the keys', 'GET', ''],
  ['rotating to the key', 'POST', '/kid-2/rotate'],
] as const) {
  test(`${what} is answered once the instance signs with what the store says`, async (t) => {
    const store = openSqliteStore({ file: ':memory:' });
    await store.useSigningKey(makeSigningKey('kid-2').jwk, START_MS);
    const signingKeys = keysBehind();
    const app = buildOperatorApi({
      ...{ store, catalogue: new EventTypeCatalogue([]), clock: new FakeClock(), log: pino({ level: 'silent' }) },
      ...{ tokens: new OperatorTokens(TOKENS), tls: undefined, bodyBytesMax: 100_000, ...CONNECTIONS, signingKeys },
      publish: () => assert.fail('nothing is published'),
    });
    t.after(async () => {
      await app.close();
      await store.close();
    });
    const url = `/operator/v1/signing-keys${path}`;
    const answer = await app.inject({ method, url, headers: { authorization: 'Bearer token' } });
    assert.equal(answer.statusCode, 200, answer.body);
    assert.equal(signingKeys.current().kid, 'kid-2');
    if (method === 'POST') return;
    assert.deepEqual(JSON.parse(answer.body).thisInstance, { signsWith: 'kid-2', holds: ['kid-1', 'kid-2'] });
  });
}
