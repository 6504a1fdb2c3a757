import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE_UPDATE } from '@tidings/protocol';
import type { BankEvent } from '../../src/model/event.ts';
import type { DecideFanOut, PublishResult } from '../../src/store/delivery.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { claim, jtisOf, LEASE_MS, look, nextDueAfterMs, type OpenFor, POLL, publish, register } from './opened.ts';

const notifyNone: DecideFanOut = () => ({ kind: 'none', reason: 'type-filtered' });
const decideOtherwise: DecideFanOut = () => ({ kind: 'none', reason: 'unknown-client' });

function published(...outcomes: readonly object[]): object {
  return { kind: 'published', outcomes, claimed: [] };
}

/** An event with the id of another and different content. */
function otherContent(event: BankEvent): BankEvent {
  return { ...event, fingerprint: 'f'.repeat(64), occurredAtMs: event.occurredAtMs + 1 };
}

/** Events and the notifications that they become. */
export function describePublishing(open: OpenFor): void {
  test('a published event becomes the notification that fan-out decided, due at once', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const result = await store.publish([bankEvent('a', 'e1')], notifyAll, START_MS + 5);
    const jti = jtiOf('e1');
    assert.deepEqual(result, published({ eventId: 'e1', repeated: false, kind: 'notification', jti }));
    const { claims, ...record } = await look(store, jti);
    assert.deepEqual(record, {
      jti,
      eventId: 'e1',
      clientId: 'a',
      state: 'awaiting',
      set: undefined,
      publishedAtMs: START_MS + 5,
      acknowledgedAtMs: undefined,
      acknowledgedBy: undefined,
      nextAttemptAtMs: START_MS + 5,
      attempts: [],
      errors: [],
    });
    assert.equal(claims.aud, 'a');
    assert.ok(RESOURCE_UPDATE in claims.events);
  });

  test('a SET that was signed before the commit is stored with its notification, and is the only one', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const signed = (set: string): DecideFanOut => {
      return (...given) => {
        const fanOut = notifyAll(...given);
        return fanOut.kind === 'notification' ? { ...fanOut, set } : fanOut;
      };
    };
    const reservation = { leaseMs: LEASE_MS, limit: 1, capacityFor: () => 1 };
    const first = await store.publish([bankEvent('a', 'e1')], signed('set 1'), START_MS, reservation);
    assert.ok(first.kind === 'published');
    assert.deepEqual(
      first.claimed.map(({ jti, set }) => [jti, set]),
      [[jtiOf('e1'), 'set 1']],
    );
    await store.publish([bankEvent('a', 'e2')], signed('set 2'), START_MS);
    await store.publish([bankEvent('a', 'e3')], notifyAll, START_MS);
    const jtis = ['e1', 'e2', 'e3'].map(jtiOf);
    assert.deepEqual(
      (await Promise.all(jtis.map((jti) => look(store, jti)))).map(({ set }) => set),
      ['set 1', 'set 2', undefined],
    );
    const claimed = await claim(store);
    assert.deepEqual(
      claimed.map(({ set }) => set),
      ['set 2', undefined],
    );
    const sets = jtis.map((jti) => ({ jti, set: `another of ${jti}` }));
    assert.deepEqual(await store.keepSets(sets), ['set 1', 'set 2', `another of ${jtiOf('e3')}`]);
    const { notifications } = await (await reopen()).poll({ ...POLL, clientId: 'a', maxEvents: 3, nowMs: START_MS });
    assert.deepEqual(
      notifications.map(({ set }) => set),
      ['set 1', 'set 2', `another of ${jtiOf('e3')}`],
    );
  });

  test('fan-out decides on the TPP and the event subscription as they are stored', async (t) => {
    const { store } = await open(t);
    await register(store, ['a'], { eventTypes: ['UK.OBIE.Resource-Update'] });
    await store.putTpp(tppOf('unregistered'), START_MS);
    const seen: unknown[] = [];
    const decide: DecideFanOut = (event, tpp, registration) => {
      const subscription = registration?.kind === 'event-subscription' ? registration : undefined;
      seen.push([event.id, tpp?.clientId, subscription?.id, subscription?.eventTypes]);
      return { kind: 'none', reason: 'no-registration' };
    };
    const events = ['a', 'unregistered', 'nobody'].map((clientId) => bankEvent(clientId, `of-${clientId}`));
    await store.publish(events, decide, START_MS);
    assert.deepEqual(seen, [
      ['of-a', 'a', 'sub-a', ['UK.OBIE.Resource-Update']],
      ['of-unregistered', 'unregistered', undefined, undefined],
      ['of-nobody', undefined, undefined, undefined],
    ]);
  });

  test('a notification for a TPP without a callback URL is awaiting, but not due', async (t) => {
    const { store } = await open(t);
    await register(store, ['a'], { callbackUrl: undefined });
    const [jti = ''] = await publish(store, 'a', ['e1']);
    const { state, nextAttemptAtMs } = await look(store, jti);
    assert.deepEqual({ state, nextAttemptAtMs }, { state: 'awaiting', nextAttemptAtMs: undefined });
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    assert.equal(await nextDueAfterMs(store), undefined);
  });

  test('an event published again gives what came of it then, and nothing new', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const events = [bankEvent('a', 'e1')];
    await store.publish(events, notifyAll, START_MS);
    const again = await store.publish(events, decideOtherwise, START_MS + 9);
    const outcome = { eventId: 'e1', repeated: true, kind: 'notification', jti: jtiOf('e1') };
    assert.deepEqual(again, published(outcome));
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 9 })), [jtiOf('e1')]);
  });

  test('an event that made no notification keeps its reason when it is published again', async (t) => {
    const { store } = await open(t);
    const none = { eventId: 'e1', kind: 'none', reason: 'type-filtered' };
    const events = [bankEvent('a', 'e1')];
    assert.deepEqual(await store.publish(events, notifyNone, START_MS), published({ ...none, repeated: false }));
    await register(store, ['a']);
    assert.deepEqual(await store.publish(events, decideOtherwise, START_MS), published({ ...none, repeated: true }));
    assert.deepEqual(await claim(store), []);
  });

  test('an event is recognised after the store was reopened', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const event = bankEvent('a', 'e1');
    await store.publish([event], notifyAll, START_MS);
    const reopened = await reopen();
    const again = await reopened.publish([event], decideOtherwise, START_MS);
    assert.deepEqual(again, published({ eventId: 'e1', repeated: true, kind: 'notification', jti: jtiOf('e1') }));
    const conflict = await reopened.publish([otherContent(event)], decideOtherwise, START_MS);
    assert.deepEqual(conflict, { kind: 'conflict', eventIds: ['e1'] });
  });

  test('the same event twice in one batch counts once', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const event = bankEvent('a', 'e1');
    const result = await store.publish([event, bankEvent('a', 'e2'), event], notifyAll, START_MS);
    assert.deepEqual(
      result,
      published(
        { eventId: 'e1', repeated: false, kind: 'notification', jti: jtiOf('e1') },
        { eventId: 'e2', repeated: false, kind: 'notification', jti: jtiOf('e2') },
        { eventId: 'e1', repeated: true, kind: 'notification', jti: jtiOf('e1') },
      ),
    );
    assert.deepEqual(jtisOf(await claim(store)), [jtiOf('e1'), jtiOf('e2')]);
  });

  test('an id used for other content refuses the whole batch, names every such id, and keeps nothing', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const known = [bankEvent('a', 'known-1'), bankEvent('a', 'known-2')];
    await store.publish(known, notifyAll, START_MS);
    const batch = [bankEvent('a', 'fresh'), ...known.map(otherContent)];
    const conflict: PublishResult = { kind: 'conflict', eventIds: ['known-1', 'known-2'] };
    assert.deepEqual(await store.publish(batch, notifyAll, START_MS), conflict);
    assert.equal(await store.notification(jtiOf('fresh')), undefined);
    const retried = await store.publish([bankEvent('a', 'fresh')], notifyAll, START_MS);
    assert.deepEqual(
      retried,
      published({ eventId: 'fresh', repeated: false, kind: 'notification', jti: jtiOf('fresh') }),
    );
  });

  test('two events under one id in one batch are a conflict, and nothing of the batch is kept', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const event = bankEvent('a', 'twice');
    const batch = [bankEvent('a', 'before'), event, otherContent(event), bankEvent('a', 'after')];
    assert.deepEqual(await store.publish(batch, notifyAll, START_MS), { kind: 'conflict', eventIds: ['twice'] });
    assert.deepEqual(await claim(store), []);
    const alone = await store.publish([otherContent(event)], notifyAll, START_MS);
    assert.deepEqual(
      alone,
      published({ eventId: 'twice', repeated: false, kind: 'notification', jti: jtiOf('twice') }),
    );
  });

  test('a batch is kept as a whole or not at all', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const fault = new Error('fan-out broke');
    const breaksAtThird: DecideFanOut = (event, tpp, subscription) => {
      if (event.id === 'e3') throw fault;
      return notifyAll(event, tpp, subscription);
    };
    const events = ['e1', 'e2', 'e3'].map((id) => bankEvent('a', id));
    await assert.rejects(store.publish(events, breaksAtThird, START_MS), fault);
    assert.equal(await store.notification(jtiOf('e1')), undefined);
    assert.deepEqual(await claim(store), []);
    const result = await store.publish(events, notifyAll, START_MS);
    assert.ok(result.kind === 'published' && result.outcomes.every(({ repeated }) => !repeated));
  });

  test('the same event published many times at once makes one notification', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const event = bankEvent('a', 'e1');
    const results = await Promise.all(Array.from({ length: 20 }, () => store.publish([event], notifyAll, START_MS)));
    const fresh = results.filter((one) => one.kind === 'published' && !one.outcomes[0]?.repeated);
    assert.equal(fresh.length, 1);
    assert.equal((await claim(store)).length, 1);
  });

  test('requests at once each get their own answer: one that conflicts or fails takes nothing of the others with it', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    const fault = new Error('fan-out broke');
    const breaks: DecideFanOut = () => {
      throw fault;
    };
    const requests = Array.from({ length: 24 }, (_, at) => {
      const event = bankEvent(at % 2 === 0 ? 'a' : 'b', `e${at}`);
      if (at % 8 === 5) return store.publish([bankEvent('a', `with-${at}`), event], breaks, START_MS);
      if (at % 8 !== 6) return store.publish([event, bankEvent('a', 'of-all')], notifyAll, START_MS + at);
      return store.publish([event, otherContent(bankEvent('a', 'of-all'))], notifyAll, START_MS);
    });
    const results = await Promise.allSettled(requests);
    const kinds = results.map((one) => (one.status === 'rejected' ? String(one.reason) : one.value.kind));
    const expected = (at: number) => ({ 5: String(fault), 6: 'conflict' })[at % 8] ?? 'published';
    assert.deepEqual(
      kinds,
      requests.map((_, at) => expected(at)),
    );
    const kept = requests.map((_, at) => at).filter((at) => expected(at) === 'published');
    const claimed = await claim(store, { nowMs: START_MS + 1000 });
    const jtis = ['of-all', ...kept.map((at) => `e${at}`)].map(jtiOf);
    assert.deepEqual(jtisOf(claimed).toSorted(), jtis.toSorted());
    const last = claimed.find(({ jti }) => jti === jtiOf('e23'));
    assert.equal(last?.publishedAtMs, START_MS + 23, 'each has its own time');
  });

  test('an empty batch is published, and nothing comes of it', async (t) => {
    const { store } = await open(t);
    assert.deepEqual(await store.publish([], notifyAll, START_MS), published());
  });

  test('an event subscription made later does not bring back what was published before', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.publish([bankEvent('a', 'e1')], () => ({ kind: 'none', reason: 'no-registration' }), START_MS);
    await store.createRegistration(subscriptionOf('a'), START_MS);
    assert.deepEqual(await claim(store), []);
  });
}
