import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, deletionOf, jtiOf, notifyAll, subscriptionOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  claimOne,
  fail,
  jtisOf,
  look,
  nextDueAfterMs,
  numbered,
  type OpenFor,
  POLL,
  publish,
  register,
  retryAt,
} from './opened.ts';

/** Drops in portions until there is no more. @returns how many rows went */
async function drop(store: Store, notificationsAfterMs: number, eventsAfterMs: number, limit = 1000): Promise<number> {
  const before = {
    notificationsBeforeMs: START_MS + notificationsAfterMs,
    eventsBeforeMs: START_MS + eventsAfterMs,
  };
  let total = 0;
  for (let portions = 0; ; portions += 1) {
    const dropped = await store.dropHistory({ ...before, limit });
    assert.ok(dropped <= limit && portions < 1000);
    if (dropped === 0) return total;
    total += dropped;
  }
}

/** Retention and expiry, counts, and the audit log. */
export function describeRetention(open: OpenFor): void {
  describe('dropping history', () => describeDropping(open));
  describe('expiring what is awaiting', () => describeExpiring(open));
  describe('counts', () => describeCounts(open));
  describe('the audit log', () => describeAudit(open));
}

function describeDropping(open: OpenFor): void {
  test('drops what was acknowledged before, to the millisecond, whatever its attempts and errors', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['older', 'newer']);
    const [older, newer] = await claim(store);
    assert.ok(older && newer);
    const errors = [{ jti: older.jti, err: 'jwtIss', description: 'unknown' }];
    await store.poll({ ...POLL, clientId: 'a', errors });
    await store.keepSets([{ jti: older.jti, set: 'kept' }]);
    await acknowledge(store, older, 100);
    await acknowledge(store, newer, 101);
    assert.equal(await drop(store, 100, 0), 0);
    assert.ok((await drop(store, 101, 0)) > 0);
    assert.equal(await store.notification(older.jti), undefined);
    assert.equal((await look(store, newer.jti)).state, 'acknowledged');
    assert.equal(await (await reopen()).notification(older.jti), undefined);
  });

  test('never drops what is awaiting, whatever its age, and whatever its outcomes', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await register(store, ['polls'], { callbackUrl: undefined });
    await publish(store, 'a', ['ceased', 'claimed']);
    await publish(store, 'b', ['waits']);
    await publish(store, 'polls', ['offered']);
    for (const claimed of await claim(store)) {
      if (claimed.jti === jtiOf('ceased')) await fail(store, claimed, CEASE);
      if (claimed.jti === jtiOf('waits')) await fail(store, claimed, retryAt(50));
    }
    await store.poll({ ...POLL, clientId: 'polls', maxEvents: 5 });
    assert.equal(await drop(store, 1_000_000_000, 1_000_000_000), 0);
    for (const id of ['ceased', 'claimed', 'waits', 'offered']) {
      assert.equal((await look(store, jtiOf(id))).state, 'awaiting');
    }
    const again = await store.publish([bankEvent('a', 'ceased')], notifyAll, START_MS);
    assert.ok(again.kind === 'published' && again.outcomes[0]?.repeated, 'its event is kept as well');
  });

  test('drops what was withdrawn or expired, by when it became so', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['withdrawn']);
    await publish(store, 'b', ['expired']);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS + 500);
    await store.expireAwaiting(START_MS + 1, 10, START_MS + 600);
    assert.equal(await drop(store, 500, 0), 0);
    await drop(store, 501, 0);
    assert.equal(await store.notification(jtiOf('withdrawn')), undefined);
    assert.equal((await look(store, jtiOf('expired'))).state, 'expired');
    await drop(store, 601, 0);
    assert.equal(await store.notification(jtiOf('expired')), undefined);
  });

  test('keeps an event as long as it is asked to: until then its id gives what came of it', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const event = bankEvent('a', 'e1');
    await store.publish([event], notifyAll, START_MS);
    await acknowledge(store, await claimOne(store), 100);
    await drop(store, 1000, 0);
    const repeated = await store.publish([event], notifyAll, START_MS + 2000);
    const outcome = { eventId: 'e1', repeated: true, kind: 'notification', jti: jtiOf('e1') };
    assert.deepEqual(repeated, { kind: 'published', outcomes: [outcome], claimed: [] });
    await drop(store, 1000, 1);
    const fresh = await store.publish([event], notifyAll, START_MS + 3000);
    assert.ok(fresh.kind === 'published' && !fresh.outcomes[0]?.repeated);
    assert.equal((await claimOne(store, 3000)).jti, jtiOf('e1'));
  });

  test('keeps an event while its notification is there, and drops those that made none', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['made-one']);
    await acknowledge(store, await claimOne(store), 100);
    await store.publish([bankEvent('a', 'none')], () => ({ kind: 'none', reason: 'type-filtered' }), START_MS);
    assert.equal(await drop(store, 0, 0), 0);
    assert.equal(await drop(store, 0, 1), 1);
    assert.equal((await look(store, jtiOf('made-one'))).eventId, 'made-one');
    const again = await store.publish([bankEvent('a', 'none')], notifyAll, START_MS);
    assert.ok(again.kind === 'published' && again.outcomes[0]?.kind === 'notification');
  });

  test('goes on past events that are kept, also one at a time', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('kept', 2));
    const none = numbered('none', 3).map((id) => bankEvent('a', id));
    await store.publish(none, () => ({ kind: 'none', reason: 'type-filtered' }), START_MS + 1);
    assert.equal(await drop(store, 2, 2, 1), 3);
    const again = await store.publish([bankEvent('a', 'kept0')], notifyAll, START_MS + 2);
    assert.ok(again.kind === 'published' && again.outcomes[0]?.repeated);
  });

  test('goes in portions, and what is dropped is gone for late records too', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 25));
    const claimed = await claim(store);
    for (const one of claimed) await acknowledge(store, one, 100);
    await drop(store, 1000, 1000, 4);
    for (const id of numbered('e', 25)) assert.equal(await store.notification(jtiOf(id)), undefined);
    const [late] = claimed;
    assert.ok(late);
    assert.equal(await acknowledge(store, late, 2000), 'overtaken');
    assert.equal(await fail(store, late, CEASE, 2000), 'overtaken');
    assert.deepEqual(await store.counts(), { awaiting: 0 });
  });

  test('leaves the order of what comes later as it is', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['first', 'second']);
    const [first, second] = await claim(store);
    assert.ok(first && second);
    await acknowledge(store, second, 10);
    await drop(store, 1000, 1000);
    await publish(store, 'a', ['third', 'fourth']);
    await store.release([first], START_MS);
    assert.deepEqual(jtisOf(await claim(store)), ['first', 'third', 'fourth'].map(jtiOf));
  });
}

