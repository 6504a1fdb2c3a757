import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { temporaryFolder } from '@tidings/testing';
import { createPublisher } from '../../src/notify/publish.ts';
import type { SignSet } from '../../src/notify/sign.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { LEASE_MS, look, register } from '../store/opened.ts';
import { bankEvent, ISSUER } from '../support/bank-events.ts';
import { countingRandom } from '../support/engine-bench.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

const signerAway: SignSet = () => Promise.reject(new Error('the signer is away'));

/** A publisher on a store with TPPs a and b registered, and a dispatcher that takes two at once and notes what it got. */
async function setUp(t: TestContext, broken: Partial<Store> = {}, signSet: SignSet = signerAway) {
  const folder = temporaryFolder();
  const store: Store = openSqliteStore({ file: join(folder.path, 'tidings.db') });
  t.after(async () => {
    await store.close();
    folder.remove();
  });
  await register(store, ['a', 'b']);
  const got: { jtis: string[]; left: string[] }[] = [];
  const reserved: [number, number][] = [];
  const clock = new FakeClock();
  const publish = createPublisher({
    store: { ...store, ...broken },
    issuer: ISSUER,
    catalogue: new EventTypeCatalogue(),
    setSigner: { forDelivery: signSet, forPoll: signSet, signedAtMs: clock.monotonicMs },
    clock,
    random: countingRandom(),
    dispatcher: {
      reserve: (count, leasedFromMs) => {
        reserved.push([count, leasedFromMs]);
        return { leaseMs: LEASE_MS, limit: 2, capacityFor: () => 2, leasedFromMs };
      },
      commit: (reservation, claimed, left) => {
        assert.equal(reservation.limit, 2);
        got.push({ jtis: claimed.map(({ jti }) => jti), left: [...left] });
      },
      cancel: () => {
        got.push({ jtis: [], left: [] });
      },
    },
  });
  t.after(() => assert.equal(got.length, reserved.length, 'each reservation must be committed or cancelled'));
  return { store, publish, got, reserved, clock };
}

test('what is published is in the store when the promise resolves', async (t) => {
  const { store, publish } = await setUp(t);
  const result = await publish([bankEvent('a', 'e1'), bankEvent('nobody', 'e2'), bankEvent('a', 'e3')]);
  assert.ok(result.kind === 'published');
  const [first, none, third] = result.outcomes;
  assert.deepEqual(none, { eventId: 'e2', repeated: false, kind: 'none', reason: 'unknown-client' });
  assert.ok(first?.kind === 'notification' && third?.kind === 'notification');
  assert.notEqual(first.jti, third.jti);
  const { claims, publishedAtMs } = await look(store, first.jti);
  assert.deepEqual([claims.jti, claims.iss, publishedAtMs], [first.jti, ISSUER, START_MS]);
});

test('the dispatcher gets as many as it can take, already claimed, and is told who has more', async (t) => {
  const { store, publish, got } = await setUp(t);
  const result = await publish(['e1', 'e2', 'e3'].map((id) => bankEvent('a', id)).concat(bankEvent('b', 'e4')));
  assert.ok(result.kind === 'published');
  const jtis = result.outcomes.map((outcome) => (outcome.kind === 'notification' ? outcome.jti : ''));
  assert.deepEqual(got, [{ jtis: jtis.slice(0, 2), left: ['a', 'b'] }]);
  const { claimed } = await claimAll(store);
  assert.deepEqual(
    claimed.map(({ jti }) => jti),
    jtis.slice(2),
  );
});

test('capacity is reserved for what is published and no more, so that publications at once share it, from the time of the leases on', async (t) => {
  const signedAfterMs = 20;
  const { publish, reserved, clock } = await setUp(t, {}, async ({ jti }) => {
    clock.pass(signedAfterMs);
    return jti;
  });
  const beganMs = clock.monotonicMs();
  await publish([bankEvent('a', 'e1')]);
  await publish(['e2', 'e3'].map((id) => bankEvent('a', id)));
  assert.equal(clock.monotonicMs(), beganMs + 3 * signedAfterMs);
  assert.deepEqual(reserved, [
    [1, beganMs],
    [2, beganMs + signedAfterMs],
  ]);
});

test('nothing is handed over of repetitions, conflicts, and events that made no notification', async (t) => {
  const { publish, got } = await setUp(t);
  const event = bankEvent('a', 'e1');
  const first = await publish([event]);
  const again = await publish([event]);
  assert.ok(first.kind === 'published' && again.kind === 'published');
  assert.deepEqual(again.outcomes, [{ ...first.outcomes[0], repeated: true }]);
  assert.equal((await publish([bankEvent('a', 'e1', { transactionId: 'other' })])).kind, 'conflict');
  await publish([bankEvent('nobody', 'e2')]);
  await publish([]);
  const nothing = { jtis: [], left: [] };
  assert.equal(got[0]?.jtis.length, 1);
  assert.deepEqual(got.slice(1), [nothing, nothing, nothing, nothing]);
});

test('the dispatcher is told that nothing came of it when the store is away', async (t) => {
  const { publish, got } = await setUp(t, { publish: () => Promise.reject(new StoreError('away')) });
  await assert.rejects(publish([bankEvent('a', 'e1')]), StoreError);
  assert.deepEqual(got, [{ jtis: [], left: [] }]);
});

function claimAll(store: Store) {
  return store.claimDue({ nowMs: START_MS, leaseMs: LEASE_MS, limit: 100, capacityFor: () => 100 });
}
