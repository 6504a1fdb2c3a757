import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PollToStore } from '../../src/store/delivery.ts';
import type { Store } from '../../src/store/store.ts';
import { deletionOf, jtiOf, subscriptionOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { acknowledge, CEASE, claim, claimOne, fail, look, type OpenFor, publish, register } from './opened.ts';

const REOFFER_MS = 60_000;
const AFTER_ERROR_MS = 300_000;

/** Polls, by default for all there is, at the start of the test. */
function poll(store: Store, clientId: string, options: Partial<PollToStore> & { afterMs?: number } = {}) {
  const { afterMs = 0, ...rest } = options;
  return store.poll({
    ...{ clientId, acknowledged: [], errors: [], maxEvents: 1000, nowMs: START_MS + afterMs },
    ...{ reofferMs: REOFFER_MS, reofferAfterErrorMs: AFTER_ERROR_MS },
    ...rest,
  });
}

async function polledJtis(store: Store, clientId: string, options: Partial<PollToStore> & { afterMs?: number } = {}) {
  const { notifications } = await poll(store, clientId, options);
  return notifications.map(({ jti }) => jti);
}

const named = (count: number) => Array.from({ length: count }, (_, at) => `e${String(at).padStart(3, '0')}`);

/** Aggregated polling. */
export function describePolling(open: OpenFor): void {
  test('a poll gets what is awaiting, oldest first, as many as it asks for, and learns whether there is more', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const jtis: string[] = [];
    for (const [at, id] of named(5).entries()) jtis.push(...(await publish(store, 'a', [id], 10 * at)));
    const first = await poll(store, 'a', { maxEvents: 2 });
    assert.deepEqual(
      first.notifications.map(({ jti }) => jti),
      jtis.slice(0, 2),
    );
    assert.equal(first.moreAvailable, true);
    const rest = await poll(store, 'a', { maxEvents: 3 });
    assert.deepEqual(
      rest.notifications.map(({ jti }) => jti),
      jtis.slice(2),
    );
    assert.equal(rest.moreAvailable, false);
  });

  test('maxEvents 0 acknowledges, offers nothing, and still tells whether there is something', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [first = '', second = ''] = await publish(store, 'a', named(2));
    const answer = await poll(store, 'a', { maxEvents: 0, acknowledged: [first] });
    const told = (jti: string) => ({ acknowledged: [{ jti, publishedAtMs: START_MS, by: 'poll' }], reported: [] });
    assert.deepEqual(answer, { notifications: [], moreAvailable: true, ...told(first) });
    assert.equal((await look(store, first)).state, 'acknowledged');
    const last = await poll(store, 'a', { maxEvents: 0, acknowledged: [second] });
    assert.deepEqual(last, { notifications: [], moreAvailable: false, ...told(second) });
  });

  test('what was offered is withheld until the re-offer interval is over, then offered again at its original position', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const jtis = await publish(store, 'a', named(3));
    assert.deepEqual(await polledJtis(store, 'a', { maxEvents: 2 }), jtis.slice(0, 2));
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: REOFFER_MS - 1, maxEvents: 1 }), jtis.slice(2));
    assert.equal(await store.nextOfferAtMs('a'), START_MS + REOFFER_MS);
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: REOFFER_MS }), jtis.slice(0, 2));
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: 2 * REOFFER_MS }), jtis);
  });

  test('an acknowledged notification is neither offered nor pushed again, and says how it was acknowledged', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    await poll(store, 'a', { acknowledged: [jti], afterMs: 7 });
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: 1_000_000 }), []);
    const { state, acknowledgedBy, acknowledgedAtMs } = await look(store, jti);
    assert.deepEqual([state, acknowledgedBy, acknowledgedAtMs], ['acknowledged', 'poll', START_MS + 7]);
  });

  test('a notification that was acknowledged by a 202 is not offered', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    await acknowledge(store, await claimOne(store));
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: REOFFER_MS }), []);
    assert.equal((await look(store, jti)).acknowledgedBy, 'push');
  });

  test('an acknowledgement by poll while an attempt is under way stands, whatever the attempt comes to', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    const claimed = await claimOne(store);
    await poll(store, 'a', { acknowledged: [jti] });
    assert.equal(await fail(store, claimed, { kind: 'retry', atMs: START_MS + 1 }), 'overtaken');
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    assert.equal((await look(store, jti)).state, 'acknowledged');
  });

  test('acknowledgements and errors touch only the caller’s own; unknown jtis are ignored', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    const [ofA = ''] = await publish(store, 'a', ['of-a']);
    const errors = [{ jti: ofA, err: 'jwtIss', description: 'not mine' }];
    await poll(store, 'b', { acknowledged: [ofA, 'nobody-knows'], errors });
    const { state, errors: kept } = await look(store, ofA);
    assert.deepEqual([state, kept], ['awaiting', []]);
    assert.deepEqual(await polledJtis(store, 'a'), [ofA]);
    assert.deepEqual(await polledJtis(store, 'b'), []);
  });

  test('a notification that is reported as an error stays awaiting, keeps the report, and is offered again', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    await poll(store, 'a');
    await poll(store, 'a', { errors: [{ jti, err: 'authentication_failed', description: 'bad' }], afterMs: 5 });
    const { state, errors } = await look(store, jti);
    assert.equal(state, 'awaiting');
    assert.deepEqual(errors, [{ err: 'authentication_failed', description: 'bad', reportedAtMs: START_MS + 5 }]);
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: AFTER_ERROR_MS + 4 }), []);
    assert.deepEqual(await polledJtis(store, 'a', { afterMs: AFTER_ERROR_MS + 5 }), [jti]);
  });

  test('of a notification that is reported over and over only the last reports are kept', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    for (let at = 0; at < 30; at += 1) {
      await poll(store, 'a', { errors: [{ jti, err: `e${at}`, description: 'again' }] });
    }
    const { errors } = await look(store, jti);
    assert.equal(errors.at(-1)?.err, 'e29');
    assert.ok(errors.length <= 20, `${errors.length} reports are kept`);
  });

  test('where no acknowledgement is expected, each notification is offered once; an error makes it offered again', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    assert.deepEqual(await polledJtis(store, 'a', { reofferMs: undefined }), [jti]);
    assert.equal((await look(store, jti)).acknowledgedBy, 'offer');
    assert.deepEqual(await claim(store), [], 'it is not pushed either');
    const errors = [{ jti, err: 'invalid_key', description: 'unknown kid' }];
    await poll(store, 'a', { reofferMs: undefined, errors });
    assert.equal((await look(store, jti)).state, 'awaiting');
    assert.deepEqual(await polledJtis(store, 'a', { reofferMs: undefined, afterMs: AFTER_ERROR_MS }), [jti]);
  });

  test('what has ceased to be pushed can still be collected', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['one']);
    await fail(store, await claimOne(store), CEASE);
    assert.deepEqual(await polledJtis(store, 'a'), [jti]);
  });

  test('a poll tells what it acknowledged itself, once, and which errors were kept', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    const [one = '', two = '', three = ''] = await publish(store, 'a', named(3), 7);
    const [other = ''] = await publish(store, 'b', ['of-b']);
    const said = { acknowledged: [two, one, other, 'nobody-knows', two] };
    const first = await poll(store, 'a', said);
    assert.deepEqual(
      first.acknowledged.toSorted((left, right) => (left.jti < right.jti ? -1 : 1)),
      [one, two].map((jti) => ({ jti, publishedAtMs: START_MS + 7, by: 'poll' })),
    );
    assert.deepEqual((await poll(store, 'a', said)).acknowledged, [], 'they had been acknowledged');
    const errors = [three, one, three, other, 'nobody-knows'].map((jti) => ({ jti, err: 'e', description: 'd' }));
    const second = await poll(store, 'a', { errors });
    assert.deepEqual(second.reported.toSorted(), [one, three].toSorted());
    assert.deepEqual(second.acknowledged, []);
  });

  test('where being offered acknowledges, the poll that offers tells it, and a later acknowledgement does not', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const jtis = await publish(store, 'a', named(2), 7);
    const { acknowledged } = await poll(store, 'a', { reofferMs: undefined });
    assert.deepEqual(
      acknowledged,
      jtis.map((jti) => ({ jti, publishedAtMs: START_MS + 7, by: 'offer' })),
    );
    const later = await poll(store, 'a', { reofferMs: undefined, acknowledged: jtis });
    assert.deepEqual([later.acknowledged, later.notifications], [[], []]);
    assert.equal((await look(store, jtis[0] ?? '')).acknowledgedBy, 'poll');
  });

  test('withdrawn notifications are not offered', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['one']);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    assert.deepEqual(await polledJtis(store, 'a'), []);
  });

  test('two polls at the same time are never offered the same notification', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const jtis = await publish(store, 'a', named(20));
    const answers = await Promise.all(Array.from({ length: 4 }, () => polledJtis(store, 'a', { maxEvents: 5 })));
    assert.deepEqual(answers.flat().sort(), jtis);
  });

  test('what a poll did is durable', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const [first = '', second = ''] = await publish(store, 'a', named(2));
    await poll(store, 'a');
    await poll(store, 'a', { acknowledged: [first] });
    const reopened = await reopen();
    assert.equal((await look(reopened, first)).state, 'acknowledged');
    assert.deepEqual(await polledJtis(reopened, 'a', { afterMs: REOFFER_MS - 1 }), []);
    assert.deepEqual(await polledJtis(reopened, 'a', { afterMs: REOFFER_MS }), [second]);
    assert.equal(jtiOf('e001'), second);
  });
}