function describeExpiring(open: OpenFor): void {
  test('expires what was published before, oldest first, and no more than is asked for', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a', 'b']);
    await publish(store, 'a', ['a1'], 10);
    await publish(store, 'b', ['b1'], 20);
    await publish(store, 'a', ['a2'], 30);
    assert.equal(await store.expireAwaiting(START_MS + 30, 1, START_MS + 1000), 1);
    assert.equal((await look(store, jtiOf('a1'))).state, 'expired');
    assert.equal((await look(store, jtiOf('b1'))).state, 'awaiting');
    assert.equal(await store.expireAwaiting(START_MS + 30, 10, START_MS + 1000), 1);
    assert.equal(await store.expireAwaiting(START_MS + 30, 10, START_MS + 1000), 0);
    const reopened = await reopen();
    assert.equal((await look(reopened, jtiOf('b1'))).state, 'expired');
    assert.deepEqual(jtisOf(await claim(reopened, { afterMs: 2000 })), [jtiOf('a2')]);
  });

  test('what expired is neither due, nor offered, nor counted, and not acknowledged any more', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const [jti = ''] = await publish(store, 'a', ['e1']);
    await store.expireAwaiting(START_MS + 1, 10, START_MS + 5);
    assert.equal(await nextDueAfterMs(store), undefined);
    assert.deepEqual(await claim(store, { afterMs: 1_000_000 }), []);
    const { notifications } = await store.poll({ ...POLL, clientId: 'a', maxEvents: 5, acknowledged: [jti] });
    assert.deepEqual(notifications, []);
    const { state, acknowledgedAtMs, nextAttemptAtMs } = await look(store, jti);
    assert.deepEqual([state, acknowledgedAtMs, nextAttemptAtMs], ['expired', undefined, undefined]);
    assert.deepEqual(await store.counts(), { awaiting: 0 });
  });

  test('leaves what is under way to finish', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1']);
    const claimed = await claimOne(store);
    assert.equal(await store.expireAwaiting(START_MS + 1, 10, START_MS + 5), 0);
    assert.equal(await fail(store, claimed, retryAt(100)), 'applied');
    assert.equal(await store.expireAwaiting(START_MS + 1, 10, START_MS + 5), 1);
  });

  test('is on record, each portion with how many', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 3));
    await store.expireAwaiting(START_MS, 10, START_MS + 5);
    assert.deepEqual(await store.auditEntries(undefined, 10), []);
    await store.expireAwaiting(START_MS + 1, 2, START_MS + 6);
    await store.expireAwaiting(START_MS + 1, 2, START_MS + 7);
    const entries = await store.auditEntries(undefined, 10);
    assert.deepEqual(
      entries.map(({ atMs, actor, action, detail }) => [atMs - START_MS, actor, action, detail['count']]),
      [
        [7, 'tidings', 'expire', 1],
        [6, 'tidings', 'expire', 2],
      ],
    );
  });
}

