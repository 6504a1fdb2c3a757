import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { ReserveOptions } from '../../src/store/delivery.ts';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  claimOne,
  fail,
  jtisOf,
  LEASE_MS,
  look,
  nextDueAfterMs,
  numbered,
  type OpenFor,
  publish,
  register,
  retryAt,
} from './opened.ts';

/** Publishes events of one TPP and asks for all of them to be handed over, unless it is changed. */
async function handOver(
  store: Store,
  clientId: string,
  eventIds: readonly string[],
  changes: Partial<ReserveOptions> & { afterMs?: number } = {},
): Promise<readonly ClaimedNotification[]> {
  const { afterMs = 0, ...rest } = changes;
  const events = eventIds.map((id) => bankEvent(clientId, id));
  const options = { leaseMs: LEASE_MS, limit: 1000, capacityFor: () => 1000, ...rest };
  const result = await store.publish(events, notifyAll, START_MS + afterMs, options);
  return result.kind === 'published' ? result.claimed : assert.fail('a conflict');
}

/** Publishing that hands over what it made, claimed already. */
export function describeHandOver(open: OpenFor): void {
  describe('handing over', () => {
    describeClaimed(open);
    describeNotHandedOver(open);
  });
}

function describeClaimed(open: OpenFor): void {
  test('gives the same as a claim would, in the order of publishing', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['a1', 'a2']);
    const asClaimed = await claim(store);
    const handed = await handOver(store, 'b', ['b1', 'b2']);
    const shape = (claimed: readonly ClaimedNotification[]) =>
      claimed.map(({ jti: _j, clientId: _c, claims, leaseToken: _l, callbackUrl: _u, ...rest }) => [
        rest,
        Object.keys(claims),
      ]);
    assert.deepEqual(shape(handed), shape(asClaimed));
    assert.deepEqual(jtisOf(handed), ['b1', 'b2'].map(jtiOf));
    assert.deepEqual(handed[0]?.claims, (await look(store, jtiOf('b1'))).claims);
  });

  test('leases: nobody else gets it before the lease has run out, and then the older claim has no say', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [handed] = await handOver(store, 'a', ['e1'], { leaseMs: 500 });
    assert.ok(handed);
    assert.deepEqual(await claim(store, { afterMs: 499 }), []);
    assert.equal(await nextDueAfterMs(store), 500);
    const taken = await claimOne(store, 500);
    assert.equal(await fail(store, handed, retryAt(90_000), 510), 'overtaken');
    assert.equal(await acknowledge(store, taken, 520), 'applied');
  });

  test('is followed by recording, releasing and retrying as after a claim', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [acked, retried, released] = await handOver(store, 'a', ['acked', 'retried', 'released']);
    assert.ok(acked && retried && released);
    assert.equal(await acknowledge(store, acked), 'applied');
    assert.equal(await fail(store, retried, retryAt(700)), 'applied');
    await store.release([released], START_MS);
    assert.equal((await claimOne(store)).jti, released.jti);
    assert.deepEqual(
      [(await claimOne(store, 700)).jti, (await look(store, acked.jti)).state],
      [...[retried.jti, 'acknowledged']],
    );
  });

  test('what is handed over and what is not are claimed once each, in order', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const handed = await handOver(store, 'a', numbered('e', 5), { capacityFor: () => 2 });
    const more = await handOver(store, 'a', numbered('f', 2), { capacityFor: () => 1, afterMs: 1 });
    assert.deepEqual(jtisOf([...handed, ...more]), ['e0', 'e1', 'f0'].map(jtiOf));
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 1 })), ['e2', 'e3', 'e4', 'f1'].map(jtiOf));
  });

  test('what was handed over when the store closed is claimed again', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const [handed] = await handOver(store, 'a', ['e1']);
    const reopened = await reopen();
    const again = await claimOne(reopened, LEASE_MS);
    assert.equal(again.jti, handed?.jti);
    assert.notEqual(again.leaseToken, handed?.leaseToken);
  });
}

