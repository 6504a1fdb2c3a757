import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jtiOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  claimOne,
  fail,
  jtisOf,
  look,
  type OpenFor,
  publish,
  register,
  retryAt,
} from './opened.ts';

/** Callback URLs past a limit of the retry policy, and their coming back. */
export function describeUnresponsive(open: OpenFor): void {
  describe('an unresponsive callback URL', () => {
    describeCeasing(open);
    describeComingBack(open);
  });
}

function describeCeasing(open: OpenFor): void {
  test('ceasing leaves the notification awaiting and marks the callback URL with the end of the attempt', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a', 'b']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    assert.equal(await fail(store, await claimOne(store), CEASE, 400), true);
    const { state, nextAttemptAtMs } = await look(store, jti);
    assert.deepEqual([state, nextAttemptAtMs], ['awaiting', undefined]);
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    assert.equal((await store.subscriptionOf('a'))?.unresponsiveSinceMs, START_MS + 400);
    assert.equal((await store.subscriptionOf('b'))?.unresponsiveSinceMs, undefined);
    const reopened = await reopen(START_MS + 500);
    assert.equal((await reopened.subscriptionOf('a'))?.unresponsiveSinceMs, START_MS + 400);
    assert.deepEqual(await claim(reopened, { afterMs: 1_000_000 }), []);
  });

  test('it stays unresponsive since the first time', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1', 'e2']);
    const [first, second] = await claim(store);
    assert.ok(first !== undefined && second !== undefined);
    await fail(store, first, CEASE, 400);
    await fail(store, second, CEASE, 900);
    assert.equal((await store.subscriptionOf('a'))?.unresponsiveSinceMs, START_MS + 400);
  });

  test('what is published later is still attempted', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    await fail(store, await claimOne(store), CEASE, 400);
    const [later = ''] = await publish(store, 'a', ['e2'], 1000);
    assert.equal((await claimOne(store, 1000)).jti, later);
  });
}

function describeComingBack(open: OpenFor): void {
  test('an acknowledgement makes it responsive, and everything that ceased is due with a new round', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['a1', 'a2']);
    await publish(store, 'b', ['b1']);
    for (const claimed of await claim(store)) await fail(store, claimed, CEASE, 400);
    await publish(store, 'a', ['a3'], 1000);
    assert.equal(await acknowledge(store, await claimOne(store, 1000), 1200), true);
    assert.equal((await store.subscriptionOf('a'))?.unresponsiveSinceMs, undefined);
    const due = await claim(store, { afterMs: 1200 });
    assert.deepEqual(
      due.map(({ jti, attempts, roundAttempts, roundBeganAtMs }) => [jti, attempts, roundAttempts, roundBeganAtMs]),
      ['a1', 'a2'].map((id) => [jtiOf(id), 1, 0, undefined]),
    );
    assert.equal((await store.subscriptionOf('b'))?.unresponsiveSinceMs, START_MS + 400);
    assert.equal((await look(store, jtiOf('b1'))).nextAttemptAtMs, undefined);
  });

  test('coming back leaves alone what still waits for a retry, is claimed, or was acknowledged', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['acknowledged', 'ceased', 'retried', 'claimed', 'back']);
    const [acknowledged, ceased, retried, claimed, back] = await claim(store);
    assert.ok(acknowledged && ceased && retried && claimed && back);
    await acknowledge(store, acknowledged, 100);
    await fail(store, ceased, CEASE, 200);
    await fail(store, retried, retryAt(50_000), 300);
    await acknowledge(store, back, 400);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 400 })), [ceased.jti]);
    const later = await claimOne(store, 50_000);
    assert.deepEqual([later.jti, later.roundAttempts], [retried.jti, 1]);
    assert.equal(await acknowledge(store, claimed, 500), true);
  });

  test('a late acknowledgement of a claim that was taken over brings it back too', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['slow', 'ceased']);
    const [slow, ceased] = await claim(store);
    assert.ok(slow && ceased);
    await fail(store, ceased, CEASE, 100);
    const [takenOver] = await claim(store, { afterMs: 60_000 });
    assert.equal(takenOver?.jti, slow.jti);
    await acknowledge(store, slow, 60_100);
    assert.equal((await store.subscriptionOf('a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 60_100 })), [ceased.jti]);
  });

  test('a notification that ceased, came back and ceased again has had two whole rounds', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    await fail(store, await claimOne(store), CEASE, 100);
    await publish(store, 'a', ['e2'], 1000);
    await acknowledge(store, await claimOne(store, 1000), 1100);
    const again = await claimOne(store, 1100);
    assert.deepEqual([again.jti, again.roundAttempts, again.attempts], [jtiOf('e1'), 0, 1]);
    await fail(store, again, retryAt(3000), 2100);
    const third = await claimOne(store, 3000);
    assert.deepEqual([third.roundAttempts, third.roundBeganAtMs, third.attempts], [1, START_MS + 2000, 2]);
    await fail(store, third, CEASE, 3100);
    assert.equal((await store.subscriptionOf('a'))?.unresponsiveSinceMs, START_MS + 3100);
  });
}
