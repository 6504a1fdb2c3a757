import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { encodeBase64url } from '@tidings/protocol';
import type { AuditEntry } from '../../src/model/audit.ts';
import type { Store } from '../../src/store/store.ts';
import { jtiOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { acknowledge, claim, type OpenFor, publish, register } from './opened.ts';

const jwkOf = (kid: string) => ({ kid, kty: 'RSA', n: `n-of-${kid}`, e: 'AQAB' });
const auditOf = (action: string, subject: string): AuditEntry => {
  return { atMs: START_MS, actor: 'alice', action, subject, detail: {} };
};
const rotate = (store: Store, kid: string, afterMs: number) =>
  store.rotateSigningKey(kid, START_MS + afterMs, auditOf('rotated', kid));
const withdraw = (store: Store, kid: string, afterMs: number) =>
  store.withdrawSigningKey(kid, START_MS + afterMs, auditOf('retired', kid));

/** kid and state, in the order of the store. */
async function statesOf(store: Store): Promise<string[]> {
  return (await store.signingKeys()).map(({ publicJwk, state }) => `${publicJwk.kid} ${state}`);
}

async function audited(store: Store): Promise<string[]> {
  return (await store.auditEntries(undefined, 10)).map(({ action, subject }) => `${action} ${subject}`);
}

/** A SET as far as the store looks at it. @param iat makes its header differ */
function setOf(kid: string, iat: number): string {
  const header = encodeBase64url(new TextEncoder().encode(JSON.stringify({ alg: 'PS256', kid, iat })));
  return `${header}.payload.signature`;
}

/** Our own signing keys. */
export function describeSigningKeys(open: OpenFor): void {
  describe('signing keys', () => {
    test('are remembered, the current one first, with when they were used and retired', async (t) => {
      const { store, reopen } = await open(t);
      for (const [at, kid] of ['k1', 'k1', 'k2', 'k3'].entries()) await store.useSigningKey(jwkOf(kid), START_MS + at);
      const reopened = await reopen();
      const nothing = { announcedAtMs: undefined, usedUntilMs: undefined, withdrawnAtMs: undefined };
      const former = { ...nothing, state: 'former' };
      assert.deepEqual(await reopened.signingKeys(), [
        { ...nothing, publicJwk: jwkOf('k3'), state: 'current', usedFromMs: START_MS + 3, retiredAtMs: undefined },
        { ...former, publicJwk: jwkOf('k2'), usedFromMs: START_MS + 2, retiredAtMs: START_MS + 3 },
        { ...former, publicJwk: jwkOf('k1'), usedFromMs: START_MS, retiredAtMs: START_MS + 2 },
      ]);
      await reopened.useSigningKey(jwkOf('k1'), START_MS + 5);
      assert.deepEqual(await statesOf(reopened), ['k1 current', 'k3 former', 'k2 former']);
    });

    test('are announced once, and are no current ones before they are rotated to', async (t) => {
      const { store, reopen } = await open(t);
      await store.useSigningKey(jwkOf('k1'), START_MS);
      assert.equal(await store.announceSigningKey(jwkOf('k2'), START_MS + 1), true);
      assert.equal(await store.announceSigningKey(jwkOf('k2'), START_MS + 2), false);
      assert.equal(await store.announceSigningKey(jwkOf('k1'), START_MS + 2), false);
      await store.useSigningKey(jwkOf('k3'), START_MS + 3);
      const [current, next, former] = await (await reopen()).signingKeys();
      assert.deepEqual([current?.publicJwk.kid, former?.publicJwk.kid], ['k3', 'k1']);
      assert.deepEqual([next?.state, next?.announcedAtMs, next?.retiredAtMs], ['next', START_MS + 1, undefined]);
    });

    test('are rotated, and back, with the audit entry', async (t) => {
      const { store, reopen } = await open(t);
      await store.useSigningKey(jwkOf('k1'), START_MS);
      await store.announceSigningKey(jwkOf('k2'), START_MS + 1);
      assert.equal(await rotate(store, 'k2', 2), true);
      assert.equal(await rotate(store, 'k2', 3), false, 'it is the current one');
      assert.equal(await rotate(store, 'unknown', 3), false);
      const [current, former] = await (await reopen()).signingKeys();
      assert.deepEqual([current?.publicJwk.kid, current?.usedFromMs], ['k2', START_MS + 2]);
      assert.deepEqual([former?.state, former?.retiredAtMs], ['former', START_MS + 2]);
    });

    test('may be used again by a rotation back', async (t) => {
      const { store } = await open(t);
      await store.useSigningKey(jwkOf('k1'), START_MS);
      await store.useSigningKey(jwkOf('k2'), START_MS + 1);
      await store.noteSigningKeyUsed('k1', START_MS + 2);
      assert.equal((await store.signingKeys())[1]?.usedUntilMs, START_MS + 2);
      await store.noteSigningKeyUsed('k2', START_MS + 2);
      assert.equal((await store.signingKeys())[0]?.usedUntilMs, undefined, 'of the current one nothing is noted');
      assert.equal(await rotate(store, 'k1', 3), true);
      const [current] = await store.signingKeys();
      assert.deepEqual([current?.usedUntilMs, current?.retiredAtMs], [undefined, undefined]);
      assert.deepEqual(await audited(store), ['rotated k1']);
    });

    test('are withdrawn for good, but for the current one', async (t) => {
      const { store, reopen } = await open(t);
      await store.useSigningKey(jwkOf('k1'), START_MS);
      await store.announceSigningKey(jwkOf('k2'), START_MS);
      await store.useSigningKey(jwkOf('k3'), START_MS + 1);
      assert.equal(await withdraw(store, 'k3', 2), false);
      assert.equal(await withdraw(store, 'k1', 2), true);
      assert.equal(await withdraw(store, 'k1', 3), false);
      assert.equal(await withdraw(store, 'k2', 4), true);
      await store.noteSigningKeyUsed('k1', START_MS + 5);
      const reopened = await reopen();
      assert.equal((await reopened.signingKeys())[1]?.usedUntilMs, undefined, 'of a withdrawn one nothing is noted');
      for (const kid of ['k1', 'k2']) assert.equal(await rotate(reopened, kid, 5), false);
      await reopened.useSigningKey(jwkOf('k1'), START_MS + 6);
      assert.equal(await reopened.announceSigningKey(jwkOf('k2'), START_MS + 6), false);
      assert.deepEqual(await statesOf(reopened), ['k3 current', 'k1 withdrawn', 'k2 withdrawn']);
      assert.equal((await reopened.signingKeys())[1]?.withdrawnAtMs, START_MS + 2);
      assert.deepEqual(await audited(reopened), ['retired k2', 'retired k1']);
    });

    describeUses(open);
  });
}

function describeUses(open: OpenFor): void {
  async function withSets(t: TestContext): Promise<Store> {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['e1', 'e2'], 10);
    await publish(store, 'b', ['e3'], 20);
    await publish(store, 'a', ['e4', 'e5'], 30);
    await store.keepSets([
      { jti: jtiOf('e1'), set: setOf('k1', 1) },
      { jti: jtiOf('e2'), set: setOf('k1', 2) },
      { jti: jtiOf('e3'), set: setOf('k10', 2) },
      { jti: jtiOf('e4'), set: setOf('k1', 2) },
    ]);
    return store;
  }

  test('tell how many awaiting notifications have a SET of each, and the oldest of them', async (t) => {
    const store = await withSets(t);
    const { byKid, isAll } = await store.signingKeyUses(5);
    assert.equal(isAll, true);
    assert.deepEqual([...byKid.keys()].toSorted(), ['k1', 'k10']);
    assert.deepEqual(byKid.get('k10'), {
      ...{ count: 1, oldestJti: jtiOf('e3') },
      oldestPublishedAtMs: START_MS + 20,
    });
    assert.deepEqual([byKid.get('k1')?.count, byKid.get('k1')?.oldestPublishedAtMs], [3, START_MS + 10]);
  });

  test('do not count what was acknowledged, and say when not all were looked at', async (t) => {
    const store = await withSets(t);
    assert.equal((await store.signingKeyUses(4)).isAll, false);
    for (const claimed of await claim(store, { afterMs: 40 })) {
      if (claimed.clientId === 'a') await acknowledge(store, claimed, 50);
    }
    const { byKid, isAll } = await store.signingKeyUses(1);
    assert.deepEqual([[...byKid.keys()], isAll], [['k10'], true]);
  });
}
