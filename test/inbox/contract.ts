import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import type { ClaimedNotification, ClaimRequest, InboxStore, NotificationToStore } from '@tidings/tpp';
import type { MakeDatabase } from './databases.ts';

const NOW_MS = 1_763_700_000_000;
const LEASE_MS = 15_000;
const NEVER = new AbortController().signal;

/** A notification whose texts are those of its `jti`. */
export function notificationOf(jti: string, changes: Partial<NotificationToStore> = {}): NotificationToStore {
  return {
    key: `key of ${jti}`,
    issuer: 'https://bank.example/',
    jti,
    resource: `resource of ${jti}`,
    toeSeconds: 1_763_690_000,
    claims: `{"jti":"${jti}"}`,
    set: `token of ${jti}`,
    interactionId: '93bac548-d2de-4546-b106-880a5018460d',
    receivedAtMs: NOW_MS,
    dueAtMs: NOW_MS,
    ...changes,
  };
}

async function addAll(store: Pick<InboxStore<never>, 'add'>, ...notifications: NotificationToStore[]): Promise<void> {
  for (const each of notifications) assert.equal(await store.add(each), 'stored');
}

function claim(
  store: Pick<InboxStore<never>, 'claim'>,
  changes: Partial<ClaimRequest> = {},
): Promise<readonly ClaimedNotification[]> {
  const nowMs = changes.nowMs ?? NOW_MS;
  const request = { nowMs, leaseUntilMs: nowMs + LEASE_MS, lease: randomUUID(), limit: 10, order: 'none' } as const;
  return store.claim({ ...request, ...changes });
}

async function claimOne(
  store: Pick<InboxStore<never>, 'claim'>,
  changes: Partial<ClaimRequest> = {},
): Promise<ClaimedNotification> {
  const [first] = await claim(store, { limit: 1, ...changes });
  assert.ok(first !== undefined, 'nothing could be claimed');
  return first;
}

const jtis = (claimed: readonly { readonly jti: string }[]) => claimed.map(({ jti }) => jti);