function describeCounts(open: OpenFor): void {
  test('follow everything that makes a notification awaiting, or no longer', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a', 'b']);
    const awaiting = async (of: Store = store) => (await of.counts()).awaiting;
    assert.equal(await awaiting(), 0);
    await publish(store, 'a', numbered('a', 4));
    await publish(store, 'b', ['b0']);
    assert.equal(await awaiting(), 5);
    const [first, second] = await claim(store);
    assert.ok(first && second);
    assert.equal(await awaiting(), 5);
    await acknowledge(store, first);
    await acknowledge(store, first);
    await fail(store, second, CEASE);
    assert.deepEqual(await store.counts(), { awaiting: 4 });
    await store.poll({ ...POLL, clientId: 'b', maxEvents: 1, reofferMs: undefined });
    assert.equal(await awaiting(), 3);
    await store.poll({ ...POLL, clientId: 'b', errors: [{ jti: jtiOf('b0'), err: 'e', description: 'd' }] });
    assert.equal(await awaiting(), 4);
    assert.deepEqual(await (await reopen()).counts(), { awaiting: 4 });
  });

  test('are not led astray by a write that failed', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const breaks: typeof notifyAll = (event, tpp, registration) => {
      if (event.id === 'breaks') throw new Error('fan-out broke');
      return notifyAll(event, tpp, registration);
    };
    const results = await Promise.allSettled([
      store.publish([bankEvent('a', 'e1')], breaks, START_MS),
      store.publish([bankEvent('a', 'e2'), bankEvent('a', 'breaks')], breaks, START_MS),
      store.publish([bankEvent('a', 'e3')], breaks, START_MS),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal((await store.counts()).awaiting, 2);
    assert.deepEqual(jtisOf(await claim(store)).toSorted(), ['e1', 'e3'].map(jtiOf));
  });
}

function describeAudit(open: OpenFor): void {
  test('gives entries as they were added, the newest first, page by page, also later', async (t) => {
    const { store, reopen } = await open(t);
    const entries = [1, 2, 3].map((number) => ({
      ...{ atMs: START_MS + number, actor: `ops-${number}`, action: 'redeliver', subject: 'a' },
      detail: { number, filter: { only: 'failed' }, text: 'ü "quoted"' },
    }));
    for (const entry of entries) await store.audit(entry);
    const reopened = await reopen();
    const firstPage = await reopened.auditEntries(undefined, 2);
    const secondPage = await reopened.auditEntries(firstPage.at(-1)?.id, 2);
    const kept = [...firstPage, ...secondPage];
    assert.deepEqual(
      kept.map(({ id: _, ...entry }) => entry),
      entries.toReversed(),
    );
    assert.equal(new Set(kept.map(({ id }) => id)).size, 3);
    assert.deepEqual(await reopened.auditEntries(kept.at(-1)?.id, 2), []);
  });
}