function describeNotHandedOver(open: OpenFor): void {
  test('stops at the limit, and at the room of each TPP, which is asked for once', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b', 'c']);
    const asked: string[] = [];
    const capacityFor: ReserveOptions['capacityFor'] = ({ clientId }) => {
      asked.push(clientId);
      return clientId === 'c' ? 0 : 2;
    };
    const events = ['a', 'b', 'c'].flatMap((clientId) => numbered(clientId, 3).map((id) => bankEvent(clientId, id)));
    const result = await store.publish(events, notifyAll, START_MS, { leaseMs: LEASE_MS, limit: 3, capacityFor });
    assert.ok(result.kind === 'published');
    assert.deepEqual(jtisOf(result.claimed), ['a0', 'a1', 'b0'].map(jtiOf));
    assert.equal(new Set(asked).size, asked.length);
    assert.equal((await claim(store)).length, 6);
  });

  test('without being asked to, and with room for none, nothing is handed over', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const result = await store.publish([bankEvent('a', 'e1')], notifyAll, START_MS);
    assert.deepEqual(result.kind === 'published' && result.claimed, []);
    assert.deepEqual(await handOver(store, 'a', ['e2'], { limit: 0 }), []);
    assert.deepEqual(await handOver(store, 'a', ['e3'], { capacityFor: () => -1 }), []);
    assert.equal((await claim(store)).length, 3);
  });

  test('an event that was published before is not handed over again', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    assert.equal((await handOver(store, 'a', ['e1', 'e1'])).length, 1);
    assert.deepEqual(await handOver(store, 'a', ['e1']), []);
  });

  test('of requests at once each hands over what it made itself, within its own room', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const requests = Array.from({ length: 12 }, (_, at) => {
      const events = [bankEvent('a', 'of-all'), bankEvent('a', `x${at}`), bankEvent('a', `y${at}`)];
      const options: ReserveOptions = { leaseMs: LEASE_MS + at, limit: 10, capacityFor: () => 2 };
      return store.publish(events, notifyAll, START_MS, options);
    });
    const handed = (await Promise.all(requests)).map((result) =>
      result.kind === 'published' ? jtisOf(result.claimed) : [],
    );
    const first = handed.findIndex((jtis) => jtis.includes(jtiOf('of-all')));
    const expected = requests.map((_, at) => (at === first ? ['of-all', `x${at}`] : [`x${at}`, `y${at}`]).map(jtiOf));
    assert.deepEqual(handed, expected);
    assert.deepEqual(jtisOf(await claim(store)), [jtiOf(`y${first}`)], 'the rest is leased');
  });

  test('nothing goes to a TPP that only polls, is suspended, or whose callback URL is unresponsive', async (t) => {
    const { store } = await open(t);
    await register(store, ['polls'], { callbackUrl: undefined });
    await register(store, ['suspended', 'unresponsive']);
    await store.putTpp({ ...tppOf('suspended'), isSuspended: true }, START_MS);
    await publish(store, 'unresponsive', ['ceased']);
    await fail(store, await claimOne(store), CEASE);
    const asked: string[] = [];
    for (const clientId of ['polls', 'suspended', 'unresponsive']) {
      const capacityFor: ReserveOptions['capacityFor'] = (target) => asked.push(target.clientId);
      assert.deepEqual(await handOver(store, clientId, [`of-${clientId}`], { capacityFor }), []);
    }
    assert.deepEqual(asked, []);
  });

  test('a batch that is refused or fails hands nothing over, and nothing of it is leased later', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['known']);
    await claimOne(store);
    const other = { ...bankEvent('a', 'known'), fingerprint: 'f'.repeat(64) };
    const options: ReserveOptions = { leaseMs: LEASE_MS, limit: 10, capacityFor: () => 10 };
    const conflict = await store.publish([bankEvent('a', 'fresh'), other], notifyAll, START_MS, options);
    assert.equal(conflict.kind, 'conflict');
    const breaks: typeof notifyAll = (event, tpp, registration) => {
      if (event.id === 'second') throw new Error('fan-out broke');
      return notifyAll(event, tpp, registration);
    };
    const events = ['first', 'second'].map((id) => bankEvent('a', id));
    await assert.rejects(store.publish(events, breaks, START_MS, options), /fan-out broke/);
    assert.equal((await store.counts()).awaiting, 1);
    await publish(store, 'a', ['first']);
    assert.deepEqual(jtisOf(await claim(store)), [jtiOf('first')]);
  });

  test('what was handed over to a callback URL that is replaced is due at the new one', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [handed] = await handOver(store, 'a', ['e1']);
    assert.ok(handed);
    const callbackUrl = 'https://new.example/event-notifications';
    await store.replaceRegistration(subscriptionOf('a', { callbackUrl }), START_MS);
    assert.equal((await claimOne(store)).callbackUrl, callbackUrl);
    assert.equal(await fail(store, handed, CEASE), 'overtaken');
  });
}