/** What every store of an inbox promises; see `InboxStore`. */
export function describeInboxStore<Transaction>(name: string, make: MakeDatabase<Transaction>): void {
  describe(`an inbox in ${name}`, () => {
    test('stores a notification once for each key, and returns what was stored', async (t) => {
      const database = await make(t);
      const [store, other] = [await database.open(), await database.open()];
      const stored = notificationOf('a');
      assert.equal(await store.add(stored), 'stored');
      assert.equal(await other.add(notificationOf('b', { key: stored.key })), 'duplicate');
      const copies = await Promise.all([store, other, store].map((each) => each.add(notificationOf('c'))));
      assert.deepEqual(copies.sort(), ['duplicate', 'duplicate', 'stored']);
      const { id, lease, ...claimed } = await claimOne(store, { lease: 'lease-1' });
      const { key: _, dueAtMs: __, ...expected } = stored;
      assert.deepEqual(claimed, { ...expected, attempt: 1, isLate: false });
      assert.match(id, /^\d{1,18}$/);
      assert.equal(lease, 'lease-1');
    });

    test('keeps long texts of any language', async (t) => {
      const store = await (await make(t)).open();
      const issuer = `https://bank.example/${'\u{1f3e6}'.repeat(2000)}`;
      await addAll(
        store,
        notificationOf('\u{1f3e6}'.repeat(128), { issuer, claims: `"\\u0000${'ä'.repeat(50_000)}"` }),
      );
      const [claimed] = await claim(store);
      assert.equal(claimed?.issuer, issuer);
      assert.equal(claimed.claims.length, 50_008);
    });

    test('leases each notification to one claim, and again when the lease has ended or was given back', async (t) => {
      const database = await make(t);
      const [store, other] = [await database.open(), await database.open()];
      await addAll(store, notificationOf('a'), notificationOf('b'), notificationOf('later', { dueAtMs: NOW_MS + 1 }));
      const [first, second] = await Promise.all([claim(store, { limit: 1 }), claim(other, { limit: 1 })]);
      const claimed = [...first, ...second, ...(await claim(store))];
      assert.deepEqual(jtis(claimed).sort(), ['a', 'b']);
      const a = claimed.find(({ jti }) => jti === 'a');
      const b = claimed.find(({ jti }) => jti === 'b');
      assert.ok(a !== undefined && b !== undefined);
      await store.renew([a], NOW_MS + 2 * LEASE_MS);
      await store.fail(b, { kind: 'released', dueAtMs: NOW_MS + 5 });
      assert.deepEqual(jtis(await claim(store, { nowMs: NOW_MS + 4 })), ['later']);
      const again = await claim(store, { nowMs: NOW_MS + LEASE_MS + 1 });
      const attempts = (each: readonly ClaimedNotification[]) => each.map(({ jti, attempt }) => [jti, attempt]).sort();
      assert.deepEqual(attempts(again), [['b', 1]]);
      const last = await claim(store, { nowMs: NOW_MS + 2 * LEASE_MS });
      assert.deepEqual(attempts(last), [
        ['a', 2],
        ['later', 2],
      ]);
    });

    test('commits the effects of the handler and the mark together, and neither when it fails', async (t) => {
      const database = await make(t);
      const store = await database.open();
      await addAll(store, notificationOf('a'), notificationOf('b'));
      const [a, b] = await claim(store);
      assert.ok(a !== undefined && b !== undefined);
      const handled = await store.handle(a, NOW_MS, (transaction) => database.write(transaction, 'a'), NEVER);
      assert.equal(handled, 'handled');
      const failing = store.handle(
        b,
        NOW_MS,
        (transaction) => {
          const written = database.write(transaction, 'b');
          if (written === undefined) throw new Error('no');
          return written.then(() => Promise.reject(new Error('no')));
        },
        NEVER,
      );
      await assert.rejects(failing, /^Error: no$/);
      assert.deepEqual(await database.lines(), ['a']);
      await store.fail(b, { kind: 'retry', dueAtMs: NOW_MS + 10, reason: 'Error: no' });
      assert.deepEqual(jtis(await claim(store, { nowMs: NOW_MS + 9 })), []);
      const again = await claimOne(store, { nowMs: NOW_MS + 10 });
      assert.deepEqual([again.jti, again.attempt], ['b', 2]);
      assert.equal(await store.add(notificationOf('a')), 'duplicate');
    });

    test('does not call the handler of a lease that is lost, and records nothing for it', async (t) => {
      const database = await make(t);
      const store = await database.open();
      await addAll(store, notificationOf('a'));
      const old = await claimOne(store);
      const held = await claimOne(store, { nowMs: NOW_MS + LEASE_MS });
      assert.equal(await store.handle(old, NOW_MS, (transaction) => database.write(transaction, 'old'), NEVER), 'lost');
      await store.fail(old, { kind: 'dead', nowMs: NOW_MS, reason: 'old' });
      await store.renew([old], NOW_MS);
      assert.equal(
        await store.handle(held, NOW_MS, (transaction) => database.write(transaction, 'new'), NEVER),
        'handled',
      );
      assert.equal(
        await store.handle(held, NOW_MS, (transaction) => database.write(transaction, 'new'), NEVER),
        'lost',
      );
      assert.deepEqual(await database.lines(), ['new']);
      assert.equal((await store.counts(10)).dead, 0);
    });

    test('a handler that commits by itself is found out', async (t) => {
      const database = await make(t);
      const store = await database.open();
      await addAll(store, notificationOf('a'), notificationOf('b'));
      const [a, b] = await claim(store);
      assert.ok(a !== undefined && b !== undefined);
      for (const [each, statements] of [
        [a, ['COMMIT']],
        [b, ['ROLLBACK', 'BEGIN']],
      ] as const) {
        const work = (transaction: Transaction) => database.execute(transaction, statements);
        await assert.rejects(store.handle(each, NOW_MS, work, NEVER), {
          name: 'InboxError',
          code: 'transaction_ended',
        });
      }
      assert.equal((await store.counts(10)).waiting, 2);
      // The store works on.
      await addAll(store, notificationOf('c'));
      const c = await claimOne(store);
      assert.equal(await store.handle(c, NOW_MS, (transaction) => database.write(transaction, 'c'), NEVER), 'handled');
      assert.deepEqual(await database.lines(), ['c']);
    });

    test('keeps dead letters until they are redelivered or discarded, and recognises their duplicates', async (t) => {
      const store = await (await make(t)).open();
      await addAll(store, ...['a', 'b', 'c'].map((jti) => notificationOf(jti)));
      for (const each of await claim(store)) {
        await store.fail(each, { kind: 'dead', nowMs: NOW_MS + 1, reason: `Error: ${each.jti}` });
      }
      const [first, ...others] = await store.deadLetters({ limit: 10, after: undefined });
      const { key: _, dueAtMs: __, ...a } = notificationOf('a');
      assert.ok(first !== undefined);
      assert.deepEqual(first, { ...a, id: first.id, attempts: 1, reason: 'Error: a', diedAtMs: NOW_MS + 1 });
      assert.deepEqual(jtis(others), ['b', 'c']);
      assert.deepEqual(jtis(await store.deadLetters({ limit: 1, after: first.id })), ['b']);
      assert.equal(await store.redeliver(first.id, NOW_MS + 2), true);
      assert.equal(await store.redeliver(first.id, NOW_MS + 2), false);
      assert.equal(await store.discard(others[0]?.id ?? '', NOW_MS + 2), true);
      for (const id of ['0', '', 'x', '1 OR 1=1', '9'.repeat(30)]) {
        assert.equal(await store.redeliver(id, NOW_MS), false);
        assert.equal(await store.discard(id, NOW_MS), false);
      }
      assert.deepEqual(jtis(await store.deadLetters({ limit: 10, after: 'x' })), ['c']);
      assert.equal(await store.add(notificationOf('b')), 'duplicate');
      const again = await claimOne(store, { nowMs: NOW_MS + 2 });
      assert.deepEqual([again.jti, again.attempt], ['a', 1]);
    });

    test('of one resource, the earliest by toe comes first, and one at a time', async (t) => {
      const database = await make(t);
      const [store, other] = [await database.open(), await database.open()];
      const on = (resource: string, toeSeconds: number) => ({ resource, toeSeconds });
      await addAll(
        store,
        notificationOf('later', on('r', 20)),
        notificationOf('earlier', on('r', 10)),
        notificationOf('equal', on('r', 10)),
        notificationOf('elsewhere', on('s', 30)),
      );
      const inOrder = { order: 'resource' } as const;
      const both = await Promise.all([claim(store, inOrder), claim(other, inOrder)]);
      assert.deepEqual(jtis(both.flat()).sort(), ['earlier', 'elsewhere']);
      const earlier = both.flat().find(({ jti }) => jti === 'earlier');
      assert.ok(earlier !== undefined);
      // It is retried: the others of its resource wait.
      await store.fail(earlier, { kind: 'retry', dueAtMs: NOW_MS + 100, reason: '' });
      assert.deepEqual(jtis(await claim(store, inOrder)), []);
      // Even an earlier one waits while one is in progress.
      const again = await claimOne(store, { ...inOrder, nowMs: NOW_MS + 100 });
      await addAll(store, notificationOf('first', on('r', 1)));
      assert.deepEqual(jtis(await claim(store, { ...inOrder, nowMs: NOW_MS + 101 })), []);
      // A dead letter holds up nobody.
      await store.fail(again, { kind: 'dead', nowMs: NOW_MS + 101, reason: '' });
      for (const expected of ['first', 'equal', 'later']) {
        const claimed = await claimOne(store, { ...inOrder, nowMs: NOW_MS + 102 });
        assert.deepEqual([claimed.jti, claimed.isLate], [expected, false]);
        await store.handle(claimed, NOW_MS, () => undefined, NEVER);
      }
      await addAll(store, notificationOf('too late', on('r', 15)));
      assert.equal((await claimOne(store, inOrder)).isLate, true);
    });

    test('of all notifications, the earliest by toe comes first, and one at a time', async (t) => {
      const store = await (await make(t)).open();
      await addAll(store, ...[3, 1, 2].map((toeSeconds) => notificationOf(`at ${toeSeconds}`, { toeSeconds })));
      for (const expected of ['at 1', 'at 2', 'at 3']) {
        const claimed = await claim(store, { order: 'all' });
        assert.deepEqual(jtis(claimed), [expected]);
        assert.deepEqual(jtis(await claim(store, { order: 'all' })), []);
        assert.ok(claimed[0] !== undefined);
        await store.handle(claimed[0], NOW_MS, () => undefined, NEVER);
      }
    });

    test('deletes what was handled or discarded long ago, and nothing else', async (t) => {
      const store = await (await make(t)).open();
      await addAll(store, ...['old', 'new', 'dead', 'discarded', 'waiting'].map((jti) => notificationOf(jti)));
      for (const each of await claim(store)) {
        if (each.jti === 'old') await store.handle(each, NOW_MS, () => undefined, NEVER);
        if (each.jti === 'new') await store.handle(each, NOW_MS + 10, () => undefined, NEVER);
        if (each.jti === 'dead' || each.jti === 'discarded') {
          await store.fail(each, { kind: 'dead', nowMs: NOW_MS, reason: '' });
        }
      }
      const [, discarded] = await store.deadLetters({ limit: 2, after: undefined });
      await store.discard(discarded?.id ?? '', NOW_MS);
      assert.equal(await store.purge(NOW_MS + 10, 1), 1);
      assert.equal(await store.purge(NOW_MS + 10, 10), 1);
      assert.equal(await store.purge(NOW_MS + 10, 10), 0);
      const known = ['old', 'new', 'dead', 'discarded', 'waiting'].map((jti) => store.add(notificationOf(jti)));
      assert.deepEqual(await Promise.all(known), ['stored', 'duplicate', 'duplicate', 'stored', 'duplicate']);
    });

    test('counts what waits and what is dead, up to a limit', async (t) => {
      const store = await (await make(t)).open();
      assert.deepEqual(await store.counts(10), { waiting: 0, dead: 0, oldestWaitingToeSeconds: undefined });
      await addAll(store, ...[7, 5, 6].map((toeSeconds) => notificationOf(`at ${toeSeconds}`, { toeSeconds })));
      const claimed = await claimOne(store);
      await store.fail(claimed, { kind: 'dead', nowMs: NOW_MS, reason: '' });
      assert.deepEqual(await store.counts(10), { waiting: 2, dead: 1, oldestWaitingToeSeconds: 5 });
      assert.equal((await store.counts(1)).waiting, 1);
    });

    test('keeps everything for the next process, and refuses the tables of a newer version', async (t) => {
      const database = await make(t);
      const store = await database.open();
      await addAll(store, notificationOf('a'));
      await store.close();
      assert.equal((await claimOne(await database.open())).jti, 'a');
      await database.run('UPDATE tidings_inbox_version SET version = 1000');
      await assert.rejects(database.open(), { name: 'InboxError', code: 'newer_schema', message: /version 1000/ });
    });

    test('two processes may create the tables at the same time', async (t) => {
      const database = await make(t);
      const stores = await Promise.all([database.open(), database.open(), database.open()]);
      const added = await Promise.all(stores.map((store) => store.add(notificationOf('a'))));
      assert.deepEqual(added.sort(), ['duplicate', 'duplicate', 'stored']);
    });
  });
}
